# The list of changes that the fold hands to the projections kept at once. The kinds stand in _records.pxd.

from libc.stdlib cimport free, realloc

from primecore._records cimport change_t


cdef class Changes:
    def __dealloc__(self):
        free(self.items)

    cdef int grow(self) except -1:
        cdef size_t capacity = self.capacity * 2 if self.capacity else 256
        cdef change_t* items = <change_t*>realloc(self.items, capacity * sizeof(change_t))
        if items == NULL:
            raise MemoryError("changes")
        self.items = items
        self.capacity = capacity
        return 0
