# Which event ids the log holds: a 32-bit fingerprint and a u32 position an event. Knows ids and positions, not the log.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t


ctypedef struct dedupe_slot_t:
    uint32_t fingerprint
    uint32_t position               # 0: empty


ctypedef struct dedupe_shard_t:
    dedupe_slot_t* slots            # size + spill(size) of them, in order of their fingerprints, empty ones between
    uint32_t size                   # buckets; 0: no slots yet
    uint32_t used


@cython.final
cdef class Dedupe:
    # The writer's alone, so it needs no publishing order. Entries are never taken out: an id stays taken.
    cdef uint64_t seed
    cdef dedupe_shard_t[64] shards
    cdef readonly uint64_t count
    cdef uint64_t borrowed          # shards whose slots lie in `image`, not in memory of their own
    cdef object image

    cdef uint64_t hash(self, const uint8_t* event_id) noexcept nogil
    cdef void prefetch(self, uint64_t hash) noexcept nogil
    # Positions whose id may be this one: begin with cursor 0, until 0 comes back. The caller compares the ids.
    cdef uint32_t candidate(self, uint64_t hash, uint32_t* cursor) noexcept nogil
    cdef int add(self, uint64_t hash, uint32_t position) noexcept nogil

    cdef int place(self, dedupe_shard_t* shard, uint32_t fingerprint, uint32_t position) noexcept nogil    # -1: no room
    cdef int grow(self, dedupe_shard_t* shard) noexcept nogil
