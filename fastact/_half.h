/* float16 as float32, and back, rounded to nearest even: by the CPU's instructions where it has them. NaN stays NaN, and
   becomes quiet, with what float16 has room for of its payload. */

#ifndef FASTACT_HALF_H
#define FASTACT_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__F16C__)

#include <immintrin.h>

static inline float fastact_of_half(uint16_t half) { return _cvtsh_ss(half); }
static inline uint16_t fastact_half_of(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }

#elif defined(__aarch64__)

#include <arm_neon.h>

static inline float fastact_of_half(uint16_t half) {
    __fp16 value;
    memcpy(&value, &half, sizeof value);
    return value;
}

static inline uint16_t fastact_half_of(float value) {
    __fp16 rounded = (__fp16)value;
    uint16_t half;
    memcpy(&half, &rounded, sizeof half);
    return half;
}

#else /* without branches, so that compilers make vector code of it */

static inline float fastact_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t fastact_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float fastact_of_half(uint16_t half) {
    uint32_t magnitude = half & 0x7fffu, sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t normal = (magnitude << 13) + (112u << 23); /* the bias is 127 instead of 15 */
    uint32_t special = (magnitude << 13) | 0x7f800000u | (magnitude > 0x7c00u ? 0x400000u : 0u);
    uint32_t subnormal = fastact_bits_of_float((float)(int32_t)magnitude * 0x1p-24f);
    uint32_t bits = magnitude >= 0x7c00u ? special : magnitude < 0x400u ? subnormal : normal;
    return fastact_float_of_bits(bits | sign);
}

static inline uint16_t fastact_half_of(float value) {
    uint32_t bits = fastact_bits_of_float(value), magnitude = bits & 0x7fffffffu;
    uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1)) >> 13; /* a carry makes the next power */
    uint32_t special = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : 0x7c00u;
    /* beside 0.5 the last place is that of subnormal ones */
    uint32_t subnormal = fastact_bits_of_float(fastact_float_of_bits(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t half = magnitude >= 0x47800000u ? special : magnitude < 0x38800000u ? subnormal : normal;
    return (uint16_t)(half | ((bits >> 16) & 0x8000u));
}

#endif

static inline uint16_t fastact_half_of_double(double value) {
    float cut = (float)value;
    uint32_t bits;
    memcpy(&bits, &cut, sizeof bits);
    if (cut != value) { /* towards 0, and a last bit for what that leaves: what is rounded just once must not be a tie */
        bits -= (cut < 0 ? -cut : cut) > (value < 0 ? -value : value);
        bits |= 1;
    }
    memcpy(&cut, &bits, sizeof cut);
    return fastact_half_of(cut);
}

/* n of them, so many bytes apart, as neighbours. */
static inline void fastact_widen(float *to, const char *from, ptrdiff_t step, ptrdiff_t n) {
    ptrdiff_t i = 0;
    const uint16_t *halves = (const uint16_t *)from;
    if (step != sizeof(uint16_t)) {
        for (; i < n; i++) to[i] = fastact_of_half(*(const uint16_t *)(from + i * step));
        return;
    }
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(halves + i))));
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + i))));
#elif defined(__aarch64__)
    for (; i + 4 <= n; i += 4) vst1q_f32(to + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves + i))));
#endif
    for (; i < n; i++) to[i] = fastact_of_half(halves[i]);
}

static inline void fastact_narrow(char *to, ptrdiff_t step, const float *from, ptrdiff_t n) {
    ptrdiff_t i = 0;
    uint16_t *halves = (uint16_t *)to;
    if (step != sizeof(uint16_t)) {
        for (; i < n; i++) *(uint16_t *)(to + i * step) = fastact_half_of(from[i]);
        return;
    }
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256(
            (__m256i *)(halves + i), _mm512_cvtps_ph(_mm512_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT)
        );
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128(
            (__m128i *)(halves + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT)
        );
#elif defined(__aarch64__)
    for (; i + 4 <= n; i += 4) vst1_u16(halves + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from + i))));
#endif
    for (; i < n; i++) halves[i] = fastact_half_of(from[i]);
}

#endif
