# Fingerprints of event ids, in 64 shards of open addressing. The contract stands in _dedupe.pxd.

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from primecore._image cimport Draft, Image


cdef extern from "xxhash.h" nogil:
    uint64_t XXH3_64bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept


cdef extern from "table_pages.h" nogil:
    void* table_new(size_t nbytes) noexcept
    void* table_grow(void* table, size_t nbytes, size_t new_nbytes) noexcept
    void table_free(void* table, size_t nbytes) noexcept


cdef extern from * nogil:
    void __builtin_prefetch(const void* address, int writes) noexcept


cdef enum:
    FIRST_BUCKETS = 16


cdef inline size_t slots_of(uint32_t size) noexcept nogil:
    # What the last buckets do not hold spills over: there is no way round to the first.
    return <size_t>size + 8 + (size >> 7) if size else 0


cdef inline size_t bucket_of(dedupe_shard_t* shard, uint32_t fingerprint) noexcept nogil:
    return <size_t>(<uint64_t>fingerprint * shard.size >> 32)


cdef class Dedupe:
    """Positions by event id. A fingerprint that agrees by chance costs a look at the log, never an answer.

    Linear probing in order of the fingerprints (Amble and Knuth, 1974): a search for an id that is new ends at the first
    greater one, so shards may be nearly full, and one that grows does so in place, by a quarter, from one end to the
    other.
    """

    def __cinit__(self):
        self.seed = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        cdef int shard
        for shard in range(64):
            if not self.borrowed >> shard & 1:
                table_free(self.shards[shard].slots, slots_of(self.shards[shard].size) * sizeof(dedupe_slot_t))

    def dump(self, Draft draft not None, str name not None):
        """Adds the slots to a draft."""
        cdef int shard
        draft.add(f"{name}.slots", NULL, 0)
        for shard in range(64):
            if self.shards[shard].slots != NULL:
                draft.more(self.shards[shard].slots, slots_of(self.shards[shard].size) * sizeof(dedupe_slot_t))
        draft.notes[name] = {
            "seed": self.seed, "count": self.count, "used": [self.shards[shard].used for shard in range(64)],
            "buckets": [self.shards[shard].size for shard in range(64)],
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added, into a table that is empty."""
        cdef size_t nbytes
        cdef char* at = image.at(f"{name}.slots", &nbytes)
        cdef dict noted = image.note(name)
        cdef int shard
        if self.count or sum(slots_of(size) for size in noted["buckets"]) * sizeof(dedupe_slot_t) != nbytes:
            raise ValueError(f"{name} cannot be loaded here")
        self.image = image
        self.seed = noted["seed"]
        self.count = noted["count"]
        for shard in range(64):
            if noted["buckets"][shard] == 0:
                continue
            self.shards[shard].slots = <dedupe_slot_t*>at
            self.shards[shard].size = noted["buckets"][shard]
            self.shards[shard].used = noted["used"][shard]
            self.borrowed |= <uint64_t>1 << shard
            at += slots_of(self.shards[shard].size) * sizeof(dedupe_slot_t)

    @property
    def used_bytes(self):
        """Bytes of the slots, empty ones among them."""
        cdef int shard
        cdef size_t total = 0
        for shard in range(64):
            total += slots_of(self.shards[shard].size) * sizeof(dedupe_slot_t)
        return total

    cdef uint64_t hash(self, const uint8_t* event_id) noexcept nogil:
        return XXH3_64bits_withSeed(event_id, 16, self.seed)

    cdef void prefetch(self, uint64_t hash) noexcept nogil:
        # Shards are nearly full: half of all searches go on into the next line.
        cdef dedupe_shard_t* shard = &self.shards[hash & 63]
        cdef dedupe_slot_t* slot
        if shard.slots != NULL:
            slot = &shard.slots[bucket_of(shard, <uint32_t>(hash >> 32))]
            __builtin_prefetch(slot, 1)
            __builtin_prefetch(slot + 8, 1)

    cdef uint32_t candidate(self, uint64_t hash, uint32_t* cursor) noexcept nogil:
        cdef dedupe_shard_t* shard = &self.shards[hash & 63]
        cdef uint32_t fingerprint = <uint32_t>(hash >> 32)
        cdef size_t at = bucket_of(shard, fingerprint) + cursor[0], end = slots_of(shard.size)
        while at < end:
            if shard.slots[at].position == 0 or shard.slots[at].fingerprint > fingerprint:
                return 0
            cursor[0] += 1
            if shard.slots[at].fingerprint == fingerprint:
                return shard.slots[at].position
            at += 1
        return 0

    cdef int add(self, uint64_t hash, uint32_t position) noexcept nogil:
        cdef dedupe_shard_t* shard = &self.shards[hash & 63]
        cdef bint crowded = 8 * <uint64_t>shard.used >= 7 * <uint64_t>shard.size
        while crowded or self.place(shard, <uint32_t>(hash >> 32), position) < 0:
            if self.grow(shard) < 0:
                return -1
            crowded = False
        shard.used += 1
        self.count += 1
        return 0

    cdef int place(self, dedupe_shard_t* shard, uint32_t fingerprint, uint32_t position) noexcept nogil:
        cdef size_t at = bucket_of(shard, fingerprint), end = slots_of(shard.size), free_at
        cdef dedupe_slot_t* slots = shard.slots
        while at < end and slots[at].position and slots[at].fingerprint <= fingerprint:
            at += 1
        free_at = at
        while free_at < end and slots[free_at].position:
            free_at += 1
        if free_at == end:
            return -1
        memmove(&slots[at + 1], &slots[at], (free_at - at) * sizeof(dedupe_slot_t))
        slots[at].fingerprint = fingerprint
        slots[at].position = position
        return 0

    cdef int grow(self, dedupe_shard_t* shard) noexcept nogil:
        cdef uint64_t bit = <uint64_t>1 << <uint64_t>(shard - self.shards)
        cdef uint64_t size = (shard.size + <uint64_t>(shard.size >> 2) + 7) & ~<uint64_t>7
        cdef size_t former = slots_of(shard.size), fresh
        cdef dedupe_slot_t* slots
        if size == 0:
            size = FIRST_BUCKETS
        if size >> 32:
            return -1
        fresh = slots_of(<uint32_t>size)
        if self.borrowed & bit or shard.slots == NULL:
            slots = <dedupe_slot_t*>table_new(fresh * sizeof(dedupe_slot_t))
            if slots != NULL and former:
                memcpy(slots, shard.slots, former * sizeof(dedupe_slot_t))
        else:
            slots = <dedupe_slot_t*>table_grow(
                shard.slots, former * sizeof(dedupe_slot_t), fresh * sizeof(dedupe_slot_t)
            )
        if slots == NULL:
            return -1
        self.borrowed &= ~bit
        shard.slots = slots
        shard.size = <uint32_t>size
        spread(shard, former, fresh)
        return 0


cdef void spread(dedupe_shard_t* shard, size_t former, size_t fresh) noexcept nogil:
    # Entries that lie in the first `former` slots go to where they belong among `fresh` ones. First all move to the far
    # end, without gaps; then, from the first on, each to its place. There is room for each: those that belong into the
    # last buckets now found room in as many, or fewer, buckets and no more spill before. So none goes behind where it
    # lies, and none is written over before it is read.
    cdef dedupe_slot_t* slots = shard.slots
    cdef size_t i, at, behind = fresh, next_at = 0
    for i in range(former):
        if slots[former - 1 - i].position:
            behind -= 1
            slots[behind] = slots[former - 1 - i]
    for i in range(behind, fresh):
        at = bucket_of(shard, slots[i].fingerprint)
        if at < next_at:
            at = next_at
        slots[at] = slots[i]
        memset(&slots[next_at], 0, (at - next_at) * sizeof(dedupe_slot_t))
        next_at = at + 1
    memset(&slots[next_at], 0, (fresh - next_at) * sizeof(dedupe_slot_t))
