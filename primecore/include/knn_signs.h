/* A sketch of rows for nearest-neighbour search: of each number its sign. Knows numbers only.
 *
 * Let s be the signs of a row x as a vector of length one, and `lean` the cosine of x and s (about 0.8). The angles
 * between x, s and a query y obey the triangle inequality on the sphere: if the angle of x and y is at most that of
 * which `bar` is the cosine, that of s and y is at most the sum of it and of the angle of x and s. So a row whose
 * cosine s.y is below bar * lean - sqrt(1 - bar^2) * sqrt(1 - lean^2) is none of those at `bar` or more. That is certain,
 * whatever the vectors, and reads one bit a number.
 *
 * s.y is looked up seven numbers at a time in tables of 128 bytes, or four and three at a time in tables of 16, as in
 * "Quicker ADC" (Andre, Kermarrec and Le Scouarnec, 2019): of 64 rows at once, which lie together, byte by byte. What
 * rounding in the tables can add up to is `error`. A table of 128 is the sum of its two of 16: all kernels agree.
 */
#ifndef PRIME_KNN_SIGNS_H
#define PRIME_KNN_SIGNS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SIGNS_ROWS 64           /* rows of a block, which one call of a kernel takes */
#define SIGNS_EACH 7            /* signs in a byte */
#define SIGNS_SLACK 1e-5f       /* float32 rounding of what is compared, with room to spare */

/* Bytes of signs of a row, and of a block: the signs, then of each row its lean and the sine of that angle, then the
 * least lean and its sine, then nothing as far as a line of cache goes. */
#define SIGNS_BYTES(dimensions) (((size_t)(dimensions) + SIGNS_EACH - 1) / SIGNS_EACH)
#define SIGNS_BLOCK_BYTES(bytes) (SIGNS_ROWS * ((size_t)(bytes) + 2 * sizeof(float) + 1))
/* Bytes of the tables of a query: for each byte of signs one of 128, then, behind all of these, two of 16. */
#define SIGNS_WIDE 128
#define SIGNS_TABLES_BYTES(bytes) ((SIGNS_WIDE + 32) * (size_t)(bytes))

/* A row's place in each line of a block: of the 16-bit sums two by two, the even bytes are those of the first 32 rows. */
#define SIGNS_PLACE(row) ((row) < SIGNS_ROWS / 2 ? 2 * (row) : 2 * (row) - SIGNS_ROWS + 1)

/* cosine of signs and query = sum * unit - base, give or take `error`. */
typedef struct {
    float unit;
    float base;
    float error;
} signs_asked_t;

/* sums[i] = of the row i of a block what the tables say, 0 where `live` has no bit for it. Returns the largest. */
typedef uint32_t (*signs_sums_kernel)(const uint8_t *tables, const uint8_t *block, size_t bytes, uint64_t live,
                                      uint16_t *sums);
/* A bit for each row that may be at `bar` or more, by its sum. */
typedef uint64_t (*signs_over_kernel)(const uint16_t *sums, const float *leans, const signs_asked_t *asked, float bar);

/* The signs of eight numbers: a bit for each that is not negative. And their sizes, added to eight sums. */
static inline __attribute__((always_inline)) uint32_t signs_of_eight(const float *x, double *sums) {
    uint32_t bits = 0;
    for (int i = 0; i < 8; i++) {
        bits |= (uint32_t)(x[i] >= 0) << i;
        sums[i] += fabs((double)x[i]);
    }
    return bits;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static double signs_read_avx2(const float *x, size_t count, uint8_t *bits) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256d low = _mm256_setzero_pd(), high = low;
    double sums[8];
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256 held = _mm256_loadu_ps(x + i), size = _mm256_andnot_ps(sign, held);
        bits[i / 8] = (uint8_t)~_mm256_movemask_ps(held);
        low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(size)));
        high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(size, 1)));
    }
    _mm256_storeu_pd(sums, low);
    _mm256_storeu_pd(sums + 4, high);
    if (i < count) {
        float rest[8] = {0};
        memcpy(rest, x + i, (count - i) * sizeof(float));
        bits[i / 8] = (uint8_t)signs_of_eight(rest, sums);
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}
#endif

static inline double signs_read_plain(const float *x, size_t count, uint8_t *bits) {
    double sums[8] = {0};
    for (size_t i = 0; i < count; i += 8) {
        float some[8] = {0};
        memcpy(some, x + i, (count - i < 8 ? count - i : 8) * sizeof(float));
        bits[i / 8] = (uint8_t)signs_of_eight(some, sums);
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* The least lean of a block's rows, and the largest sine: what is 0 is of no row. Bits of floats that are not negative
 * compare as the floats do, and compilers compare integers eight at a time. */
static inline __attribute__((always_inline)) void signs_note_least(float *leans) {
    uint32_t bits[2 * SIGNS_ROWS], least = UINT32_MAX, most = 0;
    memcpy(bits, leans, sizeof(bits));
    for (int i = 0; i < SIGNS_ROWS; i++) least = bits[i] - 1 < least ? bits[i] - 1 : least;
    for (int i = SIGNS_ROWS; i < 2 * SIGNS_ROWS; i++) most = bits[i] > most ? bits[i] : most;
    least++;
    memcpy(leans + 2 * SIGNS_ROWS, &least, sizeof(least));
    memcpy(leans + 2 * SIGNS_ROWS + 1, &most, sizeof(most));
}

static inline __attribute__((always_inline)) void signs_put(double lean, uint8_t *block, size_t bytes, uint32_t row,
                                                            const uint8_t *bits) {
    float *leans = (float *)(block + SIGNS_ROWS * bytes);
    uint8_t *line = block + SIGNS_PLACE(row);
    for (size_t at = 0; at < bytes; bits += SIGNS_EACH) {   /* 56 bits are eight bytes of signs */
        uint64_t held = 0;
        for (size_t i = 0; i < SIGNS_EACH; i++) held |= (uint64_t)bits[i] << 8 * i;
        for (int i = 0; i < 8 && at < bytes; i++, at++, held >>= SIGNS_EACH) line[SIGNS_ROWS * at] = (uint8_t)(held & 127);
    }
    leans[row] = (float)lean;
    leans[SIGNS_ROWS + row] = (float)sqrt(1 - lean * lean);
    signs_note_least(leans);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void signs_put_avx2(double lean, uint8_t *block, size_t bytes, uint32_t row,
                                                           const uint8_t *bits) {
    signs_put(lean, block, bytes, row, bits);
}
#endif

/* Writes the row of a vector into its block. `scratch` has room for a bit a number and SIGNS_SPARE bytes. */
#define SIGNS_SPARE 16
static inline void signs_store(const float *x, size_t count, double norm, uint8_t *block, size_t bytes, uint32_t row,
                               uint8_t *scratch) {
    double lean;
#if defined(__x86_64__)
    const int wide = __builtin_cpu_supports("avx2");
    lean = wide ? signs_read_avx2(x, count, scratch) : signs_read_plain(x, count, scratch);
#else
    lean = signs_read_plain(x, count, scratch);
#endif
    memset(scratch + (count + 7) / 8, 0, SIGNS_SPARE);
    lean /= norm * sqrt((double)count);
    lean = lean > 1 ? 1 : lean;
#if defined(__x86_64__)
    if (wide) {
        signs_put_avx2(lean, block, bytes, row, scratch);
        return;
    }
#endif
    signs_put(lean, block, bytes, row, scratch);
}

/* What a query adds up to in groups of seven numbers, so that its tables are of the finest steps that fit: 254 of them
 * reach over a group, and 65,535 over all. Returns steps per unit. */
static inline float signs_steps(const float *query, size_t count, double norm, size_t bytes, signs_asked_t *out) {
    const size_t groups = 2 * bytes;
    double all = 0;
    float most = 0;
    for (size_t i = 0; i < count; i += SIGNS_EACH) {
        float sum = fabsf(query[i]);
        for (size_t j = i + 1; j < i + SIGNS_EACH && j < count; j++) sum += fabsf(query[j]);
        all += (double)sum;
        most = sum > most ? sum : most;
    }
    const double fine = 2 * (double)most / 253.5, coarse = 2 * all / (65535 - (double)groups);
    const double step = (fine > coarse ? fine : coarse) * 1.000001, unit = 1 / (sqrt((double)count) * norm);
    out->unit = (float)(step * unit);
    out->base = (float)(all * unit);
    out->error = (float)((double)groups * step * 0.5005 * unit) + SIGNS_SLACK;
    return (float)(1 / step);
}

/* Group 2n are the first four numbers of byte n, group 2n + 1 the other three. */
static inline void signs_group(const float *query, size_t count, size_t group, float per, float *at) {
    const size_t first = group / 2 * SIGNS_EACH + (group & 1) * 4, size = 4 - (group & 1);
    for (size_t i = 0; i < 4; i++) at[i] = i < size && first + i < count ? query[first + i] * per : 0;
    at[4] = fabsf(at[0]) + fabsf(at[1]) + fabsf(at[2]) + fabsf(at[3]) + 0.5f;
}

static inline void signs_tables(const float *query, size_t count, size_t bytes, float per, uint8_t *tables) {
    for (size_t group = 0; group < 2 * bytes; group++) {
        float at[5];
        signs_group(query, count, group, per, at);
        for (int entry = 0; entry < 16; entry++) {
            const int32_t whole = (int32_t)(at[4] + (entry & 1 ? at[0] : -at[0]) + (entry & 2 ? at[1] : -at[1]) +
                                            (entry & 4 ? at[2] : -at[2]) + (entry & 8 ? at[3] : -at[3]));
            tables[16 * group + (size_t)entry] = (uint8_t)(whole > 255 ? 255 : whole);
        }
    }
}

/* Tables of 128 from those of 16. */
static inline void signs_widen(const uint8_t *tables, size_t bytes, uint8_t *wide) {
    for (size_t at = 0; at < bytes; at++)
        for (size_t high = 0; high < 8; high++)
            for (size_t low = 0; low < 16; low++)
                wide[SIGNS_WIDE * at + 16 * high + low] = (uint8_t)(tables[32 * at + low] + tables[32 * at + 16 + high]);
}

/* Whether blocks of so many bytes are rather fetched ahead: they are too many for a core's own cache, or were last read
 * too long ago to be in it still. Costs half as much again where they are there, saves two thirds where they are not
 * (the processor's own look-ahead ends with each page). Notes the time. */
#define SIGNS_NEAR_BYTES ((size_t)1 << 20)
#define SIGNS_NEAR_NS 500000
static inline int signs_are_far(size_t nbytes, int64_t *read_ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    const int64_t since_ns = now_ns - __atomic_exchange_n(read_ns, now_ns, __ATOMIC_RELAXED);
    return nbytes > SIGNS_NEAR_BYTES || since_ns > SIGNS_NEAR_NS;
}

/* Whether a block may have a row at `bar` or more, if `most` is the largest of its sums. */
static inline int signs_any(uint32_t most, const float *leans, const signs_asked_t *asked, float bar) {
    const float bound = bar * leans[2 * SIGNS_ROWS] - sqrtf(1 - bar * bar) * leans[2 * SIGNS_ROWS + 1];
    return (float)most * asked->unit - asked->base + asked->error + 1e-6f >= bound;
}

/* A bit for each of 64 bytes, each 1 or 0. */
static inline uint64_t signs_allowed(const uint8_t *allowed) {
    uint64_t bits = 0;
    for (int at = 0; at < SIGNS_ROWS; at++) bits |= (uint64_t)(allowed[at] & 1) << at;
    return bits;
}

/* A bit for each sum that is `least` or more. */
static inline uint64_t signs_least(const uint16_t *sums, uint32_t least) {
    uint64_t bits = 0;
#if defined(__x86_64__)
    const __m128i bar = _mm_set1_epi16((short)least), zero = _mm_setzero_si128();
    for (int at = 0; at < SIGNS_ROWS; at += 16) {
        const __m128i a = _mm_subs_epu16(bar, _mm_loadu_si128((const __m128i *)(sums + at)));
        const __m128i b = _mm_subs_epu16(bar, _mm_loadu_si128((const __m128i *)(sums + at + 8)));
        const __m128i over = _mm_packs_epi16(_mm_cmpeq_epi16(a, zero), _mm_cmpeq_epi16(b, zero));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(over) << at;
    }
#else
    for (int at = 0; at < SIGNS_ROWS; at++) bits |= (uint64_t)(sums[at] >= least) << at;
#endif
    return bits;
}

static uint32_t signs_sums_scalar(const uint8_t *tables, const uint8_t *block, size_t bytes, uint64_t live,
                                  uint16_t *sums) {
    uint32_t most = 0;
    for (int row = 0; row < SIGNS_ROWS; row++) sums[row] = 0;
    tables += SIGNS_WIDE * bytes;
    for (size_t at = 0; at < bytes; at++) {
        const uint8_t *line = block + SIGNS_ROWS * at, *low = tables + 32 * at, *high = low + 16;
        for (int row = 0; row < SIGNS_ROWS; row++)
            sums[row] = (uint16_t)(sums[row] + low[line[SIGNS_PLACE(row)] & 15] + high[line[SIGNS_PLACE(row)] >> 4]);
    }
    for (int row = 0; row < SIGNS_ROWS; row++) {
        sums[row] = live >> row & 1 ? sums[row] : 0;
        most = sums[row] > most ? sums[row] : most;
    }
    return most;
}

static uint64_t signs_over_scalar(const uint16_t *sums, const float *leans, const signs_asked_t *asked, float bar) {
    const float rest = sqrtf(1 - bar * bar), base = asked->base - asked->error;
    uint64_t over = 0;
    for (int row = 0; row < SIGNS_ROWS; row++)
        over |= (uint64_t)((float)sums[row] * asked->unit - base >= bar * leans[row] - rest * leans[SIGNS_ROWS + row]) << row;
    return over;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t signs_sums_avx2(const uint8_t *tables, const uint8_t *block, size_t bytes,
                                                                uint64_t live, uint16_t *sums) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i both[2], odd[2], most = _mm256_setzero_si256();
    tables += SIGNS_WIDE * bytes;
    for (int half = 0; half < 2; half++) both[half] = odd[half] = _mm256_setzero_si256();
    for (size_t at = 0; at < bytes; at++) {
        const __m256i first = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(tables + 32 * at)));
        const __m256i second = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(tables + 32 * at + 16)));
        for (int half = 0; half < 2; half++) {
            const __m256i held = _mm256_loadu_si256((const __m256i *)(block + SIGNS_ROWS * at + 32 * half));
            const __m256i a = _mm256_shuffle_epi8(first, _mm256_and_si256(held, low));
            const __m256i b = _mm256_shuffle_epi8(second, _mm256_and_si256(_mm256_srli_epi16(held, 4), low));
            both[half] = _mm256_add_epi16(both[half], _mm256_add_epi16(a, b));
            odd[half] = _mm256_add_epi16(odd[half], _mm256_add_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8)));
        }
    }
    for (int half = 0; half < 2; half++) {
        _mm256_storeu_si256((__m256i *)(sums + 16 * half), _mm256_sub_epi16(both[half], _mm256_slli_epi16(odd[half], 8)));
        _mm256_storeu_si256((__m256i *)(sums + 32 + 16 * half), odd[half]);
    }
    if (live != UINT64_MAX)
        for (int row = 0; row < SIGNS_ROWS; row++) sums[row] = live >> row & 1 ? sums[row] : 0;
    for (int at = 0; at < SIGNS_ROWS; at += 16)
        most = _mm256_max_epu16(most, _mm256_loadu_si256((const __m256i *)(sums + at)));
    const __m128i half = _mm_max_epu16(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    return 0xFFFF ^ (uint32_t)_mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi8(-1))), 0);
}

__attribute__((target("avx2"))) static uint64_t signs_over_avx2(const uint16_t *sums, const float *leans,
                                                                const signs_asked_t *asked, float bar) {
    const __m256 rest = _mm256_set1_ps(sqrtf(1 - bar * bar)), least = _mm256_set1_ps(bar);
    const __m256 unit = _mm256_set1_ps(asked->unit), base = _mm256_set1_ps(asked->base - asked->error);
    uint64_t over = 0;
    for (int row = 0; row < SIGNS_ROWS; row += 8) {
        const __m256i sum = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(sums + row)));
        const __m256 found = _mm256_sub_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), unit), base);
        const __m256 bound = _mm256_sub_ps(_mm256_mul_ps(least, _mm256_loadu_ps(leans + row)),
                                           _mm256_mul_ps(rest, _mm256_loadu_ps(leans + SIGNS_ROWS + row)));
        over |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(found, bound, _CMP_GE_OQ)) << row;
    }
    return over;
}

#define SIGNS_512_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

SIGNS_512_TARGET static void signs_tables_512(const float *query, size_t count, size_t bytes, float per, uint8_t *tables) {
    const __m512 zero = _mm512_setzero_ps();
    for (size_t group = 0; group < 2 * bytes; group++) {
        float at[5];
        signs_group(query, count, group, per, at);
        __m512 sum = _mm512_set1_ps(at[4]), one = _mm512_set1_ps(at[0]);
        sum = _mm512_add_ps(sum, _mm512_mask_sub_ps(one, 0x5555, zero, one));
        one = _mm512_set1_ps(at[1]);
        sum = _mm512_add_ps(sum, _mm512_mask_sub_ps(one, 0x3333, zero, one));
        one = _mm512_set1_ps(at[2]);
        sum = _mm512_add_ps(sum, _mm512_mask_sub_ps(one, 0x0F0F, zero, one));
        one = _mm512_set1_ps(at[3]);
        sum = _mm512_add_ps(sum, _mm512_mask_sub_ps(one, 0x00FF, zero, one));
        _mm_storeu_si128((__m128i *)(tables + 16 * group), _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(sum)));
    }
}

/* `both` are sums of bytes two by two, as they lie, `odd` of the second of each two. */
SIGNS_512_TARGET static inline uint32_t signs_finish_512(__m512i both, __m512i odd, uint64_t live, uint16_t *sums) {
    both = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
    both = _mm512_maskz_mov_epi16((__mmask32)live, both);
    odd = _mm512_maskz_mov_epi16((__mmask32)(live >> 32), odd);
    _mm512_storeu_si512((void *)sums, both);
    _mm512_storeu_si512((void *)(sums + 32), odd);
    both = _mm512_max_epu16(both, odd);
    const __m256i quarter = _mm256_max_epu16(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));
    const __m128i half = _mm_max_epu16(_mm256_castsi256_si128(quarter), _mm256_extracti128_si256(quarter, 1));
    return 0xFFFF ^ (uint32_t)_mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi8(-1))), 0);
}

SIGNS_512_TARGET static void signs_widen_512(const uint8_t *tables, size_t bytes, uint8_t *wide) {
    const __m512i lane = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_inserti128_si256(_mm256_setzero_si256(), _mm_set1_epi8(1), 1)),
        _mm256_inserti128_si256(_mm256_set1_epi8(2), _mm_set1_epi8(3), 1), 1);
    const __m512i next = _mm512_add_epi8(lane, _mm512_set1_epi8(4));
    for (size_t at = 0; at < bytes; at++) {
        const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(tables + 32 * at)));
        const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(tables + 32 * at + 16)));
        _mm512_storeu_si512((void *)(wide + SIGNS_WIDE * at), _mm512_add_epi8(low, _mm512_shuffle_epi8(high, lane)));
        _mm512_storeu_si512((void *)(wide + SIGNS_WIDE * at + 64), _mm512_add_epi8(low, _mm512_shuffle_epi8(high, next)));
    }
}

SIGNS_512_TARGET static uint32_t signs_sums_512(const uint8_t *tables, const uint8_t *block, size_t bytes, uint64_t live,
                                                uint16_t *sums) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i both = _mm512_setzero_si512(), odd = _mm512_setzero_si512(), more = both, more_odd = odd;
    tables += SIGNS_WIDE * bytes;
    for (size_t at = 0; at < bytes; at++) {
        const __m512i first = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(tables + 32 * at)));
        const __m512i second = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(tables + 32 * at + 16)));
        const __m512i held = _mm512_loadu_si512((const void *)(block + SIGNS_ROWS * at));
        const __m512i a = _mm512_shuffle_epi8(first, _mm512_and_si512(held, low));
        const __m512i b = _mm512_shuffle_epi8(second, _mm512_and_si512(_mm512_srli_epi16(held, 4), low));
        both = _mm512_add_epi16(both, a);
        more = _mm512_add_epi16(more, b);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(a, 8));
        more_odd = _mm512_add_epi16(more_odd, _mm512_srli_epi16(b, 8));
    }
    odd = _mm512_add_epi16(odd, more_odd);
    return signs_finish_512(_mm512_add_epi16(both, more), odd, live, sums);
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) static uint32_t signs_sums_vbmi(
    const uint8_t *tables, const uint8_t *block, size_t bytes, uint64_t live, uint16_t *sums) {
    __m512i both = _mm512_setzero_si512(), odd = both;
    for (size_t at = 0; at < bytes; at++) {
        const __m512i found = _mm512_permutex2var_epi8(_mm512_loadu_si512((const void *)(tables + SIGNS_WIDE * at)),
                                                       _mm512_loadu_si512((const void *)(block + SIGNS_ROWS * at)),
                                                       _mm512_loadu_si512((const void *)(tables + SIGNS_WIDE * at + 64)));
        both = _mm512_add_epi16(both, found);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(found, 8));
    }
    return signs_finish_512(both, odd, live, sums);
}

SIGNS_512_TARGET static uint64_t signs_over_512(const uint16_t *sums, const float *leans, const signs_asked_t *asked,
                                                float bar) {
    const __m512 rest = _mm512_set1_ps(sqrtf(1 - bar * bar)), least = _mm512_set1_ps(bar);
    const __m512 unit = _mm512_set1_ps(asked->unit), base = _mm512_set1_ps(asked->base - asked->error);
    uint64_t over = 0;
    for (int row = 0; row < SIGNS_ROWS; row += 16) {
        const __m512i sum = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(sums + row)));
        const __m512 found = _mm512_sub_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), unit), base);
        const __m512 bound = _mm512_sub_ps(_mm512_mul_ps(least, _mm512_loadu_ps(leans + row)),
                                           _mm512_mul_ps(rest, _mm512_loadu_ps(leans + SIGNS_ROWS + row)));
        over |= (uint64_t)_mm512_cmp_ps_mask(found, bound, _CMP_GE_OQ) << row;
    }
    return over;
}
#endif

/* The tables of a query that is no zero vector, `norm` its length. */
static inline void signs_ask(const float *query, size_t count, double norm, size_t bytes, uint8_t *tables,
                             signs_asked_t *out) {
    const float per = signs_steps(query, count, norm, bytes, out);
    uint8_t *narrow = tables + SIGNS_WIDE * bytes;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        signs_tables_512(query, count, bytes, per, narrow);
        signs_widen_512(narrow, bytes, tables);
        return;
    }
#endif
    signs_tables(query, count, bytes, per, narrow);
    signs_widen(narrow, bytes, tables);
}

/* By the numbers of kernels in knn.h. */
static inline signs_sums_kernel signs_sums_kernel_of(int which) {
#if defined(__x86_64__)
    if (which >= 3) return signs_sums_vbmi;
    if (which == 2) return signs_sums_512;
    if (which == 1) return signs_sums_avx2;
#else
    (void)which;
#endif
    return signs_sums_scalar;
}

static inline signs_over_kernel signs_over_kernel_of(int which) {
#if defined(__x86_64__)
    if (which >= 2) return signs_over_512;
    if (which == 1) return signs_over_avx2;
#else
    (void)which;
#endif
    return signs_over_scalar;
}

#endif
