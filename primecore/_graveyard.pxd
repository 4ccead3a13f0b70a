# Where edges go that died: per node and direction a chain of them, the latest death first, for reads of the past.
# Knows numbers only. What lives costs nothing here but the eight bytes of a node's heads, once a node behind it lost
# an edge.

from libc.stdint cimport uint32_t

from primecore._memory cimport Region


ctypedef struct grave_t:            # 12 bytes, numbered from 1
    uint32_t edge
    uint32_t next_out               # of the same source, died before; 0: none
    uint32_t next_in                # of the same target


ctypedef struct heads_t:            # by node: the latest death
    uint32_t out_grave
    uint32_t in_grave


cdef class Graveyard:
    cdef Region graves
    cdef Region heads
    cdef Region deletions           # a bit per node: an event said that it is deleted, whether it was live or not
    cdef readonly uint32_t count

    cdef int bury(self, uint32_t edge, uint32_t source, uint32_t target) except -1
    cdef int note_deletion(self, uint32_t node) except -1
    cdef bint was_deleted(self, uint32_t node) noexcept nogil
    cdef uint32_t latest(self, uint32_t node, bint outward) noexcept nogil      # a grave, 0: none

    cdef inline grave_t* grave(self, uint32_t number) noexcept nogil:
        return (<grave_t*>self.graves.base) + number
