# Chains of dead edges. The contract stands in _graveyard.pxd.

from libc.stdint cimport uint8_t, uint32_t

from primecore._image cimport Draft, Image
from primecore._memory cimport Region


cdef class Graveyard:
    """The dead edges of every node, the latest death first."""

    def __cinit__(self):
        self.graves = Region(<size_t>64 << 30)
        self.heads = Region(<size_t>32 << 30)
        self.deletions = Region(<size_t>1 << 30)

    @property
    def used_bytes(self):
        """Bytes in use."""
        return self.graves.used_bytes + self.heads.used_bytes + self.deletions.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the chains of dead edges to a draft."""
        draft.region(name, self.graves)
        draft.region(name + ".heads", self.heads)
        draft.region(name + ".deletions", self.deletions)
        draft.notes[name] = {"count": self.count}

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        image.region(name, self.graves)
        image.region(name + ".heads", self.heads)
        image.region(name + ".deletions", self.deletions)
        self.count = image.note(name)["count"]

    cdef int bury(self, uint32_t edge, uint32_t source, uint32_t target) except -1:
        cdef uint32_t number = self.count + 1
        cdef size_t graves_end = (<size_t>number + 1) * sizeof(grave_t)
        cdef size_t heads_end = (<size_t>(source if source > target else target) + 1) * sizeof(heads_t)
        cdef heads_t* heads
        if graves_end > self.graves.used_bytes and self.graves.grow(graves_end) < 0:
            raise MemoryError("no room for dead edges")
        if heads_end > self.heads.used_bytes and self.heads.grow(heads_end) < 0:
            raise MemoryError("no room for dead edges")
        heads = <heads_t*>self.heads.base
        self.grave(number).edge = edge
        self.grave(number).next_out = heads[source].out_grave
        self.grave(number).next_in = heads[target].in_grave
        heads[source].out_grave = number
        heads[target].in_grave = number
        self.count = number
        return 0

    cdef int note_deletion(self, uint32_t node) except -1:
        cdef size_t end = (<size_t>node >> 3) + 1
        if end > self.deletions.used_bytes and self.deletions.grow(end) < 0:
            raise MemoryError("no room for deletions")
        (<uint8_t*>self.deletions.base)[node >> 3] |= <uint8_t>(1 << (node & 7))
        return 0

    cdef bint was_deleted(self, uint32_t node) noexcept nogil:
        if (<size_t>node >> 3) >= self.deletions.used_bytes:
            return False
        return ((<uint8_t*>self.deletions.base)[node >> 3] >> (node & 7)) & 1

    cdef uint32_t latest(self, uint32_t node, bint outward) noexcept nogil:
        cdef heads_t* heads = <heads_t*>self.heads.base
        if (<size_t>node + 1) * sizeof(heads_t) > self.heads.used_bytes:
            return 0
        return heads[node].out_grave if outward else heads[node].in_grave
