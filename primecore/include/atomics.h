/* Loads and stores that order memory between threads and between processes that share a mapping. */
#ifndef PRIME_ATOMICS_H
#define PRIME_ATOMICS_H

#include <stdint.h>

static inline uint32_t load_acquire_u32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline uint64_t load_acquire_u64(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline int64_t load_acquire_i64(const int64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline int load_acquire_int(const int *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline void store_release_u32(uint32_t *at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static inline void store_release_u64(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static inline void store_release_i64(int64_t *at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static inline void store_release_int(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static inline int add_int(int *at, int value) { return __atomic_add_fetch(at, value, __ATOMIC_ACQ_REL); }
static inline int64_t exchange_i64(int64_t *at, int64_t value) {
    return __atomic_exchange_n(at, value, __ATOMIC_ACQ_REL);
}

#endif
