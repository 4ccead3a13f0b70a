# What a batch of events did to the graph, as a list that grows. Knows no tables.

from libc.stdint cimport int32_t, uint8_t, uint32_t

from primecore._records cimport change_t


cdef class Changes:
    cdef change_t* items
    cdef size_t count
    cdef size_t capacity

    cdef int add(self, uint8_t kind, uint32_t subject, uint32_t before, uint32_t after, uint32_t relation,
                 int32_t sign) except -1
