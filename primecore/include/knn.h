/* Arithmetic of nearest-neighbour search: codes for the scan, exact scores for what it finds. Knows numbers only.
 *
 * A row x is normalised and coded twice, x/|x| ~ scale * code (symmetric scalar quantisation): with 4 bits a number,
 * which every search reads, and with 8, which it reads of the rows that the first leave in doubt. The query has 8. Every
 * kernel gives the same integers: they are exact, 65,536 products of 255 * 127 fit an int32.
 *
 * With |x|=|y|=1 and residuals r = |x - scale * code|, Cauchy and Schwarz bound what the codes can be wrong by:
 * |x.y - x'.y'| <= r_x + (1 + r_x) * r_y. So the scan decides exactly which rows can be among the nearest.
 */
#ifndef PRIME_KNN_H
#define PRIME_KNN_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define KNN_BLOCK_BYTES 64      /* rows of 8-bit codes are padded with zeros to a multiple of this, of 4-bit codes too */
#define KNN_ROWS 16             /* rows of 4-bit codes that one call of a kernel takes */
#define KNN_SLACK 4e-6f         /* float32 rounding in the estimates, with room to spare */

/* Numbers that a row of so many bytes of 4-bit codes holds; a query is padded with zeros to as many. */
#define KNN_NIBBLES(stride) (2 * (stride))

/* What is known of KNN_ROWS rows of 4-bit codes. */
typedef struct {
    float scale[KNN_ROWS];
    float residual[KNN_ROWS];
} knn_rows_t;

/* What of a row's estimate is the query's: the score is at most scale * (sum - bias) * factor + residual * wide + slack. */
typedef struct {
    float factor;
    float wide;
    float slack;
    int32_t bias;               /* 8 times the sum of the query's codes: a nibble is its code + 8 */
} knn_asked_t;

/* sums[i] = sum of query[j] * nibble j of row i. In each block of 64 bytes numbers 0 to 63 are the low nibbles and 64 to
 * 127 the high ones; most[i] = what the row's score is at most. Returns a bit for each row where that is `bar` or more. */
typedef uint32_t (*knn_rows_kernel)(const int8_t *query, const uint8_t *rows, size_t stride, const knn_rows_t *about,
                                    const knn_asked_t *asked, float bar, int32_t *sums, float *most);
/* sums[0] = the sum of query[j] * row[j], the query's codes with 128 added; sums[1] = the same of `stride` further bytes
 * of the query, which hold the codes of what the first left over. */
typedef void (*knn_row_kernel)(const uint8_t *query, const int8_t *row, size_t stride, int32_t *sums);

static uint32_t knn_rows_scalar(const int8_t *query, const uint8_t *rows, size_t stride, const knn_rows_t *about,
                                const knn_asked_t *asked, float bar, int32_t *sums, float *most) {
    uint32_t mask = 0;
    for (int row = 0; row < KNN_ROWS; row++) {
        const uint8_t *nibbles = rows + (size_t)row * stride;
        int32_t sum = 0;
        for (size_t i = 0; i < stride; i += 64)
            for (size_t j = 0; j < 64; j++) {
                sum += (int32_t)query[2 * i + j] * (nibbles[i + j] & 15);
                sum += (int32_t)query[2 * i + 64 + j] * (nibbles[i + j] >> 4);
            }
        sums[row] = sum;
        most[row] = asked->factor * about->scale[row] * (float)(sum - asked->bias) +
                    about->residual[row] * asked->wide + asked->slack;
        mask |= (uint32_t)(most[row] >= bar) << row;
    }
    return mask;
}

static void knn_row_scalar(const uint8_t *query, const int8_t *row, size_t stride, int32_t *sums) {
    sums[0] = sums[1] = 0;
    for (size_t i = 0; i < stride; i++) sums[0] += (int32_t)query[i] * (int32_t)row[i];
    for (size_t i = 0; i < stride; i++) sums[1] += (int32_t)query[stride + i] * (int32_t)row[i];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline int32_t knn_sum_256(__m256i lanes) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
    return _mm_cvtsi128_si32(half);
}

__attribute__((target("avx2"))) static uint32_t knn_rows_avx2(const int8_t *query, const uint8_t *rows, size_t stride,
                                                              const knn_rows_t *about, const knn_asked_t *asked,
                                                              float bar, int32_t *sums, float *most) {
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    uint32_t mask = 0;
    for (int row = 0; row < KNN_ROWS; row++) {
        const uint8_t *nibbles = rows + (size_t)row * stride;
        __m256i total = _mm256_setzero_si256();
        for (size_t i = 0; i < stride; i += 32) {
            const int8_t *at = query + 2 * (i & ~(size_t)63) + (i & 32);
            const __m256i held = _mm256_loadu_si256((const __m256i *)(nibbles + i));
            const __m256i first = _mm256_maddubs_epi16(_mm256_and_si256(held, low), _mm256_loadu_si256((const __m256i *)at));
            const __m256i second = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(held, 4), low),
                                                        _mm256_loadu_si256((const __m256i *)(at + 64)));
            /* 4 products of 15 * 127 fit an int16 */
            total = _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_add_epi16(first, second), ones));
        }
        sums[row] = knn_sum_256(total);
    }
    for (int row = 0; row < KNN_ROWS; row += 8) {
        const __m256i sum = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(sums + row)), _mm256_set1_epi32(asked->bias));
        const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(asked->factor), _mm256_loadu_ps(about->scale + row));
        const __m256 off = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(about->residual + row), _mm256_set1_ps(asked->wide)),
                                         _mm256_set1_ps(asked->slack));
        const __m256 score = _mm256_add_ps(_mm256_mul_ps(scale, _mm256_cvtepi32_ps(sum)), off);
        _mm256_storeu_ps(most + row, score);
        mask |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(score, _mm256_set1_ps(bar), _CMP_GE_OQ)) << row;
    }
    return mask;
}

__attribute__((target("avx2"))) static void knn_row_avx2(const uint8_t *query, const int8_t *row, size_t stride,
                                                         int32_t *sums) {
    __m256i total[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < stride; i += 16) {
        const __m256i held = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(row + i)));
        for (int which = 0; which < 2; which++) {
            const uint8_t *at = query + (size_t)which * stride + i;
            const __m256i asked = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)at));
            total[which] = _mm256_add_epi32(total[which], _mm256_madd_epi16(asked, held));
        }
    }
    sums[0] = knn_sum_256(total[0]);
    sums[1] = knn_sum_256(total[1]);
}

#define KNN_VNNI_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

KNN_VNNI_TARGET static inline __m128i knn_four_sums(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

KNN_VNNI_TARGET static uint32_t knn_rows_vnni(const int8_t *query, const uint8_t *rows, size_t stride,
                                              const knn_rows_t *about, const knn_asked_t *asked, float bar, int32_t *sums, float *most) {
    const __m512i low = _mm512_set1_epi8(15);
    for (int row = 0; row < KNN_ROWS; row += 4) {
        const uint8_t *nibbles = rows + (size_t)row * stride;
        __m512i total[4];
        for (int i = 0; i < 4; i++) total[i] = _mm512_setzero_si512();
        for (size_t at = 0; at < stride; at += 64) {
            const __m512i first = _mm512_loadu_si512((const void *)(query + 2 * at));
            const __m512i second = _mm512_loadu_si512((const void *)(query + 2 * at + 64));
            for (int i = 0; i < 4; i++) {
                const __m512i held = _mm512_loadu_si512((const void *)(nibbles + (size_t)i * stride + at));
                total[i] = _mm512_dpbusd_epi32(total[i], _mm512_and_si512(held, low), first);
                total[i] = _mm512_dpbusd_epi32(total[i], _mm512_and_si512(_mm512_srli_epi16(held, 4), low), second);
            }
        }
        _mm_storeu_si128((__m128i *)(sums + row), knn_four_sums(total[0], total[1], total[2], total[3]));
    }
    const __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512((const void *)sums), _mm512_set1_epi32(asked->bias));
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(asked->factor), _mm512_loadu_ps(about->scale));
    const __m512 off = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(about->residual), _mm512_set1_ps(asked->wide)),
                                     _mm512_set1_ps(asked->slack));
    const __m512 score = _mm512_add_ps(_mm512_mul_ps(scale, _mm512_cvtepi32_ps(sum)), off);
    _mm512_storeu_ps(most, score);
    return _mm512_cmp_ps_mask(score, _mm512_set1_ps(bar), _CMP_GE_OQ);
}

KNN_VNNI_TARGET static void knn_row_vnni(const uint8_t *query, const int8_t *row, size_t stride, int32_t *sums) {
    __m512i total = _mm512_setzero_si512(), fine = total;
    for (size_t i = 0; i < stride; i += 64) {
        const __m512i held = _mm512_loadu_si512((const void *)(row + i));
        total = _mm512_dpbusd_epi32(total, _mm512_loadu_si512((const void *)(query + i)), held);
        fine = _mm512_dpbusd_epi32(fine, _mm512_loadu_si512((const void *)(query + stride + i)), held);
    }
    sums[0] = _mm512_reduce_add_epi32(total);
    sums[1] = _mm512_reduce_add_epi32(fine);
}
#endif

/* The kernels this processor can run, the best last; the scalar one always. */
enum { KNN_SCALAR, KNN_AVX2, KNN_VNNI, KNN_VBMI };

static inline int knn_best(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return __builtin_cpu_supports("avx512vbmi") ? KNN_VBMI : KNN_VNNI;
    if (__builtin_cpu_supports("avx2")) return KNN_AVX2;
#endif
    return KNN_SCALAR;
}

static inline knn_rows_kernel knn_rows_kernel_of(int which) {
#if defined(__x86_64__)
    if (which >= KNN_VNNI) return knn_rows_vnni;
    if (which == KNN_AVX2) return knn_rows_avx2;
#else
    (void)which;
#endif
    return knn_rows_scalar;
}

static inline knn_row_kernel knn_row_kernel_of(int which) {
#if defined(__x86_64__)
    if (which >= KNN_VNNI) return knn_row_vnni;
    if (which == KNN_AVX2) return knn_row_avx2;
#else
    (void)which;
#endif
    return knn_row_scalar;
}

/* Brings rows into the cache before they are needed. */
static inline void knn_prefetch(const void *data, size_t nbytes) {
    for (size_t at = 0; at < nbytes; at += KNN_BLOCK_BYTES) __builtin_prefetch((const char *)data + at);
}

/* A float32 product is exact in float64, and the eight lanes are added up in a fixed order: the result is the same on
 * every machine, with or without fused multiply-add. */
static inline __attribute__((always_inline)) double knn_dot_lanes(const float *a, const float *b, size_t count) {
    double lanes[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int lane = 0; lane < 8; lane++) lanes[lane] += (double)a[i + lane] * (double)b[i + lane];
    for (int lane = 0; i < count; i++, lane++) lanes[lane] += (double)a[i] * (double)b[i];
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static inline double knn_dot_plain(const float *a, const float *b, size_t count) { return knn_dot_lanes(a, b, count); }

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq"))) static double knn_dot_512(const float *a, const float *b, size_t count) {
    __m512d lanes = _mm512_setzero_pd();
    double sums[8];
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        lanes = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + i)), _mm512_cvtps_pd(_mm256_loadu_ps(b + i)), lanes);
    _mm512_storeu_pd(sums, lanes);
    for (int lane = 0; i < count; i++, lane++) sums[lane] += (double)a[i] * (double)b[i];
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

__attribute__((target("avx2"))) static double knn_dot_avx2(const float *a, const float *b, size_t count) {
    return knn_dot_lanes(a, b, count);
}
#endif

static inline double knn_dot(const float *a, const float *b, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512dq")) return knn_dot_512(a, b, count);
    if (__builtin_cpu_supports("avx2")) return knn_dot_avx2(a, b, count);
#endif
    return knn_dot_plain(a, b, count);
}

typedef struct {
    double norm;
    float scale;                /* of 8-bit codes */
    float residual;
    float scale4;               /* of 4-bit codes */
    float residual4;
    int32_t sum;                /* of 8-bit codes */
} knn_coded_t;

enum { KNN_STEPS = 4, KNN_PIECE = 64 };

/* Numbers over the largest, zeros behind them. */
static inline __attribute__((always_inline)) void knn_piece(const float *x, size_t count, size_t first, double unit,
                                                            float *piece) {
    const size_t size = first >= count ? 0 : count - first < KNN_PIECE ? count - first : KNN_PIECE;
    if (size == KNN_PIECE) {
        for (int j = 0; j < KNN_PIECE; j++) piece[j] = (float)((double)x[first + (size_t)j] * unit);
        return;
    }
    for (size_t j = 0; j < KNN_PIECE; j++) piece[j] = j < size ? (float)((double)x[first + j] * unit) : 0.0f;
}

static inline __attribute__((always_inline)) int32_t knn_code4(float value, float per) {
    const float bent = value * per;
    int32_t code = (int32_t)(bent + copysignf(0.5f, bent));
    code = code > 7 ? 7 : code;
    return code < -7 ? -7 : code;
}

/* The bits of a size: they compare as the sizes do, and compilers compare integers eight at a time. */
static inline __attribute__((always_inline)) int32_t knn_size(float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits & 0x7FFFFFFF;
}

/* Everything is worked out in units of the largest number, so float32 suffices: what it rounds off a number is below
 * 3e-7 of that, and is added to the residuals. Finer steps cut off the largest numbers, which pays where few are large. */
static inline __attribute__((always_inline)) void knn_encode_lanes(const float *x, size_t count, double norm, int8_t *codes,
                                                                   size_t stride, uint8_t *nibbles, size_t stride4,
                                                                   knn_coded_t *out) {
    static const float cut[KNN_STEPS] = {1.0f, 0.8f, 0.6f, 0.45f};
    float piece[KNN_PIECE], halves[KNN_PIECE], off[KNN_PIECE] = {0}, off4[KNN_STEPS][KNN_PIECE] = {{0}}, largest = 0;
    double missed = 0, missed4[KNN_STEPS] = {0, 0, 0, 0};
    int32_t sums[KNN_PIECE] = {0};
    size_t i = 0;
    for (; i + KNN_PIECE <= count; i += KNN_PIECE)
        for (int j = 0; j < KNN_PIECE; j++) {
            const int32_t size = knn_size(x[i + (size_t)j]);
            sums[j] = size > sums[j] ? size : sums[j];
        }
    for (; i < count; i++) sums[0] = knn_size(x[i]) > sums[0] ? knn_size(x[i]) : sums[0];
    for (int j = 1; j < KNN_PIECE; j++) sums[0] = sums[j] > sums[0] ? sums[j] : sums[0];
    memcpy(&largest, &sums[0], sizeof(largest));
    memset(sums, 0, sizeof(sums));
    const double unit = 1.0 / (double)largest;
    for (size_t first = 0; first < stride; first += KNN_PIECE) {
        knn_piece(x, count, first, unit, piece);
        for (int j = 0; j < KNN_PIECE; j++) {
            const float bent = piece[j] * 127.0f;
            const int32_t code = (int32_t)(bent + copysignf(0.5f, bent));
            const float left = piece[j] - (float)code * (1.0f / 127.0f);
            codes[first + (size_t)j] = (int8_t)code;
            sums[j] += code;
            off[j] += left * left;
        }
        for (int which = 0; which < (nibbles == NULL ? 0 : KNN_STEPS); which++)
            for (int j = 0; j < KNN_PIECE; j++) {
                const float left = piece[j] - (float)knn_code4(piece[j], 7.0f / cut[which]) * (cut[which] / 7.0f);
                off4[which][j] += left * left;
            }
    }
    int32_t sum = 0;
    for (int j = 0; j < KNN_PIECE; j++) {
        sum += sums[j];
        missed += (double)off[j];
        for (int which = 0; which < KNN_STEPS; which++) missed4[which] += (double)off4[which][j];
    }
    const double share = (double)largest / norm, rounding = 6e-7 * sqrt((double)count) * share + 1e-7;
    out->norm = norm;
    out->scale = (float)(share / 127.0);
    out->residual = (float)(sqrt(missed) * share * 1.0002 + rounding);
    out->sum = sum;
    if (nibbles == NULL) return;
    int best = 0;
    for (int which = 1; which < KNN_STEPS; which++) best = missed4[which] < missed4[best] ? which : best;
    out->scale4 = (float)(share * (double)cut[best] / 7.0);
    out->residual4 = (float)(sqrt(missed4[best]) * share * 1.0002 + rounding);
    for (size_t at = 0; at < stride4; at += KNN_PIECE) {
        knn_piece(x, count, 2 * at, unit, piece);
        knn_piece(x, count, 2 * at + KNN_PIECE, unit, halves);
        for (int j = 0; j < KNN_PIECE; j++) {
            const int32_t low = knn_code4(piece[j], 7.0f / cut[best]) + 8;
            const int32_t high = knn_code4(halves[j], 7.0f / cut[best]) + 8;
            nibbles[at + (size_t)j] = (uint8_t)(low | high << 4);
        }
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void knn_encode_avx2(const float *x, size_t count, double norm, int8_t *codes,
                                                            size_t stride, uint8_t *nibbles, size_t stride4,
                                                            knn_coded_t *out) {
    knn_encode_lanes(x, count, norm, codes, stride, nibbles, stride4, out);
}

#if !defined(__clang__) /* which takes vectors of this width only where it is told so on the command line */
#define KNN_ENCODES_512 1
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"))) static void knn_encode_512(
    const float *x, size_t count, double norm, int8_t *codes, size_t stride, uint8_t *nibbles, size_t stride4,
    knn_coded_t *out) {
    knn_encode_lanes(x, count, norm, codes, stride, nibbles, stride4, out);
}
#endif
#endif

/* Codes x/|x|: `stride` bytes of 8-bit codes, zeros behind the last number, and `stride4` bytes of 4-bit codes unless
 * `nibbles` is NULL. x holds finite numbers, not all zero. */
static inline void knn_encode(const float *x, size_t count, int8_t *codes, size_t stride, uint8_t *nibbles, size_t stride4,
                              knn_coded_t *out) {
    const double norm = sqrt(knn_dot(x, x, count));
#if defined(KNN_ENCODES_512)
    if (knn_best() >= KNN_VNNI) {
        knn_encode_512(x, count, norm, codes, stride, nibbles, stride4, out);
        return;
    }
#endif
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        knn_encode_avx2(x, count, norm, codes, stride, nibbles, stride4, out);
        return;
    }
#endif
    knn_encode_lanes(x, count, norm, codes, stride, nibbles, stride4, out);
}

static inline __attribute__((always_inline)) float knn_rest_lanes(const float *x, size_t count, double norm, float scale,
                                                                  const int8_t *codes, int8_t *rest) {
    const float step = (float)((double)scale * norm), fine = step / 254, per = 1 / fine;
    float off[KNN_PIECE] = {0}, piece[KNN_PIECE];
    double missed = 0;
    for (size_t first = 0; first < count; first += KNN_PIECE) {
        knn_piece(x, count, first, 1.0, piece);
        for (size_t j = 0; j < KNN_PIECE; j++) {
            const float left = piece[j] - step * (float)codes[first + j], bent = left * per;
            int32_t code = (int32_t)(bent + copysignf(0.5f, bent));
            code = code > 127 ? 127 : code < -127 ? -127 : code;
            rest[first + j] = (int8_t)code;
            const float missing = (left - fine * (float)code) * per;
            off[j] += missing * missing;
        }
    }
    for (int j = 0; j < KNN_PIECE; j++) missed += (double)off[j];
    return (float)(sqrt(missed) * (double)scale / 254 * 1.0002 + 6e-7 * 127 * (double)scale * sqrt((double)count) + 1e-7);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static float knn_rest_avx2(const float *x, size_t count, double norm, float scale,
                                                           const int8_t *codes, int8_t *rest) {
    return knn_rest_lanes(x, count, norm, scale, codes, rest);
}
#endif

/* What a query's codes leave over, as codes of a 254th of the step: with these it is known to 16 bits. What is left over
 * after that is returned, as a share of the length of x. `codes` and `rest` have room for whole pieces. */
static inline float knn_encode_rest(const float *x, size_t count, double norm, float scale, const int8_t *codes,
                                    int8_t *rest) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return knn_rest_avx2(x, count, norm, scale, codes, rest);
#endif
    return knn_rest_lanes(x, count, norm, scale, codes, rest);
}

/* The `count` largest of what was offered, the least of them first (a binary heap), and the rows they are of. */
static inline void knn_ranks_sink(float *heap, uint32_t *rows, size_t count, size_t at) {
    const float value = heap[at];
    const uint32_t row = rows == NULL ? 0 : rows[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= value) break;
        heap[at] = heap[child];
        if (rows != NULL) rows[at] = rows[child];
        at = child;
    }
    heap[at] = value;
    if (rows != NULL) rows[at] = row;
}

static inline void knn_ranks_make(float *heap, uint32_t *rows, size_t count) {
    for (size_t at = count / 2; at-- > 0;) knn_ranks_sink(heap, rows, count, at);
}

static inline void knn_ranks_replace(float *heap, uint32_t *rows, size_t count, float value, uint32_t row) {
    heap[0] = value;
    rows[0] = row;
    knn_ranks_sink(heap, rows, count, 0);
}

static inline void knn_heap_make(float *heap, size_t count) { knn_ranks_make(heap, NULL, count); }

static inline void knn_heap_replace(float *heap, size_t count, float value) {
    heap[0] = value;
    knn_ranks_sink(heap, NULL, count, 0);
}

#endif
