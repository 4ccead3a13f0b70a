# History as backward chains: a record holds its entity's latest position, this table each position's predecessor.

from libc.stdint cimport uint32_t, uint64_t

from primecore._image cimport Draft, Image
from primecore._memory cimport Region


cdef class History:
    """The predecessor of each event among those of its entity."""

    def __cinit__(self):
        self.region = Region(<size_t>16 << 30)

    @property
    def used_bytes(self):
        """Bytes in use."""
        return self.region.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the chains to a draft."""
        draft.region(name, self.region)
        draft.notes[name] = {"count": self.count}

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        image.region(name, self.region)
        self.count = image.note(name)["count"]

    cdef int link(self, uint64_t position, uint32_t previous) noexcept nogil:
        cdef size_t end = (position + 1) * sizeof(uint32_t)
        if end > self.region.used_bytes and self.region.grow(end) < 0:
            return -1
        (<uint32_t*>self.region.base)[position] = previous
        self.count += 1
        return 0

    cdef uint32_t previous(self, uint64_t position) noexcept nogil:
        return (<uint32_t*>self.region.base)[position]

    def chain(self, uint32_t latest, uint32_t limit=0xFFFFFFFF):
        """Positions from `latest` back to the entity's first event, newest first, at most `limit`."""
        cdef list positions = []
        while latest and limit:
            positions.append(latest)
            latest = self.previous(latest)
            limit -= 1
        return positions
