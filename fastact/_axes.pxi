# What the kernels over axes share: numbers, threads, and where the rows lie, whatever the layout of the arrays.

ctypedef fused real:
    float
    double

from libc.stdlib cimport free, llabs, malloc

include "_runtime.pxi"

cdef extern from "_transpose.h" nogil:
    void fastact_pack_float(float **rows, float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_unpack_float(float **rows, const float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_pack_double(double **rows, double *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_unpack_double(double **rows, const double *tile, ptrdiff_t width, ptrdiff_t n)

cdef enum:
    MAX_DIMENSIONS = 64
    PER_THREAD = 32768  # bytes of rows that are worth waking a thread: 3 to 6 us, and more if rows are short

ctypedef struct Dimension:
    ptrdiff_t size
    ptrdiff_t x_step  # all steps in bytes
    ptrdiff_t second_step
    ptrdiff_t out_step

# 1 / temperature as a pair, negative for softmin and its gradient; only they look at it.
ctypedef struct Factor:
    double r
    double r_low

ctypedef struct Job:
    const char *x       # for a gradient, gy
    const char *second  # for a gradient, y; of `select` the mask
    char *out
    Factor factor
    int kind
    int n_kept
    int n_reduced
    Dimension kept[MAX_DIMENSIONS]
    Dimension reduced[MAX_DIMENSIONS]
    ptrdiff_t rows    # the product of the kept sizes
    ptrdiff_t length  # and of the reduced ones

ctypedef struct Place:
    ptrdiff_t x
    ptrdiff_t second
    ptrdiff_t out


cdef inline Place place(const Dimension *dimensions, int count, ptrdiff_t index) noexcept nogil:
    """Where the element number `index` of a group of dimensions is."""
    cdef Place p
    cdef ptrdiff_t k
    p.x = p.second = p.out = 0
    while count:
        count -= 1
        k = index
        if count:  # divisions are slow
            index = k // dimensions[count].size
            k -= index * dimensions[count].size
        p.x += k * dimensions[count].x_step
        p.second += k * dimensions[count].second_step
        p.out += k * dimensions[count].out_step
    return p


# Which of a job's arrays.
cdef enum:
    OF_X, OF_SECOND, OF_OUT


cdef inline ptrdiff_t step_of(const Dimension *one, int which) noexcept nogil:
    return one.x_step if which == OF_X else one.second_step if which == OF_SECOND else one.out_step


cdef inline void pack_rows(real **rows, real *tile, ptrdiff_t width, ptrdiff_t n) noexcept nogil:
    if real is float: fastact_pack_float(rows, tile, width, n)
    else: fastact_pack_double(rows, tile, width, n)


cdef inline void unpack_rows(real **rows, const real *tile, ptrdiff_t width, ptrdiff_t n) noexcept nogil:
    if real is float: fastact_unpack_float(rows, tile, width, n)
    else: fastact_unpack_double(rows, tile, width, n)


cdef inline void bring_run(
    real *packed, ptrdiff_t apart, char *memory, ptrdiff_t step, ptrdiff_t n, bint back
) noexcept nogil:
    """As `copy_strided` of _run.pxi, which is not inlined: for the 16 elements of a line that took up to twice as long."""
    cdef ptrdiff_t i
    if apart == 1 and step == sizeof(real):
        if back:
            memcpy(memory, packed, n * sizeof(real))
        else:
            memcpy(packed, memory, n * sizeof(real))
    elif back:
        for i in range(n):
            (<real *>(memory + i * step))[0] = packed[i * apart]
    elif apart == 1 and step == 2 * sizeof(real):  # in vectors
        for i in range(n):
            packed[i] = (<real *>memory)[2 * i]
    elif apart == 1 and step == -<ptrdiff_t>sizeof(real):
        for i in range(n):
            packed[i] = (<real *>memory)[-i]
    else:
        for i in range(n):
            packed[i * apart] = (<real *>(memory + i * step))[0]


cdef void bring_row(
    const Job *job, int which, char *memory, real *packed, ptrdiff_t apart, bint back
) noexcept nogil:
    """A row of an array, which begins at `memory`, to where its elements are so many places apart; or back."""
    cdef const Dimension *dimensions = job.reduced
    cdef int outer = max(0, job.n_reduced - 2), last = job.n_reduced - 1
    cdef ptrdiff_t n = dimensions[last].size, step = step_of(&dimensions[last], which), size = sizeof(real)
    cdef ptrdiff_t rows = 1 if last == 0 else dimensions[last - 1].size, i, j, k, first
    cdef ptrdiff_t jump = 0 if last == 0 else step_of(&dimensions[last - 1], which)
    cdef char *start
    cdef Place p
    for k in range(job.length // (n * rows)):
        p = place(dimensions, outer, k)
        start = memory + (p.x if which == OF_X else p.second if which == OF_SECOND else p.out)
        if llabs(jump) < llabs(step) and rows > 1:  # transposed: a cache line of each neighbour at a time
            first = 0
            while first < rows:
                for j in range(n):
                    bring_run(
                        packed + (first * n + j) * apart, n * apart, start + first * jump + j * step, jump,
                        min(rows - first, 64 // size), back,
                    )
                first += 64 // size
        else:
            for i in range(rows):
                bring_run(packed + i * n * apart, apart, start + i * jump, step, n, back)
        packed += rows * n * apart


cdef int append(Dimension *dimensions, int count, Dimension one) noexcept nogil:
    """Add a dimension within the ones before it, merged with the last if they are one in memory."""
    cdef Dimension *last
    if one.size == 1:
        return count
    if count:
        last = &dimensions[count - 1]
        if (
            last.x_step == one.x_step * one.size and last.second_step == one.second_step * one.size
            and last.out_step == one.out_step * one.size
        ):
            one.size *= last.size
            last[0] = one
            return count
    dimensions[count] = one
    return count + 1


cdef void lay_out(Job *job, cnp.ndarray x, tuple axes, cnp.ndarray out, cnp.ndarray second):
    """Everything but `factor` and `kind`; x is not empty, and `out` may have size 1 along `axes`."""
    cdef Dimension one
    cdef list kept = [k for k in range(cnp.PyArray_NDIM(x)) if k not in axes]
    job.x = job.second = <const char *>cnp.PyArray_DATA(x)
    job.out = <char *>cnp.PyArray_DATA(out)
    if second is not None:
        job.second = <const char *>cnp.PyArray_DATA(second)
    # the order of the kept dimensions is free: as in memory; that of the reduced ones is the sum's
    if len(kept) > 1:
        kept.sort(key=lambda k: -abs(x.strides[k]))
    job.n_kept = job.n_reduced = 0
    job.rows = job.length = 1
    for k in kept + sorted(axes):
        one.size = cnp.PyArray_DIM(x, k)
        one.x_step = cnp.PyArray_STRIDE(x, k)
        one.second_step = one.x_step if second is None else cnp.PyArray_STRIDE(second, k)
        one.out_step = 0 if cnp.PyArray_DIM(out, k) != one.size else cnp.PyArray_STRIDE(out, k)
        if k in axes:
            job.length *= one.size
            job.n_reduced = append(job.reduced, job.n_reduced, one)
        else:
            job.rows *= one.size
            job.n_kept = append(job.kept, job.n_kept, one)
    rows_of_one_element(job, cnp.PyArray_ITEMSIZE(x))


cdef void lay_out_contiguous(
    Job *job, ptrdiff_t before, ptrdiff_t length, ptrdiff_t within, ptrdiff_t size, bint axis_is_kept
) noexcept nogil:
    """The same but for addresses, of contiguous arrays and one axis, which `out` may be without."""
    cdef Dimension one
    job.rows = before * within
    job.length = length
    one.size = before
    one.x_step = one.second_step = length * within * size
    one.out_step = one.x_step if axis_is_kept else within * size
    job.n_kept = append(job.kept, 0, one)
    one.size = within
    one.x_step = one.second_step = one.out_step = size
    job.n_kept = append(job.kept, job.n_kept, one)
    one.size = length
    one.x_step = one.second_step = within * size
    one.out_step = one.x_step if axis_is_kept else 0
    job.n_reduced = append(job.reduced, 0, one)
    rows_of_one_element(job, size)


cdef void rows_of_one_element(Job *job, ptrdiff_t size) noexcept nogil:
    """Where all reduced dimensions had size 1, one of them."""
    cdef Dimension one
    if job.n_reduced == 0:
        one.size = 1
        one.x_step = one.second_step = one.out_step = size
        job.reduced[0] = one
        job.n_reduced = 1


cdef inline ptrdiff_t aligned(ptrdiff_t bytes) noexcept nogil:
    """Whole cache lines: vectors that lie in two of them are slow."""
    return ceil_div(bytes, 64) * 64


cdef inline int threads_for(ptrdiff_t bytes) noexcept nogil:
    """One for each PER_THREAD bytes, as far as there are."""
    if bytes < 2 * PER_THREAD:  # not to be asked about: calls are counted there
        return 1
    return <int>min(<ptrdiff_t>fastact_threads_now(), bytes // PER_THREAD)


cdef bint share_out_with_memory(
    fastact_task task, const void *job, char **memory, ptrdiff_t bytes, ptrdiff_t count, int threads
) noexcept nogil:
    """Share out tasks to threads that have so many bytes each, from memory[0] on, which is a part of the job. False, and
    nothing done, where there is no memory."""
    cdef char *start = <char *>malloc(bytes * min(<ptrdiff_t>threads, count) + 63)
    if not start:
        return False
    memory[0] = start + (-<ptrdiff_t>start & 63)
    fastact_share_out(task, job, count, threads)
    free(start)
    return True
