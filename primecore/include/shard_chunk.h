/* One line of a shard's index: 12 tags, an overflow count, 12 numbers. Knows nothing of keys.
 *
 * Tag 0 is an empty place. The overflow count tells how many keys walked past this full chunk on their way to a later
 * one; a walk that meets 0 may stop, which is why no tombstones are needed. */
#ifndef PRIME_SHARD_CHUNK_H
#define PRIME_SHARD_CHUNK_H

#include "table_pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define CHUNK_PLACES 12

typedef struct {
    uint8_t tags[CHUNK_PLACES];
    uint32_t overflow;
    uint32_t numbers[CHUNK_PLACES];
} chunk_t;

_Static_assert(sizeof(chunk_t) == 64, "a chunk is one cache line");

/* What stands before the chunks of one index table. */
typedef struct shard_block {
    struct shard_block *next; /* in the list of retired tables */
    uint64_t stamp;           /* of its retirement */
    size_t nbytes;            /* of the whole block */
    uint64_t limit;           /* keys it takes before it must grow */
    uint8_t pad[32];
} shard_block_t;

_Static_assert(sizeof(shard_block_t) == 64, "chunks that follow stay aligned");

/* Where every shard begins: a chunk without places, which is never written to. */
static struct {
    shard_block_t head;
    chunk_t chunk;
} shard_nothing __attribute__((aligned(64)));

/* Bit i is set when place i has this tag. */
static inline uint32_t chunk_match_plain(const chunk_t *chunk, uint8_t tag)
{
    const uint64_t ones = 0x0101010101010101ull, low7 = 0x7F7F7F7F7F7F7F7Full;
    uint64_t first, rest = 0;
    uint32_t last4;
    memcpy(&first, chunk->tags, 8);
    memcpy(&last4, chunk->tags + 8, 4);
    rest = last4;
    first ^= ones * tag;
    rest ^= ones * tag;
    /* The top bit of each byte that is zero, exactly (no carry leaves a byte), then those bits side by side. */
    first = ~(((first & low7) + low7) | first | low7) >> 7;
    rest = ~(((rest & low7) + low7) | rest | low7) >> 7;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tag compare is written for little-endian machines"
#endif
    return (uint32_t)(first * 0x0102040810204080ull >> 56)
           | ((uint32_t)(rest * 0x0102040810204080ull >> 56) & 0xF) << 8;
}

static inline uint32_t chunk_match_quick(const chunk_t *chunk, uint8_t tag)
{
#if defined(__SANITIZE_THREAD__)
    /* ThreadSanitizer knows no fences and takes a vector load for a race: the same, said in words that it knows. */
    uint32_t found = 0;
    for (uint32_t place = 0; place < 12; place++)
        found |= (uint32_t)(__atomic_load_n(&chunk->tags[place], __ATOMIC_ACQUIRE) == tag) << place;
    return found;
#elif defined(__SSE2__)
    __m128i tags = _mm_load_si128((const __m128i *)chunk);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & 0xFFF;
#else
    return chunk_match_plain(chunk, tag);
#endif
}

/* For readers: numbers that are loaded after this one are at least as new as the tags. */
static inline uint32_t chunk_match(const chunk_t *chunk, uint8_t tag)
{
    uint32_t found = chunk_match_quick(chunk, tag);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return found;
}

static inline uint32_t chunk_number(const chunk_t *chunk, uint32_t place)
{
    return __atomic_load_n(&chunk->numbers[place], __ATOMIC_ACQUIRE);
}

static inline uint32_t chunk_overflow(const chunk_t *chunk)
{
    return __atomic_load_n(&chunk->overflow, __ATOMIC_ACQUIRE);
}

static inline void chunk_add_overflow(chunk_t *chunk, int32_t change)
{
    /* One writer: no read-modify-write instruction is needed, only a store that is not torn. */
    __atomic_store_n(&chunk->overflow, chunk->overflow + (uint32_t)change, __ATOMIC_RELEASE);
}

/* The record is complete before its number is seen, the number before its tag. */
static inline void chunk_publish(chunk_t *chunk, uint32_t place, uint8_t tag, uint32_t number)
{
    __atomic_store_n(&chunk->numbers[place], number, __ATOMIC_RELEASE);
    __atomic_store_n(&chunk->tags[place], tag, __ATOMIC_RELEASE);
}

static inline void chunk_renumber(chunk_t *chunk, uint32_t place, uint32_t number)
{
    __atomic_store_n(&chunk->numbers[place], number, __ATOMIC_RELEASE);
}

static inline void chunk_clear(chunk_t *chunk, uint32_t place)
{
    __atomic_store_n(&chunk->tags[place], 0, __ATOMIC_RELEASE);
}

/* A shard is one word: the address of its chunks, which leaves 6 bits free for log2 of their number. */
static inline uint64_t shard_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void shard_publish(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void shard_publish_count(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void shard_prefetch(const void *address)
{
    __builtin_prefetch(address);
}

static inline uint32_t shard_lowest(uint32_t places)
{
    return (uint32_t)__builtin_ctz(places);
}

static inline chunk_t *shard_chunks(uint64_t word)
{
    return (chunk_t *)(uintptr_t)(word & ~63ull);
}

static inline uint64_t shard_mask(uint64_t word)
{
    return (1ull << (word & 63)) - 1;
}

static inline shard_block_t *shard_block(uint64_t word)
{
    return (shard_block_t *)(uintptr_t)(word & ~63ull) - 1;
}

static inline uint64_t shard_word(shard_block_t *block, uint32_t log2_chunks)
{
    return (uint64_t)(uintptr_t)(block + 1) | log2_chunks;
}

static inline uint64_t shard_nowhere(void)
{
    return (uint64_t)(uintptr_t)&shard_nothing.chunk;
}

/* An empty table of 2^log2_chunks chunks, or NULL. One chunk may fill up; more are kept at 10.5 of 12 places. */
static inline shard_block_t *shard_block_new(uint32_t log2_chunks)
{
    size_t chunks = (size_t)1 << log2_chunks;
    size_t nbytes = sizeof(shard_block_t) + chunks * sizeof(chunk_t);
    shard_block_t *block = (shard_block_t *)table_new(nbytes);
    if (block == NULL)
        return NULL;
    block->nbytes = nbytes;
    block->limit = chunks == 1 ? CHUNK_PLACES : chunks * 21 / 2;
    return block;
}

static inline void shard_block_free(shard_block_t *block)
{
    table_free(block, block->nbytes);
}

#endif
