# Calls that NumPy need not see: of arrays of one dtype, whatever their layout, and numbers. What a function here gives is
# NULL or None where NumPy has something to say.

cdef extern from "_half.h" nogil:
    uint16_t fastact_half_of_double(double)

cdef enum:
    LARGEST_HALF = 65504


def over_halves(ufunc, gradient, gy, x, axis, out):
    """Of a contiguous array whose halves along an axis are a and b: the ufunc of a and b; or, with `gradient`, the ufunc
    of gy and b, and after it `gradient` of gy, a and b. None, and nothing done, where anything is not plain."""
    cdef PyArrayObject *array = <PyArrayObject *>x
    cdef PyArrayObject *result
    cdef const Loop *loop
    cdef const Loop *second = NULL
    cdef npy_intp half[MAX_DIMENSIONS]
    cdef npy_intp *shape = half
    cdef ptrdiff_t rows = 1, length = 1
    cdef Layout layout, second_layout
    cdef Rows all, then
    cdef char *a
    cdef char *b
    cdef char *to
    cdef char *of_gy
    cdef int number, axes, along, k
    if fastact_dispatch_all or type(axis) is not int or not PyArray_CheckExact(<PyObject *>x):
        return None
    number, axes = PyArray_TYPE(array), PyArray_NDIM(array)
    if not is_plain(<PyObject *>x, number, axes, PyArray_DIMS(array)) or not -axes <= axis < axes:
        return None
    along = axis if axis >= 0 else axis + axes
    for k in range(axes):
        half[k] = PyArray_DIMS(array)[k] // 2 if k == along else PyArray_DIMS(array)[k]
        if k < along:
            rows *= half[k]
        else:
            length *= half[k]
    loop = compiled_loop(<PyUFuncObject *>ufunc, number)
    if loop == NULL or loop.half or length < 2 or PyArray_DIMS(array)[along] % 2:
        return None
    if gradient is not None:
        second = compiled_loop(<PyUFuncObject *>gradient, number)
        if second == NULL or not is_plain(<PyObject *>gy, number, axes, half):
            return None
        shape = PyArray_DIMS(array)
    if out is None:
        out = PyArray_SimpleNew(axes, shape, number)
    elif not is_plain_output(<PyObject *>out, number, axes, shape):
        return None
    result = <PyArrayObject *>out
    if overlap(result, array) or (gradient is not None and overlap(result, <PyArrayObject *>gy)):
        return None
    a, to = PyArray_BYTES(array), PyArray_BYTES(result)
    b = a + length * loop.size
    if gradient is None:
        lay_out(&all, &layout, loop, [a, b, to], [2, 2, 1], rows, length)
    else:
        of_gy = PyArray_BYTES(<PyArrayObject *>gy)
        lay_out(&all, &layout, loop, [of_gy, b, to], [1, 2, 2], rows, length)
        lay_out(&then, &second_layout, second, [of_gy, a, b, to + length * loop.size], [1, 2, 2, 2], rows, length)
        then.direct, all.then = True, &then
    run_with_or_without_gil(&all)
    return out


cdef void lay_out(
    Rows *all, Layout *layout, const Loop *loop, char **args, const int *apart, ptrdiff_t rows, ptrdiff_t length
) noexcept:
    """Contiguous rows that lie so many lengths apart."""
    cdef int k
    for k in range(loop.nin + 1):
        layout.args[k], layout.steps[k], layout.jumps[0][k] = args[k], loop.size, apart[k] * length * loop.size
    layout.sizes[0] = rows
    one_row(all, loop, layout.args, layout.steps, length)
    all.rows, all.axes, all.sizes, all.jumps = rows, 1, layout.sizes, layout.jumps


cdef void run_with_or_without_gil(Rows *all) noexcept:
    if all.rows * all.length > WITH_GIL:
        with nogil:
            run_all(all, False)
    else:
        run_all(all, False)


cdef inline const Loop *loop_for(PyObject *ufunc, PyObject *const *given, Py_ssize_t count, PyObject *names, PyObject **out):
    """The loop for a call with nothing but `out` besides the operands, which is NULL where it is not given; or NULL."""
    cdef PyUFuncObject *of = <PyUFuncObject *>ufunc
    cdef int nin = of.nargs - 1
    out[0] = NULL
    if names != NULL:
        if count != nin or PyTuple_GET_SIZE(names) != 1 or <object>PyTuple_GET_ITEM(names, 0) is not "out":
            return NULL
        out[0] = given[nin]
        if PyTuple_CheckExact(out[0]) and PyTuple_GET_SIZE(out[0]) == 1:
            out[0] = PyTuple_GET_ITEM(out[0], 0)
    elif count == nin + 1:
        out[0] = given[nin]
    elif count != nin:
        return NULL
    if out[0] != NULL and <object>out[0] is None:
        out[0] = NULL
    return compiled_loop(of, PyArray_TYPE(<PyArrayObject *>given[0])) if PyArray_CheckExact(given[0]) else NULL


cdef PyObject *plain_call(PyObject *ufunc, PyObject *const *given, Py_ssize_t count, PyObject *names) except? NULL:
    """The result of a call with contiguous arrays of one shape and dtype and parameters that are numbers: what NumPy would
    give, without the time that its other cases take. NULL where it is one of these."""
    cdef PyObject *out
    cdef const Loop *loop = loop_for(ufunc, given, count, names, &out)
    cdef PyArrayObject *array
    cdef double values[MAX_OPERANDS]
    cdef char *args[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef int nin, number, axes, k
    cdef Rows all
    if loop == NULL:
        return NULL
    array = <PyArrayObject *>given[0]
    nin, number, axes = loop.nin, loop.type_number, PyArray_NDIM(array)
    if axes == 0 or not is_float(number):
        return NULL
    for k in range(loop.arrays):
        if not is_plain(given[k], number, axes, PyArray_DIMS(array)):
            return NULL
        args[k], steps[k] = PyArray_BYTES(<PyArrayObject *>given[k]), loop.size
    for k in range(loop.arrays, nin):
        if not read_number(given[k], number, &values[k]):
            return NULL
        args[k], steps[k] = <char *>&values[k], 0
    if out == NULL:
        result = PyArray_SimpleNew(axes, PyArray_DIMS(array), number)
    else:
        if not is_plain_output(out, number, axes, PyArray_DIMS(array)):
            return NULL
        result = <object>out
    args[nin], steps[nin] = PyArray_BYTES(<PyArrayObject *>result), loop.size
    for k in range(loop.arrays):
        if args[k] != args[nin] and overlap(<PyArrayObject *>given[k], <PyArrayObject *>result):
            return NULL
    one_row(&all, loop, args, steps, PyArray_SIZE(array))
    run_with_or_without_gil(&all)
    Py_INCREF(result)
    return <PyObject *>result


cdef PyObject *call_over_rows(PyObject *ufunc, PyObject *const *given, Py_ssize_t count, PyObject *names) except? NULL:
    """The same of arrays of one dtype, in any layout, that broadcast, and numbers; on all threads, where NumPy
    would take one."""
    cdef PyObject *out
    cdef const Loop *loop = loop_for(ufunc, given, count, names, &out)
    cdef PyArrayObject *whole = NULL
    cdef PyArrayObject *array
    cdef npy_intp strides[MAX_OPERANDS][MAX_DIMENSIONS]
    cdef double values[MAX_OPERANDS]
    cdef Layout layout
    cdef Rows all
    cdef npy_intp shape[MAX_DIMENSIONS]
    cdef ptrdiff_t size = 1
    cdef int nin, number, axes = 0, k, axis
    if loop == NULL:
        return NULL
    nin, number = loop.nin, loop.type_number
    for k in range(nin):
        if PyArray_CheckExact(given[k]):
            array = <PyArrayObject *>given[k]
            if PyArray_TYPE(array) != number or not PyArray_ISBEHAVED_RO(array):
                return NULL
            axes = max(axes, PyArray_NDIM(array))
            layout.args[k] = PyArray_BYTES(array)
        elif k >= loop.arrays and is_float(number):
            if not read_number(given[k], number, &values[k]):
                return NULL
            layout.args[k] = <char *>&values[k]
        else:
            return NULL
    for axis in range(axes):
        shape[axis] = 1
    for k in range(nin):
        if PyArray_CheckExact(given[k]):
            widen(<PyArrayObject *>given[k], axes, shape)
    for axis in range(axes):
        size *= shape[axis]
    if size <= 1:
        return NULL
    for k in range(nin):
        if not PyArray_CheckExact(given[k]):
            for axis in range(axes):
                strides[k][axis] = 0
        elif not broadcast(<PyArrayObject *>given[k], axes, shape, strides[k]):
            return NULL
        elif is_array(given[k], number, axes, shape):
            whole = <PyArrayObject *>given[k]
    if out != NULL:
        if not is_array(out, number, axes, shape) or not is_writeable(<PyArrayObject *>out):
            return NULL
        result = <object>out
    else:
        result = new_output(whole, nin, number, axes, shape, strides)
        if result is None:
            return NULL
    array = <PyArrayObject *>result
    layout.args[nin] = PyArray_BYTES(array)
    broadcast(array, axes, shape, strides[nin])
    if not lay_out_rows(&all, &layout, loop, axes, shape, strides):
        return NULL
    in_tiles(&all, &layout)
    run_with_or_without_gil(&all)
    Py_INCREF(result)
    return <PyObject *>result


cdef inline void widen(PyArrayObject *array, int axes, npy_intp *shape):
    """A shape of so many axes, so that an array broadcasts to it, unless the two do not fit."""
    cdef int missing = axes - PyArray_NDIM(array), axis
    for axis in range(missing, axes):
        if shape[axis] == 1:
            shape[axis] = PyArray_DIMS(array)[axis - missing]


cdef bint broadcast(PyArrayObject *array, int axes, const npy_intp *shape, npy_intp *strides):
    """Whether it fits into a shape, and the strides with which it does: 0 along what it lacks or has once."""
    cdef int missing = axes - PyArray_NDIM(array), axis
    cdef npy_intp size
    if missing < 0:
        return False
    for axis in range(axes):
        size = PyArray_DIMS(array)[axis - missing] if axis >= missing else 1
        if size != shape[axis] and size != 1:
            return False
        strides[axis] = PyArray_STRIDES(array)[axis - missing] if size != 1 else 0
    return True


cdef bint rises(int nin, const npy_intp (*strides)[MAX_DIMENSIONS], int first, int second):
    """Whether the steps along one axis are shorter than along another one, in all operands that have both."""
    cdef bint shorter = False
    cdef int k
    for k in range(nin):
        if strides[k][first] != 0 and strides[k][second] != 0:
            if llabs(strides[k][first]) >= llabs(strides[k][second]):
                return False
            shorter = True
    return shorter


cdef object new_output(
    PyArrayObject *whole, int nin, int number, int axes, npy_intp *shape, const npy_intp (*strides)[MAX_DIMENSIONS]
):
    """An array of a shape, which `whole` has if it is not NULL, in the order of the inputs, as NumPy makes it; or None.
    Where they differ, it is C's."""
    cdef const npy_intp *given
    cdef int first, second, k
    cdef bint in_order = True
    for second in range(1, axes):
        for first in range(second):
            in_order = in_order and not rises(nin, strides, first, second)
    if in_order:
        return PyArray_SimpleNew(axes, shape, number)
    if whole == NULL:
        return None
    given = PyArray_STRIDES(whole)
    for second in range(1, axes):
        for first in range(second):
            if shape[first] > 1 and shape[second] > 1:
                for k in range(nin):
                    if given[first] == 0 or given[second] == 0 or (
                        strides[k][first] != 0 and strides[k][second] != 0
                        and (llabs(strides[k][first]) >= llabs(strides[k][second]))
                        != (llabs(given[first]) >= llabs(given[second]))
                    ):
                        return None
    return PyArray_NewLikeArray(whole, NPY_KEEPORDER, NULL, 0)


cdef bint lay_out_rows(
    Rows *all, Layout *layout, const Loop *loop, int axes, const npy_intp *shape,
    const npy_intp (*strides)[MAX_DIMENSIONS],
):
    """Rows along the shortest step of the output. False where the output overlaps with an input or itself."""
    cdef int nin = loop.nin, kept = 0, axis, place, k
    cdef int order[MAX_DIMENSIONS]
    cdef npy_intp sizes[MAX_AXES]
    cdef npy_intp jumps[MAX_AXES][MAX_OPERANDS]
    cdef const npy_intp *to = strides[nin]
    cdef ptrdiff_t extent = loop.size
    cdef bint in_one
    for axis in range(axes):
        if shape[axis] == 1:
            continue
        place = kept
        while place and llabs(to[order[place - 1]]) < llabs(to[axis]):
            order[place] = order[place - 1]
            place -= 1
        order[place] = axis
        kept += 1
    for place in range(kept - 1, -1, -1):
        axis = order[place]
        if llabs(to[axis]) < extent:
            return False
        extent += (shape[axis] - 1) * llabs(to[axis])
    axes, kept = kept, 0
    for place in range(axes):
        axis = order[place]
        in_one = kept > 0
        for k in range(nin + 1):
            in_one = in_one and jumps[kept - 1][k] == shape[axis] * strides[k][axis]
        if in_one:
            kept -= 1
            sizes[kept] *= shape[axis]
        elif kept == MAX_AXES:
            return False
        else:
            sizes[kept] = shape[axis]
        for k in range(nin + 1):
            jumps[kept][k] = strides[k][axis]
        kept += 1
    for k in range(nin):
        if overlaps_otherwise(loop, layout.args, k, kept, sizes, jumps):
            return False
    kept -= 1
    one_row(all, loop, layout.args, layout.steps, sizes[kept])
    for k in range(nin + 1):
        layout.steps[k] = jumps[kept][k]
    for axis in range(kept):
        layout.sizes[axis], layout.jumps[axis] = sizes[axis], jumps[axis]
        all.rows *= sizes[axis]
    all.axes, all.sizes, all.jumps = kept, layout.sizes, layout.jumps
    return True


cdef void in_tiles(Rows *all, Layout *layout) noexcept:
    """Where neighbours of an input are in different rows, these come after one another."""
    cdef int nin = all.loop.nin, axis, other, k
    cdef npy_intp rows
    cdef npy_intp jumps[MAX_OPERANDS]
    for axis in range(all.axes):
        for k in range(nin):
            if llabs(layout.steps[k]) > all.loop.size and layout.jumps[axis][k] == all.loop.size:
                rows, jumps = layout.sizes[axis], layout.jumps[axis]
                for other in range(axis, all.axes - 1):
                    layout.sizes[other], layout.jumps[other] = layout.sizes[other + 1], layout.jumps[other + 1]
                layout.sizes[all.axes - 1], layout.jumps[all.axes - 1] = rows, jumps
                all.tiled = all.length * all.loop.size > CACHE_LINE
                return


cdef bint overlaps_otherwise(
    const Loop *loop, char **args, int k, int axes, const npy_intp *sizes, const npy_intp (*jumps)[MAX_OPERANDS]
):
    """Whether an input shares memory with the output, but not element by element."""
    cdef int nin = loop.nin, side, operand, axis
    cdef bint same = args[k] == args[nin]
    cdef char *low[2]
    cdef char *high[2]
    cdef ptrdiff_t span
    for side in range(2):
        operand = nin if side else k
        low[side], high[side] = args[operand], args[operand] + loop.size
        for axis in range(axes):
            span = (sizes[axis] - 1) * jumps[axis][operand]
            if span < 0: low[side] += span
            else: high[side] += span
            same = same and jumps[axis][k] == jumps[axis][nin]
    return not same and low[0] < high[1] and low[1] < high[0]


cdef inline bint is_array(PyObject *operand, int number, int axes, const npy_intp *shape):
    """Whether it is an array of that dtype and shape."""
    cdef PyArrayObject *array = <PyArrayObject *>operand
    return (
        PyArray_CheckExact(operand)
        and PyArray_TYPE(array) == number
        and PyArray_NDIM(array) == axes
        and PyArray_CompareLists(PyArray_DIMS(array), shape, axes)
        and PyArray_ISBEHAVED_RO(array)
    )


cdef inline bint is_writeable(PyArrayObject *array):
    return PyArray_ISBEHAVED(array) and PyArray_FLAGS(array) >= 0  # else NumPy has something to say about writing there


cdef inline bint is_plain(PyObject *operand, int number, int axes, const npy_intp *shape):
    """Whether it is a contiguous array of that dtype and shape."""
    return is_array(operand, number, axes, shape) and PyArray_IS_C_CONTIGUOUS(<PyArrayObject *>operand)


cdef inline bint is_plain_output(PyObject *operand, int number, int axes, const npy_intp *shape):
    return is_plain(operand, number, axes, shape) and is_writeable(<PyArrayObject *>operand)


cdef inline bint overlap(PyArrayObject *a, PyArrayObject *b):
    """Whether two contiguous arrays share memory."""
    cdef char *start_a = PyArray_BYTES(a)
    cdef char *start_b = PyArray_BYTES(b)
    return start_a < start_b + PyArray_NBYTES(b) and start_b < start_a + PyArray_NBYTES(a)


cdef inline bint is_float(int number):
    return number == NPY_FLOAT or number == NPY_DOUBLE or number == NPY_HALF


cdef inline bint read_number(PyObject *given, int number, double *value):
    """A float or int of Python's in an array's dtype, if it is not too large for it."""
    cdef double read
    cdef int overflow = 0
    if PyFloat_CheckExact(given):
        read = PyFloat_AS_DOUBLE(given)
    elif PyLong_CheckExact(given):
        read = PyLong_AsLongAndOverflow(given, &overflow)
        if overflow:
            return False
    else:
        return False
    if number == NPY_DOUBLE:
        value[0] = read
    elif fabs(read) > (FLT_MAX if number == NPY_FLOAT else LARGEST_HALF) and fabs(read) < INFINITY:
        return False
    elif number == NPY_HALF:
        (<uint16_t *>value)[0] = fastact_half_of_double(read)
    else:
        (<float *>value)[0] = <float>read
    return True


def convert(source, target):
    """Copy float16 to float32, or the reverse, if they are arrays of one shape, and that of float32 is contiguous; and
    whether they are."""
    cdef PyArrayObject *given = <PyArrayObject *>source
    cdef PyArrayObject *to = <PyArrayObject *>target
    cdef int axes = PyArray_NDIM(given), along, k
    cdef npy_intp *shape = PyArray_DIMS(given)
    cdef bint widens = PyArray_TYPE(given) == NPY_HALF
    cdef PyArrayObject *halves = given if widens else to
    cdef const npy_intp *steps = PyArray_STRIDES(halves)
    cdef char *half = PyArray_BYTES(halves)
    cdef char *one = PyArray_BYTES(to if widens else given)
    cdef npy_intp at[MAX_DIMENSIONS]
    cdef ptrdiff_t n = 1, step = 2
    cdef fastact_flags flags
    if not (
        is_array(<PyObject *>source, NPY_HALF if widens else NPY_FLOAT, axes, shape)
        and is_array(<PyObject *>target, NPY_FLOAT if widens else NPY_HALF, axes, shape)
        and PyArray_IS_C_CONTIGUOUS(to if widens else given) and is_writeable(to)
    ):
        return False
    if PyArray_SIZE(given) == 0:
        return True
    along = axes
    while along and (n == 1 or steps[along - 1] == n * step):  # what is done in one: all axes, where they lie so
        along -= 1
        step = steps[along] if n == 1 else step
        n *= shape[along]
    for k in range(along):
        at[k] = 0
    with nogil:
        flags = fastact_save_flags()
        while True:
            if widens:
                fastact_widen(<float *>one, half, step, n)
            else:
                fastact_narrow(half, step, <const float *>one, n)
            one += n * <ptrdiff_t>sizeof(float)
            k = along - 1
            while k >= 0:
                at[k] += 1
                half += steps[k]
                if at[k] < shape[k]:
                    break
                half -= shape[k] * steps[k]
                at[k] = 0
                k -= 1
            if k < 0:
                break
        fastact_restore_flags(flags)
    return True
