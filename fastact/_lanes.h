/* What is done to 16 lanes together. In registers: left to itself, GCC adds number by number. */

#ifndef FASTACT_LANES_H
#define FASTACT_LANES_H

#include "fastact_formulas.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef FASTACT_BY_FRACTIONS
#include <immintrin.h>
#endif

typedef double fastact_double_4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double fastact_double_2 __attribute__((vector_size(16), aligned(8), may_alias));
typedef float fastact_float_4 __attribute__((vector_size(16), aligned(4), may_alias));

#define FASTACT_HALVES(whole, first, second) \
    memcpy(&first, &whole, sizeof(first));   \
    memcpy(&second, (const char *)&whole + sizeof(first), sizeof(first));

/* Their sum as a tree: the second half is added to the first until one is left. */
static inline double fastact_sum_of_doubles(const double *lanes) {
    const fastact_double_4 *v = (const fastact_double_4 *)lanes;
    fastact_double_4 four = (v[0] + v[2]) + (v[1] + v[3]);
    fastact_double_2 two, two_2;
    FASTACT_HALVES(four, two, two_2)
    two += two_2;
    return two[0] + two[1];
}

static inline float fastact_sum_of_floats(const float *lanes) {
    const fastact_float_4 *v = (const fastact_float_4 *)lanes;
    fastact_float_4 four = (v[0] + v[2]) + (v[1] + v[3]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* The same of pairs, whose low parts take the rounding errors. */
static inline void fastact_sum_of_pairs(const double *highs, const double *lows, double *high, double *low) {
#define FASTACT_ADD(type, sum, sum_low, a, a_low, b, b_low) \
    type sum = a + b, sum##_part = sum - a;                 \
    type sum_low = a_low + (((a - (sum - sum##_part)) + (b - sum##_part)) + b_low);
    const fastact_double_4 *h = (const fastact_double_4 *)highs, *l = (const fastact_double_4 *)lows;
    FASTACT_ADD(fastact_double_4, a, a_low, h[0], l[0], h[2], l[2])
    FASTACT_ADD(fastact_double_4, b, b_low, h[1], l[1], h[3], l[3])
    FASTACT_ADD(fastact_double_4, four, four_low, a, a_low, b, b_low)
    fastact_double_2 first, first_low, second, second_low;
    FASTACT_HALVES(four, first, second)
    FASTACT_HALVES(four_low, first_low, second_low)
    FASTACT_ADD(fastact_double_2, two, two_low, first, first_low, second, second_low)
    FASTACT_ADD(double, one, one_low, two[0], two_low[0], two[1], two_low[1])
    *high = one;
    *low = one_low;
#undef FASTACT_ADD
}

/* Of each lane, what `exp_index` gave: the power of two and, where that is rounded, what is left of it, as a share. */
#ifdef FASTACT_BY_FRACTIONS
static inline __attribute__((always_inline)) void fastact_power_float(const float *index, float *power, float *low) {
    static const int32_t fraction_powers[16] = {FASTACT_FRACTION_POWERS, FASTACT_FRACTION_POWERS};
    static const float fraction_powers_low[16] = {FASTACT_FRACTION_POWERS_LOW, FASTACT_FRACTION_POWERS_LOW};
#ifdef __AVX512F__
    const __m512i bits = _mm512_loadu_si512(fraction_powers), t = _mm512_loadu_si512(index);
    const __m512 lows = _mm512_loadu_ps(fraction_powers_low);
    const __m512i sum = _mm512_add_epi32(_mm512_permutexvar_epi32(t, bits), _mm512_slli_epi32(t, 20));
    _mm512_storeu_ps(power, _mm512_castsi512_ps(sum));
    _mm512_storeu_ps(low, _mm512_permutexvar_ps(t, lows));
#else
    const __m256i bits = _mm256_loadu_si256((const __m256i *)fraction_powers);
    const __m256 lows = _mm256_loadu_ps(fraction_powers_low);
    for (int k = 0; k < 16; k += 8) {
        const __m256i t = _mm256_castps_si256(_mm256_loadu_ps(index + k));
        const __m256i sum = _mm256_add_epi32(_mm256_permutevar8x32_epi32(bits, t), _mm256_slli_epi32(t, 20));
        _mm256_storeu_ps(power + k, _mm256_castsi256_ps(sum));
        _mm256_storeu_ps(low + k, _mm256_permutevar8x32_ps(lows, t));
    }
#endif
}
#else
static inline __attribute__((always_inline)) void fastact_power_float(const float *index, float *power, float *low) {
    for (int j = 0; j < 16; j++) {
        power[j] = fastact_power_of_two_float32(index[j]);
        low[j] = 0.0f;
    }
}
#endif
static inline __attribute__((always_inline)) void fastact_power_double(const double *index, double *power, double *low) {
    for (int j = 0; j < 16; j++) {
        power[j] = fastact_power_of_two_float64(index[j]);
        low[j] = 0.0;
    }
}

#if defined(__AVX512F__)
#define FASTACT_WIDTH 64
#elif defined(__AVX__)
#define FASTACT_WIDTH 32
#else
#define FASTACT_WIDTH 16
#endif

/* The sum of n elements of x, or of x * y, element i being added in lane i % 16. */
#define FASTACT_BLOCK_SUM(type)                                                                           \
    typedef type fastact_##type##_wide                                                                    \
        __attribute__((vector_size(FASTACT_WIDTH), aligned(sizeof(type)), may_alias));                    \
    static inline type fastact_block_sum_##type(const type *x, const type *y, ptrdiff_t n, int times_y) { \
        enum { EACH = FASTACT_WIDTH / sizeof(type), COUNT = 16 / EACH };                                  \
        fastact_##type##_wide sums[COUNT];                                                                \
        type a[16], b[16], lanes[16];                                                                     \
        for (int k = 0; k < COUNT; k++) sums[k] = (fastact_##type##_wide){0};                             \
        while (n > 0) {                                                                                   \
            if (n < 16) {                                                                                 \
                int rest = (int)n;                                                                        \
                for (int j = 0; j < 16; j++) a[j] = j < rest ? x[j] : 0;                                  \
                if (times_y)                                                                              \
                    for (int j = 0; j < 16; j++) b[j] = j < rest ? y[j] : 0;                              \
                x = a;                                                                                    \
                y = b;                                                                                    \
            }                                                                                             \
            for (int k = 0; k < COUNT; k++) {                                                             \
                fastact_##type##_wide term = *(const fastact_##type##_wide *)(x + k * EACH);              \
                if (times_y) term *= *(const fastact_##type##_wide *)(y + k * EACH);                      \
                sums[k] += term;                                                                          \
            }                                                                                             \
            x += 16;                                                                                      \
            y += 16;                                                                                      \
            n -= 16;                                                                                      \
        }                                                                                                 \
        for (int k = 0; k < COUNT; k++) *(fastact_##type##_wide *)(lanes + k * EACH) = sums[k];           \
        return fastact_sum_of_##type##s(lanes);                                                           \
    }
FASTACT_BLOCK_SUM(float)
FASTACT_BLOCK_SUM(double)

#endif
