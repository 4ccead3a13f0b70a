/* The atomic steps of Epochs. Knows words only.
 *
 * A slot is one word: stamp << 16 | number of readers in it. A stamp without readers means nothing.
 * Sequentially consistent fences stand between a reader's entry and its first load, and between a writer's unlinking
 * store and its look at the slots: either the writer sees the reader, or the reader sees the unlinking. */
#ifndef PRIME_EPOCH_WORDS_H
#define PRIME_EPOCH_WORDS_H

#include <stdint.h>

#define EPOCH_READERS 0xFFFFu
#define EPOCH_STRIDE 8 /* words in a cache line */

static inline int epoch_try_enter(uint64_t *clock, uint64_t *slot, int may_share)
{
    uint64_t seen = __atomic_load_n(slot, __ATOMIC_RELAXED);
    uint64_t readers = seen & EPOCH_READERS;
    if (readers == EPOCH_READERS || (readers != 0 && !may_share))
        return 0;
    /* Who joins a slot keeps its older stamp: that only holds memory back for longer. */
    uint64_t wanted = readers ? seen + 1 : (__atomic_load_n(clock, __ATOMIC_SEQ_CST) << 16 | 1);
    if (!__atomic_compare_exchange_n(slot, &seen, wanted, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        return 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return 1;
}

static inline void epoch_leave(uint64_t *slot)
{
    __atomic_sub_fetch(slot, 1, __ATOMIC_RELEASE);
}

static inline uint64_t epoch_advance(uint64_t *clock)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_add_fetch(clock, 1, __ATOMIC_SEQ_CST);
}

static inline uint64_t epoch_clock(uint64_t *clock)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(clock, __ATOMIC_SEQ_CST);
}

/* The stamp of the slot's readers; `otherwise` without any. */
static inline uint64_t epoch_stamp(uint64_t *slot, uint64_t otherwise)
{
    uint64_t seen = __atomic_load_n(slot, __ATOMIC_SEQ_CST);
    return (seen & EPOCH_READERS) ? seen >> 16 : otherwise;
}

/* Threads have stacks of their own, so a local's address tells them apart without a thread-local variable. */
static inline uint32_t epoch_first_slot(uint32_t slots)
{
    char here;
    return (uint32_t)(((uint64_t)(uintptr_t)&here >> 14) * 0x9E3779B97F4A7C15ull >> 40) % slots;
}

#endif
