# What Python calls, for the KINDS of the module that includes this: `run_as` does them, and `has_one_result` tells which
# have but one for a row.

cdef extern from "_half.h" nogil:
    void fastact_widen(float *to, const char *source, ptrdiff_t step, ptrdiff_t n)
    void fastact_narrow(char *to, ptrdiff_t step, const float *source, ptrdiff_t n)

cdef enum:
    MOST_HALVES = 65536  # of which float32 copies take little memory


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
    run_as(&job, cnp.PyArray_TYPE(x), temperature)


def reduce_contiguous(str name, x, second, axis, out, temperature):
    """The result of what most calls are: contiguous arrays of one dtype, a single axis, no mask. None, and nothing done,
    where that is not so or something is wrong, or there is nothing to sum for logsumexp.

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
    if number == cnp.NPY_FLOAT16:
        return reduce_halves(name, gy, second, axis, out, temperature)
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
    if has_one_result(kind):
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
    lay_out_contiguous(&job, gy, y, result, along, not has_one_result(kind))
    run_as(&job, number, temperature)
    return result


cdef reduce_halves(str name, cnp.ndarray x, second, axis, out, temperature):
    """The same of float16, by way of float32, where that takes little memory."""
    cdef cnp.ndarray wide, result
    cdef fastact_flags flags
    if cnp.PyArray_SIZE(x) > MOST_HALVES or not is_half_like(x, x) or not (second is None or is_half_like(second, x)):
        return None
    if out is not None and not (is_half_like(out, x) and cnp.PyArray_ISCARRAY(out)):
        return None
    wide = reduce_contiguous(name, widened(x), None if second is None else widened(second), axis, None, temperature)
    if wide is None:
        return None
    result = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(wide), cnp.PyArray_DIMS(wide), cnp.NPY_FLOAT16, 0) if out is None else out
    flags = fastact_save_flags()
    fastact_narrow(<char *>cnp.PyArray_DATA(result), 2, <float *>cnp.PyArray_DATA(wide), cnp.PyArray_SIZE(wide))
    fastact_restore_flags(flags)
    return result


cdef bint is_half_like(x, cnp.ndarray like):
    """Whether it is a contiguous array of float16 and of that shape."""
    return (
        cnp.PyArray_CheckExact(x) and cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT16 and cnp.PyArray_ISCARRAY_RO(x)
        and cnp.PyArray_SAMESHAPE(x, like)
    )


cdef cnp.ndarray widened(cnp.ndarray x):
    cdef cnp.ndarray wide = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.NPY_FLOAT, 0)
    fastact_widen(<float *>cnp.PyArray_DATA(wide), <char *>cnp.PyArray_DATA(x), 2, cnp.PyArray_SIZE(x))
    return wide


cdef bint same_or_apart(cnp.ndarray a, cnp.ndarray b):
    """Whether two contiguous arrays of one size are the same memory, or share none."""
    cdef char *start_a = <char *>cnp.PyArray_DATA(a)
    cdef char *start_b = <char *>cnp.PyArray_DATA(b)
    cdef ptrdiff_t size = cnp.PyArray_NBYTES(a)
    return start_a == start_b or start_a + size <= start_b or start_b + size <= start_a
