/* The hash of keys: XXH3-64 with a seed. Knows bytes only.
 * xxhash.h comes from pyarrow's headers; XXH_INLINE_ALL is defined by the build. */
#ifndef PRIME_HASH_H
#define PRIME_HASH_H

#include <stddef.h>
#include <stdint.h>
#include "xxhash.h"

static inline uint64_t prime_hash64(const void *bytes, size_t size, uint64_t seed)
{
    return (uint64_t)XXH3_64bits_withSeed(bytes, size, seed);
}

#endif
