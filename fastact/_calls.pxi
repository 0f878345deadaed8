# What Python calls, for the KINDS of the module that includes this: its `run` does them, `set_factor` takes in what they
# are divided by, and `has_one_result` tells which have but one for a row.

cdef extern from "_half.h" nogil:
    void fastact_widen(float *to, const char *source, ptrdiff_t step, ptrdiff_t n)
    void fastact_narrow(char *to, ptrdiff_t step, const float *source, ptrdiff_t n)

cdef enum:
    HALVES = 16384  # numbers that become float32 together
    FEWEST_COLUMNS = 64  # of a block that has more
    MOST_HALVES = 65536  # of these, or a row; more are not done here


def reduce(str name, cnp.ndarray x, tuple axes, cnp.ndarray out, cnp.ndarray second, double temperature=1.0):
    """A function or a gradient over `axes` (distinct, from 0) into `out`.

    `second` is None, or for the gradients, of which `x` is gy, it is y. All have the same shape, are aligned, all
    float32 or all float64 in native byte order, and `out` is the same memory as another or does not overlap it. Where
    there is one result for a row, `out` has size 1 along `axes`, and there is no temperature.
    """
    cdef Job job
    if cnp.PyArray_SIZE(x) == 0:
        return
    lay_out(&job, x, axes, out, second)
    job.kind = KINDS[name]
    run_as(&job, cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT, temperature)


cdef run_as(Job *job, bint is_float, double temperature):
    cdef bint done
    set_factor(job, temperature, is_float)
    if job.rows * job.length <= WITH_GIL:
        done = run[float](job, NULL) if is_float else run[double](job, NULL)
    else:
        with nogil:
            done = run[float](job, NULL) if is_float else run[double](job, NULL)
    if not done:
        raise MemoryError


def reduce_contiguous(str name, x, second, axis, out, temperature):
    """The result of what most calls are: contiguous arrays of one dtype, a single axis, no mask. None, and nothing done,
    where that is not so or something is wrong, or there is nothing to sum for logsumexp.

    `second` is None, or y of a gradient.
    """
    cdef Job job
    cdef cnp.ndarray gy, y, result
    cdef int number, dimensions, along, k
    cdef bint axis_is_kept
    cdef ptrdiff_t before = 1, length, within = 1
    cdef cnp.npy_intp shape[MAX_DIMENSIONS]
    kind = KINDS.get(name if second is None else name + "_gradient")
    if kind is None or type(axis) is not int or not isinstance(temperature, float) or not cnp.PyArray_CheckExact(x):
        return None
    gy = y = x
    number, dimensions = cnp.PyArray_TYPE(gy), cnp.PyArray_NDIM(gy)
    if (
        not (number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE or number == cnp.NPY_FLOAT16)
        or not cnp.PyArray_ISCARRAY_RO(gy) or not -dimensions <= axis < dimensions or not 0.0 < temperature < INFINITY
    ):
        return None
    if second is not None:
        if not cnp.PyArray_CheckExact(second):
            return None
        y = second
        if cnp.PyArray_TYPE(y) != number or not cnp.PyArray_ISCARRAY_RO(y) or not cnp.PyArray_SAMESHAPE(gy, y):
            return None
    along = axis if axis >= 0 else axis + dimensions
    for k in range(along):
        before *= cnp.PyArray_DIM(gy, k)
    length = cnp.PyArray_DIM(gy, along)
    for k in range(along + 1, dimensions):
        within *= cnp.PyArray_DIM(gy, k)
    if number == cnp.NPY_FLOAT16 and length * min(within, <ptrdiff_t>FEWEST_COLUMNS) > MOST_HALVES:
        return None
    axis_is_kept = not has_one_result(kind)
    if not axis_is_kept:
        if cnp.PyArray_SIZE(gy) == 0:
            return None
        dimensions -= 1
    for k in range(dimensions):
        shape[k] = cnp.PyArray_DIM(gy, k if axis_is_kept or k < along else k + 1)
    if out is None:
        result = cnp.PyArray_EMPTY(dimensions, shape, number, 0)
    else:
        if not cnp.PyArray_CheckExact(out):
            return None
        result = out
        if (
            cnp.PyArray_TYPE(result) != number or not cnp.PyArray_ISCARRAY(result)
            or cnp.PyArray_NDIM(result) != dimensions
            or not cnp.PyArray_CompareLists(cnp.PyArray_DIMS(result), shape, dimensions)
            or not same_or_apart(gy, result) or not same_or_apart(y, result)
        ):
            return None
    if cnp.PyArray_SIZE(gy) == 0:
        return result
    job.kind = kind
    job.x, job.second = <const char *>cnp.PyArray_DATA(gy), <const char *>cnp.PyArray_DATA(y)
    job.out = <char *>cnp.PyArray_DATA(result)
    if number == cnp.NPY_FLOAT16:
        run_halves(&job, before, length, within, axis_is_kept, temperature)
    else:
        lay_out_contiguous(&job, before, length, within, cnp.PyArray_ITEMSIZE(gy), axis_is_kept)
        run_as(&job, number == cnp.NPY_FLOAT, temperature)
    return result


# Blocks of rows of float16, which become float32 some at a time; or, if they are large, some columns of one.
ctypedef struct Halves:
    const Job *job
    ptrdiff_t blocks
    ptrdiff_t length
    ptrdiff_t within
    bint axis_is_kept
    ptrdiff_t together  # blocks
    ptrdiff_t columns   # of `within`
    char *memory        # of each thread
    ptrdiff_t bytes
    bint *failed        # whether there was none for a task


cdef run_halves(
    Job *job, ptrdiff_t blocks, ptrdiff_t length, ptrdiff_t within, bint axis_is_kept, double temperature
):
    cdef Halves halves
    cdef fastact_flags flags
    cdef bint done, failed = False
    cdef int threads = threads_for(blocks * length * within * sizeof(float))
    set_factor(job, temperature, True)
    halves.job, halves.blocks, halves.length, halves.within, halves.axis_is_kept = job, blocks, length, within, axis_is_kept
    halves.failed = &failed
    halves.together = max(<ptrdiff_t>1, min(HALVES // (length * within), ceil_div(blocks, threads)))
    halves.columns = within
    if length * within > HALVES:
        halves.columns = min(within, max(<ptrdiff_t>FEWEST_COLUMNS, HALVES // length // FEWEST_COLUMNS * FEWEST_COLUMNS))
    halves.bytes = aligned(
        halves.together * ((2 if is_gradient(job.kind) else 1) * length + 1) * halves.columns * sizeof(float)
    )
    with nogil:
        flags = fastact_save_flags()
        done = share_out_with_memory(
            some_halves, &halves, &halves.memory, halves.bytes,
            ceil_div(blocks, halves.together) * ceil_div(within, halves.columns), threads
        )
        fastact_restore_flags(flags)
    if failed or not done:
        raise MemoryError


cdef void some_halves(const void *given, ptrdiff_t k, int thread) noexcept nogil:
    cdef const Halves *halves = <const Halves *>given
    cdef Job job = halves.job[0]
    cdef ptrdiff_t parts = ceil_div(halves.within, halves.columns)
    cdef ptrdiff_t first = k // parts * halves.together, blocks = min(halves.together, halves.blocks - first)
    cdef ptrdiff_t column = k % parts * halves.columns, columns = min(halves.columns, halves.within - column)
    cdef ptrdiff_t rows = blocks * halves.length, step = halves.within * 2
    cdef ptrdiff_t start = first * halves.length * step + column * 2
    cdef float *x = <float *>(halves.memory + halves.bytes * thread)
    cdef float *second = x
    cdef float *out = x if halves.axis_is_kept else x + rows * columns
    widen_rows(x, job.x + start, step, rows, columns)
    if is_gradient(job.kind):
        second = x + rows * columns
        widen_rows(second, job.second + start, step, rows, columns)
    if not halves.axis_is_kept:
        rows, start = blocks, first * step + column * 2
    job.x, job.second, job.out = <char *>x, <char *>second, <char *>out
    lay_out_contiguous(&job, blocks, halves.length, columns, sizeof(float), halves.axis_is_kept)
    if run[float](&job, NULL):
        narrow_rows(halves.job.out + start, step, out, rows, columns)
    else:
        halves.failed[0] = True


cdef inline void widen_rows(
    float *to, const char *source, ptrdiff_t step, ptrdiff_t rows, ptrdiff_t columns
) noexcept nogil:
    """Bring rows that are so many bytes apart together."""
    cdef ptrdiff_t i
    if step == columns * 2:
        rows, columns = 1, rows * columns
    for i in range(rows):
        fastact_widen(to + i * columns, source + i * step, 2, columns)


cdef inline void narrow_rows(
    char *to, ptrdiff_t step, const float *source, ptrdiff_t rows, ptrdiff_t columns
) noexcept nogil:
    cdef ptrdiff_t i
    if step == columns * 2:
        rows, columns = 1, rows * columns
    for i in range(rows):
        fastact_narrow(to + i * step, 2, source + i * columns, columns)


cdef bint same_or_apart(cnp.ndarray a, cnp.ndarray b):
    """Whether two contiguous arrays are the same memory, or share none."""
    cdef char *start_a = <char *>cnp.PyArray_DATA(a)
    cdef char *start_b = <char *>cnp.PyArray_DATA(b)
    cdef ptrdiff_t size_a = cnp.PyArray_NBYTES(a), size_b = cnp.PyArray_NBYTES(b)
    return (
        (start_a == start_b and size_a == size_b) or start_a + size_a <= start_b or start_b + size_b <= start_a
    )
