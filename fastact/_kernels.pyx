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

cimport numpy as cnp
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport INFINITY, NAN, exp, fabs, fma, isfinite, isinf
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
    float fastact_exp_index_float32(float x, float offset)
    double fastact_exp_index_float64(double x, double offset)
    float fastact_exp_fraction_float32(float x, float x_low, float n, float s_low, float rest, float rest_low)
    double fastact_exp_fraction_float64(double x, double x_low, double n, double s_low, double rest, double rest_low)
    float fastact_not_below_float32(float x, float lowest)
    double fastact_not_below_float64(double x, double lowest)
    void fastact_scaled_float32(float, float, float, float, float, float *, float *)
    void fastact_scaled_float64(double, double, double, double, double, double *, double *)
    float fastact_minus_exp_product_float32(float gy, float y, float total, float total_low)
    double fastact_minus_exp_product_float64(double gy, double y, double total, double total_low)
    double fastact_log_pair_float64(double s, double s_low)
    float fastact_fma_float32(float, float, float)
    double fastact_fma_float64(double, double, double)
    float FASTACT_SCALE_float32
    double FASTACT_SCALE_float64

cdef extern from "_lanes.h" nogil:
    void fastact_power_float(const float *index, float *power, float *low)
    void fastact_power_double(const double *index, double *power, double *low)
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
    LONG_GRADIENT = 65536      # bytes of a row: the caches do not keep what is fetched for longer ones
    LONG_LOG_GRADIENT = 16384
    FETCHED = 256     # elements of a row of a gradient that are fetched at once
    FAR = 16777216    # bytes of an operand that comes from memory
    TILE = 64         # rows that are packed side by side
    PACKED = 262144   # bytes of them that a thread keeps, unless a row is longer
    COLUMNS = 128     # columns whose sums are worked on together
    WIDEST = 1024     # columns that are read together: the longer the rows, the sooner the memory knows what comes next
    TOGETHER = 64     # rows of them, if columns are too long for a tile
    SHORT = 40        # float32 rows up to this length are packed,
    SHORT_DOUBLE = 24 # and float64 ones, but for those that fill their lanes, in float32 more than once,
    SHORT_GRADIENT = 10  # and those of gradients
    NARROW = 16       # fewer columns than this are packed
    LONG = 160       # rows longer than this are packed singly
    START = 6         # numbers that `exp_start` gives

# A row's sum: the maximum's terms (for the logarithm), and SCALE times all others (gradients: 1 times), as a pair.
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


include "_terms.pxi"
include "_rows.pxi"
include "_columns.pxi"

# ---- any memory layout -----------------------------------------------------------------------------

cdef inline void start_at(Row *row, const Job *job, ptrdiff_t index) noexcept nogil:
    """The row number `index`."""
    cdef Place p = place(job.kept, job.n_kept, index)
    row.x = job.x + p.x
    row.second = job.second + p.second
    row.out = job.out + p.out


cdef inline void start_some(Row *rows, const Job *job, ptrdiff_t first, ptrdiff_t count) noexcept nogil:
    """Those from number `first` on."""
    cdef const Dimension *last = &job.kept[max(0, job.n_kept - 1)]
    cdef ptrdiff_t done = 0, beside, k
    cdef Row here
    while done < count:
        start_at(&here, job, first + done)
        beside = min(count - done, last.size - (first + done) % last.size) if job.n_kept else 1
        for k in range(beside):
            rows[done + k].x = here.x + k * last.x_step
            rows[done + k].second = here.second + k * last.second_step
            rows[done + k].out = here.out + k * last.out_step
        done += beside


cdef inline Fetch to_fetch(const Job *job, ptrdiff_t first, ptrdiff_t next, real *type_tag) noexcept nogil:
    """For the rows from number `first` on, where those from `next` on are read after them."""
    cdef Fetch fetch = nothing()
    cdef Row here, later
    cdef ptrdiff_t row = job.length * <ptrdiff_t>sizeof(real), size = job.rows * row
    cdef ptrdiff_t longest = LONG_LOG_GRADIENT if job.kind == LOG_SOFTMAX_GRADIENT else LONG_GRADIENT
    if is_gradient(job.kind) and (row > longest or not fastact_is_intel()):
        return fetch
    if size > CACHED:
        start_at(&here, job, first)
        start_at(&later, job, next if next < job.rows else first)
        fetch.next = (later.x - here.x) // <ptrdiff_t>sizeof(real)
        if is_gradient(job.kind):
            fetch.second = (later.second - here.second) // <ptrdiff_t>sizeof(real)
        if is_logarithm(job.kind) or is_gradient(job.kind):
            fetch.results = (here.out - here.x) // <ptrdiff_t>sizeof(real)
        elif job.kind != LOGSUMEXP and size > FAR and fastact_is_intel():  # terms are written at once
            fetch.results = (later.out - here.x) // <ptrdiff_t>sizeof(real)
    return fetch


cdef void through_tile(const Job *job, ptrdiff_t first, ptrdiff_t width, real *tile) noexcept nogil:
    """Some rows, packed as the columns of tiles (a single one as it is), and back."""
    cdef Row rows[TILE]
    cdef Row packed
    cdef Columns all
    cdef ptrdiff_t n = job.length, c
    cdef ptrdiff_t padded = width if width == 1 else ceil_div(width, LANES) * LANES
    cdef real *second = tile + n * padded if is_gradient(job.kind) else tile  # which may be read for nothing
    start_some(rows, job, first, width)
    for c in range(width, padded):
        rows[c] = rows[width - 1]
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


cdef inline bint scattered(const Job *job, int which, ptrdiff_t size) noexcept nogil:
    """Whether rows consist of no more than a few elements that are side by side."""
    cdef const Dimension *last = &job.reduced[job.n_reduced - 1]
    return step_of(last, which) != size or (job.n_reduced > 1 and last.size < LANES)


cdef void bring_scattered(
    const Job *job, int which, real **rows, real *tile, ptrdiff_t width, ptrdiff_t padded, bint back
) noexcept nogil:
    """Such rows as columns, or back: element by element of all, as neighbouring rows often are side by side."""
    cdef ptrdiff_t i, c, at
    cdef Place p
    for i in range(job.length):
        p = place(job.reduced, job.n_reduced, i)
        at = p.x if which == OF_X else p.second if which == OF_SECOND else p.out
        if back:
            for c in range(width):
                (<real *>(<char *>rows[c] + at))[0] = tile[c]
        else:
            for c in range(width):
                tile[c] = (<const real *>(<const char *>rows[c] + at))[0]
        tile += padded


cdef inline void pack(
    const Job *job, const Row *rows, ptrdiff_t width, real *tile, bint is_second
) noexcept nogil:
    """Rows as columns."""
    cdef int which = OF_SECOND if is_second else OF_X
    cdef ptrdiff_t n = job.length, c
    cdef real *starts[TILE]
    for c in range(width):
        starts[c] = <real *>(rows[c].second if is_second else rows[c].x)
    if scattered(job, which, sizeof(real)) and width > 1:
        bring_scattered(job, which, starts, tile, width, width, False)
        return
    if job.n_reduced > 1 or step_of(&job.reduced[0], which) != sizeof(real) or width == 1:
        for c in range(width):
            bring_row(job, which, <char *>starts[c], tile + c, width, False)
        return
    pack_rows(starts, tile, width, n)


cdef inline void unpack(
    const Job *job, const Row *rows, ptrdiff_t width, ptrdiff_t padded, const real *tile
) noexcept nogil:
    cdef ptrdiff_t n = job.length, c
    cdef real *starts[TILE]
    if job.kind == LOGSUMEXP:
        for c in range(width):
            (<real *>rows[c].out)[0] = tile[c]
    elif job.n_reduced == 1 and job.reduced[0].out_step == sizeof(real) and width > 1:
        for c in range(width):
            starts[c] = <real *>rows[c].out
        for c in range(width, padded):  # once more the last one
            starts[c] = starts[width - 1]
        unpack_rows(starts, tile, padded, n)
    elif scattered(job, OF_OUT, sizeof(real)) and width > 1:
        for c in range(width):
            starts[c] = <real *>rows[c].out
        bring_scattered(job, OF_OUT, starts, <real *>tile, width, padded, True)
    else:
        for c in range(width):
            bring_row(job, OF_OUT, rows[c].out, <real *>tile + c, padded, True)


# ---- tasks of threads ------------------------------------------------------------------------------

cdef enum:
    TILES, ROWS, COLUMN_GROUPS, CHUNK_EXTREMES, CHUNK_SUMS, CHUNK_RESULTS

# What tasks are of, how large they are, and where they keep what.
ctypedef struct Tasks:
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


cdef void task(const void *tasks, ptrdiff_t k, int thread) noexcept nogil:
    if (<const Tasks *>tasks).is_float:
        task_of_dtype[float](<const Tasks *>tasks, k, thread, NULL)
    else:
        task_of_dtype[double](<const Tasks *>tasks, k, thread, NULL)


cdef void task_of_dtype(const Tasks *tasks, ptrdiff_t k, int thread, real *type_tag) noexcept nogil:
    cdef ptrdiff_t start = k * tasks.together, count = min(tasks.together, tasks.job.rows - start)
    if tasks.what == TILES:
        through_tile[real](tasks.job, start, count, <real *>(tasks.scratch + tasks.bytes * thread))
    elif tasks.what == ROWS: some_rows[real](tasks.job, start, count, NULL)
    elif tasks.what == COLUMN_GROUPS: some_columns[real](tasks, k, thread, NULL)
    else: chunk_of_row[real](tasks, k, NULL)


cdef void some_rows(const Job *job, ptrdiff_t first, ptrdiff_t count, real *type_tag) noexcept nogil:
    cdef Row rows[BATCH]
    cdef Fetch fetch
    start_some(rows, job, first, count)
    fetch = to_fetch[real](job, first, first + count, NULL)
    if job.length * <ptrdiff_t>sizeof(real) < FORESEEN and not fastact_is_intel():
        fetch.next = 0
    batch[real](rows, count, job.length, &job.factor, fetch, job.kind, NULL)


cdef void some_columns(const Tasks *tasks, ptrdiff_t k, int thread, real *type_tag) noexcept nogil:
    """`together` columns, or as many as are left of those that lie beside one another."""
    cdef const Job *job = tasks.job
    cdef ptrdiff_t across = job.kept[job.n_kept - 1].size
    cdef ptrdiff_t column = k % tasks.groups * tasks.together, first = k // tasks.groups * across + column, done = 0, c
    cdef real *scratch = <real *>(tasks.scratch + tasks.bytes * thread)
    cdef Row row
    cdef Columns all
    start_at(&row, job, first)
    all.x.fetch = to_fetch[real](job, first, min(column + tasks.together, across) + (first - column), NULL)
    all.x.start, all.second.start, all.out.start = <char *>row.x, <char *>row.second, row.out
    all.x.step = job.reduced[0].x_step // <ptrdiff_t>sizeof(real)
    all.second.step = job.reduced[0].second_step // <ptrdiff_t>sizeof(real)
    all.out.step = job.reduced[0].out_step // <ptrdiff_t>sizeof(real)
    if all.out.step != all.x.step:
        all.x.fetch.results = 0
    all.length, all.width, all.factor = job.length, min(tasks.together, across - column), job.factor
    if too_long(job, all.width, sizeof(real)):
        all.width = all.width // LANES * LANES
    if all.width and any_columns(&all, job.kind, scratch, False):
        done = all.width
    for c in range(done, min(tasks.together, across - column)):
        through_tile(job, first + c, 1, scratch)


cdef inline bint too_long(const Job *job, ptrdiff_t width, ptrdiff_t size) noexcept nogil:
    """Whether columns do not fit in a tile."""
    return not is_gradient(job.kind) and job.length * (ceil_div(width, LANES) + 1) * LANES * size > PACKED


cdef void chunk_of_row(const Tasks *tasks, ptrdiff_t k, real *type_tag) noexcept nogil:
    cdef const Factor *factor = &tasks.job.factor
    cdef int kind = tasks.job.kind
    cdef ptrdiff_t start = k * CHUNK, n = min(<ptrdiff_t>CHUNK, tasks.job.length - start)
    cdef real m = <real>tasks.m, high = <real>tasks.high, low = <real>tasks.low
    cdef real starts[START * COLUMNS]
    cdef bint scaled
    cdef Sums sums
    if tasks.what == CHUNK_EXTREMES:
        (<real *>tasks.extremes)[k] = extreme(<const real *>tasks.row.x + start, n, kind)
    elif tasks.what == CHUNK_SUMS and is_gradient(kind):
        tasks.sums[k] = gradient_sum(tasks.row, start, n, nothing(), kind, m)
    elif tasks.what == CHUNK_SUMS:
        zero(&sums, 1)
        scaled = start_all(&m, factor, starts, 1)
        sum_chunk(tasks.row, 1, start, n, &m, starts, factor, &sums, nothing(), kind_of_sum(kind, scaled))
        tasks.sums[k].ones, tasks.sums[k].high, tasks.sums[k].low = sums.ones[0], sums.high[0], sums.low[0]
    else:
        finish_chunk(tasks.row, 1, start, n, &high, &low, factor, kind)


cdef bint run_tiles(Tasks *tasks, int threads, real *type_tag) noexcept nogil:
    cdef const Job *job = tasks.job
    cdef ptrdiff_t column = (2 if is_gradient(job.kind) else 1) * job.length * <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t fitting = PACKED // column // LANES * LANES
    tasks.what = TILES
    fitting = min(min(fitting, <ptrdiff_t>TILE), ceil_div(ceil_div(job.rows, threads), LANES) * LANES)
    tasks.together = 1 if job.length > LONG else fitting
    tasks.bytes = aligned(column * tasks.together)
    return share_out_with_memory(
        task, tasks, &tasks.scratch, tasks.bytes, ceil_div(job.rows, tasks.together), threads
    )


cdef bint run_rows(Tasks *tasks, int threads, real *type_tag) noexcept nogil:
    cdef const Job *job = tasks.job
    cdef ptrdiff_t elements = GRADIENT_ELEMENTS if is_gradient(job.kind) else BATCH_ELEMENTS, k
    cdef Row row
    if job.rows < threads and job.length * <ptrdiff_t>sizeof(real) >= 8 * PER_THREAD:  # which are called three times
        for k in range(job.rows):
            start_at(&row, job, k)
            if not row_by_threads[real](tasks, &row, threads, NULL):
                return False
        return True
    tasks.what = ROWS
    tasks.together = max(<ptrdiff_t>1, min(<ptrdiff_t>BATCH, elements // job.length))
    fastact_share_out(task, tasks, ceil_div(job.rows, tasks.together), threads)
    return True


cdef bint row_by_threads(Tasks *tasks, Row *row, int threads, real *type_tag) noexcept nogil:
    """One long row; its chunks are shared out."""
    cdef int kind = tasks.job.kind
    cdef ptrdiff_t n = tasks.job.length, chunks = ceil_div(n, CHUNK), k
    cdef real m = 0.0, high, low
    cdef Sums total
    tasks.row = row
    tasks.sums = <Sum *>malloc(chunks * (sizeof(Sum) + sizeof(real)))
    tasks.extremes = tasks.sums + chunks
    if not tasks.sums:
        return False
    if not is_gradient(kind):
        tasks.what = CHUNK_EXTREMES
        fastact_share_out(task, tasks, chunks, threads)
        m = extreme(<const real *>tasks.extremes, chunks, kind)
    tasks.m = m
    if isinf(m):
        at_infinity(<const real *>row.x, <real *>row.out, n, m, kind)
    else:
        tasks.what = CHUNK_SUMS
        fastact_share_out(task, tasks, chunks, threads)
        zero(&total, 1)
        for k in range(chunks):
            add_to(&total, 0, tasks.sums[k].ones, tasks.sums[k].high, tasks.sums[k].low, m)
        normalisers(&total, &m, &high, &low, 1, kind, &tasks.job.factor)
        tasks.high, tasks.low = high, low
        tasks.what = CHUNK_RESULTS
        fastact_share_out(task, tasks, 1 if kind == LOGSUMEXP else chunks, threads)
    free(tasks.sums)
    return True


cdef bint run_columns(Tasks *tasks, int threads, real *type_tag) noexcept nogil:
    """The innermost kept dimension is contiguous; there is one reduced dimension."""
    cdef const Job *job = tasks.job
    cdef ptrdiff_t across = job.kept[job.n_kept - 1].size
    cdef ptrdiff_t column = (2 if is_gradient(job.kind) else 1) * job.length * <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t fitting = PACKED // column // LANES * LANES - LANES
    fitting = min(min(fitting, <ptrdiff_t>WIDEST), ceil_div(job.rows, threads))
    fitting = max(fitting, <ptrdiff_t>(COLUMNS * sizeof(float) // sizeof(real)))
    tasks.what = COLUMN_GROUPS
    tasks.groups = ceil_div(across, fitting)
    tasks.together = ceil_div(ceil_div(across, tasks.groups), LANES) * LANES
    tasks.groups = ceil_div(across, tasks.together)
    tasks.bytes = aligned(max(column, <ptrdiff_t>PACKED))  # what is left is packed column by column
    return share_out_with_memory(
        task, tasks, &tasks.scratch, tasks.bytes, job.rows // across * tasks.groups, threads
    )


cdef inline bint contiguous(const Job *job, const Dimension *one, ptrdiff_t size) noexcept nogil:
    return (
        one.x_step == size and (one.out_step == size or (one.out_step == 0 and job.kind == LOGSUMEXP))
        and (one.second_step == size or not is_gradient(job.kind))
    )


cdef bint run(const Job *job, real *type_tag) noexcept nogil:
    """Choose the path by layout and shape. False where there is no memory for it."""
    cdef fastact_flags flags = fastact_save_flags()
    cdef int threads = threads_for(job.rows * job.length * sizeof(real))
    cdef Tasks tasks
    cdef const Dimension *inner = &job.kept[max(0, job.n_kept - 1)]
    cdef const Dimension *along = &job.reduced[0]
    cdef ptrdiff_t size = sizeof(real)
    cdef bint plain = job.n_reduced == 1, done
    cdef ptrdiff_t short_length = SHORT if real is float else SHORT_DOUBLE
    if is_gradient(job.kind):
        short_length = SHORT_GRADIENT
    elif job.length % LANES == 0:
        short_length = LANES if real is float else 0
    tasks.job = job
    tasks.is_float = real is float
    if plain and contiguous(job, along, size) and (job.length > short_length or job.rows < NARROW):
        done = run_rows[real](&tasks, threads, NULL)
    elif (
        plain and job.n_kept and inner.size >= NARROW and contiguous(job, inner, size)
        and along.x_step % size == 0 and along.second_step % size == 0 and along.out_step % size == 0
    ):
        done = run_columns[real](&tasks, threads, NULL)
    else:
        done = run_tiles[real](&tasks, threads, NULL)
    fastact_restore_flags(flags)
    return done


KINDS = {
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
    if kind == SOFTMIN or kind == SOFTMIN_GRADIENT:
        factor.r, factor.r_low = -factor.r, -factor.r_low
    return factor


cdef inline void set_factor(Job *job, double temperature, bint is_float) noexcept:
    job.factor = factor_for(temperature, job.kind, is_float)


cdef inline bint has_one_result(int kind) noexcept:
    return kind == LOGSUMEXP


include "_calls.pxi"
include "_select.pxi"


def get_num_threads():
    return fastact_threads()


cnp.import_array()
fastact_start_threads(is_fork())
