/* Arithmetic of nearest-neighbour search: 8-bit codes for the scan, exact scores for what it finds. Knows numbers only.
 *
 * A row x is normalised and coded as x/|x| ~ scale * code, code in -127..127 (symmetric scalar quantisation). The query
 * is coded alike and kept as code + 128, so that one instruction multiplies unsigned by signed bytes; 128 times the sum
 * of the row's codes is taken off again. Every kernel gives the same integers: they are exact, 65,536 products of
 * 255 * 127 fit an int32.
 *
 * With |x|=|y|=1 and residuals r = |x - scale * code|, Cauchy and Schwarz bound what the codes can be wrong by:
 * |x.y - x'.y'| <= r_x + (1 + r_x) * r_y. So the scan decides exactly which rows can be among the nearest.
 */
#ifndef PRIME_KNN_H
#define PRIME_KNN_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define KNN_BLOCK_BYTES 64      /* rows of codes are padded with zeros to a multiple of this */
#define KNN_ROWS 4              /* rows that one call of a kernel takes */
#define KNN_SLACK 4e-6f         /* float32 rounding in the estimates, with room to spare */

/* sums[i] = sum of query[j] * rows[i * stride + j] for four rows */
typedef void (*knn_kernel)(const uint8_t *query, const int8_t *rows, size_t stride, int32_t *sums);

static void knn_rows_scalar(const uint8_t *query, const int8_t *rows, size_t stride, int32_t *sums) {
    for (int row = 0; row < KNN_ROWS; row++) {
        const int8_t *codes = rows + (size_t)row * stride;
        int32_t sum = 0;
        for (size_t i = 0; i < stride; i++) sum += (int32_t)query[i] * (int32_t)codes[i];
        sums[row] = sum;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline int32_t knn_sum_256(__m256i lanes) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
    return _mm_cvtsi128_si32(half);
}

__attribute__((target("avx2")))
static void knn_rows_avx2(const uint8_t *query, const int8_t *rows, size_t stride, int32_t *sums) {
    __m256i total[KNN_ROWS];
    for (int row = 0; row < KNN_ROWS; row++) total[row] = _mm256_setzero_si256();
    for (size_t i = 0; i < stride; i += 16) {
        const __m256i asked = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(query + i)));
        for (int row = 0; row < KNN_ROWS; row++) {
            const int8_t *codes = rows + (size_t)row * stride + i;
            const __m256i held = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)codes));
            total[row] = _mm256_add_epi32(total[row], _mm256_madd_epi16(asked, held));
        }
    }
    for (int row = 0; row < KNN_ROWS; row++) sums[row] = knn_sum_256(total[row]);
}

__attribute__((target("avx512f,avx512bw,avx512vnni")))
static void knn_rows_vnni(const uint8_t *query, const int8_t *rows, size_t stride, int32_t *sums) {
    __m512i total[KNN_ROWS];
    for (int row = 0; row < KNN_ROWS; row++) total[row] = _mm512_setzero_si512();
    for (size_t i = 0; i < stride; i += 64) {
        const __m512i asked = _mm512_loadu_si512((const void *)(query + i));
        for (int row = 0; row < KNN_ROWS; row++) {
            const int8_t *codes = rows + (size_t)row * stride + i;
            total[row] = _mm512_dpbusd_epi32(total[row], asked, _mm512_loadu_si512((const void *)codes));
        }
    }
    for (int row = 0; row < KNN_ROWS; row++) sums[row] = _mm512_reduce_add_epi32(total[row]);
}
#endif

/* The kernels this processor can run, the best first; the scalar one always. */
enum { KNN_SCALAR, KNN_AVX2, KNN_VNNI };

static inline int knn_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) return KNN_VNNI;
    if (__builtin_cpu_supports("avx2")) return KNN_AVX2;
#endif
    return KNN_SCALAR;
}

static inline knn_kernel knn_kernel_of(int which) {
#if defined(__x86_64__)
    if (which == KNN_VNNI) return knn_rows_vnni;
    if (which == KNN_AVX2) return knn_rows_avx2;
#else
    (void)which;
#endif
    return knn_rows_scalar;
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
__attribute__((target("avx2"))) static double knn_dot_avx2(const float *a, const float *b, size_t count) {
    return knn_dot_lanes(a, b, count);
}
#endif

static inline double knn_dot(const float *a, const float *b, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return knn_dot_avx2(a, b, count);
#endif
    return knn_dot_plain(a, b, count);
}

typedef struct {
    double norm;
    float scale;
    float residual;
    int32_t sum;
} knn_coded_t;

/* Codes x/|x|; `codes` has `stride` bytes, zeros behind the last number. x holds finite numbers, not all zero. */
static inline void knn_encode(const float *x, size_t count, int8_t *codes, size_t stride, knn_coded_t *out) {
    const double norm = sqrt(knn_dot(x, x, count));
    double largest = 0, missed = 0;
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double size = x[i] < 0 ? -(double)x[i] : (double)x[i];
        largest = size > largest ? size : largest;
    }
    const double step = 127.0 / largest, scale = largest / norm / 127.0, unit = 1.0 / norm;
    for (size_t i = 0; i < count; i++) {
        const double scaled = (double)x[i] * step;
        const int32_t code = (int32_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
        const double off = (double)x[i] * unit - scale * (double)code;
        codes[i] = (int8_t)code;
        sum += code;
        missed += off * off;
    }
    for (size_t i = count; i < stride; i++) codes[i] = 0;
    out->norm = norm;
    out->scale = (float)scale;
    out->residual = (float)(sqrt(missed) * 1.000001 + 1e-7);
    out->sum = sum;
}

#endif
