# Tables from text keys to dense numbers with fixed-size records: 64 shards, open addressing, readers beside one writer.
# Knows bytes and numbers; nothing of nodes, edges, events or files.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from primecore._event cimport slice_t
from primecore._keycell cimport key_cell_t, prefix_slot_t
from primecore._memory cimport Arena, Epochs, Region
from primecore._prefixes cimport Prefixes
from primecore._shardchunk cimport chunk_t, shard_block_t

cdef extern from "atomics.h" nogil:
    uint32_t load_acquire_u32(const uint32_t*)


# Where a key stands in the index.
ctypedef struct place_t:
    chunk_t* chunk
    uint32_t place
    uint32_t number
    uint32_t walked                         # full chunks passed on the way


cdef enum shard_limit:
    SHARDS = 64
    KEY_CELL_BYTES = 24                     # at the head of every record; the rest is the owner's


# Single writer: add, renew, remove and reclaim. Any number of readers: the rest. A reader either holds the GIL for as
# long as it uses what it found, or stands in a slot of `epochs`.
@cython.final
cdef class KeyTable:
    cdef char* records                      # never moves
    cdef readonly uint32_t count            # numbers given out so far, those removed since included
    cdef readonly uint32_t record_bytes
    cdef readonly uint32_t live             # keys in the table
    cdef readonly Epochs epochs
    cdef uint64_t seed
    cdef Prefixes prefixes
    cdef prefix_slot_t* prefix_slots        # those of `prefixes`, one load nearer
    cdef char* prefix_bytes
    cdef Arena key_arena                    # the texts of long keys
    cdef Region record_region
    cdef uint64_t shards[SHARDS]            # chunk array (64-byte aligned) | log2 of its number of chunks
    cdef uint32_t shard_live[SHARDS]
    cdef shard_block_t* retired             # index tables that readers may still walk
    cdef readonly size_t index_bytes        # tables in use and retired ones not yet freed
    cdef uint32_t last_prefix               # the one added last: most keys repeat it
    cdef uint32_t* free_numbers             # a ring: numbers to give out | waiting for readers | removed since
    cdef uint32_t free_head
    cdef uint32_t free_size
    cdef uint32_t waiting_size
    cdef uint32_t limbo_size
    cdef uint32_t free_capacity             # a power of two
    cdef uint64_t waiting_stamp
    cdef uint64_t borrowed                  # shards whose index lies in `image`, not in memory of their own
    cdef object image

    # Looking up. `hash` is what hash() gives for the same bytes.
    cdef uint64_t hash(self, const char* key, uint32_t size) noexcept nogil
    cdef void prefetch(self, uint64_t hash) noexcept nogil           # the index line
    cdef void prefetch_record(self, uint64_t hash) noexcept nogil    # the record; wants the index line in cache
    cdef uint32_t find(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil     # NONE32: absent

    # Changing.
    # The key's number; a key not seen before gets a zeroed record. NONE32: out of memory.
    cdef uint32_t add(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil
    # A further, zeroed record under the same key: find() gives it from now on. The old record and its key stay
    # readable. NONE32: out of memory, or the number is not the one that find() gives.
    cdef uint32_t renew(self, uint32_t number) noexcept nogil
    # 1 removed, 0 was absent. The number is given out again once reclaim() has seen its readers gone.
    cdef int remove(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil
    # Frees what no reader can hold any more. By the writer, with the GIL held.
    cdef void reclaim(self)

    # Records and their keys, by number.
    cdef uint32_t key_size(self, uint32_t number) noexcept nogil
    cdef uint32_t copy_key(self, uint32_t number, char* out) noexcept nogil      # bytes written: key_size(number)
    cdef object key_str(self, uint32_t number)
    # The interned head of a key: "node:{type}:" or all up to the first colon. 0, "", without one, or when it is longer
    # than 255 bytes, or when 65,536 others came first.
    cdef uint32_t prefix_of(self, uint32_t number) noexcept nogil
    cdef slice_t prefix_text(self, uint32_t prefix) noexcept nogil               # stays valid as long as the table

    # As `count`, for those beside whom the writer adds: the records before it are there.
    cdef inline uint32_t known(self) noexcept nogil:
        return load_acquire_u32(&self.count)

    cdef inline char* record(self, uint32_t number) noexcept nogil:
        return self.records + <size_t>number * self.record_bytes

    # Steps inside.
    cdef bint locate(self, uint64_t hash, const char* key, uint32_t size, place_t* found) noexcept nogil
    cdef int grow_shard(self, uint32_t shard) noexcept nogil
    cdef uint64_t hash_of(self, uint32_t number) noexcept nogil
    cdef uint32_t new_record(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil
    cdef int write_cell(self, key_cell_t* cell, uint64_t hash, const char* key, uint32_t size) noexcept nogil
    cdef void put_aside(self, uint32_t number) noexcept nogil
