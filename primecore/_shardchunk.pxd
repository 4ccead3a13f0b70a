# One line of a shard's index and the steps on it: declarations of our C header. Knows numbers, nothing of keys.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from "shard_chunk.h" nogil:
    enum: CHUNK_PLACES

    ctypedef struct chunk_t:
        uint32_t overflow
        uint32_t numbers[12]

    ctypedef struct shard_block_t:          # stands before the chunks of one table
        shard_block_t* next
        uint64_t stamp
        size_t nbytes
        uint64_t limit

    uint32_t chunk_match(const chunk_t* chunk, uint8_t tag)
    uint32_t chunk_match_quick(const chunk_t* chunk, uint8_t tag)
    uint32_t chunk_match_plain(const chunk_t* chunk, uint8_t tag)
    uint32_t chunk_number(const chunk_t* chunk, uint32_t place)
    uint32_t chunk_overflow(const chunk_t* chunk)
    void chunk_add_overflow(chunk_t* chunk, int change)
    void chunk_publish(chunk_t* chunk, uint32_t place, uint8_t tag, uint32_t number)
    void chunk_renumber(chunk_t* chunk, uint32_t place, uint32_t number)
    void chunk_clear(chunk_t* chunk, uint32_t place)

    uint64_t shard_load(const uint64_t* word)
    void shard_publish(uint64_t* word, uint64_t value)
    void shard_publish_count(uint32_t* word, uint32_t value)
    void shard_prefetch(const void* address)
    uint32_t shard_lowest(uint32_t places)
    chunk_t* shard_chunks(uint64_t word)
    uint64_t shard_mask(uint64_t word)
    shard_block_t* shard_block(uint64_t word)
    uint64_t shard_word(shard_block_t* block, uint32_t log2_chunks)
    shard_block_t* shard_block_new(uint32_t log2_chunks)
    void shard_block_free(shard_block_t* block)
    uint64_t shard_nowhere()


cdef enum:
    ALL_PLACES = 0xFFF


# The hash's parts: shard from the low 6 bits, chunk from the next ones, tag from the top 8 (0 means "empty").
cdef inline uint8_t tag_of(uint64_t hash) noexcept nogil:
    cdef uint8_t tag = <uint8_t>(hash >> 56)
    return tag if tag else 1


# Where a walk goes after a full chunk. The step is odd, so that it visits each of a power of two of chunks once.
cdef inline uint64_t next_index(uint64_t index, uint8_t tag, uint64_t mask) noexcept nogil:
    return (index + 2 * <uint64_t>tag + 1) & mask
