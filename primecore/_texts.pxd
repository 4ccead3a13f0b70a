# Texts by number, in one arena: what was stored beside a vector, and when. Knows bytes and times; nothing of entities.

from libc.stdint cimport int64_t, uint32_t

from primecore._event cimport slice_t
from primecore._memory cimport Arena, Region


ctypedef struct text_t:             # 16 bytes
    uint32_t ref                    # arena block, 0: no text
    uint32_t size
    int64_t time_us                 # of the event that brought it


cdef class Texts:
    cdef Arena arena
    cdef Region slots               # text_t by number
    cdef readonly uint32_t count    # texts that are there

    cdef uint32_t numbers(self) noexcept nogil                      # above every number that ever had a text
    cdef text_t* slot(self, uint32_t number) noexcept nogil         # NULL: never had one
    cdef slice_t text(self, uint32_t number) noexcept nogil         # size 0: none
    # Replaces what was there; a text of size 0 is none. 0, or -1: no memory (what was there is gone).
    cdef int put(self, uint32_t number, slice_t text, int64_t time_us) noexcept nogil
    cdef void drop(self, uint32_t number) noexcept nogil
    cdef void clear(self) noexcept nogil
