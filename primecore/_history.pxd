# History: each event's predecessor of the same entity, four bytes an event. Knows positions only.

from libc.stdint cimport uint32_t, uint64_t

from primecore._memory cimport Region


cdef class History:
    cdef Region region              # u32 per position: the entity's previous position, 0 for its first event
    cdef readonly uint64_t count    # positions linked

    cdef int link(self, uint64_t position, uint32_t previous) noexcept nogil
    cdef uint32_t previous(self, uint64_t position) noexcept nogil
