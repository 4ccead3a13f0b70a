# History as backward chains: a record holds its entity's latest position, this table each position's predecessor.
# Beside them the times of each block, so that "all events until then" is found without reading the log.

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t

from primecore._image cimport Draft, Image
from primecore._memory cimport Region


cdef class History:
    """The predecessor of each event among those of its entity, and the times of each block of events."""

    def __cinit__(self):
        self.region = Region(<size_t>16 << 30)
        self.times = Region(<size_t>2 << 30)

    @property
    def used_bytes(self):
        """Bytes in use."""
        return self.region.used_bytes + self.times.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the chains and the times to a draft."""
        draft.region(name, self.region)
        draft.region(name + ".times", self.times)
        draft.notes[name] = {"count": self.count}

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        image.region(name, self.region)
        image.region(name + ".times", self.times)
        self.count = image.note(name)["count"]

    cdef int link(self, uint64_t position, uint32_t previous, int64_t time_us) noexcept nogil:
        cdef size_t end = (position + 1) * sizeof(uint32_t)
        cdef uint64_t block = position // BLOCK_EVENTS
        cdef times_t* times = (<times_t*>self.times.base) + block
        if end > self.region.used_bytes and self.region.grow(end) < 0:
            return -1
        end = (block + 1) * sizeof(times_t)
        if end > self.times.used_bytes:
            if self.times.grow(end) < 0:
                return -1
            times.highest = (times - 1).highest if block else INT64_MIN
            times.lowest = INT64_MAX
        if time_us > times.highest:
            times.highest = time_us
        if time_us < times.lowest:
            times.lowest = time_us
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

    def doubtful(self, int64_t time_us, uint64_t until):
        """(first, last): events before `first` are none of them later than a time, those behind `last` all are.

        Looks at positions up to `until` only. Where `first` > `until`, none of those is later.
        """
        cdef times_t* times = <times_t*>self.times.base
        cdef uint64_t blocks = until // BLOCK_EVENTS + 1 if until else 0
        cdef uint64_t low = 0, high = blocks, middle
        if blocks * sizeof(times_t) > self.times.used_bytes:
            raise ValueError("no event has this position yet")
        while low < high:
            middle = low + ((high - low) >> 1)
            if times[middle].highest <= time_us:
                low = middle + 1
            else:
                high = middle
        if low == blocks:
            return until + 1, until
        high = blocks
        while high > low and times[high - 1].lowest > time_us:
            high -= 1
        middle = low * BLOCK_EVENTS if low else 1
        if high == low:
            return middle, middle - 1
        return middle, until if high * BLOCK_EVENTS > until else high * BLOCK_EVENTS - 1
