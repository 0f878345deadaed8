/* Short rows, packed as the columns of a tile and back: tile[i * width + c] = rows[c][i].
   In squares: of registers of 64 bytes, where there are such, then of 16 bytes, of which the last overlap the others. */

#ifndef FASTACT_TRANSPOSE_H
#define FASTACT_TRANSPOSE_H

#include <stddef.h>

#if defined(__clang__)
#define FASTACT_MIX(ints, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int fastact_4_ints __attribute__((vector_size(16)));
typedef long long fastact_2_longs __attribute__((vector_size(16)));
typedef int fastact_16_ints __attribute__((vector_size(64)));
typedef long long fastact_8_longs __attribute__((vector_size(64)));
#define FASTACT_MIX(ints, a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif
typedef float fastact_4_float __attribute__((vector_size(16), aligned(4), may_alias));
typedef double fastact_2_double __attribute__((vector_size(16), aligned(8), may_alias));
typedef float fastact_16_float __attribute__((vector_size(64), aligned(4), may_alias));
typedef double fastact_8_double __attribute__((vector_size(64), aligned(8), may_alias));

/* Of two registers, in every 16 bytes of them: the first halves, number by number in turn, and the second ones. */
#define FASTACT_FIRST_2_double(a, b) FASTACT_MIX(fastact_2_longs, a, b, 0, 2)
#define FASTACT_SECOND_2_double(a, b) FASTACT_MIX(fastact_2_longs, a, b, 1, 3)
#define FASTACT_FIRST_4_float(a, b) FASTACT_MIX(fastact_4_ints, a, b, 0, 4, 1, 5)
#define FASTACT_SECOND_4_float(a, b) FASTACT_MIX(fastact_4_ints, a, b, 2, 6, 3, 7)
#define FASTACT_FIRST_8_double(a, b) FASTACT_MIX(fastact_8_longs, a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define FASTACT_SECOND_8_double(a, b) FASTACT_MIX(fastact_8_longs, a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define FASTACT_FIRST_16_float(a, b) \
    FASTACT_MIX(fastact_16_ints, a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define FASTACT_SECOND_16_float(a, b) \
    FASTACT_MIX(fastact_16_ints, a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
/* Their first and third 16 bytes, and the others. */
#define FASTACT_EVEN(a, b) FASTACT_MIX(fastact_8_longs, (fastact_8_double)a, (fastact_8_double)b, 0, 1, 4, 5, 8, 9, 12, 13)
#define FASTACT_ODD(a, b) FASTACT_MIX(fastact_8_longs, (fastact_8_double)a, (fastact_8_double)b, 2, 3, 6, 7, 10, 11, 14, 15)

#define FASTACT_UNROLL _Pragma("GCC unroll 16")

/* A square; `from` and `to` are expressions in k. Mixing the first half of some registers with the second, so often as
   makes one of them, transposes the squares of 16 bytes; these are transposed in their turn. */
#define FASTACT_SQUARE(size, type, from, to)                                                            \
    {                                                                                                   \
        enum { part = 16 / sizeof(type) };                                                              \
        fastact_##size##_##type v[size], mixed[size];                                                   \
        FASTACT_UNROLL for (int k = 0; k < size; k++) v[k] = *(const fastact_##size##_##type *)(from);  \
        FASTACT_UNROLL for (int done = 1; done < part; done *= 2) {                                     \
            FASTACT_UNROLL for (int k = 0; k < size; k += 2) {                                          \
                const int first = k / part * part + k % part / 2;                                       \
                mixed[k] = FASTACT_FIRST_##size##_##type(v[first], v[first + part / 2]);                \
                mixed[k + 1] = FASTACT_SECOND_##size##_##type(v[first], v[first + part / 2]);           \
            }                                                                                           \
            FASTACT_UNROLL for (int k = 0; k < size; k++) v[k] = mixed[k];                              \
        }                                                                                               \
        FASTACT_PARTS_##size(type)                                                                      \
        FASTACT_UNROLL for (int k = 0; k < size; k++) *(fastact_##size##_##type *)(to) = v[k];          \
    }
#define FASTACT_PARTS_2(type)
#define FASTACT_PARTS_4(type)
#define FASTACT_PARTS_8(type) FASTACT_PARTS(fastact_8_double, type)
#define FASTACT_PARTS_16(type) FASTACT_PARTS(fastact_16_float, type)
#define FASTACT_PARTS(register, type)                                                                        \
    FASTACT_UNROLL for (int k = 0; k < part; k++) {                                                          \
        fastact_8_double a = FASTACT_EVEN(v[k], v[part + k]), b = FASTACT_EVEN(v[2 * part + k], v[3 * part + k]); \
        fastact_8_double c = FASTACT_ODD(v[k], v[part + k]), d = FASTACT_ODD(v[2 * part + k], v[3 * part + k]);   \
        v[k] = (register)FASTACT_EVEN(a, b);                                                                 \
        v[part + k] = (register)FASTACT_EVEN(c, d);                                                          \
        v[2 * part + k] = (register)FASTACT_ODD(a, b);                                                       \
        v[3 * part + k] = (register)FASTACT_ODD(c, d);                                                       \
    }

#ifdef __AVX512F__
#define FASTACT_WIDE_SQUARES(size, type, from, to) \
    wide_c = width / size * size;                  \
    wide_i = n / size * size;                      \
    for (c = 0; c < wide_c; c += size)             \
        for (i = 0; i < wide_i; i += size) FASTACT_SQUARE(size, type, from, to)
#else
#define FASTACT_WIDE_SQUARES(size, type, from, to)
#endif

#define FASTACT_TRANSPOSE(wide, size, type, one, other, from, to)    \
    ptrdiff_t c, i, wide_c = 0, wide_i = 0;                          \
    if (width < size || n < size) {                                  \
        for (c = 0; c < width; c++)                                  \
            for (i = 0; i < n; i++) other = one;                     \
        return;                                                      \
    }                                                                \
    FASTACT_WIDE_SQUARES(wide, type, from, to)                       \
    for (c = 0; c < width; c += size) {                              \
        if (c > width - size) c = width - size;                      \
        for (i = c + size <= wide_c ? wide_i : 0; i < n; i += size) { \
            if (i > n - size) i = n - size;                          \
            FASTACT_SQUARE(size, type, from, to)                     \
        }                                                            \
    }

#define FASTACT_PACK_AND_UNPACK(wide, size, type)                                                                    \
    static inline void fastact_pack_##type(type *const *rows, type *tile, ptrdiff_t width, ptrdiff_t n) {            \
        FASTACT_TRANSPOSE(wide, size, type, rows[c][i], tile[i * width + c], rows[c + k] + i, tile + (i + k) * width + c) \
    }                                                                                                                \
    static inline void fastact_unpack_##type(type *const *rows, const type *tile, ptrdiff_t width, ptrdiff_t n) {    \
        FASTACT_TRANSPOSE(wide, size, type, tile[i * width + c], rows[c][i], tile + (i + k) * width + c, rows[c + k] + i) \
    }
FASTACT_PACK_AND_UNPACK(16, 4, float)
FASTACT_PACK_AND_UNPACK(8, 2, double)

#endif
