"""softmax, softmin, log_softmax and logsumexp over any axes, and the gradients of the first three.

Forward: max-shift, exponentials, sum, quotient. Gradients: a sum over the row, then each element by itself.

Every row's sum is taken in an order that depends on the row's length alone: LANES interleaved partial
sums over each chunk of CHUNK elements, combined as a tree, the chunks one after another. In gradients these
are the sums of blocks of BLOCK elements, whose rounding errors are left alone, and then that of the blocks.
Whatever path a row takes (alone, as a column beside others, through a tile, by several threads), its bits
are the same.

Logarithms count the terms of the maximum, which are 1, apart from the others, so that they keep their
digits where the maximum has almost all the weight.
"""

cimport cython
cimport numpy as cnp
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport INFINITY, NAN, fabs, fma, isfinite, isinf
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset


cdef extern from *:
    """
    /* Functions with a `kind` become one loop for each, and no branches within. */
    #ifdef __GNUC__
    #undef CYTHON_INLINE
    #define CYTHON_INLINE inline __attribute__((always_inline))
    #endif
    """

cdef extern from "fastact_formulas.h" nogil:
    void fastact_exp_start_float32(float, float, float, float *, float *, float *, float *, float *, float *)
    void fastact_exp_start_float64(double, double, double, double *, double *, double *, double *, double *, double *)
    float fastact_exp_term_float32(float, float, float, float, float, float, float)
    double fastact_exp_term_float64(double, double, double, double, double, double, double)
    void fastact_scaled_float32(float, float, float, float, float, float *, float *)
    void fastact_scaled_float64(double, double, double, double, double, double *, double *)
    float fastact_minus_exp_product_float32(float gy, float y, float total, float total_low)
    double fastact_minus_exp_product_float64(double gy, double y, double total, double total_low)
    float fastact_exp_float32(float x)
    double fastact_exp_float64(double x)
    double fastact_log_pair_float64(double s, double s_low)
    float fastact_fma_float32(float, float, float)
    double fastact_fma_float64(double, double, double)
    float FASTACT_UP_float32
    double FASTACT_UP_float64

cdef extern from "_lanes.h" nogil:
    float fastact_sum_of_floats(const float *lanes)
    double fastact_sum_of_doubles(const double *lanes)
    float fastact_block_sum_float(const float *x, const float *y, ptrdiff_t n, bint times_y)
    double fastact_block_sum_double(const double *x, const double *y, ptrdiff_t n, bint times_y)
    void fastact_sum_of_pairs(const double *highs, const double *lows, double *high, double *low)

include "_axes.pxi"

cdef enum:
    SOFTMAX, SOFTMIN, LOG_SOFTMAX, SCALED, SCALED_LOGARITHM, LOGSUMEXP, SOFTMAX_GRADIENT, SOFTMIN_GRADIENT, LOG_SOFTMAX_GRADIENT
    SCALED_GRADIENT, SCALED_LOG_GRADIENT  # finish

cdef enum:
    LANES = 16
    CHUNK = 4096      # elements whose sum is one tree
    BLOCK = 8 * LANES # the same for gradients
    TURN = 4 * LANES  # elements of a row that are worked on together; what is left of short rows, row by row
    BATCH = 16        # short rows whose scalar parts are done together
    BATCH_ELEMENTS = 4096  # in all of them
    GRADIENT_ELEMENTS = 1024  # which have three arrays to keep in the first cache
    CACHED = 1048576  # bytes that the second cache may hold: nothing need be fetched
    FORESEEN = 512    # bytes of a row: shorter ones are fetched unasked
    TILE = 64         # rows that are packed side by side
    PACKED = 262144   # bytes of them that a thread keeps, unless a row is longer
    COLUMNS = 128     # columns whose sums are worked on together
    WIDEST = 1024     # columns that are read together: the longer the rows, the sooner the memory knows what comes next
    TOGETHER = 64     # rows of them, if columns are too long for a tile
    SHORT = 40        # float32 rows up to this length are packed,
    SHORT_DOUBLE = 24 # and float64 ones, but for those that fill their lanes, in float32 more than once,
    SHORT_GRADIENT = 10  # and those of gradients
    NARROW = 16       # fewer columns than this are packed
    LONG = 1024       # rows longer than this are packed singly
    START = 6         # numbers that `exp_start` gives

# A row's sum: the maximum's terms (for the logarithm), and UP times all others (gradients: 1 times), as a pair.
ctypedef struct Sum:
    double ones
    double high
    double low


cdef inline void add(Sum *total, double ones, double high, double low, real type_tag) noexcept nogil:
    """Add to a sum; float32 has no use for the rounding errors of float64."""
    cdef double s, part
    total.ones += ones
    if real is float:
        total.high += high
    else:
        s = total.high + high
        part = s - total.high
        total.low += (total.high - (s - part)) + (high - part) + low
        total.high = s


cdef inline bint is_gradient(int kind) noexcept nogil:
    return kind >= SOFTMAX_GRADIENT


cdef inline bint is_logarithm(int kind) noexcept nogil:
    return kind == LOG_SOFTMAX or kind == SCALED_LOGARITHM


cdef inline bint is_scaled(int kind) noexcept nogil:
    return kind == SCALED or kind == SCALED_LOGARITHM


cdef inline int kind_of_sum(int kind, bint scaled) noexcept nogil:
    """Which of the loops over terms; `scaled` are those of temperatures and of large numbers."""
    if kind == LOG_SOFTMAX or kind == LOGSUMEXP:
        return SCALED_LOGARITHM if scaled else LOG_SOFTMAX
    return SCALED if scaled else kind


cdef inline ptrdiff_t pieces_of(ptrdiff_t n, ptrdiff_t size) noexcept nogil:
    return (n + size - 1) // size


# ---- elements --------------------------------------------------------------------------------------

cdef inline real further(real a, real b, int kind) noexcept nogil:
    """The larger of two numbers, for softmin the smaller. NaN may count or not: its row is NaN anyway."""
    if kind == SOFTMIN:
        return a if a < b else b
    return a if a > b else b


cdef inline void load_some(real *lanes, const real *x, int n, real rest) noexcept nogil:
    """The first n lanes from x, where no more may be read; compilers make masked vector code of it."""
    cdef int j
    for j in range(LANES):
        lanes[j] = x[j] if j < n else rest


cdef inline void store_some(real *out, const real *lanes, int n) noexcept nogil:
    cdef int j
    for j in range(LANES):
        if j < n:
            out[j] = lanes[j]


cdef inline real up(real type_tag) noexcept nogil:
    return FASTACT_UP_float32 if real is float else FASTACT_UP_float64


cdef inline real term(
    real x, real r, real r_low, real shift, real lowest, real offset, real magic, real rest, real rest_low, int kind
) noexcept nogil:
    """e**x beside the row's greatest, see `exp_start`. Unless scaled, r is 1 (softmin: -1) and there is no shift."""
    cdef real low = 0.0
    if is_scaled(kind):
        if real is float:
            fastact_scaled_float32(x, shift, r, r_low, lowest, &x, &low)
        else:
            fastact_scaled_float64(x, shift, r, r_low, lowest, &x, &low)
    elif kind == SOFTMIN:
        x = -x
    if real is float:
        return fastact_exp_term_float32(x, low, lowest, offset, magic, rest, rest_low)
    else:
        return fastact_exp_term_float64(x, low, lowest, offset, magic, rest, rest_low)


cdef inline real lane_start(int kind, real type_tag) noexcept nogil:
    """What lanes begin with. More than each term, so that `add_term` knows the smaller one; not for logarithms, whose
    terms may all be small and must keep their digits."""
    return <real>0.0 if is_logarithm(kind) else 2 * up(type_tag)


cdef inline void add_term(real e, real *high, real *low, int kind) noexcept nogil:
    """Add to a lane, the rounding error to `low`."""
    cdef real larger = high[0], smaller = e
    cdef real s = high[0] + e
    if is_logarithm(kind):
        larger, smaller = further(high[0], e, SOFTMAX), further(high[0], e, SOFTMIN)
    low[0] += smaller - (s - larger)
    high[0] = s


cdef inline real counted(real e, real x, real m, real *ones, int kind) noexcept nogil:
    """The term e of x; of a logarithm, 0 for those of the maximum m, which are counted."""
    if is_logarithm(kind):
        ones[0] += <real>1.0 if x == m else <real>0.0
        return <real>0.0 if x == m else e
    return e


cdef inline void lane_total(real high, real low, real start, double *total, double *total_low) noexcept nogil:
    if real is float:
        total[0] = <double>(high - start) + low
    else:
        total[0] = high - start
        total_low[0] = low


cdef inline void merge_lane(real *high, real *low, real high_2, real low_2) noexcept nogil:
    """Add one pair to another."""
    cdef real s = high[0] + high_2
    cdef real part = s - high[0]
    low[0] += ((high[0] - (s - part)) + (high_2 - part)) + low_2
    high[0] = s


cdef inline void factor_of(const Sum *total, real m, int kind, real *high, real *low) noexcept nogil:
    """What `finish_one` needs of a row's sum. Without branches, to be done for many rows together."""
    cdef double s, s_low, q, c, part, a, b
    cdef double down = 1.0 / up(m)
    if is_gradient(kind):
        s_low = total.low if total.low == total.low else 0.0  # NaN where the sum is infinite
        s = total.high if real is float else total.high + s_low
        high[0] = <real>s
        low[0] = <real>(total.high - high[0] if real is float else (total.high - high[0]) + s_low)
        return
    a = total.ones
    b = total.high * down
    s = a + b
    part = s - a
    s_low = ((a - (s - part)) + (b - part)) + total.low * down
    if kind == LOGSUMEXP:
        high[0] = <real>(m + fastact_log_pair_float64(s, s_low))
        low[0] = 0.0
    elif kind == SCALED_LOGARITHM:
        high[0] = m
        low[0] = <real>fastact_log_pair_float64(s, s_low)
    elif kind == LOG_SOFTMAX:
        q = fastact_log_pair_float64(s, s_low)
        # m + q as a pair, far more exact than the smallest result, q
        c = m + q
        part = c - m
        a = <real>c
        b = (c - a) + ((m - (c - part)) + (q - part))
        # but x - m is exact where q matters beside a large m
        high[0] = <real>(m if q < 2.0**-16 * fabs(m) else a)
        low[0] = <real>(q if q < 2.0**-16 * fabs(m) else b)
    else:
        q = 1.0 / s
        a = <real>q
        if real is float:
            b = q - a
        else:
            b = (fastact_fma_float64(-q, s, 1.0) - q * s_low) * q
        high[0] = <real>(a * down)
        low[0] = <real>(b * down)


cdef inline real multiply_add(real a, real b, real c) noexcept nogil:
    return fastact_fma_float32(a, b, c) if real is float else fastact_fma_float64(a, b, c)


cdef inline real finish_one(
    real x, real second, real e, real high, real low, real r, real r_low, int kind
) noexcept nogil:
    """An element's result; e is what the first pass left in `out`."""
    cdef real d, y, y_low
    if kind == SOFTMAX or kind == SOFTMIN:
        return multiply_add(e, high, e * low)
    if kind == LOG_SOFTMAX:
        return (x - high) - low
    d = x - high
    if kind == SCALED_LOGARITHM:
        return multiply_add(d, r, multiply_add(d, r_low, -low) if d > -INFINITY else -low)
    if kind == SOFTMAX_GRADIENT or kind == SCALED_GRADIENT:
        if kind == SOFTMAX_GRADIENT:
            return multiply_add(second, d, -second * low)  # d's rounding error is small beside the sum's
        y = second * r
        y_low = multiply_add(second, r, -y) + second * r_low
        return multiply_add(y, d, multiply_add(y_low, d, -y * low))
    if real is float:
        d = fastact_minus_exp_product_float32(x, second, high, low)
    else:
        d = fastact_minus_exp_product_float64(x, second, high, low)
    return d if kind == LOG_SOFTMAX_GRADIENT else multiply_add(d, r, d * r_low)


cdef inline real finish_overflown(real x, real second, real total, real r, int kind) noexcept nogil:
    """The same for a gradient whose sum is not finite: as IEEE arithmetic has it."""
    if kind == SOFTMAX_GRADIENT or kind == SCALED_GRADIENT:
        return second * (x - total) * r
    if real is float:
        return (x - fastact_exp_float32(second) * total) * r
    else:
        return (x - fastact_exp_float64(second) * total) * r


cdef inline bint is_overflown(real total, int kind) noexcept nogil:
    return is_gradient(kind) and not isfinite(total)


cdef inline int kind_of_finish(int kind, const Factor *factor) noexcept nogil:
    """Which of the loops over results; `SCALED_...` are those of temperatures and of softmin's gradient."""
    cdef bint scaled = factor.r != 1.0 or factor.r_low != 0.0
    if kind == SOFTMAX or kind == SOFTMIN:
        return SOFTMAX
    if kind == LOG_SOFTMAX:
        return SCALED_LOGARITHM if scaled else LOG_SOFTMAX
    if kind == LOG_SOFTMAX_GRADIENT:
        return SCALED_LOG_GRADIENT if scaled else LOG_SOFTMAX_GRADIENT
    return SCALED_GRADIENT if scaled else SOFTMAX_GRADIENT


cdef inline void start_terms(
    real m, real r, real r_low, real *shift, real *lowest, real *offset, real *magic, real *rest, real *rest_low
) noexcept nogil:
    if real is float:
        fastact_exp_start_float32(m, r, r_low, shift, lowest, offset, magic, rest, rest_low)
    else:
        fastact_exp_start_float64(m, r, r_low, shift, lowest, offset, magic, rest, rest_low)


# ---- sums ------------------------------------------------------------------------------------------

# Of up to COLUMNS rows or columns.
ctypedef struct Sums:
    double ones[COLUMNS]
    double high[COLUMNS]
    double low[COLUMNS]


cdef inline void add_to(Sums *sums, ptrdiff_t k, double ones, double high, double low, real type_tag) noexcept nogil:
    cdef Sum total
    total.ones, total.high, total.low = sums.ones[k], sums.high[k], sums.low[k]
    add(&total, ones, high, low, type_tag)
    sums.ones[k], sums.high[k], sums.low[k] = total.ones, total.high, total.low


cdef inline void zero(Sums *sums, ptrdiff_t count) noexcept nogil:
    cdef ptrdiff_t k
    for k in range(count):
        sums.ones[k] = sums.high[k] = sums.low[k] = 0.0


cdef inline bint start_all(const real *m, const Factor *factor, real *starts, ptrdiff_t count) noexcept nogil:
    """`exp_start` for some extremes, its numbers COLUMNS apart; whether terms are scaled, as for temperatures and large
    numbers."""
    cdef real r = <real>factor.r, r_low = <real>factor.r_low
    cdef bint scaled = fabs(factor.r) != 1.0 or factor.r_low != 0.0
    cdef ptrdiff_t k
    for k in range(count):
        start_terms(
            m[k], r, r_low, starts + k, starts + COLUMNS + k, starts + 2 * COLUMNS + k, starts + 3 * COLUMNS + k,
            starts + 4 * COLUMNS + k, starts + 5 * COLUMNS + k,
        )
    for k in range(count):
        scaled |= starts[k] != 0.0
    return scaled


cdef void merge_strip(
    const real *high, const real *low, const real *ones, int used, real lanes_start, Sums *sums, ptrdiff_t first
) noexcept nogil:
    """Bring the lanes of each column together, in the order of `_lanes.h`; those from `used` on are empty."""
    cdef double total[LANES][LANES]
    cdef double total_low[LANES][LANES]
    cdef int half = LANES // 2, k, j
    for k in range(used):
        for j in range(LANES):
            total_low[k][j] = 0.0
            lane_total(high[k * LANES + j], low[k * LANES + j], lanes_start, &total[k][j], &total_low[k][j])
    while half:
        for k in range(max(0, min(half, used - half))):
            if real is float:
                for j in range(LANES):
                    total[k][j] += total[k + half][j]
            else:
                for j in range(LANES):
                    merge_lane(&total[k][j], &total_low[k][j], total[k + half][j], total_low[k + half][j])
        half //= 2
    for j in range(LANES):
        add_to(sums, first + j, ones[j], total[0][j], total_low[0][j], lanes_start)


cdef inline void factors_of_kind(
    const Sums *sums, const real *m, real *high, real *low, ptrdiff_t count, int kind
) noexcept nogil:
    cdef Sum total
    cdef ptrdiff_t k
    for k in range(count):
        total.ones, total.high, total.low = sums.ones[k], sums.high[k], sums.low[k]
        factor_of(&total, m[k], kind, high + k, low + k)


cdef inline void factors(
    const Sums *sums, const real *m, real *high, real *low, ptrdiff_t count, int kind, const Factor *factor
) noexcept nogil:
    """What `finish_one` needs of each row or column; for gradients, m plays no part in it."""
    if kind != LOGSUMEXP:
        kind = kind_of_finish(kind, factor)
    if kind == LOG_SOFTMAX: factors_of_kind(sums, m, high, low, count, LOG_SOFTMAX)
    elif kind == SCALED_LOGARITHM: factors_of_kind(sums, m, high, low, count, SCALED_LOGARITHM)
    elif kind == LOGSUMEXP: factors_of_kind(sums, m, high, low, count, LOGSUMEXP)
    elif is_gradient(kind): factors_of_kind(sums, m, high, low, count, SOFTMAX_GRADIENT)
    else: factors_of_kind(sums, m, high, low, count, SOFTMAX)


# ---- rows, contiguous ------------------------------------------------------------------------------

# Its operands; for a gradient, x is gy and `second` y.
ctypedef struct Row:
    const char *x
    const char *second
    char *out

# What is fetched while sums are taken, which is arithmetic alone: what will be read next and, of logarithms, where results
# will go. So many elements further on than what is being read; 0 for nothing.
ctypedef struct Fetch:
    ptrdiff_t next
    ptrdiff_t results


cdef inline Fetch nothing() noexcept nogil:
    cdef Fetch fetch
    fetch.next = fetch.results = 0
    return fetch


cdef inline real extreme_of_kind(const real *x, ptrdiff_t n, int kind) noexcept nogil:
    cdef real lanes[LANES]
    cdef real last[LANES]
    cdef real m
    cdef ptrdiff_t i
    cdef int j
    for j in range(LANES):
        lanes[j] = INFINITY if kind == SOFTMIN else -INFINITY
    for i in range(n // (8 * LANES)):
        for j in range(LANES):
            m = further(further(x[j], x[j + LANES], kind), further(x[j + 2 * LANES], x[j + 3 * LANES], kind), kind)
            lanes[j] = further(m, lanes[j], kind)
            m = further(
                further(x[j + 4 * LANES], x[j + 5 * LANES], kind), further(x[j + 6 * LANES], x[j + 7 * LANES], kind), kind
            )
            lanes[j] = further(m, lanes[j], kind)
        x += 8 * LANES
    for i in range(n % (8 * LANES) // LANES):
        for j in range(LANES):
            lanes[j] = further(x[j], lanes[j], kind)
        x += LANES
    if n % LANES:
        load_some(last, x, <int>(n % LANES), lanes[0])
        for j in range(LANES):
            lanes[j] = further(last[j], lanes[j], kind)
    for j in range(8):
        lanes[j] = further(lanes[j + 8], lanes[j], kind)
    for j in range(4):
        lanes[j] = further(lanes[j + 4], lanes[j], kind)
    return further(further(lanes[0], lanes[1], kind), further(lanes[2], lanes[3], kind), kind)


cdef real extreme(const real *x, ptrdiff_t n, int kind) noexcept nogil:
    """The maximum, or for softmin the minimum; anything in a row with a NaN."""
    return extreme_of_kind(x, n, SOFTMIN) if kind == SOFTMIN else extreme_of_kind(x, n, SOFTMAX)


cdef void at_infinity(const real *x, real *out, ptrdiff_t n, real m, int kind) noexcept nogil:
    """A row whose extreme m is infinite: its limit, if just one element is the extreme; else NaN.
    For logsumexp m, unless there is a NaN."""
    cdef real one = 0.0 if kind == LOG_SOFTMAX else 1.0
    cdef real zero = -INFINITY if kind == LOG_SOFTMAX else 0.0
    cdef bint limit = (m < 0.0) == (kind == SOFTMIN)
    cdef ptrdiff_t i, extremes = 0
    for i in range(n):
        extremes += x[i] == m
        limit = limit and x[i] == x[i]
    if kind == LOGSUMEXP:
        for i in range(n):
            m = m if x[i] == x[i] else NAN
        out[0] = m
        return
    for i in range(n):
        out[i] = (one if x[i] == m else zero) if limit and extremes == 1 else NAN


cdef inline void add_terms(
    const real *x, real *out, ptrdiff_t n, real m, real r, real r_low, real shift, real lowest, real offset, real magic,
    real rest, real rest_low, real *highs, real *lows, real *all_ones, Fetch fetch, int kind,
) noexcept nogil:
    """The lanes of n elements of a row, a multiple of TURN; the exponentials go to `out`, those of logarithms nowhere."""
    cdef real e[TURN]
    cdef real high[LANES]
    cdef real low[LANES]
    cdef real ones[LANES]
    cdef ptrdiff_t i
    cdef int turn = TURN if real is float else LANES, j, k  # float64's work on LANES overlaps enough
    for j in range(LANES):
        high[j], low[j], ones[j] = lane_start(kind, m), 0.0, 0.0
    for i in range(n // turn):  # what is read is read first: `out` may be x
        if fetch.next:
            fastact_prefetch(<const char *>(x + fetch.next), turn * sizeof(real))
        if fetch.results and is_logarithm(kind):
            fastact_prefetch(<const char *>out, turn * sizeof(real))
        for j in range(turn):
            e[j] = term(x[j], r, r_low, shift, lowest, offset, magic, rest, rest_low, kind)
        for k in range(turn // LANES):
            for j in range(LANES):
                e[k * LANES + j] = counted(e[k * LANES + j], x[k * LANES + j], m, &ones[j], kind)
        for k in range(turn // LANES):
            for j in range(LANES):
                add_term(e[k * LANES + j], &high[j], &low[j], kind)
        if not is_logarithm(kind):
            memcpy(out, e, turn * sizeof(real))
        x += turn
        out += turn
    memcpy(highs, high, sizeof(high))
    memcpy(lows, low, sizeof(low))
    memcpy(all_ones, ones, sizeof(ones))


cdef inline void add_last(
    const Row *rows, ptrdiff_t count, ptrdiff_t start, int width, const real *m, const real *starts, real r, real r_low,
    real *high, real *low, real *ones, Fetch fetch, int kind, bint partial,
) noexcept nogil:
    """`width` elements of each row, at most one to a lane. Row by row, as each takes long, and overlaps with the next."""
    cdef const real *x
    cdef real *out
    cdef real a[LANES]
    cdef real e[LANES]
    cdef ptrdiff_t k
    cdef int j
    for k in range(count):
        x, out = <const real *>rows[k].x + start, <real *>rows[k].out + start
        if fetch.results and is_logarithm(kind):
            fastact_prefetch(<const char *>out, sizeof(real))
        if partial:
            load_some(a, x, width, NAN)
            x = a
        for j in range(LANES):
            e[j] = term(
                x[j], r, r_low, starts[k], starts[COLUMNS + k], starts[2 * COLUMNS + k], starts[3 * COLUMNS + k],
                starts[4 * COLUMNS + k], starts[5 * COLUMNS + k], kind,
            )
        for j in range(LANES):
            e[j] = counted(e[j], x[j], m[k], ones + j, kind)
        if not is_logarithm(kind):
            if partial:
                store_some(out, e, width)
            else:
                memcpy(out, e, sizeof(e))
        for j in range(LANES):
            add_term(e[j] if not partial or j < width else <real>0.0, high + j, low + j, kind)
        high += LANES
        low += LANES
        ones += LANES


cdef inline void sum_of_kind(
    const Row *rows, ptrdiff_t count, ptrdiff_t start, ptrdiff_t n, const real *m, const real *starts, real r, real r_low,
    Sums *sums, Fetch fetch, int kind,
) noexcept nogil:
    cdef real high[BATCH * LANES]
    cdef real low[BATCH * LANES]
    cdef real ones[BATCH * LANES]
    cdef ptrdiff_t last = n % TURN, i, k
    cdef int width
    n -= last
    if n == 0:
        for i in range(count * LANES):
            high[i], low[i], ones[i] = lane_start(kind, r), 0.0, 0.0
    else:
        for k in range(count):
            add_terms(
                <const real *>rows[k].x + start, <real *>rows[k].out + start, n, m[k], r, r_low, starts[k],
                starts[COLUMNS + k], starts[2 * COLUMNS + k], starts[3 * COLUMNS + k], starts[4 * COLUMNS + k],
                starts[5 * COLUMNS + k], high + k * LANES, low + k * LANES, ones + k * LANES, fetch, kind,
            )
    for i in range(pieces_of(last, LANES)):
        width = <int>min(<ptrdiff_t>LANES, last - i * LANES)
        if width == LANES:
            add_last(rows, count, start + n + i * LANES, width, m, starts, r, r_low, high, low, ones, fetch, kind, False)
        else:
            add_last(rows, count, start + n + i * LANES, width, m, starts, r, r_low, high, low, ones, fetch, kind, True)
    for k in range(count):
        merge_lanes(high + k * LANES, low + k * LANES, ones + k * LANES, sums, k, kind)


cdef inline void merge_lanes(
    const real *high, const real *low, const real *ones, Sums *sums, ptrdiff_t k, int kind
) noexcept nogil:
    """Bring the lanes of a row together, and add them to its sum."""
    cdef double totals[LANES]
    cdef double lows[LANES]
    cdef double total, total_low = 0.0, all_ones = 0.0
    cdef int j
    for j in range(LANES):
        lane_total(high[j], low[j], lane_start(kind, high[0]), &totals[j], &lows[j])
    if real is float:
        total = fastact_sum_of_doubles(totals)
        if is_logarithm(kind):
            all_ones = fastact_sum_of_floats(ones)
    else:
        fastact_sum_of_pairs(totals, lows, &total, &total_low)
        if is_logarithm(kind):
            all_ones = fastact_sum_of_doubles(ones)
    add_to(sums, k, all_ones, total, total_low, high[0])


cdef inline real block_sum(const real *x, const real *second, ptrdiff_t n, int kind) noexcept nogil:
    if real is float:
        return fastact_block_sum_float(x, second, n, kind != LOG_SOFTMAX_GRADIENT)
    else:
        return fastact_block_sum_double(x, second, n, kind != LOG_SOFTMAX_GRADIENT)


cdef inline Sum gradient_sum(const Row *row, ptrdiff_t start, ptrdiff_t n, int kind, real type_tag) noexcept nogil:
    """Of n elements from `start` on, a chunk."""
    cdef const real *x = <const real *>row.x + start
    cdef const real *second = <const real *>row.second + start
    cdef Sum chunk
    cdef ptrdiff_t i
    memset(&chunk, 0, sizeof(Sum))
    for i in range(n // BLOCK):
        add(&chunk, 0.0, block_sum(x + i * BLOCK, second + i * BLOCK, BLOCK, kind), 0.0, type_tag)
    i = n - n % BLOCK
    if i < n:
        add(&chunk, 0.0, block_sum(x + i, second + i, n - i, kind), 0.0, type_tag)
    return chunk


cdef void sum_chunk(
    const Row *rows, ptrdiff_t count, ptrdiff_t start, ptrdiff_t n, const real *m, const real *starts, const Factor *factor,
    Sums *sums, Fetch fetch, int kind,
) noexcept nogil:
    """Add n elements from `start` on to the sums of some rows; `kind_of_sum` chose the kind. The exponentials go to `out`,
    those of logarithms nowhere."""
    cdef real r = <real>factor.r, r_low = <real>factor.r_low
    if kind == SOFTMAX: sum_of_kind(rows, count, start, n, m, starts, r, r_low, sums, fetch, SOFTMAX)
    elif kind == SOFTMIN: sum_of_kind(rows, count, start, n, m, starts, r, r_low, sums, fetch, SOFTMIN)
    elif kind == LOG_SOFTMAX: sum_of_kind(rows, count, start, n, m, starts, r, r_low, sums, fetch, LOG_SOFTMAX)
    elif kind == SCALED: sum_of_kind(rows, count, start, n, m, starts, r, r_low, sums, fetch, SCALED)
    else: sum_of_kind(rows, count, start, n, m, starts, r, r_low, sums, fetch, SCALED_LOGARITHM)


cdef inline void finish_lanes(
    const real *x, const real *second, real *out, real high, real low, real r, real r_low, ptrdiff_t n, int kind
) noexcept nogil:
    """n elements, which fill the lanes."""
    cdef real results[LANES]
    cdef ptrdiff_t i
    cdef int j
    for i in range(n // LANES):  # what is read is read first: `out` may be one of the others
        for j in range(LANES):
            results[j] = finish_one(x[j], second[j], out[j], high, low, r, r_low, kind)
        for j in range(LANES):
            out[j] = results[j]
        x += LANES
        second += LANES
        out += LANES


cdef inline void finish_some(
    const real *x, const real *second, real *out, real high, real low, real r, real r_low, int n, int kind
) noexcept nogil:
    """n elements, less than LANES."""
    cdef real results[LANES]
    cdef real a[LANES]
    cdef real b[LANES]
    cdef real e[LANES]
    cdef int j
    load_some(a, x, n, 0.0)
    load_some(b, second, n, 0.0)
    if kind == SOFTMAX:
        load_some(e, out, n, 0.0)
    for j in range(LANES):
        results[j] = finish_one(a[j], b[j], e[j], high, low, r, r_low, kind)
    store_some(out, results, n)


cdef inline void finish_of_kind(
    const Row *rows, ptrdiff_t count, ptrdiff_t start, ptrdiff_t n, const real *high, const real *low, real r, real r_low,
    int kind,
) noexcept nogil:
    cdef ptrdiff_t whole = n - n % LANES, last = start + whole, i, k
    cdef const real *x
    cdef const real *second
    cdef real *out
    for k in range(count):
        x, second, out = <const real *>rows[k].x + start, <const real *>rows[k].second + start, <real *>rows[k].out + start
        if is_overflown(high[k], kind):
            for i in range(n):
                out[i] = finish_overflown(x[i], second[i], high[k], r, kind)
        else:
            finish_lanes(x, second, out, high[k], low[k], r, r_low, whole, kind)
    # afterwards: after a masked store, CPUs are slow to read what is beside it
    for k in range(count if n % LANES else 0):
        x, second, out = <const real *>rows[k].x + last, <const real *>rows[k].second + last, <real *>rows[k].out + last
        if not is_overflown(high[k], kind):
            finish_some(x, second, out, high[k], low[k], r, r_low, <int>(n % LANES), kind)


cdef void finish_chunk(
    const Row *rows, ptrdiff_t count, ptrdiff_t start, ptrdiff_t n, const real *high, const real *low, const Factor *factor,
    int kind,
) noexcept nogil:
    cdef real r = <real>factor.r, r_low = <real>factor.r_low
    cdef ptrdiff_t k
    if kind == LOGSUMEXP:
        for k in range(count if start == 0 else 0):
            (<real *>rows[k].out)[0] = high[k]
        return
    kind = kind_of_finish(kind, factor)
    if kind == SOFTMAX: finish_of_kind(rows, count, start, n, high, low, r, r_low, SOFTMAX)
    elif kind == LOG_SOFTMAX: finish_of_kind(rows, count, start, n, high, low, r, r_low, LOG_SOFTMAX)
    elif kind == SCALED_LOGARITHM: finish_of_kind(rows, count, start, n, high, low, r, r_low, SCALED_LOGARITHM)
    elif kind == SOFTMAX_GRADIENT: finish_of_kind(rows, count, start, n, high, low, r, r_low, SOFTMAX_GRADIENT)
    elif kind == SCALED_GRADIENT: finish_of_kind(rows, count, start, n, high, low, r, r_low, SCALED_GRADIENT)
    elif kind == LOG_SOFTMAX_GRADIENT: finish_of_kind(rows, count, start, n, high, low, r, r_low, LOG_SOFTMAX_GRADIENT)
    else: finish_of_kind(rows, count, start, n, high, low, r, r_low, SCALED_LOG_GRADIENT)


cdef inline void gradients_of_kind(
    const Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, int kind, int finish, real type_tag
) noexcept nogil:
    cdef real high[BATCH]
    cdef real low[BATCH]
    cdef Sum total, chunk
    cdef ptrdiff_t start, i, k
    for k in range(count):
        memset(&total, 0, sizeof(Sum))
        for i in range(pieces_of(n, CHUNK)):
            start = i * CHUNK
            chunk = gradient_sum(&rows[k], start, min(<ptrdiff_t>CHUNK, n - start), kind, type_tag)
            add(&total, 0.0, chunk.high, chunk.low, type_tag)
        factor_of(&total, type_tag, SOFTMAX_GRADIENT, &high[k], &low[k])
    finish_of_kind(rows, count, 0, n, high, low, <real>factor.r, <real>factor.r_low, finish)


cdef void gradients(
    const Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, int kind, real *type_tag
) noexcept nogil:
    """Of up to BATCH rows, as `batch`."""
    cdef real t = 0.0
    kind = kind_of_finish(kind, factor)
    if kind == SOFTMAX_GRADIENT: gradients_of_kind(rows, count, n, factor, SOFTMAX_GRADIENT, SOFTMAX_GRADIENT, t)
    elif kind == SCALED_GRADIENT: gradients_of_kind(rows, count, n, factor, SOFTMAX_GRADIENT, SCALED_GRADIENT, t)
    elif kind == LOG_SOFTMAX_GRADIENT:
        gradients_of_kind(rows, count, n, factor, LOG_SOFTMAX_GRADIENT, LOG_SOFTMAX_GRADIENT, t)
    else: gradients_of_kind(rows, count, n, factor, LOG_SOFTMAX_GRADIENT, SCALED_LOG_GRADIENT, t)


cdef void batch(
    Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, Fetch fetch, int kind, real *type_tag
) noexcept nogil:
    """Up to BATCH rows of n elements, pass by pass: what takes long for one overlaps with the others."""
    cdef ptrdiff_t k, start, finite = 0
    cdef bint scaled
    cdef Sums sums
    cdef real extremum
    cdef real m[BATCH]
    cdef real high[BATCH]
    cdef real low[BATCH]
    cdef real starts[START * COLUMNS]
    if is_gradient(kind):
        gradients[real](rows, count, n, factor, kind, NULL)
        return
    for k in range(count):
        extremum = extreme(<const real *>rows[k].x, n, kind)
        if isinf(extremum):
            at_infinity(<const real *>rows[k].x, <real *>rows[k].out, n, extremum, kind)
            continue
        if finite != k:
            rows[finite] = rows[k]
        m[finite] = extremum
        finite += 1
    if finite == 0:
        return
    scaled = start_all(m, factor, starts, finite)
    zero(&sums, finite)
    for k in range(pieces_of(n, CHUNK)):
        start = k * CHUNK
        sum_chunk(
            rows, finite, start, min(<ptrdiff_t>CHUNK, n - start), m, starts, factor, &sums, fetch,
            kind_of_sum(kind, scaled),
        )
    factors(&sums, m, high, low, finite, kind, factor)
    finish_chunk(rows, finite, 0, n, high, low, factor, kind)


# ---- columns, side by side -------------------------------------------------------------------------

# Where they are: the first element, and the step, in elements, from one element of a column to the next.
ctypedef struct Grid:
    char *start
    ptrdiff_t step
    Fetch fetch

ctypedef struct Columns:
    Grid x
    Grid second
    Grid out
    ptrdiff_t length
    ptrdiff_t width
    Factor factor


cdef inline Grid part(const Grid *grid, ptrdiff_t row, ptrdiff_t column, real *type_tag) noexcept nogil:
    cdef Grid later = grid[0]
    later.start += (row * grid.step + column) * <ptrdiff_t>sizeof(real)
    return later


cdef void copy_strip(Grid source, Grid target, ptrdiff_t n, ptrdiff_t width, real *type_tag) noexcept nogil:
    """n elements of each of some columns, and the first one's so often as to make LANES."""
    cdef const real *a = <const real *>source.start
    cdef real *b = <real *>target.start
    cdef real row[LANES]
    cdef ptrdiff_t i
    for i in range(n):
        load_some(row, a, <int>width, a[0])
        memcpy(b, row, sizeof(row))
        a += source.step
        b += target.step


cdef inline void extremes_of_columns_of_kind(Grid x, ptrdiff_t n, ptrdiff_t width, real *m, int kind) noexcept nogil:
    """With those that fill up a strip of LANES: once more its first one's."""
    cdef const real *a = <const real *>x.start
    cdef real last[LANES]
    cdef ptrdiff_t full = width // LANES * LANES, i, c
    cdef int rest = width % LANES, j
    for c in range(pieces_of(width, LANES) * LANES):
        m[c] = INFINITY if kind == SOFTMIN else -INFINITY
    for i in range(n):
        fastact_prefetch(<const char *>(a + 2 * x.step), width * sizeof(real))
        for c in range(full):
            m[c] = further(a[c], m[c], kind)
        if rest:
            load_some(last, a + full, rest, a[full])
            for j in range(LANES):
                m[full + j] = further(last[j], m[full + j], kind)
        a += x.step


cdef void extremes_of_columns(Grid x, ptrdiff_t n, ptrdiff_t width, real *m, int kind) noexcept nogil:
    if kind == SOFTMIN: extremes_of_columns_of_kind(x, n, width, m, SOFTMIN)
    else: extremes_of_columns_of_kind(x, n, width, m, SOFTMAX)


cdef inline void add_strip_of_kind(
    const real *x, ptrdiff_t x_step, Fetch fetch, real *out, ptrdiff_t out_step, ptrdiff_t n, ptrdiff_t fresh,
    const real *m, const real *starts, real r, real r_low, real *high, real *low, real *ones, int kind,
) noexcept nogil:
    cdef real shift[LANES]
    cdef real lowest[LANES]
    cdef real offset[LANES]
    cdef real magic[LANES]
    cdef real rest[LANES]
    cdef real rest_low[LANES]
    cdef real e[LANES]
    cdef real counts[LANES]
    cdef real extremes[LANES]
    cdef ptrdiff_t i, lane
    cdef int j
    for j in range(LANES):
        shift[j], lowest[j], offset[j] = starts[j], starts[COLUMNS + j], starts[2 * COLUMNS + j]
        magic[j], rest[j], rest_low[j] = starts[3 * COLUMNS + j], starts[4 * COLUMNS + j], starts[5 * COLUMNS + j]
        extremes[j] = m[j]
        counts[j] = ones[j]
    for i in range(n):
        fastact_prefetch(<const char *>(x + fetch.next), LANES * sizeof(real))
        if fetch.results and is_logarithm(kind):
            fastact_prefetch(<const char *>(x + fetch.results), LANES * sizeof(real))
        for j in range(LANES):
            e[j] = term(x[j], r, r_low, shift[j], lowest[j], offset[j], magic[j], rest[j], rest_low[j], kind)
        for j in range(LANES):
            e[j] = counted(e[j], x[j], extremes[j], &counts[j], kind)
        lane = i % LANES * LANES
        if i < fresh:
            for j in range(LANES):
                high[lane + j], low[lane + j] = lane_start(kind, r), 0.0
                add_term(e[j], high + lane + j, low + lane + j, kind)
        else:
            for j in range(LANES):
                add_term(e[j], high + lane + j, low + lane + j, kind)
        if not is_logarithm(kind):
            memcpy(out, e, sizeof(e))
        x += x_step
        out += out_step
    for j in range(LANES):
        ones[j] = counts[j]


cdef void add_strip(
    const real *x, ptrdiff_t x_step, Fetch fetch, real *out, ptrdiff_t out_step, ptrdiff_t n, ptrdiff_t fresh,
    const real *m, const real *starts, real r, real r_low, real *high, real *low, real *ones, int kind,
) noexcept nogil:
    """Add n elements of each column to its lanes, element i to lane i % LANES; the first `fresh` begin them. Exponentials
    go to `out`."""
    if kind == SOFTMAX:
        add_strip_of_kind(
            x, x_step, fetch, out, out_step, n, fresh, m, starts, r, r_low, high, low, ones, SOFTMAX
        )
    elif kind == SOFTMIN:
        add_strip_of_kind(
            x, x_step, fetch, out, out_step, n, fresh, m, starts, r, r_low, high, low, ones, SOFTMIN
        )
    elif kind == SCALED:
        add_strip_of_kind(
            x, x_step, fetch, out, out_step, n, fresh, m, starts, r, r_low, high, low, ones, SCALED
        )
    elif kind == LOG_SOFTMAX:
        add_strip_of_kind(
            x, x_step, fetch, out, out_step, n, fresh, m, starts, r, r_low, high, low, ones, LOG_SOFTMAX
        )
    else:
        add_strip_of_kind(
            x, x_step, fetch, out, out_step, n, fresh, m, starts, r, r_low, high, low, ones, SCALED_LOGARITHM
        )


cdef void sum_columns(
    Grid x, Grid last, Grid out, ptrdiff_t n, ptrdiff_t width, ptrdiff_t rows, const real *m, const real *starts, real r,
    real r_low, int kind, Sums *sums,
) noexcept nogil:
    """Of up to COLUMNS columns, so many rows together; what is not a whole strip of LANES is in `last`."""
    cdef ptrdiff_t index, chunk, end, k, start, stop
    cdef real high[COLUMNS * LANES]
    cdef real low[COLUMNS * LANES]
    cdef real ones[COLUMNS]
    cdef int used
    cdef Grid here, there
    for index in range(pieces_of(n, CHUNK)):
        chunk = index * CHUNK
        end = min(n, chunk + CHUNK)
        used = <int>min(<ptrdiff_t>LANES, n - chunk)
        memset(ones, 0, sizeof(ones))
        start = chunk
        while start < end:
            stop = min(end, start + rows)
            for k in range(pieces_of(width, LANES)):
                here = part[real](&x if k < width // LANES else &last, start, k * LANES, NULL)
                there = part[real](&out, start, k * LANES, NULL)
                add_strip(
                    <const real *>here.start, here.step, here.fetch, <real *>there.start, there.step, stop - start,
                    used if start == chunk else 0, m + k * LANES, starts + k * LANES, r, r_low, high + k * LANES * LANES,
                    low + k * LANES * LANES, ones + k * LANES, kind,
                )
            start = stop
        for k in range(pieces_of(width, LANES)):
            merge_strip(
                high + k * LANES * LANES, low + k * LANES * LANES, ones + k * LANES, used, lane_start(kind, r), sums,
                k * LANES,
            )


cdef inline void add_gradient_row(
    const real *x, const real *second, real *lane, ptrdiff_t width, bint first, int kind
) noexcept nogil:
    cdef real a[LANES]
    cdef real b[LANES]
    cdef ptrdiff_t k
    cdef int rest = width % LANES, j
    for k in range(width // LANES):
        for j in range(LANES):
            lane[j] = (<real>0.0 if first else lane[j]) + (x[j] if kind == LOG_SOFTMAX_GRADIENT else x[j] * second[j])
        x += LANES
        second += LANES
        lane += LANES
    if rest:
        load_some(a, x, rest, 0.0)
        load_some(b, second, rest, 0.0)
        for j in range(LANES):
            lane[j] = (<real>0.0 if first else lane[j]) + (a[j] if kind == LOG_SOFTMAX_GRADIENT else a[j] * b[j])


cdef inline void gradient_sums_of_kind(const Columns *all, Sums *sums, int kind, real type_tag) noexcept nogil:
    cdef real lanes[LANES][COLUMNS]
    cdef Sums chunk_sums
    cdef const real *x = <const real *>all.x.start
    cdef const real *second = <const real *>all.second.start
    cdef ptrdiff_t n = all.length, padded = pieces_of(all.width, LANES) * LANES, chunk, index, block, stop, i, c
    cdef int half, k, used
    for chunk in range(pieces_of(n, CHUNK)):
        zero(&chunk_sums, padded)
        for index in range(pieces_of(min(<ptrdiff_t>CHUNK, n - chunk * CHUNK), BLOCK)):
            block = chunk * CHUNK + index * BLOCK
            stop = min(n, block + BLOCK)
            used = <int>min(<ptrdiff_t>LANES, stop - block)
            for i in range(block, block + used):
                add_gradient_row(
                    x + i * all.x.step, second + i * all.second.step, lanes[i - block], all.width, True, kind
                )
            for i in range(block + used, stop):
                add_gradient_row(
                    x + i * all.x.step, second + i * all.second.step, lanes[(i - block) % LANES], all.width, False, kind
                )
            half = LANES // 2
            while half:
                for k in range(max(0, min(half, used - half))):
                    for c in range(padded):
                        lanes[k][c] += lanes[k + half][c]
                half //= 2
            for c in range(padded):
                add_to(&chunk_sums, c, 0.0, lanes[0][c], 0.0, type_tag)
        for c in range(padded):
            add_to(sums, c, 0.0, chunk_sums.high[c], chunk_sums.low[c], type_tag)


cdef inline void finish_columns_of_kind(const Columns *all, const real *high, const real *low, int kind) noexcept nogil:
    cdef const real *x = <const real *>all.x.start
    cdef const real *second = <const real *>all.second.start
    cdef real *out = <real *>all.out.start
    cdef real r = <real>all.factor.r, r_low = <real>all.factor.r_low
    cdef real results[LANES]
    cdef real a[LANES]
    cdef real b[LANES]
    cdef ptrdiff_t full = all.width // LANES * LANES, i, k, c
    cdef int rest = all.width % LANES, j
    for i in range(all.length):
        for k in range(all.width // LANES):
            c = k * LANES
            for j in range(LANES):
                results[j] = finish_one(x[c + j], second[c + j], x[c + j], high[c + j], low[c + j], r, r_low, kind)
            memcpy(out + c, results, sizeof(results))
            fastact_prefetch(<const char *>(out + c + all.out.step), sizeof(results))
        if rest:
            load_some(a, x + full, rest, 0.0)
            load_some(b, second + full, rest, 0.0)
            for j in range(LANES):
                results[j] = finish_one(a[j], b[j], a[j], high[full + j], low[full + j], r, r_low, kind)
            store_some(out + full, results, rest)
        x += all.x.step
        second += all.second.step
        out += all.out.step


cdef void finish_columns(const Columns *all, const real *high, const real *low, int kind) noexcept nogil:
    if kind == SOFTMAX: finish_columns_of_kind(all, high, low, SOFTMAX)
    elif kind == LOG_SOFTMAX: finish_columns_of_kind(all, high, low, LOG_SOFTMAX)
    elif kind == SCALED_LOGARITHM: finish_columns_of_kind(all, high, low, SCALED_LOGARITHM)
    elif kind == SOFTMAX_GRADIENT: finish_columns_of_kind(all, high, low, SOFTMAX_GRADIENT)
    elif kind == SCALED_GRADIENT: finish_columns_of_kind(all, high, low, SCALED_GRADIENT)
    elif kind == LOG_SOFTMAX_GRADIENT: finish_columns_of_kind(all, high, low, LOG_SOFTMAX_GRADIENT)
    else: finish_columns_of_kind(all, high, low, SCALED_LOG_GRADIENT)


cdef void factors_of_columns(
    Grid x, Grid last, Grid out, ptrdiff_t n, ptrdiff_t width, ptrdiff_t rows, const real *m, const Factor *factor,
    int kind, real *high, real *low,
) noexcept nogil:
    """Of up to COLUMNS columns of finite extremes m."""
    cdef ptrdiff_t padded = pieces_of(width, LANES) * LANES
    cdef real starts[START * COLUMNS]
    cdef Sums sums
    cdef bint scaled = start_all(m, factor, starts, padded)
    zero(&sums, padded)
    sum_columns(
        x, last, out, n, width, rows, m, starts, <real>factor.r, <real>factor.r_low, kind_of_sum(kind, scaled), &sums
    )
    factors(&sums, m, high, low, padded, kind, factor)


cdef inline ptrdiff_t evenly(ptrdiff_t width) noexcept nogil:
    """As many of them as are worked on together: at most COLUMNS, in strips of LANES."""
    return pieces_of(pieces_of(width, pieces_of(width, COLUMNS)), LANES) * LANES


cdef bint columns(Columns *all, int kind, real *scratch, bint are_tiles) noexcept nogil:
    """Up to WIDEST columns, with a tile for their exponentials; if that is too long, up to COLUMNS whole strips. False, and
    nothing written, where an extreme is not finite."""
    cdef ptrdiff_t n = all.length, width = all.width, strips = pieces_of(width, LANES), rows = n, c, start
    cdef ptrdiff_t together = evenly(width)
    cdef Grid tile
    cdef real m[WIDEST]
    cdef real high[WIDEST]
    cdef real low[WIDEST]
    extremes_of_columns(all.x, n, width, m, kind)
    for c in range(width):
        if isinf(m[c]):
            return False
    tile.start, tile.step, tile.fetch = <char *>scratch, (strips + 1) * LANES, nothing()
    if are_tiles:
        tile = all.out
    elif n * tile.step * <ptrdiff_t>sizeof(real) > PACKED:
        tile = all.out
        rows = TOGETHER
    elif width % LANES:
        start = width // LANES * LANES
        copy_strip[real](part[real](&all.x, 0, start, NULL), part[real](&tile, 0, start, NULL), n, width - start, NULL)
    for c in range(pieces_of(width, together)):
        start = c * together
        factors_of_columns(
            part[real](&all.x, 0, start, NULL), part[real](&tile, 0, start, NULL), part[real](&tile, 0, start, NULL),
            n, min(together, width - start), rows, m + start, &all.factor, kind, high + start, low + start,
        )
    if kind == LOGSUMEXP:
        memcpy(all.out.start, high, width * sizeof(real))
        return True
    if kind != LOG_SOFTMAX:
        all.x = tile
    finish_columns(all, high, low, kind_of_finish(kind, &all.factor))
    return True


cdef bint gradient_columns(Columns *all, int kind, real *type_tag) noexcept nogil:
    """Up to WIDEST columns. False, and nothing written, where a sum is not finite."""
    cdef Columns some = all[0]
    cdef Sums sums
    cdef ptrdiff_t together = evenly(all.width), c, start
    cdef real high[WIDEST]
    cdef real low[WIDEST]
    cdef real t = 0.0
    for c in range(pieces_of(all.width, together)):
        start = c * together
        some.x, some.second = part[real](&all.x, 0, start, NULL), part[real](&all.second, 0, start, NULL)
        some.width = min(together, all.width - start)
        zero(&sums, COLUMNS)
        if kind == LOG_SOFTMAX_GRADIENT: gradient_sums_of_kind(&some, &sums, LOG_SOFTMAX_GRADIENT, t)
        else: gradient_sums_of_kind(&some, &sums, SOFTMAX_GRADIENT, t)
        factors_of_kind(&sums, high + start, high + start, low + start, some.width, SOFTMAX_GRADIENT)
    for c in range(all.width):
        if not isfinite(high[c]):
            return False
    finish_columns(all, high, low, kind_of_finish(kind, &all.factor))
    return True


cdef inline bint any_columns(Columns *all, int kind, real *scratch, bint are_tiles) noexcept nogil:
    return gradient_columns[real](all, kind, NULL) if is_gradient(kind) else columns(all, kind, scratch, are_tiles)


# ---- any memory layout -----------------------------------------------------------------------------

cdef inline void start_at(Row *row, const Job *job, ptrdiff_t index) noexcept nogil:
    """The row number `index`."""
    cdef Place p = place(job.kept, job.n_kept, index)
    row.x = job.x + p.x
    row.second = job.second + p.second
    row.out = job.out + p.out


cdef inline Fetch to_fetch(const Job *job, ptrdiff_t first, ptrdiff_t next, real *type_tag) noexcept nogil:
    """For the rows from number `first` on, where those from `next` on are read after them."""
    cdef Fetch fetch = nothing()
    cdef Row here, later
    if job.rows * job.length * <ptrdiff_t>sizeof(real) > CACHED:
        start_at(&here, job, first)
        start_at(&later, job, next if next < job.rows else first)
        fetch.next = (later.x - here.x) // <ptrdiff_t>sizeof(real)
        fetch.results = (here.out - here.x) // <ptrdiff_t>sizeof(real) if job.kind != LOGSUMEXP else 0
    return fetch


cdef void through_tile(const Job *job, ptrdiff_t first, ptrdiff_t width, real *tile) noexcept nogil:
    """Some rows, packed as the columns of tiles (a single one as it is), and back."""
    cdef Row rows[TILE]
    cdef Row packed
    cdef Columns all
    cdef ptrdiff_t n = job.length, c
    cdef ptrdiff_t padded = width if width == 1 else pieces_of(width, LANES) * LANES
    cdef real *second = tile + n * padded if is_gradient(job.kind) else tile  # which may be read for nothing
    for c in range(padded):
        start_at(&rows[c], job, first + min(c, width - 1))
    pack(job, rows, padded, tile, False)
    if is_gradient(job.kind):
        pack(job, rows, padded, second, True)
    if width == 1:
        memset(&packed, 0, sizeof(Row))
        packed.x = packed.out = <char *>tile
        packed.second = <char *>second
        batch[real](&packed, 1, n, &job.factor, nothing(), job.kind, NULL)
    else:
        all.x.start = all.out.start = <char *>tile
        all.second.start = <char *>second
        all.x.step = all.second.step = all.out.step = padded
        all.x.fetch = nothing()
        all.length, all.width, all.factor = n, padded, job.factor
        if not any_columns(&all, job.kind, tile, True):
            for c in range(width):
                through_tile(job, first + c, 1, tile)
            return
    unpack(job, rows, width, padded, tile)


cdef inline void pack(
    const Job *job, const Row *rows, ptrdiff_t width, real *tile, bint is_second
) noexcept nogil:
    """Rows as columns."""
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t step = along.second_step if is_second else along.x_step, n = job.length, i, c
    cdef real left_out = INFINITY if job.kind == SOFTMIN else -INFINITY
    cdef real *starts[TILE]
    cdef Place p
    if job.n_reduced > 1 or job.masked:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                if is_second:
                    tile[i * width + c] = (<const real *>(rows[c].second + p.second))[0]
                elif job.masked and not (rows[c].second + p.second)[0]:
                    tile[i * width + c] = left_out
                else:
                    tile[i * width + c] = (<const real *>(rows[c].x + p.x))[0]
        return
    for c in range(width):
        starts[c] = <real *>(rows[c].second if is_second else rows[c].x)
    if step != sizeof(real):
        for c in range(width):
            for i in range(n):
                tile[i * width + c] = (<real *>(<char *>starts[c] + i * step))[0]
        return
    if real is float:
        fastact_pack_float(starts, tile, width, n)
    else:
        fastact_pack_double(starts, tile, width, n)


cdef inline void unpack(
    const Job *job, const Row *rows, ptrdiff_t width, ptrdiff_t padded, const real *tile
) noexcept nogil:
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t n = job.length, i, c
    cdef real left_out = -INFINITY if job.kind == LOG_SOFTMAX else 0.0
    cdef real *starts[TILE]
    cdef Place p
    if job.kind == LOGSUMEXP:
        for c in range(width):
            (<real *>rows[c].out)[0] = tile[c]
    elif job.n_reduced > 1 or job.masked:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                (<real *>(rows[c].out + p.out))[0] = (
                    left_out if job.masked and not (rows[c].second + p.second)[0] else tile[i * padded + c]
                )
    elif along.out_step == sizeof(real):
        for c in range(width):
            starts[c] = <real *>rows[c].out
        for c in range(width, padded):  # once more the last one
            starts[c] = starts[width - 1]
        if real is float:
            fastact_unpack_float(starts, tile, padded, n)
        else:
            fastact_unpack_double(starts, tile, padded, n)
    else:
        for c in range(width):
            for i in range(n):
                (<real *>(rows[c].out + i * along.out_step))[0] = tile[i * padded + c]


# ---- in pieces, for threads -----------------------------------------------------------------------

cdef enum:
    TILES, ROWS, COLUMN_GROUPS, CHUNK_EXTREMES, CHUNK_SUMS, CHUNK_RESULTS

# What pieces are of, how large they are, and where they keep what.
ctypedef struct Pieces:
    const Job *job
    int what
    bint is_float
    ptrdiff_t together  # rows or columns
    ptrdiff_t groups    # of columns that lie beside one another
    char *scratch       # of each thread
    ptrdiff_t bytes
    const Row *row      # for chunks of a long one
    void *extremes
    double m
    double high
    double low
    Sum *sums


cdef void piece(const void *pieces, ptrdiff_t k, int thread) noexcept nogil:
    if (<const Pieces *>pieces).is_float:
        piece_of_dtype[float](<const Pieces *>pieces, k, thread, NULL)
    else:
        piece_of_dtype[double](<const Pieces *>pieces, k, thread, NULL)


cdef void piece_of_dtype(const Pieces *pieces, ptrdiff_t k, int thread, real *type_tag) noexcept nogil:
    cdef ptrdiff_t start = k * pieces.together, count = min(pieces.together, pieces.job.rows - start)
    if pieces.what == TILES:
        through_tile[real](pieces.job, start, count, <real *>(pieces.scratch + pieces.bytes * thread))
    elif pieces.what == ROWS: some_rows[real](pieces.job, start, count, NULL)
    elif pieces.what == COLUMN_GROUPS: some_columns[real](pieces, k, thread, NULL)
    else: chunk_of_row[real](pieces, k, NULL)


cdef void some_rows(const Job *job, ptrdiff_t first, ptrdiff_t count, real *type_tag) noexcept nogil:
    cdef Row rows[BATCH]
    cdef Fetch fetch
    cdef ptrdiff_t k
    for k in range(count):
        start_at(&rows[k], job, first + k)
    fetch = to_fetch[real](job, first, first + count, NULL)
    if job.length * <ptrdiff_t>sizeof(real) < FORESEEN:
        fetch.next = 0
    batch[real](rows, count, job.length, &job.factor, fetch, job.kind, NULL)


cdef void some_columns(const Pieces *pieces, ptrdiff_t k, int thread, real *type_tag) noexcept nogil:
    """`together` columns, or as many as are left of those that lie beside one another."""
    cdef const Job *job = pieces.job
    cdef ptrdiff_t across = job.kept[job.n_kept - 1].size
    cdef ptrdiff_t column = k % pieces.groups * pieces.together, first = k // pieces.groups * across + column, done = 0, c
    cdef real *scratch = <real *>(pieces.scratch + pieces.bytes * thread)
    cdef Row row
    cdef Columns all
    start_at(&row, job, first)
    all.x.fetch = to_fetch[real](job, first, min(column + pieces.together, across) + (first - column), NULL)
    all.x.start, all.second.start, all.out.start = <char *>row.x, <char *>row.second, row.out
    all.x.step = job.reduced[0].x_step // <ptrdiff_t>sizeof(real)
    all.second.step = job.reduced[0].second_step // <ptrdiff_t>sizeof(real)
    all.out.step = job.reduced[0].out_step // <ptrdiff_t>sizeof(real)
    if all.out.step != all.x.step:
        all.x.fetch.results = 0
    all.length, all.width, all.factor = job.length, min(pieces.together, across - column), job.factor
    if too_long(job, all.width, sizeof(real)):
        all.width = all.width // LANES * LANES
    if all.width and any_columns(&all, job.kind, scratch, False):
        done = all.width
    for c in range(done, min(pieces.together, across - column)):
        through_tile(job, first + c, 1, scratch)


cdef inline bint too_long(const Job *job, ptrdiff_t width, ptrdiff_t size) noexcept nogil:
    """Whether columns do not fit in a tile."""
    return not is_gradient(job.kind) and job.length * (pieces_of(width, LANES) + 1) * LANES * size > PACKED


cdef void chunk_of_row(const Pieces *pieces, ptrdiff_t k, real *type_tag) noexcept nogil:
    cdef const Factor *factor = &pieces.job.factor
    cdef int kind = pieces.job.kind
    cdef ptrdiff_t start = k * CHUNK, n = min(<ptrdiff_t>CHUNK, pieces.job.length - start)
    cdef real m = <real>pieces.m, high = <real>pieces.high, low = <real>pieces.low
    cdef real starts[START * COLUMNS]
    cdef bint scaled
    cdef Sums sums
    if pieces.what == CHUNK_EXTREMES:
        (<real *>pieces.extremes)[k] = extreme(<const real *>pieces.row.x + start, n, kind)
    elif pieces.what == CHUNK_SUMS and is_gradient(kind):
        pieces.sums[k] = gradient_sum(pieces.row, start, n, kind, m)
    elif pieces.what == CHUNK_SUMS:
        zero(&sums, 1)
        scaled = start_all(&m, factor, starts, 1)
        sum_chunk(pieces.row, 1, start, n, &m, starts, factor, &sums, nothing(), kind_of_sum(kind, scaled))
        pieces.sums[k].ones, pieces.sums[k].high, pieces.sums[k].low = sums.ones[0], sums.high[0], sums.low[0]
    else:
        finish_chunk(pieces.row, 1, start, n, &high, &low, factor, kind)


cdef int run_tiles(Pieces *pieces, int threads, real *type_tag) except -1 nogil:
    cdef const Job *job = pieces.job
    cdef ptrdiff_t column = (2 if is_gradient(job.kind) else 1) * job.length * <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t fitting = PACKED // column // LANES * LANES
    pieces.what = TILES
    fitting = min(min(fitting, <ptrdiff_t>TILE), pieces_of(pieces_of(job.rows, threads), LANES) * LANES)
    pieces.together = 1 if job.length > LONG else fitting
    pieces.bytes = aligned(column * pieces.together)
    return share_out_with_memory(
        piece, pieces, &pieces.scratch, pieces.bytes, pieces_of(job.rows, pieces.together), threads
    )


cdef int run_rows(Pieces *pieces, int threads, real *type_tag) except -1 nogil:
    cdef const Job *job = pieces.job
    cdef ptrdiff_t elements = GRADIENT_ELEMENTS if is_gradient(job.kind) else BATCH_ELEMENTS, k
    cdef Row row
    if job.rows < threads and job.length * <ptrdiff_t>sizeof(real) >= 8 * PER_THREAD:  # which are called three times
        for k in range(job.rows):
            start_at(&row, job, k)
            row_by_threads[real](pieces, &row, threads, NULL)
        return 0
    pieces.what = ROWS
    pieces.together = max(<ptrdiff_t>1, min(<ptrdiff_t>BATCH, elements // job.length))
    fastact_share_out(piece, pieces, pieces_of(job.rows, pieces.together), threads)
    return 0


cdef int row_by_threads(Pieces *pieces, Row *row, int threads, real *type_tag) except -1 nogil:
    """One long row; its chunks are shared out."""
    cdef int kind = pieces.job.kind
    cdef ptrdiff_t n = pieces.job.length, chunks = pieces_of(n, CHUNK), k
    cdef real m = 0.0, high, low
    cdef Sums total
    pieces.row = row
    pieces.sums = <Sum *>malloc(chunks * (sizeof(Sum) + sizeof(real)))
    pieces.extremes = pieces.sums + chunks
    if not pieces.sums:
        with gil:
            raise MemoryError
    if not is_gradient(kind):
        pieces.what = CHUNK_EXTREMES
        fastact_share_out(piece, pieces, chunks, threads)
        m = extreme(<const real *>pieces.extremes, chunks, kind)
    pieces.m = m
    if isinf(m):
        at_infinity(<const real *>row.x, <real *>row.out, n, m, kind)
    else:
        pieces.what = CHUNK_SUMS
        fastact_share_out(piece, pieces, chunks, threads)
        zero(&total, 1)
        for k in range(chunks):
            add_to(&total, 0, pieces.sums[k].ones, pieces.sums[k].high, pieces.sums[k].low, m)
        factors(&total, &m, &high, &low, 1, kind, &pieces.job.factor)
        pieces.high, pieces.low = high, low
        pieces.what = CHUNK_RESULTS
        fastact_share_out(piece, pieces, 1 if kind == LOGSUMEXP else chunks, threads)
    free(pieces.sums)
    return 0


cdef int run_columns(Pieces *pieces, int threads, real *type_tag) except -1 nogil:
    """The innermost kept dimension is contiguous; there is one reduced dimension."""
    cdef const Job *job = pieces.job
    cdef ptrdiff_t across = job.kept[job.n_kept - 1].size
    cdef ptrdiff_t column = (2 if is_gradient(job.kind) else 1) * job.length * <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t fitting = PACKED // column // LANES * LANES - LANES
    fitting = min(min(fitting, <ptrdiff_t>WIDEST), pieces_of(job.rows, threads))
    fitting = max(fitting, <ptrdiff_t>(COLUMNS * sizeof(float) // sizeof(real)))
    pieces.what = COLUMN_GROUPS
    pieces.groups = pieces_of(across, fitting)
    pieces.together = pieces_of(pieces_of(across, pieces.groups), LANES) * LANES
    pieces.groups = pieces_of(across, pieces.together)
    pieces.bytes = aligned(max(column, <ptrdiff_t>PACKED))  # a column that is not finite is packed alone
    return share_out_with_memory(
        piece, pieces, &pieces.scratch, pieces.bytes, job.rows // across * pieces.groups, threads
    )


cdef inline bint contiguous(const Job *job, const Dimension *one, ptrdiff_t size) noexcept nogil:
    return (
        one.x_step == size and (one.out_step == size or (one.out_step == 0 and job.kind == LOGSUMEXP))
        and (one.second_step == size or not is_gradient(job.kind))
    )


cdef int run(const Job *job, real *type_tag) except -1 nogil:
    """Choose the path by layout and shape."""
    cdef fastact_flags flags = fastact_save_flags()
    cdef int threads = 1
    cdef Pieces pieces
    cdef const Dimension *inner = &job.kept[job.n_kept - 1]
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t size = sizeof(real)
    cdef bint plain = not job.masked and job.n_reduced == 1
    cdef ptrdiff_t short_length = SHORT if real is float else SHORT_DOUBLE
    if is_gradient(job.kind):
        short_length = SHORT_GRADIENT
    elif job.length % LANES == 0:
        short_length = LANES if real is float else 0
    if job.rows * job.length * size >= 2 * PER_THREAD:
        threads = fastact_threads_now()
    pieces.job = job
    pieces.is_float = real is float
    if plain and contiguous(job, along, size) and (job.length > short_length or job.rows < NARROW):
        run_rows[real](&pieces, threads, NULL)
    elif (
        plain and job.n_kept and inner.size >= NARROW and contiguous(job, inner, size)
        and along.x_step % size == 0 and along.second_step % size == 0 and along.out_step % size == 0
    ):
        run_columns[real](&pieces, threads, NULL)
    else:
        run_tiles[real](&pieces, threads, NULL)
    fastact_restore_flags(flags)
    return 0


cdef dict KINDS = {
    "softmax": SOFTMAX, "softmin": SOFTMIN, "log_softmax": LOG_SOFTMAX,
    "logsumexp": LOGSUMEXP,
    "softmax_gradient": SOFTMAX_GRADIENT, "softmin_gradient": SOFTMIN_GRADIENT,
    "log_softmax_gradient": LOG_SOFTMAX_GRADIENT,
}


cdef double FLT_TRUE_MIN = 2.0**-149


cdef Factor factor_for(double temperature, int kind, bint is_float) noexcept:
    """1 / temperature as a pair in the dtype, neither infinite nor 0."""
    cdef Factor factor
    cdef double inverse = min(1.0 / temperature, FLT_MAX if is_float else DBL_MAX)
    if is_float:
        inverse = max(inverse, FLT_TRUE_MIN)
    factor.r = <float>inverse if is_float else inverse
    factor.r_low = inverse - factor.r if is_float else fma(-inverse, temperature, 1.0) * inverse
    if not isfinite(factor.r_low):
        factor.r_low = 0.0
    if kind == SOFTMIN or kind == SOFTMIN_GRADIENT:
        factor.r, factor.r_low = -factor.r, -factor.r_low
    return factor


def reduce(str name, cnp.ndarray x, tuple axes, cnp.ndarray out, cnp.ndarray second, double temperature=1.0):
    """softmax, softmin, log_softmax, logsumexp or a gradient over `axes` (distinct, from 0) into `out`.

    `second` is, for the functions, None or where's mask, a bool array; for the gradients, of which `x` is
    gy, it is y. All have the same shape; all but the mask are aligned, all float32 or all float64 in native
    byte order, and `out` is the same memory as another or does not overlap it. For logsumexp, `out` has steps
    of 0 along `axes`, and there is no temperature.
    """
    cdef Job job
    if cnp.PyArray_SIZE(x) == 0:
        return
    lay_out(&job, x, axes, out, second)
    job.kind = KINDS[name]
    job.masked = second is not None and not is_gradient(job.kind)
    run_as(&job, cnp.PyArray_TYPE(x), temperature)


cdef run_as(Job *job, int number, double temperature):
    job.factor = factor_for(temperature, job.kind, number == cnp.NPY_FLOAT)
    if number == cnp.NPY_FLOAT:
        with nogil:
            run[float](job, NULL)
    else:
        with nogil:
            run[double](job, NULL)


def reduce_contiguous(str name, x, second, axis, out, temperature):
    """The result of what most calls are: contiguous arrays of float32 or float64, a single axis, no mask. None, and
    nothing done, where that is not so or something is wrong, or there is nothing to sum for logsumexp.

    `second` is None, or y of a gradient.
    """
    cdef Job job
    cdef cnp.ndarray gy, y, result
    cdef int number, dimensions, along, k
    cdef cnp.npy_intp shape[MAX_DIMENSIONS]
    kind = KINDS.get(name if second is None else name + "_gradient")
    if kind is None or type(axis) is not int or type(temperature) is not float or not cnp.PyArray_CheckExact(x):
        return None
    gy = y = x
    number, dimensions = cnp.PyArray_TYPE(gy), cnp.PyArray_NDIM(gy)
    if (
        not (number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE) or not cnp.PyArray_ISCARRAY_RO(gy)
        or not -dimensions <= axis < dimensions or not 0.0 < temperature < INFINITY
    ):
        return None
    if second is not None:
        if not cnp.PyArray_CheckExact(second):
            return None
        y = second
        if cnp.PyArray_TYPE(y) != number or not cnp.PyArray_ISCARRAY_RO(y) or not cnp.PyArray_SAMESHAPE(gy, y):
            return None
    along = axis if axis >= 0 else axis + dimensions
    if kind == LOGSUMEXP:
        if cnp.PyArray_SIZE(gy) == 0:
            return None
        for k in range(dimensions - 1):
            shape[k] = cnp.PyArray_DIM(gy, k if k < along else k + 1)
        result = cnp.PyArray_EMPTY(dimensions - 1, shape, number, 0)
    elif out is None:
        result = cnp.PyArray_EMPTY(dimensions, cnp.PyArray_DIMS(gy), number, 0)
    else:
        if not cnp.PyArray_CheckExact(out):
            return None
        result = out
        if (
            cnp.PyArray_TYPE(result) != number or not cnp.PyArray_ISCARRAY(result)
            or not cnp.PyArray_SAMESHAPE(gy, result) or not same_or_apart(gy, result) or not same_or_apart(y, result)
        ):
            return None
    if cnp.PyArray_SIZE(gy) == 0:
        return result
    job.kind = kind
    lay_out_contiguous(&job, gy, y, result, along, kind != LOGSUMEXP)
    job.masked = False
    run_as(&job, number, temperature)
    return result


cdef bint same_or_apart(cnp.ndarray a, cnp.ndarray b):
    """Whether two contiguous arrays of one size are the same memory, or share none."""
    cdef char *start_a = <char *>cnp.PyArray_DATA(a)
    cdef char *start_b = <char *>cnp.PyArray_DATA(b)
    cdef ptrdiff_t size = cnp.PyArray_NBYTES(a)
    return start_a == start_b or start_a + size <= start_b or start_b + size <= start_a


def get_num_threads():
    return fastact_threads()


cnp.import_array()
fastact_start_threads()
