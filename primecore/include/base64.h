/* Base64 (RFC 4648, section 4) in whole blocks, by the processor's widest registers. Knows bytes and float32 numbers.
 *
 * Only blocks: what stands behind the last one, and all where there is no such processor, is the caller's, who does it
 * digit by digit. So every reader gives the same answers, and finds the same faults.
 *
 * With AVX2 after Mula and Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions" (2018), with AVX-512
 * VBMI after their "Base64 encoding and decoding at almost the speed of a memory copy" (2020).
 */
#ifndef PRIME_BASE64_H
#define PRIME_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BASE64_PLAIN, BASE64_AVX2, BASE64_VBMI };    /* how; the first does no blocks at all */
enum { BASE64_WILD = 1, BASE64_NONZERO = 2 };       /* seen: a number that is not finite, one that is not zero */

#if defined(__x86_64__)
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/* Of each of 64 bytes which one of 48 it is made of, and the other way round; and what a digit stands for, 128: nothing. */
static uint8_t base64_spread[64], base64_order[64], base64_values[128];

static inline void base64_make_tables(void) {
    memset(base64_values, 128, sizeof(base64_values));
    for (int i = 0; i < 64; i++) {
        base64_values[(uint8_t)base64_digits[i]] = (uint8_t)i;
        base64_spread[i] = (uint8_t)(i / 4 * 3 + (i % 4 == 1 ? 0 : i % 4 == 2 ? 2 : 1));
        base64_order[i] = (uint8_t)(i < 48 ? i / 3 * 4 + 2 - i % 3 : 0);
    }
}
#endif

/* The best way that this processor has. To be called once before any other of these functions: it makes their tables. */
static inline int base64_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    base64_make_tables();
    if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw")) return BASE64_VBMI;
    if (__builtin_cpu_supports("avx2")) return BASE64_AVX2;
#endif
    return BASE64_PLAIN;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static size_t base64_write_avx2(const uint8_t *data, size_t nbytes, char *out) {
    const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,
                                            1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m256i offsets = _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0,
                                             65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
    size_t at = 0;
    for (; at + 28 <= nbytes; at += 24, out += 32) {    /* 24 bytes are taken, the second load reads four more */
        const __m128i low = _mm_loadu_si128((const __m128i *)(data + at));
        const __m128i high = _mm_loadu_si128((const __m128i *)(data + at + 12));
        const __m256i held = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
        const __m256i odd = _mm256_mulhi_epu16(_mm256_and_si256(held, _mm256_set1_epi32(0x0FC0FC00)),
                                               _mm256_set1_epi32(0x04000040));
        const __m256i even = _mm256_mullo_epi16(_mm256_and_si256(held, _mm256_set1_epi32(0x003F03F0)),
                                                _mm256_set1_epi32(0x01000010));
        const __m256i sextets = _mm256_or_si256(odd, even);
        __m256i range = _mm256_subs_epu8(sextets, _mm256_set1_epi8(51));
        range = _mm256_sub_epi8(range, _mm256_cmpgt_epi8(sextets, _mm256_set1_epi8(25)));
        _mm256_storeu_si256((__m256i *)out, _mm256_add_epi8(sextets, _mm256_shuffle_epi8(offsets, range)));
    }
    return at;
}

__attribute__((target("avx2"))) static size_t base64_read_avx2(const char *text, size_t digits, float *out, int *seen) {
    const __m256i low_table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A));
    const __m256i high_table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    const __m256i offsets = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i slash = _mm256_set1_epi8(0x2F), exponent = _mm256_set1_epi32(0x7F800000);
    __m256i wild = _mm256_setzero_si256(), any = wild;
    size_t at = 0;
    for (; at + 32 <= digits; at += 32, out += 6) {
        __m256i held = _mm256_loadu_si256((const __m256i *)(text + at));
        const __m256i high = _mm256_and_si256(_mm256_srli_epi32(held, 4), slash);
        const __m256i faults = _mm256_shuffle_epi8(high_table, high);
        if (!_mm256_testz_si256(faults, _mm256_shuffle_epi8(low_table, _mm256_and_si256(held, slash)))) break;
        held = _mm256_add_epi8(held, _mm256_shuffle_epi8(offsets, _mm256_add_epi8(_mm256_cmpeq_epi8(held, slash), high)));
        held = _mm256_madd_epi16(_mm256_maddubs_epi16(held, _mm256_set1_epi32(0x01400140)), _mm256_set1_epi32(0x00011000));
        held = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(held, order), _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
        wild = _mm256_or_si256(wild, _mm256_cmpeq_epi32(_mm256_and_si256(held, exponent), exponent));
        any = _mm256_or_si256(any, held);
        _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(held));
        _mm_storel_epi64((__m128i *)(out + 4), _mm256_extracti128_si256(held, 1));
    }
    any = _mm256_slli_epi32(any, 1);    /* without signs */
    *seen = (_mm256_testz_si256(wild, wild) ? 0 : BASE64_WILD) | (_mm256_testz_si256(any, any) ? 0 : BASE64_NONZERO);
    return at;
}

#define BASE64_VBMI_TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi")))
#define BASE64_TAKEN 0x0000FFFFFFFFFFFFULL  /* 48 bytes of 64 */

BASE64_VBMI_TARGET static size_t base64_write_vbmi(const uint8_t *data, size_t nbytes, char *out) {
    const __m512i digits = _mm512_loadu_si512((const void *)base64_digits);
    const __m512i shifts = _mm512_set1_epi64(0x3036242A1016040ALL);
    const __m512i spread = _mm512_loadu_si512((const void *)base64_spread);
    size_t at = 0;
    for (; at + 48 <= nbytes; at += 48, out += 64) {
        const __m512i held = _mm512_permutexvar_epi8(spread, _mm512_maskz_loadu_epi8(BASE64_TAKEN, data + at));
        const __m512i sextets = _mm512_multishift_epi64_epi8(shifts, held);
        _mm512_storeu_si512((void *)out, _mm512_permutexvar_epi8(sextets, digits));
    }
    return at;
}

BASE64_VBMI_TARGET static size_t base64_read_vbmi(const char *text, size_t digits, float *out, int *seen) {
    const __m512i exponent = _mm512_set1_epi32(0x7F800000);
    const __m512i low = _mm512_loadu_si512((const void *)base64_values);
    const __m512i high = _mm512_loadu_si512((const void *)(base64_values + 64));
    const __m512i order = _mm512_loadu_si512((const void *)base64_order);
    __m512i any = _mm512_setzero_si512();
    __mmask16 wild = 0;
    size_t at = 0;
    for (; at + 64 <= digits; at += 64, out += 12) {
        __m512i held = _mm512_loadu_si512((const void *)(text + at));
        const __m512i found = _mm512_permutex2var_epi8(low, held, high);
        if (_mm512_movepi8_mask(_mm512_or_si512(found, held)) != 0) break;
        held = _mm512_maddubs_epi16(found, _mm512_set1_epi32(0x01400140));
        held = _mm512_madd_epi16(held, _mm512_set1_epi32(0x00011000));
        held = _mm512_maskz_permutexvar_epi8(BASE64_TAKEN, order, held);
        wild |= _mm512_cmpeq_epi32_mask(_mm512_and_si512(held, exponent), exponent);
        any = _mm512_or_si512(any, held);
        _mm512_mask_storeu_epi8((void *)out, BASE64_TAKEN, held);
    }
    any = _mm512_slli_epi32(any, 1);
    *seen = (wild ? BASE64_WILD : 0) | (_mm512_test_epi32_mask(any, any) ? BASE64_NONZERO : 0);
    return at;
}
#endif

/* Writes the digits of as many whole blocks as there are; returns how many bytes that took, a multiple of three. */
static inline size_t base64_write_blocks(int how, const uint8_t *data, size_t nbytes, char *out) {
#if defined(__x86_64__)
    if (how == BASE64_VBMI) return base64_write_vbmi(data, nbytes, out);
    if (how == BASE64_AVX2) return base64_write_avx2(data, nbytes, out);
#endif
    (void)how, (void)data, (void)nbytes, (void)out;
    return 0;
}

/* Reads the numbers of whole blocks, as far as there are and no byte in them is no digit; says in `seen` what they are.
 * Returns how many digits that took, a multiple of sixteen: three numbers each. */
static inline size_t base64_read_blocks(int how, const char *text, size_t digits, float *out, int *seen) {
    *seen = 0;
#if defined(__x86_64__)
    if (how == BASE64_VBMI) return base64_read_vbmi(text, digits, out, seen);
    if (how == BASE64_AVX2) return base64_read_avx2(text, digits, out, seen);
#endif
    (void)how, (void)text, (void)digits, (void)out;
    return 0;
}

#endif
