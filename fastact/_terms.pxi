# Of `_kernels.pyx`: a term, a sum and a result for each element, and the sums of rows and columns.

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


cdef inline real scale(real type_tag) noexcept nogil:
    return FASTACT_SCALE_float32 if real is float else FASTACT_SCALE_float64


cdef inline real multiply_add(real a, real b, real c) noexcept nogil:
    return fastact_fma_float32(a, b, c) if real is float else fastact_fma_float64(a, b, c)


cdef inline void terms(
    const real *x, const real *starts, int step, int own, real r, real r_low, real *e, int kind
) noexcept nogil:
    """e**x beside the row's greatest, of LANES elements. The numbers that `exp_start` gave are so far apart; lanes have
    their own (1) or the same (0). Unless scaled, r is 1 (softmin: -1) and there is no shift."""
    cdef const real *shift = starts
    cdef const real *lowest = starts + step
    cdef const real *offset = starts + 2 * step
    cdef const real *magic = starts + 3 * step
    cdef const real *rest = starts + 4 * step
    cdef const real *rest_low = starts + 5 * step
    cdef real y[LANES]
    cdef real y_low[LANES]
    cdef real index[LANES]
    cdef real s[LANES]
    cdef real s_low[LANES]
    cdef real n, u
    cdef int j
    for j in range(LANES):
        y[j], y_low[j] = -x[j] if kind == SOFTMIN else x[j], -0.0
        if real is float:
            if is_scaled(kind):
                fastact_scaled_float32(x[j], shift[j * own], r, r_low, lowest[j * own], &y[j], &y_low[j])
            y[j] = fastact_not_below_float32(y[j], lowest[j * own])
            index[j] = fastact_exp_index_float32(y[j], offset[j * own])
        else:
            if is_scaled(kind):
                fastact_scaled_float64(x[j], shift[j * own], r, r_low, lowest[j * own], &y[j], &y_low[j])
            y[j] = fastact_not_below_float64(y[j], lowest[j * own])
            index[j] = fastact_exp_index_float64(y[j], offset[j * own])
    if real is float:
        fastact_power_float(index, s, s_low)
    else:
        fastact_power_double(index, s, s_low)
    for j in range(LANES):
        n = index[j] - magic[j * own]
        if real is float:
            u = fastact_exp_fraction_float32(y[j], y_low[j], n, s_low[j], rest[j * own], rest_low[j * own])
        else:
            u = fastact_exp_fraction_float64(y[j], y_low[j], n, s_low[j], rest[j * own], rest_low[j * own])
        e[j] = multiply_add(u, s[j], s[j])


cdef inline real lane_start(int kind, real type_tag) noexcept nogil:
    """What lanes begin with. More than each term, so that `add_term` knows the smaller one; not for logarithms, whose
    terms may all be small and must keep their digits."""
    return <real>0.0 if is_logarithm(kind) else 2 * scale(type_tag)


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


cdef inline void normaliser_of(const Sum *total, real m, int kind, real *high, real *low) noexcept nogil:
    """What `finish_one` needs of a row's sum. Without branches, to be done for many rows together."""
    cdef double s, s_low, q, c, part, a, b
    cdef double down = 1.0 / scale(m)
    if is_gradient(kind):
        s_low = total.low if total.low == total.low else 0.0  # NaN where the sum is infinite
        s = total.high if real is float else total.high + s_low
        high[0] = <real>s
        low[0] = <real>(total.high - high[0] if real is float else (total.high - high[0]) + s_low)
        if kind == LOG_SOFTMAX_GRADIENT:
            low[0] = low[0] / high[0] if high[0] != 0 else <real>0.0
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
            c = 2.0**-44 * a
        else:
            b = (fastact_fma_float64(-q, s, 1.0) - q * s_low) * q
            c = 2.0**-80 * a
        high[0] = <real>a
        low[0] = <real>(b if fabs(b) > c else 0.0)  # products with less would be subnormal


cdef inline real finish_one(
    real x, real second, real e, real high, real low, real r, real r_low, int kind
) noexcept nogil:
    """An element's result; e is what the first pass left in `out`."""
    cdef real d, y, y_low, half, twice, up, down
    if kind == SOFTMAX:  # what is rounded away of a small result may be subnormal, which takes CPUs 150 cycles
        return multiply_add(e, high, e * low) * (1 / scale(e))
    if kind == LOG_SOFTMAX:
        return (x - high) - low
    if kind == SCALED_LOGARITHM:
        # of large numbers, a difference may overflow that their quotients do not have
        half, twice = 0.5 if r <= 1.0 else 1.0, 2.0 if r <= 1.0 else 1.0
        d, r, r_low = x * half - high * half, r * twice, r_low * twice
        return multiply_add(d, r, multiply_add(d, r_low, -low) if d * r > -INFINITY else -low)
    if kind == SOFTMAX_GRADIENT or kind == SCALED_GRADIENT:
        d = x - high
        if kind == SOFTMAX_GRADIENT:
            return second * (d - low)
        if fabs(r) <= 1.0:
            d = d - low
            return second * multiply_add(d, r, d * r_low)
        # y first, or what is small might vanish; and of what is subnormal the low part
        up = (2.0**24 if real is float else 2.0**53) if fabs(d) > 1.0 else 1.0
        down = 1.0 / up
        second, d, low = second * up, d * down, low * down
        y = second * r
        y_low = multiply_add(second, r, -y) + second * r_low
        return multiply_add(y, d, multiply_add(y_low, d, -y * low))
    if real is float:
        d = fastact_minus_exp_product_float32(x, second, high, low)
    else:
        d = fastact_minus_exp_product_float64(x, second, high, low)
    return d if kind == LOG_SOFTMAX_GRADIENT else multiply_add(d, r, d * r_low)


cdef inline real finish_without_lows(real x, real second, real total, real r, int kind) noexcept nogil:
    """The same for a gradient, without low parts; where the sum is not finite, as IEEE arithmetic has it."""
    cdef double half
    if kind == SOFTMAX_GRADIENT or kind == SCALED_GRADIENT:
        if isfinite(total):  # the product of small numbers may vanish, which a small temperature makes large
            return second * r * (x - total)
        return second * (x - total) * r
    if isfinite(total):
        half = exp(0.5 * second)  # its square may vanish, and its product with the sum not
        return <real>(x - half * (half * total)) * r
    return (x - <real>exp(second) * total) * r


cdef inline bint lows_are_of_no_use(real total, real r, int kind) noexcept nogil:
    """Whether a row takes `finish_without_lows`: a gradient whose sum is not finite or, of a logarithm, so small or large
    that what it is multiplied with vanishes sooner or later than the product, or divided by a temperature so small that
    the rounding error of a quotient may be larger than the number."""
    cdef real most = 2.0**24 if real is float else 2.0**53
    cdef real least = 2.0**-60 if real is float else 2.0**-500, largest = 2.0**40 if real is float else 2.0**300
    if kind == LOG_SOFTMAX_GRADIENT or kind == SCALED_LOG_GRADIENT:
        if (fabs(total) < least and total != 0.0) or fabs(total) > largest:
            return True
    return is_gradient(kind) and not (isfinite(total) and fabs(r) <= most)


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
    const real *high, ptrdiff_t step, const real *low, const real *ones, int used, int with_low, real lanes_start,
    Sums *sums, ptrdiff_t first,
) noexcept nogil:
    """Bring the lanes of each column together, in the order of `_lanes.h`; those from `used` on are empty, and those from
    `with_low` on have no low part. The high ones are so far apart."""
    cdef double total[LANES][LANES]
    cdef double total_low[LANES][LANES]
    cdef int half = LANES // 2, k, j
    for k in range(with_low):
        for j in range(LANES):
            total_low[k][j] = 0.0
            lane_total(high[k * step + j], low[k * LANES + j], lanes_start, &total[k][j], &total_low[k][j])
    for k in range(with_low, used):
        for j in range(LANES):
            total[k][j], total_low[k][j] = high[k * step + j] - lanes_start, 0.0
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


cdef inline void normalisers_of_kind(
    const Sums *sums, const real *m, real *high, real *low, ptrdiff_t count, int kind
) noexcept nogil:
    cdef Sum total
    cdef ptrdiff_t k
    for k in range(count):
        total.ones, total.high, total.low = sums.ones[k], sums.high[k], sums.low[k]
        normaliser_of(&total, m[k], kind, high + k, low + k)


cdef inline void normalisers(
    const Sums *sums, const real *m, real *high, real *low, ptrdiff_t count, int kind, const Factor *factor
) noexcept nogil:
    """What `finish_one` needs of each row or column; for gradients, m plays no part in it."""
    if kind != LOGSUMEXP:
        kind = kind_of_finish(kind, factor)
    if kind == LOG_SOFTMAX: normalisers_of_kind(sums, m, high, low, count, LOG_SOFTMAX)
    elif kind == SCALED_LOGARITHM: normalisers_of_kind(sums, m, high, low, count, SCALED_LOGARITHM)
    elif kind == LOGSUMEXP: normalisers_of_kind(sums, m, high, low, count, LOGSUMEXP)
    elif kind == LOG_SOFTMAX_GRADIENT or kind == SCALED_LOG_GRADIENT:
        normalisers_of_kind(sums, m, high, low, count, LOG_SOFTMAX_GRADIENT)
    elif is_gradient(kind): normalisers_of_kind(sums, m, high, low, count, SOFTMAX_GRADIENT)
    else: normalisers_of_kind(sums, m, high, low, count, SOFTMAX)
