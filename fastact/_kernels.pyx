"""softmax, softmin and log_softmax over any axes: max-shift, exponentials, sum, quotient.

Every row's sum is taken in an order that depends on the row's length alone: LANES interleaved partial
sums over each chunk of CHUNK elements, combined as a tree, the chunks one after another. Whatever path a
row takes (alone, as a column beside others, through a tile, by several threads), its bits are the same.

Ones are counted apart from the other terms of the sum, so that log_softmax keeps its digits where the
maximum has almost all the weight.
"""

cimport cython
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, NAN, fabs, isinf, log, log1p
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy

cdef extern from "_runtime.h" nogil:
    ctypedef unsigned int fastact_flags
    fastact_flags fastact_save_flags()
    void fastact_restore_flags(fastact_flags)
    void fastact_start_threads()
    int fastact_threads()
    int fastact_limit

cdef extern from "fastact_loops.h":
    ctypedef void fastact_loop(char **, const cnp.npy_intp *, const cnp.npy_intp *, void *) noexcept nogil
    fastact_loop fastact_exp_difference_float32, fastact_exp_difference_float32_scalar
    fastact_loop fastact_exp_difference_float64, fastact_exp_difference_float64_scalar
    fastact_loop fastact_exp_minus_difference_float32, fastact_exp_minus_difference_float32_scalar
    fastact_loop fastact_exp_minus_difference_float64, fastact_exp_minus_difference_float64_scalar
    float FASTACT_UP_float32
    double FASTACT_UP_float64

cdef extern from *:
    """
    #ifdef __FP_FAST_FMA
    #define FASTACT_FMA(a, b, c) __builtin_fma(a, b, c)
    #define FASTACT_FMAF(a, b, c) __builtin_fmaf(a, b, c)
    #else
    #define FASTACT_FMA(a, b, c) ((a) * (b) + (c))
    #define FASTACT_FMAF(a, b, c) ((a) * (b) + (c))
    #endif
    """
    double FASTACT_FMA(double, double, double) noexcept nogil
    float FASTACT_FMAF(float, float, float) noexcept nogil

cdef extern from "_transpose.h" nogil:
    void fastact_pack_float(float **rows, float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_unpack_float(float **rows, const float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_pack_double(double **rows, double *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_unpack_double(double **rows, const double *tile, ptrdiff_t width, ptrdiff_t n)

ctypedef fused real:
    float
    double

cdef enum:
    SOFTMAX, SOFTMIN, LOG_SOFTMAX

cdef enum:
    LANES = 16
    CHUNK = 4096      # elements whose sum is one tree
    BLOCK = 1024      # elements to a call of a compiled loop
    STRIDE_BYTES = 256  # what a compiled loop does at a time
    STRIDE = 64       # the same in elements, at most
    TILE = 64         # rows that are packed side by side
    COLUMNS = 128     # columns that are worked on together
    SHORT = 176       # rows up to this length are packed
    NARROW = 16       # fewer columns than this are packed
    LONG = 1024       # rows longer than this are packed singly
    PER_THREAD = 16384
    MAX_DIMENSIONS = 64

# A row's sum: `ones` terms that are exactly 1, and UP times all others, as a pair.
ctypedef struct Sum:
    double ones
    double high
    double low


cdef inline void add(Sum *total, double ones, double high, double low) noexcept nogil:
    cdef double s = total.high + high
    cdef double part = s - total.high
    total.ones += ones
    total.low += (total.high - (s - part)) + (high - part) + low
    total.high = s


# ---- one row, contiguous ---------------------------------------------------------------------------

cdef inline real further(real a, real b, int kind) noexcept nogil:
    """The larger of two numbers, for softmin the smaller. NaN may count or not: its row is NaN anyway."""
    if kind == SOFTMIN:
        return a if a < b else b
    return a if a > b else b


cdef inline real extreme_of_kind(const real *x, ptrdiff_t n, int kind) noexcept nogil:
    cdef real lanes[LANES]
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
    for j in range(<int>(n % LANES)):
        lanes[j] = further(x[j], lanes[j], kind)
    for j in range(8):
        lanes[j] = further(lanes[j + 8], lanes[j], kind)
    for j in range(4):
        lanes[j] = further(lanes[j + 4], lanes[j], kind)
    return further(further(lanes[0], lanes[1], kind), further(lanes[2], lanes[3], kind), kind)


cdef real extreme(const real *x, ptrdiff_t n, int kind) noexcept nogil:
    """The maximum, or for softmin the minimum; anything in a row with a NaN."""
    return extreme_of_kind(x, n, SOFTMIN) if kind == SOFTMIN else extreme_of_kind(x, n, SOFTMAX)


cdef inline void run_loop(char **args, cnp.npy_intp n, const cnp.npy_intp *steps, int kind, real type_tag) noexcept nogil:
    cdef bint one_m = steps[1] == 0
    if real is float:
        if kind == SOFTMIN and one_m: fastact_exp_minus_difference_float32_scalar(args, &n, steps, NULL)
        elif kind == SOFTMIN: fastact_exp_minus_difference_float32(args, &n, steps, NULL)
        elif one_m: fastact_exp_difference_float32_scalar(args, &n, steps, NULL)
        else: fastact_exp_difference_float32(args, &n, steps, NULL)
    else:
        if kind == SOFTMIN and one_m: fastact_exp_minus_difference_float64_scalar(args, &n, steps, NULL)
        elif kind == SOFTMIN: fastact_exp_minus_difference_float64(args, &n, steps, NULL)
        elif one_m: fastact_exp_difference_float64_scalar(args, &n, steps, NULL)
        else: fastact_exp_difference_float64(args, &n, steps, NULL)


cdef inline void exponentials(
    const real *x, const real *m, bint one_m, real *e, ptrdiff_t n, int kind
) noexcept nogil:
    """e**(x - m) * UP, for softmin e**(m - x) * UP, with one m for all or one for each; `e` must not overlap
    the others. What is left after the last whole stride, which a loop would do one by one, is filled up."""
    cdef real padded_x[STRIDE]
    cdef real padded_m[STRIDE]
    cdef real padded_e[STRIDE]
    cdef ptrdiff_t stride = STRIDE_BYTES // sizeof(real)
    cdef ptrdiff_t rest = n % stride, whole = n - rest, i
    cdef cnp.npy_intp[3] steps
    cdef char *args[3]
    steps[0] = steps[2] = sizeof(real)
    steps[1] = 0 if one_m else sizeof(real)
    args[0] = <char *>x
    args[1] = <char *>m
    args[2] = <char *>e
    if whole:
        run_loop(args, whole, steps, kind, m[0])
    if rest:
        for i in range(stride):
            padded_x[i] = m[0]
        memcpy(padded_x, x + whole, rest * sizeof(real))
        args[0] = <char *>padded_x
        args[2] = <char *>padded_e
        if not one_m:
            for i in range(stride):
                padded_m[i] = m[0]
            memcpy(padded_m, m + whole, rest * sizeof(real))
            args[1] = <char *>padded_m
        run_loop(args, stride, steps, kind, m[0])
        memcpy(e + whole, padded_e, rest * sizeof(real))


cdef void at_infinity(
    const real *x, ptrdiff_t x_step, real *out, ptrdiff_t out_step, ptrdiff_t n, real m, int kind
) noexcept nogil:
    """A row or column whose extreme m is infinite: its limit, if just one element is the extreme; else NaN."""
    cdef real one = 0.0 if kind == LOG_SOFTMAX else 1.0
    cdef real zero = -INFINITY if kind == LOG_SOFTMAX else 0.0
    cdef bint limit = (m < 0.0) == (kind == SOFTMIN)
    cdef ptrdiff_t i, extremes = 0
    for i in range(n):
        extremes += x[i * x_step] == m
        limit = limit and x[i * x_step] == x[i * x_step]
    for i in range(n):
        out[i * out_step] = (one if x[i * x_step] == m else zero) if limit and extremes == 1 else NAN


# The partial sums of a chunk of a row. float32 needs no `low`; only log_softmax counts ones apart.
ctypedef struct Lanes:
    double high[LANES]
    double low[LANES]
    float ones[LANES]


cdef inline void add_lane(real e, double *high, double *low) noexcept nogil:
    cdef double s, part
    if real is float:
        high[0] += e
    else:
        s = high[0] + e
        part = s - high[0]
        low[0] += (high[0] - (s - part)) + (e - part)
        high[0] = s


cdef inline real up(real type_tag) noexcept nogil:
    return FASTACT_UP_float32 if real is float else FASTACT_UP_float64


cdef inline void add_lane_without_ones(real e, double *high, double *low, float *ones) noexcept nogil:
    add_lane(<real>0.0 if e == up(e) else e, high, low)
    ones[0] += <float>1.0 if e == up(e) else <float>0.0


cdef void add_to_lanes(const real *e, ptrdiff_t n, Lanes *given) noexcept nogil:
    """Add elements of a chunk, of which the first is in lane 0."""
    cdef Lanes lanes = given[0]
    cdef double high, low
    cdef ptrdiff_t i
    cdef int j
    for i in range(n // (8 * LANES)):  # eight steps at a time keep the lanes in registers
        for j in range(LANES):
            high = lanes.high[j]
            low = lanes.low[j]
            add_lane(e[j], &high, &low)
            add_lane(e[j + LANES], &high, &low)
            add_lane(e[j + 2 * LANES], &high, &low)
            add_lane(e[j + 3 * LANES], &high, &low)
            add_lane(e[j + 4 * LANES], &high, &low)
            add_lane(e[j + 5 * LANES], &high, &low)
            add_lane(e[j + 6 * LANES], &high, &low)
            add_lane(e[j + 7 * LANES], &high, &low)
            lanes.high[j] = high
            lanes.low[j] = low
        e += 8 * LANES
    for i in range(n % (8 * LANES) // LANES):
        for j in range(LANES):
            add_lane(e[j], &lanes.high[j], &lanes.low[j])
        e += LANES
    for j in range(<int>(n % LANES)):
        add_lane(e[j], &lanes.high[j], &lanes.low[j])
    given[0] = lanes


cdef void add_to_lanes_without_ones(const real *e, ptrdiff_t n, Lanes *given) noexcept nogil:
    """The same, with the ones among them counted apart."""
    cdef Lanes lanes = given[0]
    cdef double high, low
    cdef float ones
    cdef ptrdiff_t i
    cdef int j
    for i in range(n // (4 * LANES)):
        for j in range(LANES):
            high = lanes.high[j]
            low = lanes.low[j]
            ones = lanes.ones[j]
            add_lane_without_ones(e[j], &high, &low, &ones)
            add_lane_without_ones(e[j + LANES], &high, &low, &ones)
            add_lane_without_ones(e[j + 2 * LANES], &high, &low, &ones)
            add_lane_without_ones(e[j + 3 * LANES], &high, &low, &ones)
            lanes.high[j] = high
            lanes.low[j] = low
            lanes.ones[j] = ones
        e += 4 * LANES
    for i in range(n % (4 * LANES) // LANES):
        for j in range(LANES):
            add_lane_without_ones(e[j], &lanes.high[j], &lanes.low[j], &lanes.ones[j])
        e += LANES
    for j in range(<int>(n % LANES)):
        add_lane_without_ones(e[j], &lanes.high[j], &lanes.low[j], &lanes.ones[j])
    given[0] = lanes


cdef inline void merge_lane(double *high, double *low, double high_2, double low_2, real type_tag) noexcept nogil:
    """Add one lane to another."""
    cdef double s, part
    if real is float:
        high[0] += high_2
    else:
        s = high[0] + high_2
        part = s - high[0]
        low[0] += ((high[0] - (s - part)) + (high_2 - part)) + low_2
        high[0] = s


cdef Sum sum_of_lanes(Lanes *lanes, real type_tag) noexcept nogil:
    cdef Sum total
    cdef int j
    for j in range(8):
        merge_lane(&lanes.high[j], &lanes.low[j], lanes.high[j + 8], lanes.low[j + 8], type_tag)
    for j in range(4):
        merge_lane(&lanes.high[j], &lanes.low[j], lanes.high[j + 4], lanes.low[j + 4], type_tag)
    for j in range(2):
        merge_lane(&lanes.high[j], &lanes.low[j], lanes.high[j + 2], lanes.low[j + 2], type_tag)
    merge_lane(&lanes.high[0], &lanes.low[0], lanes.high[1], lanes.low[1], type_tag)
    total.ones = 0.0
    for j in range(LANES):
        total.ones += lanes.ones[j]
    total.high = lanes.high[0]
    total.low = lanes.low[0]
    return total


cdef Sum sum_chunk(const real *x, real m, real *out, ptrdiff_t n, int kind, bint in_place) noexcept nogil:
    """Write the exponentials of a chunk to `out` (log_softmax: nowhere) and return their sum."""
    cdef real block[BLOCK]
    cdef Lanes lanes
    cdef ptrdiff_t start, length, i
    cdef const real *source
    cdef real *target
    memset(&lanes, 0, sizeof(Lanes))
    for i in range((n + BLOCK - 1) // BLOCK):
        start = i * BLOCK
        length = min(<ptrdiff_t>BLOCK, n - start)
        source = x + start
        target = &block[0] if kind == LOG_SOFTMAX else out + start
        if in_place and kind != LOG_SOFTMAX:
            memcpy(block, source, length * sizeof(real))
            source = block
        exponentials(source, &m, True, target, length, kind)
        if kind == LOG_SOFTMAX:
            add_to_lanes_without_ones(target, length, &lanes)
        else:
            add_to_lanes(target, length, &lanes)
    return sum_of_lanes(&lanes, m)


cdef void factor_of(Sum total, real m, int kind, real *high, real *low) noexcept nogil:
    """A row's result is its exponentials times high + low, for log_softmax (x - high) - low."""
    cdef double s, s_low, q, c, part
    cdef real down = <real>(1.0 / up(m))
    total.high *= down
    total.low *= down
    s = total.ones + total.high
    s_low = (total.ones - s) + total.high if total.ones >= total.high else (total.high - s) + total.ones
    s_low += total.low
    if kind == LOG_SOFTMAX:
        if total.ones == 1.0:
            q = log1p(total.high)
            s_low = total.low
        else:
            q = log(s)
        if q < 2.0**-16 * fabs(m):
            # x - m is exact where q matters
            high[0] = m
            low[0] = <real>(q + s_low / s)
        else:
            # m + q as a pair, far more exact than the smallest result, q
            c = m + q
            part = c - m
            high[0] = <real>c
            low[0] = <real>((c - high[0]) + ((m - (c - part)) + (q - part) + s_low / s))
    else:
        q = 1.0 / s
        high[0] = <real>q
        if real is float:
            low[0] = <real>(q - high[0])
        else:
            low[0] = (FASTACT_FMA(-q, s, 1.0) - q * s_low) * q
        high[0] *= down
        low[0] *= down


cdef inline real finish_one(real e, real high, real low) noexcept nogil:
    if real is float:
        return FASTACT_FMAF(e, high, e * low)
    else:
        return FASTACT_FMA(e, high, e * low)


cdef void finish_chunk(
    const real *x, real *out, ptrdiff_t n, int kind, bint in_place, real high, real low
) noexcept nogil:
    cdef ptrdiff_t i
    if kind != LOG_SOFTMAX:
        for i in range(n):
            out[i] = finish_one(out[i], high, low)
    elif in_place:
        for i in range(n):
            out[i] = (out[i] - high) - low
    else:
        for i in range(n):
            out[i] = (x[i] - high) - low


cdef void row(const real *x, real *out, ptrdiff_t n, int kind) noexcept nogil:
    cdef real m = extreme(x, n, kind)
    cdef real high, low
    cdef Sum total, part
    cdef ptrdiff_t start, i
    cdef bint in_place = x == out
    if isinf(m):
        at_infinity(x, 1, out, 1, n, m, kind)
        return
    memset(&total, 0, sizeof(Sum))
    for i in range((n + CHUNK - 1) // CHUNK):
        start = i * CHUNK
        part = sum_chunk(x + start, m, out + start, min(<ptrdiff_t>CHUNK, n - start), kind, in_place)
        add(&total, part.ones, part.high, part.low)
    factor_of(total, m, kind, &high, &low)
    finish_chunk(x, out, n, kind, in_place, high, low)


cdef int row_by_threads(const real *x, real *out, ptrdiff_t n, int kind, int threads) except -1 nogil:
    """One long row; the chunks are shared out."""
    cdef ptrdiff_t chunks = (n + CHUNK - 1) // CHUNK, k
    cdef Sum *sums = <Sum *>malloc(chunks * sizeof(Sum))
    cdef real *extremes = <real *>malloc(chunks * sizeof(real))
    cdef real m, high, low
    cdef Sum total
    cdef bint in_place = x == out
    if not sums or not extremes:
        free(sums)
        free(extremes)
        with gil:
            raise MemoryError
    memset(&total, 0, sizeof(Sum))
    for k in prange(chunks, num_threads=threads, schedule="static"):
        extremes[k] = extreme(x + k * CHUNK, min(<ptrdiff_t>CHUNK, n - k * CHUNK), kind)
    m = extreme(extremes, chunks, kind)
    if isinf(m):
        at_infinity(x, 1, out, 1, n, m, kind)
        free(sums)
        free(extremes)
        return 0
    for k in prange(chunks, num_threads=threads, schedule="static"):
        sums[k] = sum_chunk(x + k * CHUNK, m, out + k * CHUNK, min(<ptrdiff_t>CHUNK, n - k * CHUNK), kind, in_place)
    for k in range(chunks):
        add(&total, sums[k].ones, sums[k].high, sums[k].low)
    factor_of(total, m, kind, &high, &low)
    for k in prange(chunks, num_threads=threads, schedule="static"):
        finish_chunk(
            x + k * CHUNK, out + k * CHUNK, min(<ptrdiff_t>CHUNK, n - k * CHUNK), kind, in_place, high, low
        )
    free(sums)
    free(extremes)
    return 0


# ---- columns, side by side -------------------------------------------------------------------------

# The partial sums of up to COLUMNS columns: lane by lane, beside one another.
ctypedef struct ColumnLanes:
    double high[LANES * COLUMNS]
    double low[LANES * COLUMNS]
    float ones[COLUMNS]


cdef void add_columns(const real *e, ptrdiff_t width, ColumnLanes *lanes, int lane, int kind) noexcept nogil:
    cdef double *high = lanes.high + lane * width
    cdef double *low = lanes.low + lane * width
    cdef float *ones = lanes.ones
    cdef ptrdiff_t c
    if kind == LOG_SOFTMAX:
        for c in range(width):
            add_lane_without_ones(e[c], high + c, low + c, ones + c)
    else:
        for c in range(width):
            add_lane(e[c], high + c, low + c)


cdef void merge_columns(ColumnLanes *lanes, ptrdiff_t width, int used, real type_tag) noexcept nogil:
    """Bring all lanes together in the first, in the order of `sum_of_lanes`; beyond `used` they are 0."""
    cdef int half = LANES // 2, j
    cdef ptrdiff_t c
    cdef double *high
    cdef double *low
    while half:
        for j in range(max(0, min(half, used - half))):
            high = lanes.high + j * width
            low = lanes.low + j * width
            for c in range(width):
                merge_lane(high + c, low + c, high[half * width + c], low[half * width + c], type_tag)
        half //= 2


cdef void columns(
    const real *x, ptrdiff_t x_step, real *out, ptrdiff_t out_step, ptrdiff_t n, ptrdiff_t width, int kind
) noexcept nogil:
    """`width` columns of length n; the steps, in elements, lead from one element of a column to the next."""
    cdef real m[COLUMNS]
    cdef ptrdiff_t i, c, start = 0
    for c in range(width):
        m[c] = INFINITY if kind == SOFTMIN else -INFINITY
    for i in range(n):
        if kind == SOFTMIN:
            for c in range(width):
                m[c] = further(x[i * x_step + c], m[c], SOFTMIN)
        else:
            for c in range(width):
                m[c] = further(x[i * x_step + c], m[c], SOFTMAX)
    for c in range(width):
        if isinf(m[c]):
            finite_columns(x + start, x_step, out + start, out_step, n, c - start, kind, m + start)
            at_infinity(x + c, x_step, out + c, out_step, n, m[c], kind)
            start = c + 1
    finite_columns(x + start, x_step, out + start, out_step, n, width - start, kind, m + start)


cdef void finite_columns(
    const real *x, ptrdiff_t x_step, real *out, ptrdiff_t out_step, ptrdiff_t n, ptrdiff_t width, int kind, const real *m
) noexcept nogil:
    """The same for columns of finite extremes m."""
    cdef ColumnLanes lanes
    cdef Sum sums[COLUMNS]
    cdef real high[COLUMNS]
    cdef real low[COLUMNS]
    cdef real ms[BLOCK]
    cdef real block[BLOCK]
    cdef bint in_place = x == out
    # rows to a call of the compiled loop: several where they follow one another in memory
    cdef ptrdiff_t together, i, c, k, rows, start, stop
    cdef const real *source
    cdef real *target
    cdef int used
    if width == 0:
        return
    together = BLOCK // width if x_step == width and out_step == width else 1
    for i in range(min(together, n)):
        memcpy(ms + i * width, m, width * sizeof(real))
    memset(sums, 0, width * sizeof(Sum))
    for k in range((n + CHUNK - 1) // CHUNK):
        start = k * CHUNK
        stop = min(n, start + CHUNK)
        used = <int>min(<ptrdiff_t>LANES, n - start)
        memset(lanes.high, 0, used * width * sizeof(double))
        if real is double:
            memset(lanes.low, 0, used * width * sizeof(double))
        memset(lanes.ones, 0, width * sizeof(float))
        i = start
        while i < stop:
            rows = min(together, stop - i)
            source = x + i * x_step
            target = &block[0] if kind == LOG_SOFTMAX else out + i * out_step
            if in_place and kind != LOG_SOFTMAX:
                memcpy(block, source, rows * width * sizeof(real))
                source = block
            exponentials(source, ms, False, target, rows * width, kind)
            for c in range(rows):
                add_columns(target + c * width, width, &lanes, <int>((i + c - start) % LANES), kind)
            i += rows
        merge_columns(&lanes, width, used, m[0])
        for c in range(width):
            add(&sums[c], lanes.ones[c], lanes.high[c], lanes.low[c] if real is double else 0.0)
    for c in range(width):
        factor_of(sums[c], m[c], kind, &high[c], &low[c])
    for i in range(n):
        source = x + i * x_step
        target = out + i * out_step
        if kind == LOG_SOFTMAX:
            if in_place:
                memcpy(block, source, width * sizeof(real))
                source = block
            log_columns(source, target, high, low, width)
        else:
            finish_columns(target, high, low, width)


cdef void finish_columns(real *e, const real *high, const real *low, ptrdiff_t width) noexcept nogil:
    cdef ptrdiff_t c
    for c in range(width):
        e[c] = finish_one(e[c], high[c], low[c])


cdef void log_columns(
    const real *x, real *out, const real *high, const real *low, ptrdiff_t width
) noexcept nogil:
    cdef ptrdiff_t c
    for c in range(width):
        out[c] = (x[c] - high[c]) - low[c]


# ---- any memory layout -----------------------------------------------------------------------------

ctypedef struct Dimension:
    ptrdiff_t size
    ptrdiff_t x_step  # all steps in bytes
    ptrdiff_t out_step
    ptrdiff_t where_step

ctypedef struct Job:
    const char *x
    char *out
    const char *where  # NULL: everywhere
    int kind
    int n_kept
    int n_reduced
    Dimension kept[MAX_DIMENSIONS]
    Dimension reduced[MAX_DIMENSIONS]
    ptrdiff_t rows    # the product of the kept sizes
    ptrdiff_t length  # and of the reduced ones

ctypedef struct Place:
    ptrdiff_t x
    ptrdiff_t out
    ptrdiff_t where


cdef inline Place place(const Dimension *dimensions, int count, ptrdiff_t index) noexcept nogil:
    """Where the element number `index` of a group of dimensions is."""
    cdef Place p
    cdef ptrdiff_t k
    p.x = p.out = p.where = 0
    while count:
        count -= 1
        k = index
        if count:  # divisions are slow
            index = k // dimensions[count].size
            k -= index * dimensions[count].size
        p.x += k * dimensions[count].x_step
        p.out += k * dimensions[count].out_step
        p.where += k * dimensions[count].where_step
    return p


cdef void through_tile(const Job *job, ptrdiff_t first, ptrdiff_t width, real *tile) noexcept nogil:
    """Some rows, packed as the columns of a tile (a single one as it is), and back."""
    cdef Place rows[TILE]
    cdef real *starts[TILE]
    cdef Place p
    cdef ptrdiff_t i, c
    cdef ptrdiff_t n = job.length
    cdef real left_out = INFINITY if job.kind == SOFTMIN else -INFINITY
    cdef real left_out_result = -INFINITY if job.kind == LOG_SOFTMAX else 0.0
    cdef const Dimension *along = &job.reduced[0]
    for c in range(width):
        rows[c] = place(job.kept, job.n_kept, first + c)
    if job.where:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                tile[i * width + c] = (
                    (<const real *>(job.x + rows[c].x + p.x))[0]
                    if (job.where + rows[c].where + p.where)[0] else left_out
                )
    elif job.n_reduced > 1:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                tile[i * width + c] = (<const real *>(job.x + rows[c].x + p.x))[0]
    elif along.x_step == sizeof(real):
        for c in range(width):
            starts[c] = <real *>(job.x + rows[c].x)
        if real is float:
            fastact_pack_float(starts, tile, width, n)
        else:
            fastact_pack_double(starts, tile, width, n)
    else:
        for c in range(width):
            for i in range(n):
                tile[i * width + c] = (<const real *>(job.x + rows[c].x + i * along.x_step))[0]
    if width == 1:
        row(tile, tile, n, job.kind)
    else:
        columns(tile, width, tile, width, n, width, job.kind)
    if job.where:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                (<real *>(job.out + rows[c].out + p.out))[0] = (
                    tile[i * width + c] if (job.where + rows[c].where + p.where)[0] else left_out_result
                )
    elif job.n_reduced > 1:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                (<real *>(job.out + rows[c].out + p.out))[0] = tile[i * width + c]
    elif along.out_step == sizeof(real):
        for c in range(width):
            starts[c] = <real *>(job.out + rows[c].out)
        if real is float:
            fastact_unpack_float(starts, tile, width, n)
        else:
            fastact_unpack_double(starts, tile, width, n)
    else:
        for c in range(width):
            for i in range(n):
                (<real *>(job.out + rows[c].out + i * along.out_step))[0] = tile[i * width + c]


cdef int run_tiles(const Job *job, int threads, real *type_tag) except -1 nogil:
    cdef ptrdiff_t width = 1 if job.length > LONG else TILE
    cdef ptrdiff_t tiles = (job.rows + width - 1) // width, t
    cdef ptrdiff_t bytes = (job.length * width * sizeof(real) + 63) // 64 * 64
    cdef char *scratch
    threads = <int>min(<ptrdiff_t>threads, tiles)
    scratch = <char *>malloc(bytes * threads)
    if not scratch:
        with gil:
            raise MemoryError
    for t in prange(tiles, num_threads=threads, schedule="static"):
        through_tile[real](job, t * width, min(width, job.rows - t * width), <real *>(scratch + bytes * threadid()))
    free(scratch)
    return 0


cdef int run_rows(const Job *job, int threads, real *type_tag) except -1 nogil:
    cdef ptrdiff_t k
    cdef Place p
    if job.rows < threads and job.length >= 2 * PER_THREAD:
        for k in range(job.rows):
            p = place(job.kept, job.n_kept, k)
            row_by_threads(<const real *>(job.x + p.x), <real *>(job.out + p.out), job.length, job.kind, threads)
        return 0
    for k in prange(job.rows, num_threads=threads, schedule="static"):
        one_row[real](job, k)
    return 0


cdef void one_row(const Job *job, ptrdiff_t k, real *type_tag=NULL) noexcept nogil:
    cdef Place p = place(job.kept, job.n_kept, k)
    row(<const real *>(job.x + p.x), <real *>(job.out + p.out), job.length, job.kind)


cdef int run_columns(const Job *job, int threads, real *type_tag) except -1 nogil:
    """The innermost kept dimension is contiguous; there is one reduced dimension."""
    cdef ptrdiff_t across = job.kept[job.n_kept - 1].size
    cdef ptrdiff_t groups = (across + COLUMNS - 1) // COLUMNS
    cdef ptrdiff_t t
    for t in prange(job.rows // across * groups, num_threads=threads, schedule="static"):
        one_group[real](job, t // groups * across + t % groups * COLUMNS, min(<ptrdiff_t>COLUMNS, across - t % groups * COLUMNS))
    return 0


cdef void one_group(const Job *job, ptrdiff_t first, ptrdiff_t width, real *type_tag=NULL) noexcept nogil:
    cdef Place p = place(job.kept, job.n_kept, first)
    columns(
        <const real *>(job.x + p.x), job.reduced[0].x_step // <ptrdiff_t>sizeof(real),
        <real *>(job.out + p.out), job.reduced[0].out_step // <ptrdiff_t>sizeof(real),
        job.length, width, job.kind,
    )


cdef int run(const Job *job, real *type_tag) except -1 nogil:
    """Choose the path by layout and shape."""
    cdef fastact_flags flags = fastact_save_flags()
    cdef int threads = fastact_threads()
    cdef const Dimension *inner = &job.kept[job.n_kept - 1]
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t size = sizeof(real)
    cdef bint plain = job.where == NULL and job.n_reduced == 1
    if job.rows * job.length < 2 * PER_THREAD:
        threads = 1
    if plain and along.x_step == size and along.out_step == size and (job.length > SHORT or job.rows < NARROW):
        run_rows[real](job, threads, NULL)
    elif (
        plain and job.n_kept and inner.size >= NARROW and inner.x_step == size and inner.out_step == size
        and along.x_step % size == 0 and along.out_step % size == 0
    ):
        run_columns[real](job, threads, NULL)
    else:
        run_tiles[real](job, threads, NULL)
    fastact_restore_flags(flags)
    return 0


cdef int append(Dimension *dimensions, int count, Dimension one) noexcept nogil:
    """Add a dimension within the ones before it, merged with the last if they are one in memory."""
    cdef Dimension *last
    if one.size == 1:
        return count
    if count:
        last = &dimensions[count - 1]
        if (
            last.x_step == one.x_step * one.size and last.out_step == one.out_step * one.size
            and last.where_step == one.where_step * one.size
        ):
            one.size *= last.size
            last[0] = one
            return count
    dimensions[count] = one
    return count + 1


cdef dict KINDS = {"softmax": SOFTMAX, "softmin": SOFTMIN, "log_softmax": LOG_SOFTMAX}


def reduce(str name, cnp.ndarray x, tuple axes, cnp.ndarray out, where):
    """softmax, softmin or log_softmax of `x` over `axes` (distinct, from 0) into `out`.

    `x` and `out` are aligned, of the same shape, both float32 or both float64 in native byte order, and
    are the same memory or do not overlap; `where` is None or a bool array of the same shape.
    """
    cdef Job job
    cdef Dimension one
    cdef cnp.ndarray mask
    cdef list kept = [k for k in range(cnp.PyArray_NDIM(x)) if k not in axes]
    if cnp.PyArray_SIZE(x) == 0:
        return
    job.kind = KINDS[name]
    job.x = <const char *>cnp.PyArray_DATA(x)
    job.out = <char *>cnp.PyArray_DATA(out)
    job.where = NULL
    if where is not None:
        mask = where
        job.where = <const char *>cnp.PyArray_DATA(mask)
    # the order of the kept dimensions is free: as in memory; that of the reduced ones is the sum's
    if len(kept) > 1:
        kept.sort(key=lambda k: -abs(x.strides[k]))
    job.n_kept = job.n_reduced = 0
    job.rows = job.length = 1
    for k in kept + sorted(axes):
        one.size = cnp.PyArray_DIM(x, k)
        one.x_step = cnp.PyArray_STRIDE(x, k)
        one.out_step = cnp.PyArray_STRIDE(out, k)
        one.where_step = 0 if where is None else cnp.PyArray_STRIDE(mask, k)
        if k in axes:
            job.length *= one.size
            job.n_reduced = append(job.reduced, job.n_reduced, one)
        else:
            job.rows *= one.size
            job.n_kept = append(job.kept, job.n_kept, one)
    if job.n_reduced == 0:  # rows of one element
        one.size = 1
        one.x_step = one.out_step = cnp.PyArray_ITEMSIZE(x)
        one.where_step = 0
        job.reduced[0] = one
        job.n_reduced = 1
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            run[float](&job, NULL)
    else:
        with nogil:
            run[double](&job, NULL)


def set_num_threads(int n):
    global fastact_limit
    fastact_limit = n


def get_num_threads():
    return fastact_threads()


cnp.import_array()
fastact_start_threads()
