# What a batch of events did to the graph, as a list that grows. Knows no tables.

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint32_t

from primecore._records cimport change_t


@cython.final
cdef class Changes:
    cdef change_t* items
    cdef size_t count
    cdef size_t capacity

    cdef int grow(self) except -1
    cdef inline int add(self, uint8_t kind, uint32_t subject, uint32_t before, uint32_t after, uint32_t relation,
                        int32_t sign) except -1:
        cdef change_t* item
        if self.count == self.capacity:
            self.grow()
        item = &self.items[self.count]
        item.kind = kind
        item.subject = subject
        item.before = before
        item.after = after
        item.relation = relation
        item.sign = sign
        self.count += 1
        return 0
