/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): the processor's instruction where there is one, tables elsewhere.
 *
 * crc32c_extend(crc, data, size) takes and returns the finished form (inverted at both ends), so calls chain:
 * crc32c_extend(crc32c_extend(0, a), b) is the checksum of a then b. Included by _crc32c.pyx alone.
 */
#ifndef PRIME_CRC32C_H
#define PRIME_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

static uint32_t crc32c_table[8][256];

/* raw forms: no inversion */
typedef uint32_t (*crc32c_function)(uint32_t crc, const uint8_t *data, size_t size);

static uint32_t crc32c_raw_table(uint32_t crc, const uint8_t *data, size_t size) {
    while (size >= 8) {
        crc ^= (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        crc = crc32c_table[7][crc & 255] ^ crc32c_table[6][crc >> 8 & 255] ^ crc32c_table[5][crc >> 16 & 255] ^
              crc32c_table[4][crc >> 24] ^ crc32c_table[3][data[4]] ^ crc32c_table[2][data[5]] ^
              crc32c_table[1][data[6]] ^ crc32c_table[0][data[7]];
        data += 8;
        size -= 8;
    }
    while (size--) crc = crc >> 8 ^ crc32c_table[0][(crc ^ *data++) & 255];
    return crc;
}

#if defined(__x86_64__)
#define CRC32C_LANE_WORDS 128 /* longest lane of the three-way loop */

/* crc32c_shift[w] = x^(64w - 33) mod P, reflected: multiplying by it moves a checksum over w words of zeros. */
static uint32_t crc32c_shift[2 * CRC32C_LANE_WORDS + 1];

__attribute__((target("sse4.2,pclmul"))) static void crc32c_make_shifts(void) {
    crc32c_shift[1] = 1;
    for (int w = 2; w <= 2 * CRC32C_LANE_WORDS; w++) crc32c_shift[w] = (uint32_t)_mm_crc32_u64(0, crc32c_shift[w - 1]);
}

static inline uint64_t crc32c_word(const uint8_t *data) {
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

/* The instruction takes 3 cycles and one can start every cycle: three lanes side by side, joined by a carry-less
 * product. */
__attribute__((target("sse4.2,pclmul")))
static uint32_t crc32c_raw_native(uint32_t start, const uint8_t *data, size_t size) {
    uint64_t crc = start;
    while (size >= 96) {
        size_t words = size / 24;
        if (words > CRC32C_LANE_WORDS) words = CRC32C_LANE_WORDS;
        const size_t lane = words * 8;
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < lane; i += 8) {
            crc = _mm_crc32_u64(crc, crc32c_word(data + i));
            b = _mm_crc32_u64(b, crc32c_word(data + lane + i));
            c = _mm_crc32_u64(c, crc32c_word(data + 2 * lane + i));
        }
        __m128i far = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
                                           _mm_cvtsi64_si128((int64_t)crc32c_shift[2 * words]), 0);
        __m128i near = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)b),
                                            _mm_cvtsi64_si128((int64_t)crc32c_shift[words]), 0);
        crc = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(far, near))) ^ c;
        data += 3 * lane;
        size -= 3 * lane;
    }
    for (; size >= 8; size -= 8, data += 8) crc = _mm_crc32_u64(crc, crc32c_word(data));
    for (; size; size--, data++) crc = _mm_crc32_u8((uint32_t)crc, *data);
    return (uint32_t)crc;
}

static int crc32c_native_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
#elif defined(__aarch64__)
#if defined(__APPLE__) || defined(__clang__)
#define CRC32C_ARM __attribute__((target("crc")))
#else
#define CRC32C_ARM __attribute__((target("+crc")))
#endif
static void crc32c_make_shifts(void) {}

CRC32C_ARM static uint32_t crc32c_raw_native(uint32_t crc, const uint8_t *data, size_t size) {
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = __crc32cd(crc, word);
    }
    for (; size; size--, data++) crc = __crc32cb(crc, *data);
    return crc;
}

static int crc32c_native_supported(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & (1UL << 7)) != 0; /* HWCAP_CRC32 */
#else
    return 1;
#endif
}
#else
static void crc32c_make_shifts(void) {}
static int crc32c_native_supported(void) { return 0; }
#define crc32c_raw_native crc32c_raw_table
#endif

static crc32c_function crc32c_raw = crc32c_raw_table;

/* Fills the tables and picks the implementation. Called once, when the module is imported. */
static void crc32c_setup(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
        crc32c_table[0][n] = crc;
    }
    for (int t = 1; t < 8; t++)
        for (int n = 0; n < 256; n++)
            crc32c_table[t][n] = crc32c_table[t - 1][n] >> 8 ^ crc32c_table[0][crc32c_table[t - 1][n] & 255];
    if (crc32c_native_supported()) {
        crc32c_make_shifts();
        crc32c_raw = crc32c_raw_native;
    }
}

#endif
