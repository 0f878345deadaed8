# Of `_kernels.pyx`: columns, side by side.

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
    for c in range(ceil_div(width, LANES) * LANES):
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
    cdef real own_starts[START * LANES]
    cdef real e[LANES]
    cdef real counts[LANES]
    cdef real extremes[LANES]
    cdef ptrdiff_t i, lane
    cdef int k, j
    for j in range(LANES):
        extremes[j] = m[j]
        counts[j] = ones[j]
    for k in range(START):
        for j in range(LANES):
            own_starts[k * LANES + j] = starts[k * COLUMNS + j]
    for i in range(n):
        fastact_prefetch(<const char *>(x + fetch.next), LANES * sizeof(real))
        if fetch.results:
            fastact_prefetch(<const char *>(x + fetch.results), LANES * sizeof(real))
        terms(x, own_starts, LANES, 1, r, r_low, e, kind)
        for j in range(LANES):
            e[j] = counted(e[j], x[j], extremes[j], &counts[j], kind)
        lane = i % LANES * LANES
        if high == NULL:
            pass
        elif i < fresh:
            for j in range(LANES):
                high[lane + j], low[lane + j] = e[j] if is_logarithm(kind) else lane_start(kind, r), 0.0
                if not is_logarithm(kind):
                    add_term(e[j], high + lane + j, low + lane + j, kind)
        else:
            for j in range(LANES):
                add_term(e[j], high + lane + j, low + lane + j, kind)
        if not is_logarithm(kind):
            for j in range(LANES):
                out[j] = e[j]
        x += x_step
        out += out_step
    for j in range(LANES):
        ones[j] = counts[j]


cdef void add_strip(
    const real *x, ptrdiff_t x_step, Fetch fetch, real *out, ptrdiff_t out_step, ptrdiff_t n, ptrdiff_t fresh,
    const real *m, const real *starts, real r, real r_low, real *high, real *low, real *ones, int kind,
) noexcept nogil:
    """Add n elements of each column to its lanes, where there are any, element i to lane i % LANES; the first `fresh`
    begin them. Exponentials go to `out`."""
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
    cdef int used, with_low
    cdef bint alone = n <= LANES and not is_logarithm(kind) and real is float  # each in a lane, as it is in `out`
    cdef Grid here, there
    for index in range(ceil_div(n, CHUNK)):
        chunk = index * CHUNK
        end = min(n, chunk + CHUNK)
        used = <int>min(<ptrdiff_t>LANES, n - chunk)
        # a lane of one term has no rounding error, if it began with 0
        with_low = <int>min(<ptrdiff_t>used, n - chunk - used) if is_logarithm(kind) or alone else used
        for k in range(COLUMNS):
            ones[k] = 0.0
        start = chunk
        while start < end:
            stop = min(end, start + rows)
            for k in range(ceil_div(width, LANES)):
                here = part[real](&x if k < width // LANES else &last, start, k * LANES, NULL)
                there = part[real](&out, start, k * LANES, NULL)
                add_strip(
                    <const real *>here.start, here.step, here.fetch, <real *>there.start, there.step, stop - start,
                    used if start == chunk else 0, m + k * LANES, starts + k * LANES, r, r_low,
                    NULL if alone else high + k * LANES * LANES, low + k * LANES * LANES, ones + k * LANES, kind,
                )
            start = stop
        for k in range(ceil_div(width, LANES)):
            there = part[real](&out, 0, k * LANES, NULL)
            merge_strip(
                <const real *>there.start if alone else high + k * LANES * LANES, there.step if alone else LANES,
                low + k * LANES * LANES, ones + k * LANES, used, with_low, <real>0.0 if alone else lane_start(kind, r),
                sums, k * LANES,
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
    cdef ptrdiff_t n = all.length, padded = ceil_div(all.width, LANES) * LANES, chunk, index, block, stop, i, c
    cdef int half, k, used
    for chunk in range(ceil_div(n, CHUNK)):
        zero(&chunk_sums, padded)
        for index in range(ceil_div(min(<ptrdiff_t>CHUNK, n - chunk * CHUNK), BLOCK)):
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


cdef void normalisers_of_columns(
    Grid x, Grid last, Grid out, ptrdiff_t n, ptrdiff_t width, ptrdiff_t rows, const real *m, const Factor *factor,
    int kind, real *high, real *low,
) noexcept nogil:
    """Of up to COLUMNS columns of finite extremes m."""
    cdef ptrdiff_t padded = ceil_div(width, LANES) * LANES
    cdef real starts[START * COLUMNS]
    cdef Sums sums
    cdef bint scaled = start_all(m, factor, starts, padded)
    zero(&sums, padded)
    sum_columns(
        x, last, out, n, width, rows, m, starts, <real>factor.r, <real>factor.r_low, kind_of_sum(kind, scaled), &sums
    )
    normalisers(&sums, m, high, low, padded, kind, factor)


cdef inline ptrdiff_t evenly(ptrdiff_t width) noexcept nogil:
    """As many of them as are worked on together: at most COLUMNS, in strips of LANES."""
    return ceil_div(ceil_div(width, ceil_div(width, COLUMNS)), LANES) * LANES


cdef ptrdiff_t place_of_limit(Grid x, ptrdiff_t column, ptrdiff_t n, real m, int kind) noexcept nogil:
    """Of a column whose extreme m is infinite, as `at_infinity`: where the element is whose result is the limit of that of
    the greatest, n where there is none, and for logsumexp n if the result is NaN, else 0."""
    cdef const real *a = <const real *>x.start + column
    cdef ptrdiff_t found = n, extremes = 0, numbers = 0, i
    for i in range(n):
        found = i if a[i * x.step] == m else found
        extremes += a[i * x.step] == m
        numbers += a[i * x.step] == a[i * x.step]
    if kind == LOGSUMEXP:
        return 0 if numbers == n else n
    return found if numbers == n and extremes == 1 and (m < 0.0) == (kind == SOFTMIN) else n


cdef void columns_at_infinity(
    Grid out, ptrdiff_t n, ptrdiff_t width, const real *infinities, const ptrdiff_t *places, int kind
) noexcept nogil:
    """The results of those of some columns whose extremes are infinite."""
    cdef real *to
    cdef real one = 0.0 if kind == LOG_SOFTMAX else 1.0
    cdef real zero = -INFINITY if kind == LOG_SOFTMAX else 0.0
    cdef ptrdiff_t c, i
    for c in range(width):
        if infinities[c] == 0.0:
            continue
        to = <real *>out.start + c
        if kind == LOGSUMEXP:
            to[0] = infinities[c] if places[c] < n else <real>NAN
            continue
        for i in range(n):
            to[i * out.step] = zero if places[c] < n else <real>NAN
        if places[c] < n:
            to[places[c] * out.step] = one


cdef void columns(Columns *all, int kind, real *scratch, bint are_tiles) noexcept nogil:
    """Up to WIDEST columns, with a tile for their exponentials; if that is too long, up to COLUMNS whole strips. Those whose
    extremes are not finite are worked on as if these were 0, for nothing."""
    cdef ptrdiff_t n = all.length, width = all.width, strips = ceil_div(width, LANES), rows = n, c, start
    cdef ptrdiff_t together = evenly(width)
    cdef Grid tile
    cdef real m[WIDEST]
    cdef real high[WIDEST]
    cdef real low[WIDEST]
    cdef real infinities[WIDEST]
    cdef ptrdiff_t places[WIDEST]
    cdef int infinite = 0
    extremes_of_columns(all.x, n, width, m, kind)
    for c in range(width):
        infinite |= fabs(m[c]) == INFINITY
    if infinite:
        for c in range(strips * LANES):
            infinities[c] = m[c] if fabs(m[c]) == INFINITY else <real>0.0
            if infinities[c] != 0.0:
                m[c] = 0.0
                if c < width:
                    places[c] = place_of_limit(all.x, c, n, infinities[c], kind)
    tile.start, tile.step, tile.fetch = <char *>scratch, (strips + 1) * LANES, nothing()
    if are_tiles:
        tile = all.out
    elif n * tile.step * <ptrdiff_t>sizeof(real) > PACKED:
        tile = all.out
        rows = TOGETHER
    elif width % LANES:
        start = width // LANES * LANES
        copy_strip[real](part[real](&all.x, 0, start, NULL), part[real](&tile, 0, start, NULL), n, width - start, NULL)
    for c in range(ceil_div(width, together)):
        start = c * together
        normalisers_of_columns(
            part[real](&all.x, 0, start, NULL), part[real](&tile, 0, start, NULL), part[real](&tile, 0, start, NULL),
            n, min(together, width - start), rows, m + start, &all.factor, kind, high + start, low + start,
        )
    if kind == LOGSUMEXP:
        memcpy(all.out.start, high, width * sizeof(real))
    else:
        if kind != LOG_SOFTMAX:
            all.x = tile
        finish_columns(all, high, low, kind_of_finish(kind, &all.factor))
    if infinite:
        columns_at_infinity(all.out, n, width, infinities, places, kind)


cdef bint gradient_columns(Columns *all, int kind, real *type_tag) noexcept nogil:
    """Up to WIDEST columns. False, and nothing written, where something may overflow."""
    cdef Columns some = all[0]
    cdef Sums sums
    cdef ptrdiff_t together = evenly(all.width), padded, c, start
    cdef real high[WIDEST]
    cdef real low[WIDEST]
    cdef real t = 0.0
    for c in range(ceil_div(all.width, together)):
        start = c * together
        some.x, some.second = part[real](&all.x, 0, start, NULL), part[real](&all.second, 0, start, NULL)
        some.width = min(together, all.width - start)
        padded = ceil_div(some.width, LANES) * LANES
        zero(&sums, padded)
        if kind == LOG_SOFTMAX_GRADIENT: gradient_sums_of_kind(&some, &sums, LOG_SOFTMAX_GRADIENT, t)
        else: gradient_sums_of_kind(&some, &sums, SOFTMAX_GRADIENT, t)
        normalisers(&sums, high + start, high + start, low + start, padded, kind, &all.factor)
    for c in range(all.width):
        if lows_are_of_no_use(high[c], <real>all.factor.r, kind):
            return False
    finish_columns(all, high, low, kind_of_finish(kind, &all.factor))
    return True


cdef inline bint any_columns(Columns *all, int kind, real *scratch, bint are_tiles) noexcept nogil:
    if is_gradient(kind):
        return gradient_columns[real](all, kind, NULL)
    columns(all, kind, scratch, are_tiles)
    return True
