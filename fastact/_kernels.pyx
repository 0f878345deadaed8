"""softmax, softmin, log_softmax and logsumexp over any axes, and the gradients of the first three.

Forward: max-shift, exponentials, sum, quotient. Gradients: a sum over the row, then each element by itself.

Every row's sum is taken in an order that depends on the row's length alone: LANES interleaved partial
sums over each chunk of CHUNK elements, combined as a tree, the chunks one after another. Whatever path a
row takes (alone, as a column beside others, through a tile, by several threads), its bits are the same.

Ones are counted apart from the other terms of the sum, so that log_softmax keeps its digits where the
maximum has almost all the weight.
"""

cimport cython
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, NAN, fabs, isfinite, isinf
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset



cdef extern from "_runtime.h" nogil:
    ctypedef unsigned int fastact_flags
    fastact_flags fastact_save_flags()
    void fastact_restore_flags(fastact_flags)
    void fastact_start_threads()
    int fastact_threads()
    int fastact_limit

cdef extern from "fastact_formulas.h" nogil:
    float fastact_exp_difference_float32(float x, float m)
    double fastact_exp_difference_float64(double x, double m)
    float fastact_minus_exp_product_float32(float gy, float y, float total, float total_low)
    double fastact_minus_exp_product_float64(double gy, double y, double total, double total_low)
    double fastact_log_pair_float64(double s, double s_low)
    float fastact_fma_float32(float, float, float)
    double fastact_fma_float64(double, double, double)
    float FASTACT_UP_float32
    double FASTACT_UP_float64

cdef extern from "_transpose.h" nogil:
    void fastact_pack_float(float **rows, float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_unpack_float(float **rows, const float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_pack_double(double **rows, double *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_unpack_double(double **rows, const double *tile, ptrdiff_t width, ptrdiff_t n)

ctypedef fused real:
    float
    double

cdef enum:
    SOFTMAX, SOFTMIN, LOG_SOFTMAX, LOGSUMEXP, SOFTMAX_GRADIENT, SOFTMIN_GRADIENT, LOG_SOFTMAX_GRADIENT

cdef enum:
    LANES = 16
    CHUNK = 4096      # elements whose sum is one tree
    BATCH = 16        # short rows whose scalar parts are done together
    BATCH_ELEMENTS = 4096  # in all of them
    TILE = 64         # rows that are packed side by side
    COLUMNS = 128     # columns that are worked on together
    SHORT = 24        # rows up to this length are packed
    NARROW = 16       # fewer columns than this are packed
    LONG = 1024       # rows longer than this are packed singly
    PER_THREAD = 16384

# A row's sum: `ones` terms that are exactly 1, and UP times all others (gradients: 1 times), as a pair.
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


cdef inline bint is_gradient(int kind) noexcept nogil:
    return kind >= SOFTMAX_GRADIENT


# ---- elements --------------------------------------------------------------------------------------

cdef inline real further(real a, real b, int kind) noexcept nogil:
    """The larger of two numbers, for softmin the smaller. NaN may count or not: its row is NaN anyway."""
    if kind == SOFTMIN:
        return a if a < b else b
    return a if a > b else b


cdef inline real up(real type_tag) noexcept nogil:
    return FASTACT_UP_float32 if real is float else FASTACT_UP_float64


cdef inline real exponential(real x, real m, int kind) noexcept nogil:
    """e**(x - m) * UP, for softmin e**(m - x) * UP."""
    cdef real a = m if kind == SOFTMIN else x
    cdef real b = x if kind == SOFTMIN else m
    if real is float:
        return fastact_exp_difference_float32(a, b)
    else:
        return fastact_exp_difference_float64(a, b)


cdef inline void add_to_lane(real e, double *high, double *low) noexcept nogil:
    """float32 needs no `low`."""
    cdef double s, part
    if real is float:
        high[0] += e
    else:
        s = high[0] + e
        part = s - high[0]
        low[0] += (high[0] - (s - part)) + (e - part)
        high[0] = s


cdef inline void add_term(real x, real second, real e, double *high, double *low, float *ones, int kind) noexcept nogil:
    """Forward, e is the exponential; for a gradient, x is gy and `second` y."""
    cdef real product
    if kind == LOG_SOFTMAX:
        ones[0] += <float>1.0 if e == up(e) else <float>0.0
        add_to_lane(<real>0.0 if e == up(e) else e, high, low)
    elif kind == SOFTMAX or kind == SOFTMIN:
        add_to_lane(e, high, low)
    elif kind == LOG_SOFTMAX_GRADIENT:
        add_to_lane(x, high, low)
    elif real is float:
        high[0] += <double>x * second
    else:
        product = x * second
        add_to_lane(product, high, low)
        low[0] += fastact_fma_float64(x, second, -product)


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


cdef inline void factor_of(const Sum *total, real m, int kind, real *high, real *low) noexcept nogil:
    """What `finish_one` needs of a row's sum. Without branches, to be done for many rows together."""
    cdef double s, s_low, q, c, part, a, b
    cdef double down = 1.0 / up(m)
    if is_gradient(kind):
        s_low = total.low if total.low == total.low else 0.0  # NaN where the sum is infinite
        s = total.high + s_low
        high[0] = <real>s
        low[0] = <real>((total.high - high[0]) + s_low)
        return
    a = total.ones
    b = total.high * down
    s = a + b
    part = s - a
    s_low = ((a - (s - part)) + (b - part)) + total.low * down
    if kind == LOGSUMEXP:
        high[0] = <real>(m + fastact_log_pair_float64(s, s_low))
        low[0] = 0.0
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


cdef inline real finish_one(real x, real second, real e, real high, real low, int kind) noexcept nogil:
    """An element's result; e is what the first pass left in `out`."""
    cdef real d, part, y
    if kind == SOFTMAX or kind == SOFTMIN:
        return fastact_fma_float32(e, high, e * low) if real is float else fastact_fma_float64(e, high, e * low)
    if kind == LOG_SOFTMAX:
        return (x - high) - low
    if kind == LOG_SOFTMAX_GRADIENT:
        if real is float:
            return fastact_minus_exp_product_float32(x, second, high, low)
        else:
            return fastact_minus_exp_product_float64(x, second, high, low)
    y = -second if kind == SOFTMIN_GRADIENT else second
    d = x - high
    part = d - x
    e = y * (((x - (d - part)) - (high + part)) - low)
    return fastact_fma_float32(y, d, e) if real is float else fastact_fma_float64(y, d, e)


cdef inline real finish_overflown(real x, real second, real total, int kind) noexcept nogil:
    """The same for a gradient whose sum is not finite: as IEEE arithmetic has it."""
    if kind == LOG_SOFTMAX_GRADIENT:
        return x - (exponential(second, <real>0.0, SOFTMAX) * <real>(1.0 / up(x))) * total
    return (-second if kind == SOFTMIN_GRADIENT else second) * (x - total)


# ---- rows, contiguous ------------------------------------------------------------------------------

# A row's operands (for a gradient, x is gy and `second` y), and what is known of it so far.
ctypedef struct Row:
    const char *x
    const char *second
    char *out
    Sum total
    double m
    double high
    double low

ctypedef struct Lanes:
    double high[LANES]
    double low[LANES]
    float ones[LANES]


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


cdef void at_infinity(
    const real *x, ptrdiff_t x_step, real *out, ptrdiff_t out_step, ptrdiff_t n, real m, int kind
) noexcept nogil:
    """A row or column whose extreme m is infinite: its limit, if just one element is the extreme; else NaN.
    For logsumexp m, unless there is a NaN."""
    cdef real one = 0.0 if kind == LOG_SOFTMAX else 1.0
    cdef real zero = -INFINITY if kind == LOG_SOFTMAX else 0.0
    cdef bint limit = (m < 0.0) == (kind == SOFTMIN)
    cdef ptrdiff_t i, extremes = 0
    for i in range(n):
        extremes += x[i * x_step] == m
        limit = limit and x[i * x_step] == x[i * x_step]
    if kind == LOGSUMEXP:
        for i in range(n):
            m = m if x[i * x_step] == x[i * x_step] else NAN
        out[0] = m
        return
    for i in range(n):
        out[i * out_step] = (one if x[i * x_step] == m else zero) if limit and extremes == 1 else NAN


cdef inline void step(
    const real *x, const real *second, real *out, real m, Lanes *lanes, int length, int kind
) noexcept nogil:
    """Up to LANES elements of a row: their terms of the sum, and their exponentials into `out`.

    What is read is read first: `out` may be x."""
    cdef real a[LANES]
    cdef real b[LANES]
    cdef real e[LANES]
    cdef int j
    if length == LANES:
        for j in range(LANES):
            a[j] = x[j]
        if is_gradient(kind):
            for j in range(LANES):
                b[j] = second[j]
    else:
        for j in range(LANES):
            a[j] = 0.0 if is_gradient(kind) else m
            b[j] = 0.0
        memcpy(a, x, length * sizeof(real))
        if is_gradient(kind):
            memcpy(b, second, length * sizeof(real))
    if not is_gradient(kind):
        for j in range(LANES):
            e[j] = exponential(a[j], m, kind)
        if kind != LOG_SOFTMAX:
            memcpy(out, e, length * sizeof(real))
        if length != LANES:
            for j in range(LANES):
                e[j] = e[j] if j < length else 0.0
    for j in range(LANES):
        add_term(a[j], b[j], e[j], &lanes.high[j], &lanes.low[j], &lanes.ones[j], kind)


cdef inline void merge_half(Lanes *lanes, int half, int kind, real type_tag) noexcept nogil:
    cdef int j
    for j in range(half):
        merge_lane(&lanes.high[j], &lanes.low[j], lanes.high[j + half], lanes.low[j + half], type_tag)
    if kind == LOG_SOFTMAX:
        for j in range(half):
            lanes.ones[j] += lanes.ones[j + half]


cdef inline void sum_of_kind(const real *x, const real *second, real *out, real m, ptrdiff_t n, Sum *total, int kind) noexcept nogil:
    cdef Lanes lanes
    cdef ptrdiff_t i
    cdef int j
    memset(&lanes, 0, sizeof(Lanes))
    for i in range(n // LANES):
        step(x, second, out, m, &lanes, LANES, kind)
        x += LANES
        out += LANES
        second += LANES
    if n % LANES:
        step(x, second, out, m, &lanes, n % LANES, kind)
    merge_half(&lanes, 8, kind, m)
    merge_half(&lanes, 4, kind, m)
    merge_half(&lanes, 2, kind, m)
    merge_half(&lanes, 1, kind, m)
    total.ones = lanes.ones[0]
    total.high = lanes.high[0]
    total.low = lanes.low[0]


cdef Sum sum_of_chunk(const Row *row, ptrdiff_t start, ptrdiff_t n, int kind, real *type_tag) noexcept nogil:
    """The sum over a chunk, whose exponentials go to `out` (log_softmax: nowhere)."""
    cdef const real *x = <const real *>row.x + start
    cdef const real *second = <const real *>row.second + start
    cdef real *out = <real *>row.out + start
    cdef real m = <real>row.m
    cdef Sum total
    if kind == SOFTMAX: sum_of_kind(x, second, out, m, n, &total, SOFTMAX)
    elif kind == SOFTMIN: sum_of_kind(x, second, out, m, n, &total, SOFTMIN)
    elif kind == LOG_SOFTMAX or kind == LOGSUMEXP: sum_of_kind(x, second, out, m, n, &total, LOG_SOFTMAX)
    elif kind == LOG_SOFTMAX_GRADIENT: sum_of_kind(x, second, out, m, n, &total, LOG_SOFTMAX_GRADIENT)
    else: sum_of_kind(x, second, out, m, n, &total, SOFTMAX_GRADIENT)
    return total


cdef inline void finish_of_kind(
    const real *x, const real *second, real *out, real high, real low, ptrdiff_t n, int kind
) noexcept nogil:
    cdef real results[LANES]
    cdef ptrdiff_t i
    cdef int j
    for i in range(n // LANES):  # what is read is read first: `out` may be one of the others
        for j in range(LANES):
            results[j] = finish_one(x[j], second[j], out[j], high, low, kind)
        for j in range(LANES):
            out[j] = results[j]
        x += LANES
        second += LANES
        out += LANES
    for j in range(<int>(n % LANES)):
        out[j] = finish_one(x[j], second[j], out[j], high, low, kind)


cdef void finish_chunk(const Row *row, ptrdiff_t start, ptrdiff_t n, int kind, real *type_tag) noexcept nogil:
    cdef const real *x = <const real *>row.x + start
    cdef const real *second = <const real *>row.second + start
    cdef real *out = <real *>row.out + start
    cdef real high = <real>row.high, low = <real>row.low
    cdef ptrdiff_t i
    if kind == LOGSUMEXP:
        if start == 0:
            out[0] = high
    elif is_gradient(kind) and not isfinite(row.high):
        for i in range(n):
            out[i] = finish_overflown(x[i], second[i], high, kind)
    elif kind == LOG_SOFTMAX: finish_of_kind(x, x, out, high, low, n, LOG_SOFTMAX)
    elif kind == SOFTMAX_GRADIENT: finish_of_kind(x, second, out, high, low, n, SOFTMAX_GRADIENT)
    elif kind == SOFTMIN_GRADIENT: finish_of_kind(x, second, out, high, low, n, SOFTMIN_GRADIENT)
    elif kind == LOG_SOFTMAX_GRADIENT: finish_of_kind(x, second, out, high, low, n, LOG_SOFTMAX_GRADIENT)
    else:
        for i in range(n):
            out[i] = finish_one(out[i], out[i], out[i], high, low, SOFTMAX)


cdef inline void factors_of_kind(Row *rows, ptrdiff_t count, int kind, real type_tag) noexcept nogil:
    cdef Sum sums[BATCH]
    cdef real m[BATCH]
    cdef real high[BATCH]
    cdef real low[BATCH]
    cdef ptrdiff_t k
    for k in range(count):
        sums[k] = rows[k].total
        m[k] = <real>rows[k].m
    for k in range(count):
        factor_of(&sums[k], m[k], kind, &high[k], &low[k])
    for k in range(count):
        rows[k].high = high[k]
        rows[k].low = low[k]


cdef void factors(Row *rows, ptrdiff_t count, int kind, real type_tag) noexcept nogil:
    if kind == LOG_SOFTMAX: factors_of_kind(rows, count, LOG_SOFTMAX, type_tag)
    elif kind == LOGSUMEXP: factors_of_kind(rows, count, LOGSUMEXP, type_tag)
    elif is_gradient(kind): factors_of_kind(rows, count, SOFTMAX_GRADIENT, type_tag)
    else: factors_of_kind(rows, count, SOFTMAX, type_tag)


cdef void batch(Row *rows, ptrdiff_t count, ptrdiff_t n, int kind, real *type_tag) noexcept nogil:
    """Up to BATCH rows of n elements, pass by pass: what takes long for one overlaps with the others."""
    cdef ptrdiff_t k, i, start, finite = 0
    cdef Sum part
    cdef real m
    for k in range(count):
        memset(&rows[k].total, 0, sizeof(Sum))
        rows[k].m = 0.0
        if not is_gradient(kind):
            m = extreme(<const real *>rows[k].x, n, kind)
            if isinf(m):
                at_infinity(<const real *>rows[k].x, 1, <real *>rows[k].out, 1, n, m, kind)
                continue
            rows[k].m = m
        rows[finite] = rows[k]
        finite += 1
    for k in range(finite):
        for i in range((n + CHUNK - 1) // CHUNK):
            start = i * CHUNK
            part = sum_of_chunk[real](&rows[k], start, min(<ptrdiff_t>CHUNK, n - start), kind, NULL)
            add(&rows[k].total, part.ones, part.high, part.low)
    factors(rows, finite, kind, <real>0.0)
    for k in range(finite):
        finish_chunk[real](&rows[k], 0, n, kind, NULL)


cdef int row_by_threads(Row *row, ptrdiff_t n, int kind, int threads, real *type_tag) except -1 nogil:
    """One long row; the chunks are shared out."""
    cdef ptrdiff_t chunks = (n + CHUNK - 1) // CHUNK, k
    cdef Sum *sums = <Sum *>malloc(chunks * sizeof(Sum))
    cdef real *extremes = <real *>malloc(chunks * sizeof(real))
    cdef const real *x = <const real *>row.x
    cdef real m
    if not sums or not extremes:
        free(sums)
        free(extremes)
        with gil:
            raise MemoryError
    memset(&row.total, 0, sizeof(Sum))
    row.m = 0.0
    if not is_gradient(kind):
        for k in prange(chunks, num_threads=threads, schedule="static"):
            extremes[k] = extreme(x + k * CHUNK, min(<ptrdiff_t>CHUNK, n - k * CHUNK), kind)
        m = extreme(extremes, chunks, kind)
        row.m = m
    if isinf(row.m):
        at_infinity(x, 1, <real *>row.out, 1, n, m, kind)
    else:
        for k in prange(chunks, num_threads=threads, schedule="static"):
            sums[k] = sum_of_chunk[real](row, k * CHUNK, min(<ptrdiff_t>CHUNK, n - k * CHUNK), kind, NULL)
        for k in range(chunks):
            add(&row.total, sums[k].ones, sums[k].high, sums[k].low)
        factors(row, 1, kind, <real>0.0)
        for k in prange(chunks, num_threads=threads, schedule="static"):
            finish_chunk[real](row, k * CHUNK, min(<ptrdiff_t>CHUNK, n - k * CHUNK), kind, NULL)
    free(sums)
    free(extremes)
    return 0


# ---- columns, side by side -------------------------------------------------------------------------

# Where columns are: their first elements, and the steps, in elements, from one element of a column to the next.
ctypedef struct Columns:
    const char *x
    const char *second
    char *out
    ptrdiff_t x_step
    ptrdiff_t second_step
    ptrdiff_t out_step

# The partial sums of up to COLUMNS columns: lane by lane, beside one another.
ctypedef struct ColumnLanes:
    double high[LANES * COLUMNS]
    double low[LANES * COLUMNS]
    float ones[COLUMNS]


cdef inline void add_columns_of_kind(
    const real *x, const real *second, real *out, const real *m, ptrdiff_t width, double *high, double *low, float *ones, int kind
) noexcept nogil:
    """One element of each column."""
    cdef real e[COLUMNS]
    cdef ptrdiff_t c
    if not is_gradient(kind):
        for c in range(width):
            e[c] = exponential(x[c], m[c], kind)
        if kind != LOG_SOFTMAX:
            memcpy(out, e, width * sizeof(real))
    for c in range(width):
        add_term(x[c] if is_gradient(kind) else e[c], second[c] if is_gradient(kind) else e[c], e[c], high + c, low + c, ones + c, kind)


cdef void add_columns(
    const real *x, const real *second, real *out, const real *m, ptrdiff_t width, ColumnLanes *lanes, int lane, int kind
) noexcept nogil:
    cdef double *high = lanes.high + lane * width
    cdef double *low = lanes.low + lane * width
    if kind == SOFTMAX: add_columns_of_kind(x, second, out, m, width, high, low, lanes.ones, SOFTMAX)
    elif kind == SOFTMIN: add_columns_of_kind(x, second, out, m, width, high, low, lanes.ones, SOFTMIN)
    elif kind == LOG_SOFTMAX or kind == LOGSUMEXP: add_columns_of_kind(x, second, out, m, width, high, low, lanes.ones, LOG_SOFTMAX)
    elif kind == LOG_SOFTMAX_GRADIENT: add_columns_of_kind(x, second, out, m, width, high, low, lanes.ones, LOG_SOFTMAX_GRADIENT)
    else: add_columns_of_kind(x, second, out, m, width, high, low, lanes.ones, SOFTMAX_GRADIENT)


cdef void merge_columns(ColumnLanes *lanes, ptrdiff_t width, int used, real type_tag) noexcept nogil:
    """Bring all lanes together in the first, in the order of `sum_of_kind`; beyond `used` they are 0."""
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


cdef inline void column_factors_of_kind(
    const Sum *sums, const real *m, real *high, real *low, ptrdiff_t width, int kind
) noexcept nogil:
    cdef ptrdiff_t c
    for c in range(width):
        factor_of(&sums[c], m[c], kind, &high[c], &low[c])


cdef inline void finish_columns_of_kind(
    const real *x, const real *second, real *out, const real *high, const real *low, ptrdiff_t width, int kind
) noexcept nogil:
    cdef real results[COLUMNS]
    cdef ptrdiff_t c
    for c in range(width):
        results[c] = finish_one(x[c], second[c], out[c], high[c], low[c], kind)
    memcpy(out, results, width * sizeof(real))


cdef void finish_columns(
    const real *x, const real *second, real *out, const real *high, const real *low, ptrdiff_t width, int kind
) noexcept nogil:
    if kind == LOG_SOFTMAX: finish_columns_of_kind(x, x, out, high, low, width, LOG_SOFTMAX)
    elif kind == SOFTMAX_GRADIENT: finish_columns_of_kind(x, second, out, high, low, width, SOFTMAX_GRADIENT)
    elif kind == SOFTMIN_GRADIENT: finish_columns_of_kind(x, second, out, high, low, width, SOFTMIN_GRADIENT)
    elif kind == LOG_SOFTMAX_GRADIENT: finish_columns_of_kind(x, second, out, high, low, width, LOG_SOFTMAX_GRADIENT)
    else: finish_columns_of_kind(out, out, out, high, low, width, SOFTMAX)


cdef void columns(const Columns *all, ptrdiff_t n, ptrdiff_t width, int kind, real *type_tag) noexcept nogil:
    """`width` columns of length n."""
    cdef real m[COLUMNS]
    cdef const real *x = <const real *>all.x
    cdef real *out = <real *>all.out
    cdef ptrdiff_t i, c, start = 0
    if is_gradient(kind):
        memset(m, 0, sizeof(m))
    else:
        for c in range(width):
            m[c] = INFINITY if kind == SOFTMIN else -INFINITY
        for i in range(n):
            if kind == SOFTMIN:
                for c in range(width):
                    m[c] = further(x[i * all.x_step + c], m[c], SOFTMIN)
            else:
                for c in range(width):
                    m[c] = further(x[i * all.x_step + c], m[c], SOFTMAX)
        for c in range(width):
            if isinf(m[c]):
                finite_columns(all, start, n, c - start, kind, m)
                at_infinity(x + c, all.x_step, out + c, all.out_step, n, m[c], kind)
                start = c + 1
    finite_columns(all, start, n, width - start, kind, m)


cdef void finite_columns(
    const Columns *all, ptrdiff_t first, ptrdiff_t n, ptrdiff_t width, int kind, const real *m
) noexcept nogil:
    """Those from `first` on, of finite extremes m."""
    cdef ColumnLanes lanes
    cdef Sum sums[COLUMNS]
    cdef real high[COLUMNS]
    cdef real low[COLUMNS]
    cdef const real *x = <const real *>all.x + first
    cdef const real *second = <const real *>all.second + first
    cdef real *out = <real *>all.out + first
    cdef ptrdiff_t i, c, k, start, stop
    cdef bint finite = True
    cdef int used
    if width == 0:
        return
    m += first
    memset(sums, 0, width * sizeof(Sum))
    for k in range((n + CHUNK - 1) // CHUNK):
        start = k * CHUNK
        stop = min(n, start + CHUNK)
        used = <int>min(<ptrdiff_t>LANES, n - start)
        memset(lanes.high, 0, used * width * sizeof(double))
        if real is double:
            memset(lanes.low, 0, used * width * sizeof(double))
        memset(lanes.ones, 0, width * sizeof(float))
        for i in range(start, stop):
            add_columns(
                x + i * all.x_step, second + i * all.second_step, out + i * all.out_step, m,
                width, &lanes, <int>((i - start) % LANES), kind,
            )
        merge_columns(&lanes, width, used, <real>0.0)
        for c in range(width):
            add(&sums[c], lanes.ones[c], lanes.high[c], lanes.low[c] if real is double else 0.0)
    if kind == LOG_SOFTMAX: column_factors_of_kind(sums, m, high, low, width, LOG_SOFTMAX)
    elif kind == LOGSUMEXP: column_factors_of_kind(sums, m, high, low, width, LOGSUMEXP)
    elif is_gradient(kind): column_factors_of_kind(sums, m, high, low, width, SOFTMAX_GRADIENT)
    else: column_factors_of_kind(sums, m, high, low, width, SOFTMAX)
    if kind == LOGSUMEXP:
        memcpy(out, high, width * sizeof(real))
        return
    if is_gradient(kind):
        for c in range(width):
            if not isfinite(high[c]):
                finite = False
    for i in range(n):
        if finite:
            finish_columns(x, second, out, high, low, width, kind)
        else:
            for c in range(width):
                if isfinite(high[c]):
                    out[c] = finish_one(x[c], second[c], out[c], high[c], low[c], kind)
                else:
                    out[c] = finish_overflown(x[c], second[c], high[c], kind)
        x += all.x_step
        second += all.second_step
        out += all.out_step


# ---- any memory layout -----------------------------------------------------------------------------

include "_layout.pxi"


cdef inline Row row_at(const Job *job, ptrdiff_t index) noexcept nogil:
    cdef Place p = place(job.kept, job.n_kept, index)
    cdef Row row
    memset(&row, 0, sizeof(Row))
    row.x = job.x + p.x
    row.second = job.second + p.second
    row.out = job.out + p.out
    return row


cdef void through_tile(const Job *job, ptrdiff_t first, ptrdiff_t width, real *tile) noexcept nogil:
    """Some rows, packed as the columns of a tile (a single one as it is), and back."""
    cdef Row rows[TILE]
    cdef real *starts[TILE]
    cdef Row packed
    cdef Columns all
    cdef Place p
    cdef ptrdiff_t i, c
    cdef ptrdiff_t n = job.length
    cdef real left_out = INFINITY if job.kind == SOFTMIN else -INFINITY
    cdef real left_out_result = -INFINITY if job.kind == LOG_SOFTMAX else 0.0
    cdef real *second = tile + n * width
    cdef const Dimension *along = &job.reduced[0]
    for c in range(width):
        rows[c] = row_at(job, first + c)
    if job.n_reduced > 1 or job.masked:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                tile[i * width + c] = (<const real *>(rows[c].x + p.x))[0]
                if job.masked and not (rows[c].second + p.second)[0]:
                    tile[i * width + c] = left_out
            if is_gradient(job.kind):
                for c in range(width):
                    second[i * width + c] = (<const real *>(rows[c].second + p.second))[0]
    else:
        for c in range(width):
            starts[c] = <real *>rows[c].x
        pack(starts, along.x_step, tile, width, n)
        if is_gradient(job.kind):
            for c in range(width):
                starts[c] = <real *>rows[c].second
            pack(starts, along.second_step, second, width, n)
    if width == 1:
        packed.x = packed.out = <char *>tile
        packed.second = <char *>second
        batch[real](&packed, 1, n, job.kind, NULL)
    else:
        all.x = all.out = <char *>tile
        all.second = <char *>second
        all.x_step = all.second_step = all.out_step = width
        columns[real](&all, n, width, job.kind, NULL)
    if job.kind == LOGSUMEXP:
        for c in range(width):
            (<real *>rows[c].out)[0] = tile[c]
    elif job.n_reduced > 1 or job.masked:
        for i in range(n):
            p = place(job.reduced, job.n_reduced, i)
            for c in range(width):
                (<real *>(rows[c].out + p.out))[0] = (
                    left_out_result if job.masked and not (rows[c].second + p.second)[0] else tile[i * width + c]
                )
    elif along.out_step == sizeof(real):
        for c in range(width):
            starts[c] = <real *>rows[c].out
        if real is float:
            fastact_unpack_float(starts, tile, width, n)
        else:
            fastact_unpack_double(starts, tile, width, n)
    else:
        for c in range(width):
            for i in range(n):
                (<real *>(rows[c].out + i * along.out_step))[0] = tile[i * width + c]


cdef inline void pack(real **starts, ptrdiff_t step, real *tile, ptrdiff_t width, ptrdiff_t n) noexcept nogil:
    """tile[i * width + c] = element i of row c, whose elements are `step` bytes apart."""
    cdef ptrdiff_t i, c
    if step != sizeof(real):
        for c in range(width):
            for i in range(n):
                tile[i * width + c] = (<real *>(<char *>starts[c] + i * step))[0]
    elif real is float:
        fastact_pack_float(starts, tile, width, n)
    else:
        fastact_pack_double(starts, tile, width, n)


cdef int run_tiles(const Job *job, int threads, real *type_tag) except -1 nogil:
    cdef ptrdiff_t width = 1 if job.length > LONG else TILE
    cdef ptrdiff_t tiles = (job.rows + width - 1) // width, t
    cdef ptrdiff_t operands = 2 if is_gradient(job.kind) else 1
    cdef ptrdiff_t bytes = (operands * job.length * width * sizeof(real) + 63) // 64 * 64
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
    cdef ptrdiff_t together = max(<ptrdiff_t>1, min(<ptrdiff_t>BATCH, BATCH_ELEMENTS // job.length)), k
    cdef Row row
    if job.rows < threads and job.length >= 2 * PER_THREAD:
        for k in range(job.rows):
            row = row_at(job, k)
            row_by_threads[real](&row, job.length, job.kind, threads, NULL)
        return 0
    for k in prange((job.rows + together - 1) // together, num_threads=threads, schedule="static"):
        one_batch[real](job, k * together, min(together, job.rows - k * together), NULL)
    return 0


cdef void one_batch(const Job *job, ptrdiff_t first, ptrdiff_t count, real *type_tag) noexcept nogil:
    cdef Row rows[BATCH]
    cdef ptrdiff_t k
    for k in range(count):
        rows[k] = row_at(job, first + k)
    batch[real](rows, count, job.length, job.kind, NULL)


cdef int run_columns(const Job *job, int threads, real *type_tag) except -1 nogil:
    """The innermost kept dimension is contiguous; there is one reduced dimension."""
    cdef ptrdiff_t across = job.kept[job.n_kept - 1].size
    cdef ptrdiff_t together = COLUMNS * sizeof(float) // sizeof(real)
    cdef ptrdiff_t groups = (across + together - 1) // together
    cdef ptrdiff_t t
    for t in prange(job.rows // across * groups, num_threads=threads, schedule="static"):
        one_group[real](
            job, t // groups * across + t % groups * together, min(together, across - t % groups * together), NULL
        )
    return 0


cdef void one_group(const Job *job, ptrdiff_t first, ptrdiff_t width, real *type_tag) noexcept nogil:
    cdef Row row = row_at(job, first)
    cdef Columns all
    all.x, all.second, all.out = row.x, row.second, row.out
    all.x_step = job.reduced[0].x_step // <ptrdiff_t>sizeof(real)
    all.second_step = job.reduced[0].second_step // <ptrdiff_t>sizeof(real)
    all.out_step = job.reduced[0].out_step // <ptrdiff_t>sizeof(real)
    columns[real](&all, job.length, width, job.kind, NULL)


cdef inline bint contiguous(const Job *job, const Dimension *one, ptrdiff_t size) noexcept nogil:
    return (
        one.x_step == size and (one.out_step == size or (one.out_step == 0 and job.kind == LOGSUMEXP))
        and (one.second_step == size or not is_gradient(job.kind))
    )


cdef int run(const Job *job, real *type_tag) except -1 nogil:
    """Choose the path by layout and shape."""
    cdef fastact_flags flags = fastact_save_flags()
    cdef int threads = fastact_threads()
    cdef const Dimension *inner = &job.kept[job.n_kept - 1]
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t size = sizeof(real)
    cdef bint plain = not job.masked and job.n_reduced == 1
    if job.rows * job.length < 2 * PER_THREAD:
        threads = 1
    if plain and contiguous(job, along, size) and (job.length > SHORT or job.rows < NARROW):
        run_rows[real](job, threads, NULL)
    elif (
        plain and job.n_kept and inner.size >= NARROW and contiguous(job, inner, size)
        and along.x_step % size == 0 and along.second_step % size == 0 and along.out_step % size == 0
    ):
        run_columns[real](job, threads, NULL)
    else:
        run_tiles[real](job, threads, NULL)
    fastact_restore_flags(flags)
    return 0


cdef dict KINDS = {
    "softmax": SOFTMAX, "softmin": SOFTMIN, "log_softmax": LOG_SOFTMAX,
    "logsumexp": LOGSUMEXP,
    "softmax_gradient": SOFTMAX_GRADIENT, "softmin_gradient": SOFTMIN_GRADIENT,
    "log_softmax_gradient": LOG_SOFTMAX_GRADIENT,
}


def reduce(str name, cnp.ndarray x, tuple axes, cnp.ndarray out, cnp.ndarray second):
    """softmax, softmin, log_softmax, logsumexp or a gradient over `axes` (distinct, from 0) into `out`.

    `second` is, for the functions, None or where's mask, a bool array; for the gradients, of which `x` is
    gy, it is y. All have the same shape; all but the mask are aligned, all float32 or all float64 in native
    byte order, and `out` is the same memory as another or does not overlap it. For logsumexp, `out` has steps
    of 0 along `axes`.
    """
    cdef Job job
    if cnp.PyArray_SIZE(x) == 0:
        return
    lay_out(&job, x, axes, out, second)
    job.kind = KINDS[name]
    job.masked = second is not None and not is_gradient(job.kind)
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
