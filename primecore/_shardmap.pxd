# A mapping from str to u64 on a KeyTable, with the manners of dict. Knows nothing of what keys and values mean.

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from primecore._shards cimport KeyTable


# All of it runs under the GIL, so it needs no epoch of its own.
cdef class ShardMapBase:
    cdef KeyTable table
    cdef uint64_t changes               # keys added and removed, so that iterators notice
    cdef uint32_t top                   # no key has this number or a higher one

    # The key's number, NONE32 for what is absent or could not be a key.
    cdef uint32_t number(self, key) except? 0xFFFFFFFF
    cdef uint64_t* value(self, uint32_t number) noexcept
    cdef bint holds(self, uint32_t number) noexcept
    cdef int take_out(self, key, uint32_t number) except -1


@cython.final
cdef class KeyIterator:
    cdef ShardMapBase map               # None once exhausted
    cdef uint64_t changes
    cdef uint32_t next_number
