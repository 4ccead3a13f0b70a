# Fingerprints of event ids, in 64 shards of open addressing. The contract stands in _dedupe.pxd.

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from primecore._image cimport Draft, Image


cdef extern from "xxhash.h" nogil:
    uint64_t XXH3_64bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept


cdef extern from "table_pages.h" nogil:
    void* table_new(size_t nbytes) noexcept
    void table_free(void* table, size_t nbytes) noexcept


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


cdef class Dedupe:
    """Positions by event id. A fingerprint that agrees by chance costs a look at the log, never an answer."""

    def __cinit__(self):
        self.seed = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        cdef int shard
        for shard in range(64):
            if not self.borrowed >> shard & 1:
                table_free(self.shards[shard].slots, (<size_t>self.shards[shard].mask + 1) * sizeof(dedupe_slot_t))

    def dump(self, Draft draft not None, str name not None):
        """Adds the slots to a draft."""
        cdef int shard
        draft.add(f"{name}.slots", NULL, 0)
        for shard in range(64):
            if self.shards[shard].slots != NULL:
                draft.more(self.shards[shard].slots, (<size_t>self.shards[shard].mask + 1) * sizeof(dedupe_slot_t))
        draft.notes[name] = {
            "seed": self.seed, "count": self.count, "used": [self.shards[shard].used for shard in range(64)],
            "slots": [
                <size_t>self.shards[shard].mask + 1 if self.shards[shard].slots != NULL else 0 for shard in range(64)
            ],
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added, into a table that is empty."""
        cdef size_t nbytes, size
        cdef char* at = image.at(f"{name}.slots", &nbytes)
        cdef dict noted = image.note(name)
        cdef int shard
        if self.count or 8 * sum(noted["slots"]) != nbytes:
            raise ValueError(f"{name} cannot be loaded here")
        self.image = image
        self.seed = noted["seed"]
        self.count = noted["count"]
        for shard in range(64):
            size = noted["slots"][shard]
            if size == 0:
                continue
            self.shards[shard].slots = <dedupe_slot_t*>at
            self.shards[shard].mask = <uint32_t>(size - 1)
            self.shards[shard].used = noted["used"][shard]
            self.borrowed |= <uint64_t>1 << shard
            at += size * sizeof(dedupe_slot_t)

    @property
    def used_bytes(self):
        """Bytes of the slots, empty ones among them."""
        cdef int shard
        cdef size_t total = 0
        for shard in range(64):
            if self.shards[shard].slots != NULL:
                total += (<size_t>self.shards[shard].mask + 1) * sizeof(dedupe_slot_t)
        return total

    cdef uint64_t hash(self, const uint8_t* event_id) noexcept nogil:
        return XXH3_64bits_withSeed(event_id, 16, self.seed)

    cdef void prefetch(self, uint64_t hash) noexcept nogil:
        cdef dedupe_shard_t* shard = &self.shards[hash & 63]
        if shard.slots != NULL:
            __builtin_prefetch(&shard.slots[<uint32_t>(hash >> 32) & shard.mask])

    cdef uint32_t candidate(self, uint64_t hash, uint32_t* cursor) noexcept nogil:
        cdef dedupe_shard_t* shard = &self.shards[hash & 63]
        cdef dedupe_slot_t* slot
        if shard.slots == NULL:
            return 0
        while cursor[0] <= shard.mask:
            slot = &shard.slots[(<uint32_t>(hash >> 32) + cursor[0]) & shard.mask]
            cursor[0] += 1
            if slot.position == 0:
                return 0
            if slot.fingerprint == <uint32_t>(hash >> 32):
                return slot.position
        return 0

    cdef int add(self, uint64_t hash, uint32_t position) noexcept nogil:
        cdef dedupe_shard_t* shard = &self.shards[hash & 63]
        if shard.slots == NULL or 8 * <uint64_t>shard.used >= 7 * (<uint64_t>shard.mask + 1):
            if self.grow(shard) < 0:
                return -1
        self.place(shard, <uint32_t>(hash >> 32), position)
        shard.used += 1
        self.count += 1
        return 0

    cdef void place(self, dedupe_shard_t* shard, uint32_t fingerprint, uint32_t position) noexcept nogil:
        # The bucket is the fingerprint's low bits, so a table grows from what it keeps.
        cdef uint32_t at = fingerprint & shard.mask
        while shard.slots[at].position:
            at = (at + 1) & shard.mask
        shard.slots[at].fingerprint = fingerprint
        shard.slots[at].position = position

    cdef int grow(self, dedupe_shard_t* shard) noexcept nogil:
        cdef dedupe_slot_t* former = shard.slots
        cdef size_t size = <size_t>shard.mask + 1 if former != NULL else 0
        cdef size_t fresh = size * 2 if size else 16
        cdef size_t i
        cdef dedupe_slot_t* slots = <dedupe_slot_t*>table_new(fresh * sizeof(dedupe_slot_t))
        if slots == NULL:
            return -1
        shard.slots = slots
        shard.mask = <uint32_t>(fresh - 1)
        for i in range(size):
            if former[i].position:
                self.place(shard, former[i].fingerprint, former[i].position)
        if self.borrowed >> (shard - self.shards) & 1:
            self.borrowed &= ~(<uint64_t>1 << (shard - self.shards))
        else:
            table_free(former, size * sizeof(dedupe_slot_t))
        return 0
