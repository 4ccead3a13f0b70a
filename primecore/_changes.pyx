# The list of changes that the fold hands to the projections kept at once. The kinds stand in _records.pxd.

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc

from primecore._records cimport change_t


cdef class Changes:
    def __dealloc__(self):
        free(self.items)

    cdef int add(self, uint8_t kind, uint32_t subject, uint32_t before, uint32_t after, uint32_t relation,
                 int32_t sign) except -1:
        cdef change_t* items
        cdef size_t capacity
        if self.count == self.capacity:
            capacity = self.capacity * 2 if self.capacity else 256
            items = <change_t*>realloc(self.items, capacity * sizeof(change_t))
            if items == NULL:
                raise MemoryError("changes")
            self.items = items
            self.capacity = capacity
        items = &self.items[self.count]
        items.kind = kind
        items.subject = subject
        items.before = before
        items.after = after
        items.relation = relation
        items.sign = sign
        self.count += 1
        return 0
