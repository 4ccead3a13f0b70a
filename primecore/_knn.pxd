# Nearest neighbours by cosine, exactly: a scan over codes, then scores in full. Knows the tables; no words, no models.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from primecore._graph cimport Graph
from primecore._sift cimport asked_t
from primecore._vectors cimport Space, arrival_t


# One question, at one position. Stands in an epoch slot until closed: rows that it saw keep what they hold.
cdef class Look:
    cdef Graph graph
    cdef Space space
    cdef asked_t asked                      # the query, and the position
    cdef uint64_t stamp
    cdef int slot                           # -1: closed
    cdef uint32_t count                     # rows when it began
    cdef uint8_t* allowed                   # by row, NULL: all
    cdef arrival_t* tail
    cdef size_t tail_count

    cdef bint sees(self, uint32_t row) noexcept nogil
    cdef int make_allowed(self) except -1
    cdef int mark(self, const char** prefixes, uint32_t* sizes, size_t count, bint any_domain, uint32_t domain,
                  uint32_t without) noexcept nogil
