/* Short rows, packed as the columns of a tile and back: tile[i * width + c] = rows[c][i].
   Pieces of 16 bytes, of several rows in a register; a few registers of them are transposed piece by piece. */

#ifndef FASTACT_TRANSPOSE_H
#define FASTACT_TRANSPOSE_H

#include <stddef.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

typedef float fastact_1_float __attribute__((vector_size(16), aligned(4), may_alias));
typedef double fastact_1_double __attribute__((vector_size(16), aligned(8), may_alias));
typedef float fastact_2_float __attribute__((vector_size(32), aligned(4), may_alias));
typedef double fastact_2_double __attribute__((vector_size(32), aligned(8), may_alias));
typedef float fastact_4_float __attribute__((vector_size(64), aligned(4), may_alias));
typedef double fastact_4_double __attribute__((vector_size(64), aligned(8), may_alias));

#if defined(__clang__)
#define FASTACT_MIX(whole, bytes, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int fastact_float_16 __attribute__((vector_size(16)));
typedef long long fastact_double_16 __attribute__((vector_size(16)));
typedef int fastact_float_32 __attribute__((vector_size(32)));
typedef long long fastact_double_32 __attribute__((vector_size(32)));
typedef int fastact_float_64 __attribute__((vector_size(64)));
typedef long long fastact_double_64 __attribute__((vector_size(64)));
#define FASTACT_MIX(whole, bytes, a, b, ...) __builtin_shuffle(a, b, (fastact_##whole##_##bytes){__VA_ARGS__})
#endif

/* Of two registers of so many pieces, in every piece: the first halves, number by number in turn, and the second ones. */
#define FASTACT_FIRST_1_double(a, b) FASTACT_MIX(double, 16, a, b, 0, 2)
#define FASTACT_SECOND_1_double(a, b) FASTACT_MIX(double, 16, a, b, 1, 3)
#define FASTACT_FIRST_1_float(a, b) FASTACT_MIX(float, 16, a, b, 0, 4, 1, 5)
#define FASTACT_SECOND_1_float(a, b) FASTACT_MIX(float, 16, a, b, 2, 6, 3, 7)
#define FASTACT_FIRST_2_double(a, b) FASTACT_MIX(double, 32, a, b, 0, 4, 2, 6)
#define FASTACT_SECOND_2_double(a, b) FASTACT_MIX(double, 32, a, b, 1, 5, 3, 7)
#define FASTACT_FIRST_2_float(a, b) FASTACT_MIX(float, 32, a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define FASTACT_SECOND_2_float(a, b) FASTACT_MIX(float, 32, a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define FASTACT_FIRST_4_double(a, b) FASTACT_MIX(double, 64, a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define FASTACT_SECOND_4_double(a, b) FASTACT_MIX(double, 64, a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define FASTACT_FIRST_4_float(a, b) \
    FASTACT_MIX(float, 64, a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define FASTACT_SECOND_4_float(a, b) \
    FASTACT_MIX(float, 64, a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)

/* The first bytes of a piece: all 16, or 12, 8 or 4. */
static inline fastact_1_float fastact_read(const void *p, int bytes) {
    fastact_1_float piece = {0};
#ifdef __SSE2__
    if (bytes == 12) return _mm_movelh_ps((__m128)_mm_loadl_epi64((const __m128i *)p), _mm_load_ss((const float *)p + 2));
    if (bytes == 8) return (fastact_1_float)_mm_loadl_epi64((const __m128i *)p);
    if (bytes == 4) return _mm_load_ss((const float *)p);
#endif
    memcpy(&piece, p, bytes);
    return piece;
}

static inline void fastact_write(void *p, fastact_1_float piece, int bytes) {
#ifdef __SSE2__
    if (bytes == 12) {
        _mm_storel_epi64((__m128i *)p, (__m128i)piece);
        _mm_store_ss((float *)p + 2, _mm_movehl_ps((__m128)piece, (__m128)piece));
        return;
    }
#endif
    memcpy(p, &piece, bytes);
}

/* Registers of pieces that begin at p[0], p[step] ... */
#define FASTACT_READ(p) fastact_read((const char *)(p) + offset, bytes)
#define FASTACT_WRITE(p, piece) fastact_write((char *)(p) + offset, (fastact_1_float)(piece), bytes)
static inline fastact_1_float fastact_join_1(void *const *p, int step, ptrdiff_t offset, int bytes) {
    return FASTACT_READ(p[0]);
}
static inline void fastact_part_1(fastact_1_float v, void *const *p, int step, ptrdiff_t offset, int bytes) {
    FASTACT_WRITE(p[0], v);
}
#ifdef __AVX2__
static inline fastact_2_float fastact_join_2(void *const *p, int step, ptrdiff_t offset, int bytes) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(FASTACT_READ(p[0])), FASTACT_READ(p[step]), 1);
}
static inline void fastact_part_2(fastact_2_float v, void *const *p, int step, ptrdiff_t offset, int bytes) {
    FASTACT_WRITE(p[0], _mm256_castps256_ps128(v));
    FASTACT_WRITE(p[step], _mm256_extractf128_ps(v, 1));
}
#endif
#ifdef __AVX512F__
static inline fastact_4_float fastact_join_4(void *const *p, int step, ptrdiff_t offset, int bytes) {
    __m512 v = _mm512_castps128_ps512(FASTACT_READ(p[0]));
    v = _mm512_insertf32x4(v, FASTACT_READ(p[step]), 1);
    v = _mm512_insertf32x4(v, FASTACT_READ(p[2 * step]), 2);
    return _mm512_insertf32x4(v, FASTACT_READ(p[3 * step]), 3);
}
static inline void fastact_part_4(fastact_4_float v, void *const *p, int step, ptrdiff_t offset, int bytes) {
    FASTACT_WRITE(p[0], _mm512_castps512_ps128(v));
    FASTACT_WRITE(p[step], _mm512_extractf32x4_ps(v, 1));
    FASTACT_WRITE(p[2 * step], _mm512_extractf32x4_ps(v, 2));
    FASTACT_WRITE(p[3 * step], _mm512_extractf32x4_ps(v, 3));
}
#endif

#define FASTACT_UNROLL _Pragma("GCC unroll 4")

/* Mixing the first half of some registers with the second, so often as makes one of them, transposes each piece. */
#define FASTACT_TRANSPOSE(pieces, type)                                                        \
    FASTACT_UNROLL for (int done = 1; done < part; done *= 2) {                                \
        FASTACT_UNROLL for (int k = 0; k < part; k += 2) {                                     \
            mixed[k] = FASTACT_FIRST_##pieces##_##type(v[k / 2], v[k / 2 + part / 2]);         \
            mixed[k + 1] = FASTACT_SECOND_##pieces##_##type(v[k / 2], v[k / 2 + part / 2]);    \
        }                                                                                      \
        FASTACT_UNROLL for (int k = 0; k < part; k++) v[k] = mixed[k];                         \
    }

/* From column i on, `some` of the columns that a piece has, of as many rows as make whole registers, from row c on. */
#define FASTACT_BLOCKS(pieces, type)                                                                  \
    __attribute__((always_inline))                                                                    \
    static inline void fastact_pack_##pieces##_##type(                                                \
        type *const *rows, type *tile, ptrdiff_t width, ptrdiff_t c, ptrdiff_t i, int some            \
    ) {                                                                                               \
        enum { part = 16 / sizeof(type) };                                                            \
        fastact_##pieces##_##type v[part], mixed[part];                                               \
        FASTACT_UNROLL for (int k = 0; k < part; k++)                                                 \
            v[k] = (fastact_##pieces##_##type)fastact_join_##pieces(                                  \
                (void *const *)rows + c + k, part, i * sizeof(type), some * sizeof(type));            \
        FASTACT_TRANSPOSE(pieces, type)                                                               \
        FASTACT_UNROLL for (int k = 0; k < part; k++)                                                 \
            if (k < some) *(fastact_##pieces##_##type *)(tile + (i + k) * width + c) = v[k];          \
    }                                                                                                 \
    __attribute__((always_inline))                                                                    \
    static inline void fastact_unpack_##pieces##_##type(                                              \
        type *const *rows, const type *tile, ptrdiff_t width, ptrdiff_t c, ptrdiff_t i, int some      \
    ) {                                                                                               \
        enum { part = 16 / sizeof(type) };                                                            \
        fastact_##pieces##_##type v[part], mixed[part];                                               \
        FASTACT_UNROLL for (int k = 0; k < part; k++)                                                 \
            v[k] = *(const fastact_##pieces##_##type *)(tile + (i + (k < some ? k : 0)) * width + c); \
        FASTACT_TRANSPOSE(pieces, type)                                                               \
        FASTACT_UNROLL for (int k = 0; k < part; k++)                                                 \
            fastact_part_##pieces(                                                                    \
                (fastact_##pieces##_float)v[k], (void *const *)rows + c + k, part, i * sizeof(type),  \
                some * sizeof(type));                                                                 \
    }

/* All columns of some rows; the last piece of each overlaps with the one before it, where there is one. */
#define FASTACT_ROWS(block)                                                         \
    {                                                                               \
        for (i = 0; i + part <= n; i += part) block(rows, tile, width, c, i, part); \
        if (i < n && n > part) block(rows, tile, width, c, n - part, part);         \
        else if (n - i == 1) block(rows, tile, width, c, i, 1);                     \
        else if (part > 2 && n - i == 2) block(rows, tile, width, c, i, part / 2);  \
        else if (part > 2 && n - i == 3) block(rows, tile, width, c, i, part - 1);  \
    }

#define FASTACT_ALL_ROWS(pieces, type, direction, one, other)                                         \
    enum { part = 16 / sizeof(type) };                                                                \
    ptrdiff_t c = 0, i;                                                                               \
    for (; c + part * pieces <= width; c += part * pieces)                                            \
        FASTACT_ROWS(fastact_##direction##_##pieces##_##type)                                         \
    if (width < part)                                                                                 \
        for (c = 0; c < width; c++)                                                                   \
            for (i = 0; i < n; i++) other = one;                                                      \
    else                                                                                              \
        for (; c < width; c += part) {                                                                \
            if (c > width - part) c = width - part;                                                   \
            FASTACT_ROWS(fastact_##direction##_1_##type)                                              \
        }

#define FASTACT_PACK_AND_UNPACK(pieces, type)                                                                     \
    static inline void fastact_pack_##type(type *const *rows, type *tile, ptrdiff_t width, ptrdiff_t n) {         \
        FASTACT_ALL_ROWS(pieces, type, pack, rows[c][i], tile[i * width + c])                                     \
    }                                                                                                             \
    static inline void fastact_unpack_##type(type *const *rows, const type *tile, ptrdiff_t width, ptrdiff_t n) { \
        FASTACT_ALL_ROWS(pieces, type, unpack, tile[i * width + c], rows[c][i])                                   \
    }

FASTACT_BLOCKS(1, float)
FASTACT_BLOCKS(1, double)
#if defined(__AVX512F__)
FASTACT_BLOCKS(4, float)
FASTACT_BLOCKS(4, double)
FASTACT_PACK_AND_UNPACK(4, float)
FASTACT_PACK_AND_UNPACK(4, double)
#elif defined(__AVX2__)
FASTACT_BLOCKS(2, float)
FASTACT_BLOCKS(2, double)
FASTACT_PACK_AND_UNPACK(2, float)
FASTACT_PACK_AND_UNPACK(2, double)
#else
FASTACT_PACK_AND_UNPACK(1, float)
FASTACT_PACK_AND_UNPACK(1, double)
#endif

#endif
