# A key table with a Python face: str keys one at a time or in batches. Knows nothing of what the records mean.

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from primecore._shards cimport KeyTable


# UTF-8 of a str, borrowed from it. Raises UnicodeEncodeError for lone surrogates, ValueError beyond 2 GiB.
cdef const char* key_utf8(object key, uint32_t* size) except NULL


@cython.final
cdef class Keys:
    cdef readonly KeyTable table

    cdef uint32_t checked(self, uint32_t number) except? 0xFFFFFFFF
    cdef int look_up(self, tuple keys, unsigned int* numbers, unsigned long long* values) except -1
