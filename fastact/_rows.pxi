# Of `_kernels.pyx`: contiguous rows.

# Its operands; for a gradient, x is gy and `second` y.
ctypedef struct Row:
    const char *x
    const char *second
    char *out

# What is fetched while sums are taken, which is arithmetic alone: what will be read next, and where results will go. Of
# gradients, whose sums are soon taken, what will be read next is fetched while they are finished. So many elements
# further on than what is being read; 0 for nothing.
ctypedef struct Fetch:
    ptrdiff_t next
    ptrdiff_t second
    ptrdiff_t results


cdef inline Fetch nothing() noexcept nogil:
    cdef Fetch fetch
    fetch.next = fetch.second = fetch.results = 0
    return fetch


cdef inline void fetch_some(const real *x, ptrdiff_t further_on, ptrdiff_t n) noexcept nogil:
    if further_on:
        fastact_prefetch(<const char *>(x + further_on), n * sizeof(real))


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
    cdef int extremes = 0, others = 0, here  # vectors of them, as of float32
    cdef ptrdiff_t i
    for i in range(n):
        here = x[i] == m
        extremes += here
        here = x[i] != x[i]
        others |= here
    if kind == LOGSUMEXP:
        out[0] = <real>NAN if others else m
    elif not others and extremes == 1 and (m < 0.0) == (kind == SOFTMIN):
        for i in range(n):
            out[i] = one if x[i] == m else zero
    else:
        for i in range(n):
            out[i] = NAN


cdef inline void add_terms(
    const real *x, real *out, ptrdiff_t n, real m, const real *starts, real r, real r_low, real *highs, real *lows,
    real *all_ones, Fetch fetch, int rest, int kind,
) noexcept nogil:
    """The lanes of n elements of a row, a multiple of TURN; the exponentials go to `out`, those of logarithms nowhere.
    For the `rest` of the row, too, is fetched."""
    cdef real own_starts[START]
    cdef real e[TURN]
    cdef real high[LANES]
    cdef real low[LANES]
    cdef real ones[LANES]
    cdef ptrdiff_t i
    cdef int turn = TURN if real is float else LANES, j, k, lane  # float64's work on LANES overlaps enough
    for k in range(START):
        own_starts[k] = starts[k * COLUMNS]
    for j in range(LANES):
        high[j], low[j], ones[j] = lane_start(kind, m), 0.0, 0.0
    for i in range(n // turn):  # what is read is read first: `out` may be x
        fetch_some(x, fetch.next, turn)
        fetch_some(x, fetch.results, turn)
        for k in range(turn // LANES):
            lane = k * LANES
            terms(x + lane, own_starts, 1, 0, r, r_low, e + lane, kind)
            for j in range(LANES):
                e[lane + j] = counted(e[lane + j], x[lane + j], m, &ones[j], kind)
        for k in range(turn // LANES):
            for j in range(LANES):
                add_term(e[k * LANES + j], &high[j], &low[j], kind)
        if not is_logarithm(kind):
            for j in range(turn):
                out[j] = e[j]
        x += turn
        out += turn
    if rest:
        fetch_some(x, fetch.next, rest)
        fetch_some(x, fetch.results, rest)
    memcpy(highs, high, sizeof(high))
    memcpy(lows, low, sizeof(low))
    memcpy(all_ones, ones, sizeof(ones))


cdef inline void add_last(
    const Row *rows, ptrdiff_t count, ptrdiff_t start, int width, const real *m, const real *starts, real r, real r_low,
    real *high, real *low, real *ones, int kind, bint partial,
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
        if partial:
            load_some(a, x, width, NAN)
            x = a
        terms(x, starts + k, COLUMNS, 0, r, r_low, e, kind)
        for j in range(LANES):
            e[j] = counted(e[j], x[j], m[k], ones + j, kind)
        if not is_logarithm(kind):
            if partial:
                store_some(out, e, width)
            else:
                for j in range(LANES):
                    out[j] = e[j]
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
                <const real *>rows[k].x + start, <real *>rows[k].out + start, n, m[k], starts + k, r, r_low,
                high + k * LANES, low + k * LANES, ones + k * LANES, fetch, <int>last, kind,
            )
    for i in range(ceil_div(last, LANES)):
        width = <int>min(<ptrdiff_t>LANES, last - i * LANES)
        if width == LANES:
            add_last(rows, count, start + n + i * LANES, width, m, starts, r, r_low, high, low, ones, kind, False)
        else:
            add_last(rows, count, start + n + i * LANES, width, m, starts, r, r_low, high, low, ones, kind, True)
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


cdef inline Sum gradient_sum(
    const Row *row, ptrdiff_t start, ptrdiff_t n, Fetch fetch, int kind, real type_tag
) noexcept nogil:
    """Of n elements from `start` on, a chunk."""
    cdef const real *x = <const real *>row.x + start
    cdef const real *second = <const real *>row.second + start
    cdef Sum chunk
    cdef ptrdiff_t i
    memset(&chunk, 0, sizeof(Sum))
    for i in range(n // BLOCK):
        fetch_some(x + i * BLOCK, fetch.results, BLOCK)
        add(&chunk, 0.0, block_sum(x + i * BLOCK, second + i * BLOCK, BLOCK, kind), 0.0, type_tag)
    i = n - n % BLOCK
    if i < n:
        fetch_some(x + i, fetch.results, n - i)
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
    Fetch fetch, int kind,
) noexcept nogil:
    cdef ptrdiff_t whole = n - n % LANES, last = start + whole, i, k
    cdef const real *x
    cdef const real *second
    cdef real *out
    for k in range(count):
        x, second, out = <const real *>rows[k].x + start, <const real *>rows[k].second + start, <real *>rows[k].out + start
        fetch_some(x, fetch.next, n)
        fetch_some(second, fetch.second, n)
        if lows_are_of_no_use(high[k], r, kind):
            for i in range(n):
                out[i] = finish_without_lows(x[i], second[i], high[k], r, kind)
        else:
            finish_lanes(x, second, out, high[k], low[k], r, r_low, whole, kind)
    # afterwards: after a masked store, CPUs are slow to read what is beside it
    for k in range(count if n % LANES else 0):
        x, second, out = <const real *>rows[k].x + last, <const real *>rows[k].second + last, <real *>rows[k].out + last
        if not lows_are_of_no_use(high[k], r, kind):
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
    if kind == SOFTMAX: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), SOFTMAX)
    elif kind == LOG_SOFTMAX: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), LOG_SOFTMAX)
    elif kind == SCALED_LOGARITHM: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), SCALED_LOGARITHM)
    elif kind == SOFTMAX_GRADIENT: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), SOFTMAX_GRADIENT)
    elif kind == SCALED_GRADIENT: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), SCALED_GRADIENT)
    elif kind == LOG_SOFTMAX_GRADIENT: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), LOG_SOFTMAX_GRADIENT)
    else: finish_of_kind(rows, count, start, n, high, low, r, r_low, nothing(), SCALED_LOG_GRADIENT)


cdef inline void gradients_of_kind(
    const Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, Fetch fetch, int kind, int finish,
    real type_tag,
) noexcept nogil:
    cdef real high[BATCH]
    cdef real low[BATCH]
    cdef Sum total, chunk
    cdef ptrdiff_t start, some, i, k
    for k in range(count):
        memset(&total, 0, sizeof(Sum))
        for i in range(ceil_div(n, CHUNK)):
            start = i * CHUNK
            chunk = gradient_sum(&rows[k], start, min(<ptrdiff_t>CHUNK, n - start), fetch, kind, type_tag)
            add(&total, 0.0, chunk.high, chunk.low, type_tag)
        normaliser_of(&total, type_tag, kind, &high[k], &low[k])
    start = 0
    while start < n:
        some = min(<ptrdiff_t>FETCHED, n - start) if fetch.next else n
        finish_of_kind(rows, count, start, some, high, low, <real>factor.r, <real>factor.r_low, fetch, finish)
        start += some


cdef inline void gradients_with(
    const Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, Fetch fetch, int kind, real type_tag
) noexcept nogil:
    cdef real t = type_tag
    kind = kind_of_finish(kind, factor)
    if kind == SOFTMAX_GRADIENT:
        gradients_of_kind(rows, count, n, factor, fetch, SOFTMAX_GRADIENT, SOFTMAX_GRADIENT, t)
    elif kind == SCALED_GRADIENT:
        gradients_of_kind(rows, count, n, factor, fetch, SOFTMAX_GRADIENT, SCALED_GRADIENT, t)
    elif kind == LOG_SOFTMAX_GRADIENT:
        gradients_of_kind(rows, count, n, factor, fetch, LOG_SOFTMAX_GRADIENT, LOG_SOFTMAX_GRADIENT, t)
    else:
        gradients_of_kind(rows, count, n, factor, fetch, LOG_SOFTMAX_GRADIENT, SCALED_LOG_GRADIENT, t)


cdef void gradients(
    const Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, Fetch fetch, int kind, real *type_tag
) noexcept nogil:
    """As `batch`. What fetches is compiled apart: in the caches, to ask whether to would take a tenth of the time."""
    cdef real t = 0.0
    if fetch.next:
        gradients_with(rows, count, n, factor, fetch, kind, t)
    else:
        gradients_with(rows, count, n, factor, nothing(), kind, t)


cdef void forward(
    Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, Fetch fetch, int kind, real *type_tag
) noexcept nogil:
    """As `batch`, of no gradient."""
    cdef ptrdiff_t k, start, finite = 0
    cdef bint scaled
    cdef Sums sums
    cdef real extremum
    cdef real m[BATCH]
    cdef real high[BATCH]
    cdef real low[BATCH]
    cdef real starts[START * COLUMNS]
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
    for k in range(ceil_div(n, CHUNK)):
        start = k * CHUNK
        sum_chunk(
            rows, finite, start, min(<ptrdiff_t>CHUNK, n - start), m, starts, factor, &sums, fetch,
            kind_of_sum(kind, scaled),
        )
    normalisers(&sums, m, high, low, finite, kind, factor)
    finish_chunk(rows, finite, 0, n, high, low, factor, kind)


cdef inline void batch(
    Row *rows, ptrdiff_t count, ptrdiff_t n, const Factor *factor, Fetch fetch, int kind, real *type_tag
) noexcept nogil:
    """Up to BATCH rows of n elements, pass by pass: what takes long for one overlaps with the others."""
    if is_gradient(kind):
        gradients[real](rows, count, n, factor, fetch, kind, NULL)
    else:
        forward[real](rows, count, n, factor, fetch, kind, NULL)
