/* Short rows, packed as the columns of a tile and back: tile[i * width + c] = rows[c][i].
   In squares of one register's width, of which the last overlap the ones before. */

#ifndef FASTACT_TRANSPOSE_H
#define FASTACT_TRANSPOSE_H

#include <stddef.h>

typedef float fastact_floats __attribute__((vector_size(16), aligned(4), may_alias));
typedef double fastact_doubles __attribute__((vector_size(16), aligned(8), may_alias));

#if defined(__clang__)
#define FASTACT_MIX4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#define FASTACT_MIX2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#else
typedef int fastact_ints __attribute__((vector_size(16)));
typedef long long fastact_longs __attribute__((vector_size(16)));
#define FASTACT_MIX4(a, b, i, j, k, l) __builtin_shuffle(a, b, (fastact_ints){i, j, k, l})
#define FASTACT_MIX2(a, b, i, j) __builtin_shuffle(a, b, (fastact_longs){i, j})
#endif

static inline void fastact_transpose_floats(
    const float *a, const float *b, const float *c, const float *d, float *e, float *f, float *g, float *h
) {
    fastact_floats p = *(const fastact_floats *)a, q = *(const fastact_floats *)b;
    fastact_floats r = *(const fastact_floats *)c, s = *(const fastact_floats *)d;
    fastact_floats pq_low = FASTACT_MIX4(p, q, 0, 4, 1, 5), pq_high = FASTACT_MIX4(p, q, 2, 6, 3, 7);
    fastact_floats rs_low = FASTACT_MIX4(r, s, 0, 4, 1, 5), rs_high = FASTACT_MIX4(r, s, 2, 6, 3, 7);
    *(fastact_floats *)e = FASTACT_MIX4(pq_low, rs_low, 0, 1, 4, 5);
    *(fastact_floats *)f = FASTACT_MIX4(pq_low, rs_low, 2, 3, 6, 7);
    *(fastact_floats *)g = FASTACT_MIX4(pq_high, rs_high, 0, 1, 4, 5);
    *(fastact_floats *)h = FASTACT_MIX4(pq_high, rs_high, 2, 3, 6, 7);
}

static inline void fastact_transpose_doubles(const double *a, const double *b, double *c, double *d) {
    fastact_doubles p = *(const fastact_doubles *)a, q = *(const fastact_doubles *)b;
    *(fastact_doubles *)c = FASTACT_MIX2(p, q, 0, 2);
    *(fastact_doubles *)d = FASTACT_MIX2(p, q, 1, 3);
}

static inline void fastact_pack_float(float *const *rows, float *tile, ptrdiff_t width, ptrdiff_t n) {
    ptrdiff_t c, i;
    if (width < 4 || n < 4) {
        for (c = 0; c < width; c++)
            for (i = 0; i < n; i++) tile[i * width + c] = rows[c][i];
        return;
    }
    for (c = 0; c < width; c += 4) {
        if (c > width - 4) c = width - 4;
        for (i = 0; i < n; i += 4) {
            if (i > n - 4) i = n - 4;
            float *t = tile + i * width + c;
            fastact_transpose_floats(
                rows[c] + i, rows[c + 1] + i, rows[c + 2] + i, rows[c + 3] + i, t, t + width, t + 2 * width, t + 3 * width
            );
        }
    }
}

static inline void fastact_unpack_float(float *const *rows, const float *tile, ptrdiff_t width, ptrdiff_t n) {
    ptrdiff_t c, i;
    if (width < 4 || n < 4) {
        for (c = 0; c < width; c++)
            for (i = 0; i < n; i++) rows[c][i] = tile[i * width + c];
        return;
    }
    for (c = 0; c < width; c += 4) {
        if (c > width - 4) c = width - 4;
        for (i = 0; i < n; i += 4) {
            if (i > n - 4) i = n - 4;
            const float *t = tile + i * width + c;
            fastact_transpose_floats(
                t, t + width, t + 2 * width, t + 3 * width, rows[c] + i, rows[c + 1] + i, rows[c + 2] + i, rows[c + 3] + i
            );
        }
    }
}

static inline void fastact_pack_double(double *const *rows, double *tile, ptrdiff_t width, ptrdiff_t n) {
    ptrdiff_t c, i;
    if (width < 2 || n < 2) {
        for (c = 0; c < width; c++)
            for (i = 0; i < n; i++) tile[i * width + c] = rows[c][i];
        return;
    }
    for (c = 0; c < width; c += 2) {
        if (c > width - 2) c = width - 2;
        for (i = 0; i < n; i += 2) {
            if (i > n - 2) i = n - 2;
            double *t = tile + i * width + c;
            fastact_transpose_doubles(
                rows[c] + i, rows[c + 1] + i, t, t + width
            );
        }
    }
}

static inline void fastact_unpack_double(double *const *rows, const double *tile, ptrdiff_t width, ptrdiff_t n) {
    ptrdiff_t c, i;
    if (width < 2 || n < 2) {
        for (c = 0; c < width; c++)
            for (i = 0; i < n; i++) rows[c][i] = tile[i * width + c];
        return;
    }
    for (c = 0; c < width; c += 2) {
        if (c > width - 2) c = width - 2;
        for (i = 0; i < n; i += 2) {
            if (i > n - 2) i = n - 2;
            const double *t = tile + i * width + c;
            fastact_transpose_doubles(
                t, t + width, rows[c] + i, rows[c + 1] + i
            );
        }
    }
}

#endif
