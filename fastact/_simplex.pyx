"""hardmax, sparsemax and entmax15 over any axes, and the gradients of the last two.

A row is worked on as a tile of LANES columns. Short rows are columns of it, LANES at a time; of a long one,
which is folded into the columns, only those blocks of LANES elements come into it that can differ from 0.

No sorting: sparsemax is max(z - tau, 0) and entmax15 max(z / 2 - tau, 0)**2, with z = x - max(x), and tau
comes from the left. f(tau) = norm(max(z - tau, 0)) - 1, the 1-norm or 2-norm, is convex and decreasing, so that
Newton's steps never pass its root. The quotients of f and of f', new over old, add up to at most 1, so that each step
at least quarters f times f', and from n**2 to the precision of a float64 PASSES steps always suffice; a few do as a
rule. Where the root for the elements above tau drops none of them, it is the root.

Which way a row goes, and the order of its sums, depends on its length alone: its bits do not depend on
layout, threads or neighbours.
"""

cimport numpy as cnp
from libc.math cimport INFINITY, NAN, isfinite, isinf, sqrt
from libc.stddef cimport ptrdiff_t
from libc.string cimport memcpy, memset

include "_axes.pxi"

cdef extern from "fastact_formulas.h" nogil:
    double fastact_fma_float64(double, double, double)

cdef enum:
    HARDMAX, SPARSEMAX, ENTMAX15, SPARSEMAX_GRADIENT, ENTMAX15_GRADIENT

cdef enum:
    LANES = 16
    SHORT = 192       # rows up to this length are columns of a tile
    PACKED = 262144   # bytes at most of strided long rows that are packed together, unless one is longer
    PASSES = 64

# What is known of each column, or of all of them together where they are one row.
ctypedef struct Lanes:
    double maximum[LANES]  # NaN in a row with NaN, and where there is no limit
    double tau[LANES]
    double tau_low[LANES]
    double settled[LANES]  # 2: tau is right, 1: but for rounding

# Sums over the elements of each column that are above tau; for gradients, over all.
ctypedef struct Sums:
    double count[LANES]
    double smallest[LANES]  # of their distances from tau, and no sum
    double linear[LANES]    # of these distances; gradients: of gy times weight
    double linear_low[LANES]
    double square[LANES]    # of their squares; gradients: of weights
    double square_low[LANES]


cdef inline bint is_gradient(int kind) noexcept nogil:
    return kind >= SPARSEMAX_GRADIENT


cdef inline void add(double *high, double *low, double a, double a_low, real type_tag) noexcept nogil:
    """float32 needs no `low`."""
    cdef double s, part
    if real is float:
        high[0] += a
    else:
        s = high[0] + a
        part = s - high[0]
        low[0] += (high[0] - (s - part)) + (a - part) + a_low
        high[0] = s


# ---- tau -------------------------------------------------------------------------------------------

cdef inline double above(real x, double m, double tau, double tau_low, double *low, int kind) noexcept nogil:
    """(x - m) - tau, for entmax15 (x - m) / 2 - tau, if that is positive, else 0."""
    cdef double scale = 0.5 if kind == ENTMAX15 else 1.0
    cdef double z = x - m, d, part, d_low
    if real is float:
        d = z * scale - tau
        d_low = 0.0
    else:
        part = z - x
        d_low = ((x - (z - part)) - (m + part)) * scale
        z *= scale
        d = z - tau
        part = d - z
        d_low += ((z - (d - part)) - (tau + part)) - tau_low
        z = d + d_low
        d_low -= z - d
        d = z
    low[0] = d_low if d > 0.0 else 0.0
    return d if d > 0.0 else 0.0


cdef inline double square_of(double d, double low, double *rest, real type_tag) noexcept nogil:
    """(d + low)**2 as a pair, to 76 bits also without a fused multiply-add; float32 needs no `rest`."""
    cdef double square = d * d, half
    if real is float:
        rest[0] = 0.0
    else:
        half = <float>d  # whose square is exact
        d -= half
        rest[0] = ((half * half - square) + 2.0 * half * d) + (d * d + 2.0 * (half + d) * low)
    return square


cdef inline void moments_of_kind(
    const real *tile, ptrdiff_t n, const Lanes *lanes, Sums *results, int kind
) noexcept nogil:
    cdef double d[LANES]
    cdef double low[LANES]
    cdef double square, rest
    cdef Sums sums  # of its own, so that it is kept in registers
    cdef ptrdiff_t i
    cdef int j
    memset(&sums, 0, sizeof(Sums))
    for j in range(LANES):
        sums.smallest[j] = INFINITY
    for i in range(n):
        for j in range(LANES):
            d[j] = above(tile[j], lanes.maximum[j], lanes.tau[j], lanes.tau_low[j], &low[j], kind)
        for j in range(LANES):
            sums.count[j] += 1.0 if d[j] > 0.0 else 0.0
            sums.smallest[j] = d[j] if 0.0 < d[j] < sums.smallest[j] else sums.smallest[j]
            add(&sums.linear[j], &sums.linear_low[j], d[j], low[j], tile[j])
            if kind == ENTMAX15:
                square = square_of(d[j], low[j], &rest, tile[j])
                add(&sums.square[j], &sums.square_low[j], square, rest, tile[j])
        tile += LANES
    results[0] = sums


cdef inline void weights_of_kind(const real *gy, const real *y, ptrdiff_t n, Sums *sums, int kind) noexcept nogil:
    cdef double w[LANES]
    cdef double low[LANES]
    cdef double product, rest
    cdef ptrdiff_t i
    cdef int j
    memset(sums, 0, sizeof(Sums))
    for i in range(n):
        for j in range(LANES):
            w[j] = weight(y[j], &low[j], kind)
        for j in range(LANES):
            product = w[j] * gy[j] if w[j] != 0.0 else 0.0
            rest = fastact_fma_float64(w[j], gy[j], -product) + low[j] * gy[j] if w[j] != 0.0 else 0.0
            add(&sums.linear[j], &sums.linear_low[j], product, rest, y[j])
            add(&sums.square[j], &sums.square_low[j], w[j], low[j], y[j])
        gy += LANES
        y += LANES


cdef void join(Sums *sums, real type_tag) noexcept nogil:
    """Bring all lanes together in the first."""
    cdef int half = LANES // 2, j
    while half:
        for j in range(half):
            sums.count[j] += sums.count[j + half]
            sums.smallest[j] = min(sums.smallest[j], sums.smallest[j + half])
            add(&sums.linear[j], &sums.linear_low[j], sums.linear[j + half], sums.linear_low[j + half], type_tag)
            add(&sums.square[j], &sums.square_low[j], sums.square[j + half], sums.square_low[j + half], type_tag)
        half //= 2


cdef inline void advance(Lanes *lanes, const Sums *sums, int j, int kind, real type_tag) noexcept nogil:
    """The next tau, from the distances of the elements above this one."""
    cdef double excess, exact, step, norm, s, part, settled
    # whether the step is so well known that none need follow it
    cdef double well = 1.0 if real is float and sums.linear[j] < 4096.0 else 0.0
    if kind == SPARSEMAX:
        excess = (sums.linear[j] - 1.0) + sums.linear_low[j]
        exact = step = excess / sums.count[j]
    else:  # the smaller root of count t**2 - 2 linear t + excess, if there is one
        excess = (sums.square[j] - 1.0) + sums.square_low[j]
        norm = sqrt(1.0 + excess)
        exact = excess / (sums.linear[j] + sqrt(sums.linear[j] * sums.linear[j] - sums.count[j] * excess))
        step = excess * norm / ((1.0 + norm) * sums.linear[j])
    settled = min(lanes.settled[j] + 1.0 + well, 2.0) if exact <= sums.smallest[j] else 0.0
    step = exact if exact <= sums.smallest[j] else step
    s = lanes.tau[j] + step
    part = s - lanes.tau[j]
    part = (lanes.tau[j] - (s - part)) + (step - part)
    settled = settled if s != lanes.tau[j] else 2.0
    # a column beside others that still move stays as it is
    lanes.tau_low[j] += part if lanes.settled[j] < 2.0 else 0.0
    lanes.tau[j] = s if lanes.settled[j] < 2.0 else lanes.tau[j]
    lanes.settled[j] = settled if lanes.settled[j] < 2.0 else 2.0


cdef void find_tau_of_kind(const real *tile, ptrdiff_t n, Lanes *lanes, bint joined, int kind) noexcept nogil:
    cdef Sums sums
    cdef int j, k, moving
    for j in range(LANES):
        lanes.tau[j] = -1.0
        lanes.tau_low[j] = 0.0
        lanes.settled[j] = 0.0 if lanes.maximum[j] == lanes.maximum[j] else 2.0
    for k in range(PASSES):
        moments_of_kind(tile, n, lanes, &sums, kind)
        moving = 0
        if joined:
            join(&sums, tile[0])
            advance(lanes, &sums, 0, kind, tile[0])
            moving = lanes.settled[0] < 2.0
            for j in range(1, LANES):
                lanes.tau[j] = lanes.tau[0]
                lanes.tau_low[j] = lanes.tau_low[0]
        else:
            for j in range(LANES):
                advance(lanes, &sums, j, kind, tile[0])
            for j in range(LANES):
                moving += lanes.settled[j] < 2.0
        if not moving:
            return


cdef void take_limits(real *tile, ptrdiff_t n, Lanes *lanes, bint joined) noexcept nogil:
    """Rows with one inf become 0 there and -inf elsewhere; those with several, or all -inf, get NaN as maximum."""
    cdef ptrdiff_t step = 1 if joined else LANES
    cdef ptrdiff_t size = n * LANES if joined else n
    cdef ptrdiff_t i, infinities
    cdef int j, k
    for j in range(1 if joined else LANES):
        if not isinf(lanes.maximum[j]):
            continue
        infinities = 0
        for i in range(size):
            infinities += tile[j + i * step] == <real>INFINITY
        for i in range(size):
            tile[j + i * step] = 0.0 if tile[j + i * step] == <real>INFINITY else -INFINITY
        for k in range(j, LANES if joined else j + 1):
            lanes.maximum[k] = 0.0 if infinities == 1 else NAN


# ---- a tile ----------------------------------------------------------------------------------------

cdef inline double weight(real y, double *low, int kind) noexcept nogil:
    """1 where y is positive, for entmax15 its root; float32 needs no `low`."""
    cdef double w = 1.0 if y > 0.0 else 0.0
    w = w if y == y else NAN
    low[0] = 0.0
    if kind == ENTMAX15_GRADIENT:
        w = sqrt(<double>y)
        if real is double:
            low[0] = fastact_fma_float64(-w, w, y) / (w + w) if 0.0 < w < <double>INFINITY else 0.0
    return w


cdef void finish_of_kind(real *tile, ptrdiff_t n, const Lanes *lanes, int kind) noexcept nogil:
    cdef double d, low, rest = 0.0
    cdef ptrdiff_t i
    cdef int j
    for i in range(n):
        for j in range(LANES):
            d = above(tile[j], lanes.maximum[j], lanes.tau[j], lanes.tau_low[j], &low, kind)
            if kind == ENTMAX15:
                d = square_of(d, low, &rest, tile[j]) + rest
            tile[j] = <real>d if lanes.maximum[j] == lanes.maximum[j] else NAN
        tile += LANES


cdef void gradient_of_kind(real *gy, const real *y, ptrdiff_t n, bint joined, int kind) noexcept nogil:
    cdef Sums sums
    cdef double mean[LANES]
    cdef double low[LANES]
    cdef double w, w_low, total, d, part, d_low
    cdef ptrdiff_t i
    cdef int j
    weights_of_kind(gy, y, n, &sums, kind)
    if joined:
        join(&sums, gy[0])
    for j in range(LANES):
        low[j] = sums.linear_low[j] if isfinite(sums.linear[j]) else 0.0
        total = sums.square[j] + sums.square_low[j]
        mean[j] = (sums.linear[j] + low[j]) / total
        low[j] -= mean[j] * sums.square_low[j]
        low[j] = (fastact_fma_float64(-mean[j], sums.square[j], sums.linear[j]) + low[j]) / total
        low[j] = low[j] if isfinite(mean[j]) else 0.0
    if joined:
        for j in range(1, LANES):
            mean[j] = mean[0]
            low[j] = low[0]
    for i in range(n):
        for j in range(LANES):
            w = weight(y[j], &w_low, kind)
            d = gy[j] - mean[j]
            part = d - gy[j]
            d_low = ((gy[j] - (d - part)) - (mean[j] + part)) - low[j]
            part = w * d_low + w_low * d
            part = fastact_fma_float64(w, d, part if isfinite(d) else 0.0)
            gy[j] = <real>part if w != 0.0 else 0.0
        gy += LANES
        y += LANES


cdef void first_of_each(real *tile, ptrdiff_t n, const Lanes *lanes, bint joined) noexcept nogil:
    """1 at the first maximum of each column; of a single row, at the first of all."""
    cdef real found[LANES]
    cdef real hit
    cdef ptrdiff_t i
    cdef int j
    for j in range(LANES):
        found[j] = 0.0 if lanes.maximum[j] == lanes.maximum[j] else NAN
    for i in range(n):
        for j in range(LANES):
            hit = 1.0 if tile[j] == <real>lanes.maximum[j] else 0.0
            tile[j] = hit * (1.0 - found[j])
            found[j] = found[j] if hit == 0.0 else 1.0
        tile += LANES
    if joined and n:  # it is one block
        tile -= LANES
        hit = 0.0
        for j in range(LANES):
            tile[j] = tile[j] if hit == 0.0 else 0.0
            hit = hit + tile[j]


cdef void solve(real *tile, const real *second, ptrdiff_t n, Lanes *lanes, bint joined, int kind) noexcept nogil:
    """From elements to results, for gradients from gy, with y as `second`."""
    if kind == SPARSEMAX_GRADIENT:
        gradient_of_kind(tile, second, n, joined, SPARSEMAX_GRADIENT)
    elif kind == ENTMAX15_GRADIENT:
        gradient_of_kind(tile, second, n, joined, ENTMAX15_GRADIENT)
    elif kind == HARDMAX:
        first_of_each(tile, n, lanes, joined)
    else:
        take_limits(tile, n, lanes, joined)
        if kind == SPARSEMAX:
            find_tau_of_kind(tile, n, lanes, joined, SPARSEMAX)
            finish_of_kind(tile, n, lanes, SPARSEMAX)
        else:
            find_tau_of_kind(tile, n, lanes, joined, ENTMAX15)
            finish_of_kind(tile, n, lanes, ENTMAX15)


cdef inline void maxima(const real *tile, ptrdiff_t n, real *m) noexcept nogil:
    """Of each column; NaN where there is one."""
    cdef real nan[LANES]
    cdef ptrdiff_t i
    cdef int j
    for j in range(LANES):
        m[j] = -INFINITY
        nan[j] = 0.0
    for i in range(n):
        for j in range(LANES):
            m[j] = tile[j] if tile[j] > m[j] else m[j]
            nan[j] = nan[j] if tile[j] == tile[j] else tile[j]
        tile += LANES
    for j in range(LANES):
        m[j] = m[j] if nan[j] == 0.0 else nan[j]


# ---- rows ------------------------------------------------------------------------------------------

# Scratch memory of a thread.
ctypedef struct Scratch:
    char *tile
    char *second
    char *packed         # rows that do not lie in one piece
    char *packed_second
    ptrdiff_t *numbers   # of the blocks in the tile


cdef inline void pad(const real *x, real *block, ptrdiff_t length, real filling) noexcept nogil:
    cdef int j
    for j in range(LANES):
        block[j] = filling
    memcpy(block, x, length * sizeof(real))


cdef inline real maximum(const real *x, ptrdiff_t n) noexcept nogil:
    cdef real m[2 * LANES]
    cdef real last[LANES]
    cdef real result
    cdef int j
    maxima(x, n // LANES, m)
    pad(x + n // LANES * LANES, last, n % LANES, -INFINITY)
    memcpy(m + LANES, last, sizeof(last))
    maxima(m, 2, last)
    result = last[0]
    for j in range(1, LANES):
        result = result if result > last[j] or result != result else last[j]
    return result


cdef inline bint matters(const real *block, real least, int kind) noexcept nogil:
    """Whether one of the results is not 0, or may not be; for gradients `block` is y."""
    cdef int hit = 0, j
    for j in range(LANES):
        if is_gradient(kind):
            hit |= not block[j] <= 0.0
        else:
            hit |= block[j] >= least
    return hit


cdef inline ptrdiff_t gather(
    const real *x, const real *second, ptrdiff_t n, real least, ptrdiff_t most, const Scratch *scratch, int kind
) noexcept nogil:
    """Bring the blocks that matter, or the first `most` of them, into the tile. Returns how many they are."""
    cdef real *tile = <real *>scratch.tile
    cdef real *tile_second = <real *>scratch.second
    cdef ptrdiff_t b, count = 0
    for b in range(n // LANES):
        if matters(second if is_gradient(kind) else x, least, kind):
            memcpy(tile, x, LANES * sizeof(real))
            if is_gradient(kind):
                memcpy(tile_second, second, LANES * sizeof(real))
                tile_second += LANES
            tile += LANES
            scratch.numbers[count] = b
            count += 1
            if count == most:
                return count
        x += LANES
        second += LANES
    if n % LANES:
        pad(x, tile, n % LANES, 0.0 if is_gradient(kind) else -INFINITY)
        if is_gradient(kind):
            pad(second, tile_second, n % LANES, 0.0)
        scratch.numbers[count] = n // LANES
        count += matters(tile_second if is_gradient(kind) else tile, least, kind)
    return count


cdef void long_row(
    const real *x, const real *second, real *out, ptrdiff_t n, const Scratch *scratch, int kind
) noexcept nogil:
    cdef Lanes lanes
    cdef real *tile = <real *>scratch.tile
    cdef real m = 0.0
    cdef real reach = 0.0 if kind == HARDMAX else 1.0 if kind == SPARSEMAX else 2.0
    cdef ptrdiff_t count, k, start
    cdef int j
    if is_gradient(kind):
        count = gather(x, second, n, m, n, scratch, SPARSEMAX_GRADIENT)
    else:
        m = maximum(x, n)
        count = gather(x, x, n, m - reach, 1 if kind == HARDMAX else n, scratch, SPARSEMAX)
    for j in range(LANES):
        lanes.maximum[j] = m
    solve(tile, <real *>scratch.second, count, &lanes, True, kind)
    if lanes.maximum[0] != lanes.maximum[0]:
        for k in range(n):
            out[k] = NAN
        return
    memset(out, 0, n * sizeof(real))
    for k in range(count):
        start = scratch.numbers[k] * LANES
        memcpy(out + start, tile + k * LANES, min(<ptrdiff_t>LANES, n - start) * sizeof(real))


# ---- any memory layout -----------------------------------------------------------------------------

cdef inline bint are_columns(const Job *job, const Place *rows, ptrdiff_t width, ptrdiff_t size) noexcept nogil:
    """Whether LANES rows lie side by side, so that element i of all of them is in one piece."""
    cdef ptrdiff_t c
    if width != LANES or job.n_reduced != 1:
        return False
    for c in range(1, LANES):
        if (
            rows[c].x != rows[0].x + c * size or rows[c].out != rows[0].out + c * size
            or (is_gradient(job.kind) and rows[c].second != rows[0].second + c * size)
        ):
            return False
    return True


cdef void bring_columns(
    char *given, ptrdiff_t given_step, real *x, ptrdiff_t n, ptrdiff_t step, ptrdiff_t row_step, bint back
) noexcept nogil:
    """Put element i of column c at i * step + c * row_step, where step is LANES and row_step 1, or step is 1; or the way
    back."""
    cdef real block[LANES * LANES]
    cdef real *starts[LANES]
    cdef real *tile
    cdef ptrdiff_t i, k, count, part
    cdef int c
    for part in range(ceil_div(n, LANES)):
        i = part * LANES
        count = min(<ptrdiff_t>LANES, n - i)
        tile = x + i * LANES
        if step == 1:
            tile = block
            for c in range(LANES):
                starts[c] = x + c * row_step + i
            if back:
                pack_rows(starts, block, LANES, count)
        for k in range(count):
            if back:
                memcpy(given + (i + k) * given_step, tile + k * LANES, LANES * sizeof(real))
            else:
                memcpy(tile + k * LANES, given + (i + k) * given_step, LANES * sizeof(real))
        if step == 1 and not back:
            unpack_rows(starts, block, LANES, count)


cdef void pack(
    const Job *job, const Place *rows, ptrdiff_t width, real *x, real *second, ptrdiff_t step, ptrdiff_t row_step
) noexcept nogil:
    """Put element i of row c at i * step + c * row_step."""
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t c
    if are_columns(job, rows, width, sizeof(real)):
        bring_columns(<char *>job.x + rows[0].x, along.x_step, x, job.length, step, row_step, False)
        if is_gradient(job.kind):
            bring_columns(
                <char *>job.second + rows[0].second, along.second_step, second, job.length, step, row_step, False
            )
        return
    for c in range(width):
        bring_row(job, OF_X, <char *>job.x + rows[c].x, x + c * row_step, step, False)
    if is_gradient(job.kind):
        for c in range(width):
            bring_row(job, OF_SECOND, <char *>job.second + rows[c].second, second + c * row_step, step, False)


cdef void unpack(
    const Job *job, const Place *rows, ptrdiff_t width, const real *results, ptrdiff_t step, ptrdiff_t row_step
) noexcept nogil:
    cdef ptrdiff_t c
    if are_columns(job, rows, width, sizeof(real)):
        bring_columns(
            job.out + rows[0].out, job.reduced[0].out_step, <real *>results, job.length, step, row_step, True
        )
        return
    for c in range(width):
        bring_row(job, OF_OUT, job.out + rows[c].out, <real *>results + c * row_step, step, True)


cdef inline bint in_one_piece(const Job *job, ptrdiff_t size) noexcept nogil:
    cdef const Dimension *along = &job.reduced[0]
    return (
        job.n_reduced == 1 and along.x_step == size and along.out_step == size
        and (along.second_step == size or not is_gradient(job.kind))
    )


cdef void short_rows(const Job *job, Place *rows, const Scratch *scratch, real *tile) noexcept nogil:
    """LANES of them, the last ones perhaps the same one."""
    cdef Lanes lanes
    cdef real m[LANES]
    cdef real *starts[LANES]
    cdef real *second = <real *>scratch.second
    cdef bint plain = in_one_piece(job, sizeof(real))
    cdef int c
    if plain:
        for c in range(LANES):
            starts[c] = <real *>(job.x + rows[c].x)
        pack_rows(starts, tile, LANES, job.length)
        if is_gradient(job.kind):
            for c in range(LANES):
                starts[c] = <real *>(job.second + rows[c].second)
            pack_rows(starts, second, LANES, job.length)
    else:
        pack(job, rows, LANES, tile, second, LANES, 1)
    maxima(tile, job.length, m)
    for c in range(LANES):
        lanes.maximum[c] = m[c]
    solve(tile, second, job.length, &lanes, False, job.kind)
    if plain:
        for c in range(LANES):
            starts[c] = <real *>(job.out + rows[c].out)
        unpack_rows(starts, tile, LANES, job.length)
    else:
        unpack(job, rows, LANES, tile, LANES, 1)


cdef void some_rows(
    const Job *job, ptrdiff_t start, ptrdiff_t width, const Scratch *scratch, real *type_tag
) noexcept nogil:
    """`width` rows, at most LANES."""
    cdef Place rows[LANES]
    cdef real *packed = <real *>scratch.packed
    cdef real *packed_second = <real *>scratch.packed_second
    cdef ptrdiff_t n = job.length
    cdef ptrdiff_t c
    for c in range(LANES):
        rows[c] = place(job.kept, job.n_kept, start + min(c, width - 1))
    if n <= SHORT:
        short_rows(job, rows, scratch, <real *>scratch.tile)
    elif in_one_piece(job, sizeof(real)):
        for c in range(width):
            long_row(
                <const real *>(job.x + rows[c].x), <const real *>(job.second + rows[c].second),
                <real *>(job.out + rows[c].out), n, scratch, job.kind,
            )
    else:
        pack(job, rows, width, packed, packed_second, 1, n)
        for c in range(width):
            long_row(packed + c * n, packed_second + c * n, packed + c * n, n, scratch, job.kind)
        unpack(job, rows, width, packed, 1, n)


# Groups of rows, and memory for each thread.
ctypedef struct Groups:
    const Job *job
    bint is_float
    ptrdiff_t width    # rows
    ptrdiff_t blocks   # of LANES elements, in a tile
    ptrdiff_t packed   # bytes of the rows, where they are not as needed
    char *memory
    ptrdiff_t bytes


cdef bint run(const Job *job, real *type_tag) noexcept nogil:
    """False where there is no memory for it."""
    cdef fastact_flags flags = fastact_save_flags()
    cdef ptrdiff_t n = job.length
    cdef ptrdiff_t operands = 2 if is_gradient(job.kind) else 1
    cdef ptrdiff_t fitting = PACKED // (operands * n * <ptrdiff_t>sizeof(real))
    cdef ptrdiff_t tile, number
    cdef int threads = threads_for(job.rows * n * sizeof(real))
    cdef Groups groups
    cdef bint done
    groups.job = job
    groups.is_float = real is float
    groups.width = max(<ptrdiff_t>1, min(<ptrdiff_t>LANES, fitting))
    groups.blocks = n if n <= SHORT else ceil_div(n, LANES)
    groups.packed = 0 if n <= SHORT or in_one_piece(job, sizeof(real)) else groups.width * n * sizeof(real)
    tile = groups.blocks * LANES * sizeof(real)
    groups.bytes = aligned(operands * (tile + groups.packed) + groups.blocks * sizeof(ptrdiff_t))
    number = ceil_div(job.rows, groups.width)
    done = share_out_with_memory(group, &groups, &groups.memory, groups.bytes, number, threads)
    fastact_restore_flags(flags)
    return done


cdef void group(const void *groups, ptrdiff_t k, int thread) noexcept nogil:
    if (<const Groups *>groups).is_float:
        group_of_dtype[float](<const Groups *>groups, k, thread, NULL)
    else:
        group_of_dtype[double](<const Groups *>groups, k, thread, NULL)


cdef void group_of_dtype(const Groups *groups, ptrdiff_t k, int thread, real *type_tag) noexcept nogil:
    cdef const Job *job = groups.job
    cdef Scratch scratch
    cdef ptrdiff_t tile = groups.blocks * LANES * sizeof(real), start = k * groups.width
    cdef char *memory = groups.memory + groups.bytes * thread
    scratch.tile = memory
    if is_gradient(job.kind):
        memory += tile
    scratch.second = memory
    scratch.numbers = <ptrdiff_t *>(memory + tile)
    scratch.packed = memory + tile + groups.blocks * sizeof(ptrdiff_t)
    scratch.packed_second = scratch.packed + groups.packed
    some_rows[real](job, start, min(groups.width, job.rows - start), &scratch, NULL)


KINDS = {
    "hardmax": HARDMAX, "sparsemax": SPARSEMAX, "entmax15": ENTMAX15,
    "sparsemax_gradient": SPARSEMAX_GRADIENT, "entmax15_gradient": ENTMAX15_GRADIENT,
}


cdef inline void set_factor(Job *job, double temperature, bint is_float) noexcept:
    """There is no temperature here."""


cdef inline bint has_one_result(int kind) noexcept:
    return False


include "_calls.pxi"


cnp.import_array()
fastact_start_threads(is_fork())
