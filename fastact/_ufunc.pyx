"""The driver that makes NumPy ufuncs of the compiled loops.

A compiled loop is fast only over contiguous operands that do not overlap. This module brings everything
else into that form, in blocks that fit the first-level cache, and splits large calls over threads. NumPy hands
over what lies in one; arrays that do not, of one dtype, are taken before it sees them.
"""

cimport cython
from libc.float cimport FLT_MAX
from cpython.ref cimport PyObject, Py_INCREF
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport INFINITY, fabs
from libc.stdlib cimport calloc, llabs
from libc.string cimport memcpy

import numpy

cdef extern from "numpy/arrayobject.h":
    ctypedef ptrdiff_t npy_intp
    int NPY_BYTE, NPY_UBYTE, NPY_SHORT, NPY_USHORT, NPY_INT, NPY_UINT, NPY_LONG, NPY_ULONG
    int NPY_LONGLONG, NPY_ULONGLONG, NPY_HALF, NPY_FLOAT, NPY_DOUBLE, NPY_ARRAY_WRITEABLE
    int _import_array() except -1
    ctypedef struct PyTypeObject:
        pass
    ctypedef struct PyArrayObject:
        pass
    ctypedef struct PyArray_Descr:
        pass
    PyTypeObject PyArray_Type
    int PyArray_TYPE(PyArrayObject *)
    int PyArray_NDIM(PyArrayObject *)
    int PyArray_FLAGS(PyArrayObject *)
    bint PyArray_CheckExact(PyObject *)
    bint PyArray_CompareLists(const npy_intp *, const npy_intp *, int)
    bint PyArray_IS_C_CONTIGUOUS(PyArrayObject *)
    bint PyArray_ISBEHAVED(PyArrayObject *)
    bint PyArray_ISBEHAVED_RO(PyArrayObject *)
    char *PyArray_BYTES(PyArrayObject *)
    npy_intp PyArray_SIZE(PyArrayObject *)
    npy_intp PyArray_NBYTES(PyArrayObject *)
    npy_intp *PyArray_DIMS(PyArrayObject *)
    npy_intp *PyArray_STRIDES(PyArrayObject *)
    object PyArray_SimpleNew(int, const npy_intp *, int)
    object PyArray_NewLikeArray(PyArrayObject *, int, PyArray_Descr *, int)
    int NPY_KEEPORDER
    object PyArray_New(PyTypeObject *, int, npy_intp *, int, npy_intp *, void *, int, int, PyObject *)

cdef extern from "Python.h":
    bint PyFloat_CheckExact(PyObject *)
    double PyFloat_AS_DOUBLE(PyObject *)
    bint PyLong_CheckExact(PyObject *)
    long PyLong_AsLongAndOverflow(PyObject *, int *)
    bint PyTuple_CheckExact(PyObject *)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)

cdef extern from "numpy/ufuncobject.h":
    ctypedef void (*PyUFuncGenericFunction)(char **, const npy_intp *, const npy_intp *, void *) noexcept nogil
    ctypedef struct PyUFuncObject:
        int nargs
        int ntypes
        const char *types
        void **data
    int PyUFunc_None
    int _import_umath() except -1
    object PyUFunc_FromFuncAndData(
        PyUFuncGenericFunction *, void **, char *, int, int, int, int, const char *, const char *, int
    )

cdef extern from "fenv.h" nogil:
    int FE_ALL_EXCEPT
    int feclearexcept(int)

include "_runtime.pxi"

cdef extern from "_half.h" nogil:
    uint16_t fastact_half_of_double(double)
    void fastact_widen(float *to, const char *source, ptrdiff_t step, ptrdiff_t n)
    void fastact_narrow(char *to, ptrdiff_t step, const float *source, ptrdiff_t n)

cdef extern from "_transpose.h" nogil:
    void fastact_pack_float(float **rows, float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_pack_double(double **rows, double *tile, ptrdiff_t width, ptrdiff_t n)

cdef extern from "_dispatch.h":
    PyObject *(*fastact_plain_call)(PyObject *, PyObject **, Py_ssize_t, PyObject *) except? NULL
    PyObject *(*fastact_call_over_rows)(PyObject *, PyObject **, Py_ssize_t, PyObject *) except? NULL
    void fastact_install(object, bint)
    void fastact_set_dispatcher(object, int)
    int fastact_dispatch_all

cdef extern from "fastact_loops.h":
    ctypedef void fastact_loop(char **, const npy_intp *, const npy_intp *, void *) noexcept nogil
    ctypedef struct fastact_elements:
        int cycle
        int stride
        int per_thread
    ctypedef struct fastact_loop_row:
        const char *ufunc
        char type
        int arrays
        int nin
        fastact_loop *loop
        fastact_loop *scalar
        const fastact_elements *elements
    const fastact_loop_row fastact_loops[]

cdef enum:
    MAX_OPERANDS = 8
    MAX_DIMENSIONS = 64  # NumPy 2's
    MAX_AXES = 8  # that do not lie in one
    BLOCK_BYTES = 4608  # of each operand; five of them leave room in a first-level cache of 32 KB, and whole cycles fill one
    BLOCK_WORDS = 576  # BLOCK_BYTES / 8
    OVERLAPPED_BYTES = 768  # the same of what comes from memory: the processor reads the next one while one is computed
    BEYOND_BYTES = 1 << 24  # of all operands that do so
    COPIED_PER_THREAD = 4096  # elements that are worth waking a thread for the copies alone
    TOGETHER = 8192  # elements that one loop is done with before another follows: in the second cache
    PIECE_BYTES = 4608  # of a row; while it is worked on, that of the next row is fetched
    FAR_BYTES = 1 << 22  # of an operand that is worth fetching: it is not in the caches
    FAR_ROW = 18432  # bytes of a row, where the processor does not foresee that it ends
    WITH_GIL = 500  # elements up to which other threads wait, as for NumPy's own ufuncs
    LARGEST_HALF = 65504
    EXACT = 1 << 24  # whole numbers up to it are, in every dtype
    SHORT_BYTES = 512  # of rows that are worked on together
    SHORT_IF_COPIED = 2048  # of those that are copied anyway
    TILE_ROWS = 64  # that are worked on together, a cache line of each
    LONG_BYTES = 16384  # of outputs that are worth beginning at a cache line
    CACHE_LINE = 64

# What an inner loop is told by NumPy's `data` pointer.
ctypedef struct Loop:
    fastact_loop *run
    fastact_loop *run_scalar  # where each parameter is one value for all elements; or NULL
    PyObject *callback
    int type_number
    int arrays  # inputs before the parameters
    int nin
    int size  # bytes an element in the user's arrays
    int cycle  # elements that a cycle of the loop works on
    int stride  # that are done together of what is left; the rest of these, one by one
    int per_thread  # elements that are worth waking a thread
    bint half  # float16 there, float32 in the compiled loop

# Rows of one length, which lie `jumps` bytes apart in some dimensions; the last one varies fastest. Perhaps the same rows
# of another loop follow piece by piece, which so finds in the caches what this one has read.
cdef struct Rows:
    const Loop *loop
    char **args
    const npy_intp *steps
    ptrdiff_t length
    ptrdiff_t rows
    int axes
    const npy_intp *sizes
    const npy_intp (*jumps)[MAX_OPERANDS]
    bint direct  # whether the loop takes a row as it is
    bint tiled  # whether rows are worked on together though they are long
    ptrdiff_t block  # bytes of an operand that are copied at a time, where the loop does not take it as it is
    ptrdiff_t share  # elements for each thread
    const Rows *then

# Where the operands of Rows are, and what these point to.
cdef struct Layout:
    char *args[MAX_OPERANDS]
    npy_intp steps[MAX_OPERANDS]
    npy_intp sizes[MAX_AXES]
    npy_intp jumps[MAX_AXES][MAX_OPERANDS]

# One of these rows.
cdef struct Place:
    char *args[MAX_OPERANDS]
    npy_intp index[MAX_AXES]


cdef int type_number(char type) except -1:
    if type == b"b": return NPY_BYTE
    if type == b"B": return NPY_UBYTE
    if type == b"h": return NPY_SHORT
    if type == b"H": return NPY_USHORT
    if type == b"i": return NPY_INT
    if type == b"I": return NPY_UINT
    if type == b"l": return NPY_LONG
    if type == b"L": return NPY_ULONG
    if type == b"q": return NPY_LONGLONG
    if type == b"Q": return NPY_ULONGLONG
    if type == b"e": return NPY_HALF
    if type == b"f": return NPY_FLOAT
    if type == b"d": return NPY_DOUBLE
    raise ValueError(f"no such type character: {chr(type)!r}")


ctypedef fused element:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef inline void copy_elements(
    element *target, ptrdiff_t target_step, const element *source, ptrdiff_t source_step, ptrdiff_t n
) noexcept nogil:
    cdef ptrdiff_t i, size = sizeof(element)
    cdef element a, b, c, d
    if target_step == size and source_step == 2 * size:  # every other element, in vectors
        for i in range(n):
            target[i] = source[2 * i]
        return
    for i in range(n // 4):
        a = source[0]
        b = (<const element *>(<const char *>source + source_step))[0]
        c = (<const element *>(<const char *>source + 2 * source_step))[0]
        d = (<const element *>(<const char *>source + 3 * source_step))[0]
        target[0] = a
        (<element *>(<char *>target + target_step))[0] = b
        (<element *>(<char *>target + 2 * target_step))[0] = c
        (<element *>(<char *>target + 3 * target_step))[0] = d
        source = <const element *>(<const char *>source + 4 * source_step)
        target = <element *>(<char *>target + 4 * target_step)
    for i in range(n % 4):
        target[0] = source[0]
        target = <element *>(<char *>target + target_step)
        source = <const element *>(<const char *>source + source_step)


cdef void copy_strided(
    char *target, ptrdiff_t target_step, const char *source, ptrdiff_t source_step, ptrdiff_t n, int size
) noexcept nogil:
    if target_step == size and source_step == size:
        memcpy(target, source, n * size)
    elif size == 4:
        copy_elements[uint32_t](<uint32_t *>target, target_step, <const uint32_t *>source, source_step, n)
    elif size == 8:
        copy_elements[uint64_t](<uint64_t *>target, target_step, <const uint64_t *>source, source_step, n)
    elif size == 2:
        copy_elements[uint16_t](<uint16_t *>target, target_step, <const uint16_t *>source, source_step, n)
    else:
        copy_elements[uint8_t](<uint8_t *>target, target_step, <const uint8_t *>source, source_step, n)


cdef void read_block(const Loop *loop, char *block, const char *source, ptrdiff_t step, ptrdiff_t n) noexcept nogil:
    if loop.half:
        fastact_widen(<float *>block, source, step, n)
    else:
        copy_strided(block, loop.size, source, step, n, loop.size)


cdef void write_block(const Loop *loop, char *target, ptrdiff_t step, const char *block, ptrdiff_t n) noexcept nogil:
    if loop.half:
        fastact_narrow(target, step, <const float *>block, n)
    else:
        copy_strided(target, step, block, loop.size, n, loop.size)


cdef inline bint scalar_parameters(const Loop *loop, const npy_intp *steps) noexcept nogil:
    cdef int k
    for k in range(loop.arrays, loop.nin):
        if steps[k] != 0:
            return False
    return loop.nin > loop.arrays


cdef void run_blocks(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, ptrdiff_t block=BLOCK_BYTES
) noexcept nogil:
    """Bring operands that are not contiguous, or that are the output too, through blocks of their own.

    A block that is no multiple of the loop's stride is rounded up to one, with copies of an element: what
    remains after the last whole stride would be done one by one.
    """
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef char *block_args[MAX_OPERANDS]
    cdef npy_intp block_steps[MAX_OPERANDS]
    cdef bint direct[MAX_OPERANDS]
    cdef int nin = loop.nin, k
    cdef int size = 4 if loop.half else loop.size
    cdef ptrdiff_t stride = loop.stride, start = 0, m
    cdef npy_intp length
    cdef bint scalar = scalar_parameters(loop, steps)
    cdef fastact_loop *run = loop.run_scalar if scalar else loop.run
    block //= size
    for k in range(nin + 1):
        block_steps[k] = size
        block_args[k] = <char *>storage[k]
        direct[k] = steps[k] == size and not loop.half and (k == nin or args[k] != args[nin])
        if k < nin and steps[k] == 0:
            length = 1 if scalar and k >= loop.arrays else min((n + stride - 1) // stride * stride, block)
            read_block(loop, block_args[k], args[k], 0, length)
    while start < n:
        m = min(block, n - start)
        length = (m + stride - 1) // stride * stride
        for k in range(nin + 1):
            if direct[k] and length == m:
                block_args[k] = args[k] + start * steps[k]
            elif steps[k] != 0 or k == nin:
                block_args[k] = <char *>storage[k]
                if k < nin:
                    read_block(loop, block_args[k], args[k] + start * steps[k], steps[k], m)
                    copy_strided(block_args[k] + m * size, size, block_args[k], 0, length - m, size)
        run(block_args, &length, block_steps, NULL)
        if not direct[nin] or length != m:
            write_block(loop, args[nin] + start * steps[nin], steps[nin], block_args[nin], m)
        start += m


cdef void run_direct(const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n) noexcept nogil:
    """Contiguous operands: the loop as it is. What is left behind its last whole cycle, or stride, is done together with
    what is before it, once more; and so, of long ones, is what comes before the output's first whole cache line."""
    cdef npy_intp last = loop.cycle if n >= loop.cycle and 2 * (n % loop.cycle) > loop.cycle else loop.stride
    cdef npy_intp first = <npy_intp>(-<size_t>args[loop.nin] % CACHE_LINE) // loop.size
    cdef npy_intp whole
    cdef char *rest[MAX_OPERANDS]
    cdef int k
    cdef fastact_loop *run = loop.run_scalar if scalar_parameters(loop, steps) else loop.run
    if first and n * loop.size >= LONG_BYTES:
        whole = (first + loop.stride - 1) // loop.stride * loop.stride
        run(args, &whole, steps, NULL)
        for k in range(loop.nin + 1):
            rest[k] = args[k] + first * steps[k]
        args = rest
        n -= first
    whole = n - n % last
    if not whole:
        run_blocks(loop, args, steps, n)
        return
    run(args, &whole, steps, NULL)
    if whole < n:
        for k in range(loop.nin + 1):
            rest[k] = args[k] + (n - last) * steps[k]
        run(rest, &last, steps, NULL)


cdef inline bint writes_what_it_reads_later(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, ptrdiff_t size
) noexcept nogil:
    """Whether the output, of n pieces of some size, runs over an input other than piece by piece: as in reduce and
    accumulate, and where NumPy sees that an order from first to last reads everything before it is overwritten."""
    cdef char *out_low = args[loop.nin]
    cdef char *out_high = out_low
    cdef char *low
    cdef char *high
    cdef ptrdiff_t span = (n - 1) * steps[loop.nin]
    if span < 0: out_low += span
    else: out_high += span
    for k in range(loop.nin):
        if args[k] == args[loop.nin] and steps[k] == steps[loop.nin] and steps[k] != 0:
            continue
        low = args[k]
        high = low
        span = (n - 1) * steps[k]
        if span < 0: low += span
        else: high += span
        if low < out_high + size and out_low < high + size:
            return True
    return False


cdef inline void run_row(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, bint direct, ptrdiff_t block=BLOCK_BYTES
) noexcept nogil:
    if direct:
        run_direct(loop, args, steps, n)
    else:
        run_blocks(loop, args, steps, n, block)


cdef void run_compiled(char **args, const npy_intp *dimensions, const npy_intp *steps, void *data) noexcept nogil:
    """NumPy's inner loop for a compiled formula."""
    cdef const Loop *loop = <const Loop *>data
    cdef Rows all
    one_row(&all, loop, args, steps, dimensions[0])
    run_all(&all, dimensions[0] > 1 and writes_what_it_reads_later(loop, args, steps, dimensions[0], loop.size))


cdef inline void one_row(
    Rows *all, const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t length
) noexcept nogil:
    all.loop, all.args, all.steps, all.length = loop, args, steps, length
    all.rows, all.axes, all.tiled, all.then, all.block = 1, 0, False, NULL, BLOCK_BYTES


cdef void run_all(Rows *all, bint one_by_one) noexcept nogil:
    """Inputs must not overlap with the output, unless they lie as that does, or there is one row and `one_by_one`."""
    cdef const Loop *loop = all.loop
    cdef char **args = all.args
    cdef const npy_intp *steps = all.steps
    cdef ptrdiff_t n = all.rows * all.length, per_thread = loop.per_thread, reach = 0
    cdef int nin = loop.nin, threads = 1, k
    cdef bint direct = not loop.half, copied = False
    cdef fastact_flags flags
    if n <= 0:
        return
    flags = fastact_save_flags()
    if one_by_one:
        if nin == 1:
            run_blocks(loop, args, steps, n)
        else:
            run_one_by_one(loop, args, steps, n)
    else:
        for k in range(nin + 1):
            if k < loop.arrays or k == nin or not scalar_parameters(loop, steps):
                direct = direct and steps[k] == loop.size and (k == nin or args[k] != args[nin])
            copied = copied or (steps[k] != loop.size and steps[k] != 0)
            reach += n * llabs(steps[k])
        all.direct = direct
        if copied and not loop.half and reach > BEYOND_BYTES:
            all.block = OVERLAPPED_BYTES
        if copied:
            per_thread = min(per_thread, COPIED_PER_THREAD)
        if all.then:
            per_thread = min(per_thread, <ptrdiff_t>all.then.loop.per_thread)
        if n >= 2 * per_thread:
            threads = <int>min(<ptrdiff_t>fastact_threads_now(), n // per_thread)
        if threads > 1 or all.then:
            share_out(all, threads)
        elif all.rows == 1:
            run_row(loop, args, steps, n, direct, all.block)
        else:
            run_part(all, 0, n)
    fastact_restore_flags(flags)


cdef void run_one_by_one(const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n) noexcept nogil:
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t i
    cdef int k
    for i in range(n):
        for k in range(loop.nin + 1):
            here[k] = args[k] + i * steps[k]
        run_blocks(loop, here, steps, 1)


cdef void find(const Rows *all, ptrdiff_t row, Place *place) noexcept nogil:
    """Where the row of this number is."""
    cdef int axis, k
    for k in range(all.loop.nin + 1):
        place.args[k] = all.args[k]
    for axis in range(all.axes - 1, -1, -1):
        place.index[axis] = row % all.sizes[axis] if axis else row
        row //= all.sizes[axis]
        for k in range(all.loop.nin + 1):
            place.args[k] += place.index[axis] * all.jumps[axis][k]


cdef inline void move_on(const Rows *all, Place *place, ptrdiff_t rows) noexcept nogil:
    """So many rows further, at most to the end of the last dimension."""
    cdef int axis = all.axes - 1, k
    if axis < 0:
        return
    place.index[axis] += rows
    for k in range(all.loop.nin + 1):
        place.args[k] += rows * all.jumps[axis][k]
    while axis and place.index[axis] == all.sizes[axis]:
        place.index[axis - 1] += 1
        for k in range(all.loop.nin + 1):
            place.args[k] += all.jumps[axis - 1][k] - all.sizes[axis] * all.jumps[axis][k]
        place.index[axis] = 0
        axis -= 1


cdef void run_part(const Rows *all, ptrdiff_t start, ptrdiff_t n) noexcept nogil:
    """`n` elements from the one numbered `start`, which may be in the middle of a row unless rows are short."""
    cdef const Loop *loop = all.loop
    cdef const npy_intp *steps = all.steps
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t column = start % all.length, m
    cdef bint far = all.rows * all.length * loop.size > FAR_BYTES and 0 < all.axes and all.length * loop.size <= FAR_ROW
    cdef Place place
    cdef int last = all.axes - 1, k
    if all.tiled:
        run_tiles(all, start // all.length, n // all.length)
        return
    if is_short(all):
        run_short_rows(all, start // all.length, n // all.length)
        return
    find(all, start // all.length, &place)
    while n > 0:
        m = min(all.length - column, n)
        if far and place.index[last] + 1 < all.sizes[last]:
            m = min(m, PIECE_BYTES // loop.size)  # the processor does not foresee where rows go on
            for k in range(loop.nin):
                if steps[k] == loop.size:
                    fastact_prefetch(place.args[k] + all.jumps[last][k] + column * steps[k], m * loop.size)
        for k in range(loop.nin + 1):
            here[k] = place.args[k] + column * steps[k]
        run_row(loop, here, steps, m, all.direct, all.block)
        n -= m
        column += m
        if column == all.length:
            move_on(all, &place, 1)
            column = 0


cdef inline bint is_short(const Rows *all) noexcept nogil:
    return all.rows > 1 and all.length * all.loop.size <= (SHORT_BYTES if all.direct else SHORT_IF_COPIED)


cdef inline void copy_rows(
    char *target, ptrdiff_t target_jump, const char *source, ptrdiff_t source_jump, ptrdiff_t size, ptrdiff_t rows
) noexcept nogil:
    """Of two copies of a constant size, the second may repeat some bytes: no call for each short row."""
    cdef ptrdiff_t row, k
    for row in range(rows):
        if size >= 16:
            for k in range(0, size - 16, 16):
                memcpy(target + k, source + k, 16)
            memcpy(target + size - 16, source + size - 16, 16)
        elif size >= 8:
            memcpy(target, source, 8)
            memcpy(target + size - 8, source + size - 8, 8)
        else:
            memcpy(target, source, size)
        target += target_jump
        source += source_jump


cdef inline void fill_rows(
    element *target, const char *source, ptrdiff_t jump, ptrdiff_t length, ptrdiff_t rows
) noexcept nogil:
    """Each with one number."""
    cdef ptrdiff_t row, k
    cdef element value
    for row in range(rows):
        value = (<const element *>(source + row * jump))[0]
        for k in range(length):
            target[k] = value
        target += length


cdef void bring(
    ptrdiff_t item, char *packed, char *here, ptrdiff_t jump, ptrdiff_t step, ptrdiff_t length, ptrdiff_t rows, bint back
) noexcept nogil:
    """Rows to where they are side by side, or back."""
    cdef char *starts[CACHE_LINE]
    cdef ptrdiff_t size = length * item, j
    if step == item and back:
        copy_rows(here, jump, packed, size, size, rows)
    elif step == item:
        copy_rows(packed, size, here, jump, size, rows)
    elif step == 0 and item == 4:
        fill_rows[uint32_t](<uint32_t *>packed, here, jump, length, rows)
    elif step == 0 and item == 8:
        fill_rows[uint64_t](<uint64_t *>packed, here, jump, length, rows)
    elif jump == item and item >= 4 and size <= CACHE_LINE and not back:
        for j in range(length):
            starts[j] = here + j * step
        if item == 4:
            fastact_pack_float(<float **>starts, <float *>packed, length, rows)
        else:
            fastact_pack_double(<double **>starts, <double *>packed, length, rows)
    else:
        for j in range(rows):
            if back:
                copy_strided(here + j * jump, step, packed + j * size, item, length, item)
            else:
                copy_strided(packed + j * size, item, here + j * jump, step, length, item)


cdef void bring_rows(const Rows *all, int k, Place place, char *packed, ptrdiff_t rows, bint back) noexcept nogil:
    """The same of an operand, from a place on."""
    cdef ptrdiff_t size = all.length * all.loop.size, n
    cdef int last = all.axes - 1
    while rows > 0:
        n = min(rows, all.sizes[last] - place.index[last])
        bring(all.loop.size, packed, place.args[k], all.jumps[last][k], all.steps[k], all.length, n, back)
        packed += n * size
        rows -= n
        move_on(all, &place, n)


cdef void run_short_rows(const Rows *all, ptrdiff_t row, ptrdiff_t rows) noexcept nogil:
    """As many rows at a time as fit into a block, side by side: each alone would cost a call and a stride that is not
    full. What lies so already is left there, and what repeats is brought once."""
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef const Loop *loop = all.loop
    cdef char *packed[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef ptrdiff_t period[MAX_OPERANDS]
    cdef bint apart[MAX_OPERANDS]
    cdef ptrdiff_t size = all.length * loop.size, most = BLOCK_BYTES // size, many = 1, repeat = 1, n
    cdef int nin = loop.nin, axis, k
    cdef bint direct = not loop.half, first = True
    cdef Place place
    for k in range(nin + 1):
        packed[k], steps[k], period[k], apart[k] = <char *>storage[k], loop.size, 1, all.steps[k] != loop.size
    for axis in range(all.axes - 1, -1, -1):
        for k in range(nin + 1):
            apart[k] = apart[k] or all.jumps[axis][k] != repeat * size
        repeat *= all.sizes[axis]
        for k in range(nin):
            if all.jumps[axis][k]:
                period[k] = repeat
    for k in range(nin):
        if period[k] <= most:
            many = max(many, period[k])  # of which the others are divisors
    many = most // many * many
    if constant_parameters(all):
        for k in range(loop.arrays, nin):
            packed[k], steps[k] = all.args[k], 0
    for k in range(nin):
        direct = direct and (apart[k] or apart[nin] or all.args[k] != all.args[nin])
    while rows > 0:
        n = min(many, rows)
        find(all, row, &place)
        for k in range(nin + 1):
            if not apart[k]:
                packed[k] = place.args[k]
            elif k < nin and steps[k] and (first or period[k] > most):
                bring_rows(all, k, place, packed[k], n, False)
        run_row(loop, packed, steps, n * all.length, direct)
        if apart[nin]:
            bring_rows(all, nin, place, packed[nin], n, True)
        row += n
        rows -= n
        first = False


cdef void run_tiles(const Rows *all, ptrdiff_t row, ptrdiff_t rows) noexcept nogil:
    """Where neighbours of an input are in different rows: a tile of rows and columns at a time, so that the caches hold
    what is near."""
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef const Loop *loop = all.loop
    cdef char *packed[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef ptrdiff_t size = loop.size, column, width, n
    cdef int nin = loop.nin, last = all.axes - 1, k
    cdef Place place
    find(all, row, &place)
    for k in range(nin + 1):
        packed[k], steps[k] = <char *>storage[k], size
    if constant_parameters(all):
        for k in range(loop.arrays, nin):
            packed[k], steps[k] = all.args[k], 0
    while rows > 0:
        n = min(min(rows, all.sizes[last] - place.index[last]), TILE_ROWS)
        column = 0
        while column < all.length:
            width = min(all.length - column, CACHE_LINE // size)
            for k in range(nin):
                if steps[k]:
                    bring(
                        size, packed[k], place.args[k] + column * all.steps[k], all.jumps[last][k], all.steps[k],
                        width, n, False,
                    )
            run_row(loop, packed, steps, n * width, not loop.half)
            bring(
                size, packed[nin], place.args[nin] + column * all.steps[nin], all.jumps[last][nin], all.steps[nin],
                width, n, True,
            )
            column += width
        rows -= n
        move_on(all, &place, n)


cdef inline bint constant_parameters(const Rows *all) noexcept nogil:
    cdef int axis, k
    if not scalar_parameters(all.loop, all.steps):
        return False
    for axis in range(all.axes):
        for k in range(all.loop.arrays, all.loop.nin):
            if all.jumps[axis][k]:
                return False
    return True


cdef void one_share(const void *call, ptrdiff_t k, int thread) noexcept nogil:
    cdef const Rows *all = <const Rows *>call
    cdef ptrdiff_t start = k * all.share, end = min(start + all.share, all.rows * all.length), n
    if all.then == NULL:
        run_part(all, start, end - start)
        return
    while start < end:
        n = min(whole_rows(all, TOGETHER), end - start)
        run_part(all, start, n)
        run_part(all.then, start, n)
        start += n


cdef inline ptrdiff_t whole_rows(const Rows *all, ptrdiff_t n) noexcept nogil:
    """n elements, or some more: short rows are not divided."""
    return (n + all.length - 1) // all.length * all.length if all.tiled or is_short(all) else n


cdef void share_out(Rows *all, int threads) noexcept nogil:
    cdef ptrdiff_t n = all.rows * all.length
    cdef ptrdiff_t line = CACHE_LINE // all.loop.size  # whole cache lines to each thread
    all.share = whole_rows(all, ((n + threads - 1) // threads + line - 1) // line * line)
    fastact_share_out(one_share, all, (n + all.share - 1) // all.share, threads)


cdef void run_callback(char **args, const npy_intp *dimensions, const npy_intp *steps, void *data) noexcept with gil:
    """NumPy's inner loop for a function of arrays: callback(out, *inputs)."""
    cdef const Loop *loop = <const Loop *>data
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t n = dimensions[0], i
    cdef int k
    if n > 1 and writes_what_it_reads_later(loop, args, steps, n, loop.size):
        for i in range(n):
            for k in range(loop.nin + 1):
                here[k] = args[k] + i * steps[k]
            call_back(loop, here, steps, 1)
    else:
        call_back(loop, args, steps, n)
    feclearexcept(FE_ALL_EXCEPT)


cdef call_back(const Loop *loop, char **args, const npy_intp *steps, npy_intp n):
    cdef list operands = []
    cdef npy_intp step
    cdef int k
    for k in range(loop.nin + 1):
        step = steps[k]
        operands.append(PyArray_New(
            &PyArray_Type, 1, &n, loop.type_number, &step, args[k], 0,
            NPY_ARRAY_WRITEABLE if k == loop.nin else 0, NULL,
        ))
    (<object>loop.callback)(operands[loop.nin], *operands[:loop.nin])


cdef list names_and_docs = []  # NumPy keeps pointers into these


cdef int find_loop(Loop *loop, bytes name, char type, int nin) except -1:
    """Fill in the loop that was compiled with this module."""
    cdef int row = 0
    while fastact_loops[row].loop:
        if fastact_loops[row].ufunc == name and fastact_loops[row].type == type and fastact_loops[row].nin == nin:
            loop.arrays = fastact_loops[row].arrays
            loop.run = fastact_loops[row].loop
            loop.run_scalar = fastact_loops[row].scalar
            loop.cycle = fastact_loops[row].elements.cycle
            loop.stride = fastact_loops[row].elements.stride
            loop.per_thread = fastact_loops[row].elements.per_thread
            return 0
        row += 1
    raise ValueError(f"no compiled loop for {name.decode()} of type {chr(type)!r} with {nin} inputs")


def make_ufunc(str name, str doc, int nin, str types, callback=None, dict compiled=None):
    """The ufunc `name`, with a loop for each of NumPy's type characters in `types`: the one of this module; or
    callback(out, *inputs), given arrays of one dimension; or compiled[type], which is the number of arrays
    before the parameters, the addresses of a loop and of one for scalar parameters, or 0, and how many elements a
    cycle of the loop works on, are done together of what it leaves, and are worth a thread."""
    cdef int count = len(types), k, operand, number
    cdef bytes name_bytes = name.encode(), doc_bytes = doc.encode()
    cdef PyUFuncGenericFunction *functions
    cdef void **data
    cdef char *signature
    cdef Loop *loop
    if nin + 1 > MAX_OPERANDS:
        raise ValueError(f"{name}: at most {MAX_OPERANDS - 1} inputs, got {nin}")
    # these live as long as the ufunc, which is as long as the process
    functions = <PyUFuncGenericFunction *>calloc(count, sizeof(PyUFuncGenericFunction))
    data = <void **>calloc(count, sizeof(void *))
    signature = <char *>calloc(count * (nin + 1), 1)
    if not functions or not data or not signature:
        raise MemoryError
    for k in range(count):
        number = type_number(ord(types[k]))
        for operand in range(nin + 1):
            signature[k * (nin + 1) + operand] = number
        loop = <Loop *>calloc(1, sizeof(Loop))
        if not loop:
            raise MemoryError
        data[k] = loop
        loop.nin = nin
        loop.type_number = number
        loop.size = numpy.dtype(types[k]).itemsize
        loop.half = types[k] == "e"
        functions[k] = run_compiled
        if callback is not None:
            Py_INCREF(callback)
            loop.callback = <PyObject *>callback
            functions[k] = run_callback
        elif compiled is not None:
            loop.arrays = compiled[types[k]][0]
            loop.run = <fastact_loop *><size_t>compiled[types[k]][1]
            loop.run_scalar = <fastact_loop *><size_t>compiled[types[k]][2]
            loop.cycle, loop.stride, loop.per_thread = compiled[types[k]][3:]
        else:
            find_loop(loop, name_bytes, ord(types[k]), nin)
    names_and_docs.append((name_bytes, doc_bytes))
    ufunc = PyUFunc_FromFuncAndData(
        functions, data, signature, count, nin, 1, PyUFunc_None, name_bytes, doc_bytes, 0
    )
    fastact_install(ufunc, compiled is None)  # of fastact's own there is another for the GPU
    return ufunc


def per_thread(ufunc):
    """How many elements are worth waking a thread, by type character, for a ufunc of this module's loops."""
    cdef PyUFuncObject *of = <PyUFuncObject *>ufunc
    cdef const Loop *loop
    cdef dict found = {}
    cdef int k
    for k in range(of.ntypes):
        loop = <const Loop *>of.data[k]
        found[ufunc.types[k].partition("->")[2]] = loop.per_thread
    return found


cdef const Loop *compiled_loop(const PyUFuncObject *of, int number) noexcept:
    """The ufunc's loop for a dtype; NULL where there is none, or it is a function of arrays."""
    cdef const Loop *loop
    cdef int k
    for k in range(of.ntypes):
        loop = <const Loop *>of.data[k]
        if loop.type_number == number:
            return NULL if loop.callback else loop
    return NULL


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


cdef void run_with_or_without_gil(Rows *all):
    if all.rows * all.length > WITH_GIL:
        with nogil:
            run_all(all, False)
    else:
        run_all(all, False)


cdef inline const Loop *loop_for(PyObject *ufunc, PyObject **given, Py_ssize_t count, PyObject *names, PyObject **out):
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


cdef PyObject *plain_call(PyObject *ufunc, PyObject **given, Py_ssize_t count, PyObject *names) except? NULL:
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


cdef PyObject *call_over_rows(PyObject *ufunc, PyObject **given, Py_ssize_t count, PyObject *names) except? NULL:
    """The same of arrays of one dtype, in any layout, that broadcast to the shape of one of them, and numbers; on all
    threads, where NumPy would take one."""
    cdef PyObject *out
    cdef const Loop *loop = loop_for(ufunc, given, count, names, &out)
    cdef PyArrayObject *whole = NULL
    cdef PyArrayObject *array
    cdef npy_intp strides[MAX_OPERANDS][MAX_DIMENSIONS]
    cdef double values[MAX_OPERANDS]
    cdef Layout layout
    cdef Rows all
    cdef const npy_intp *shape
    cdef int nin, number, axes, k, axis
    if loop == NULL:
        return NULL
    nin, number = loop.nin, loop.type_number
    for k in range(nin):
        if PyArray_CheckExact(given[k]):
            array = <PyArrayObject *>given[k]
            if PyArray_TYPE(array) != number or not PyArray_ISBEHAVED_RO(array):
                return NULL
            if whole == NULL or PyArray_NDIM(array) > PyArray_NDIM(whole) or PyArray_SIZE(array) > PyArray_SIZE(whole):
                whole = array
            layout.args[k] = PyArray_BYTES(array)
        elif k >= loop.arrays and is_float(number):
            if not read_number(given[k], number, &values[k]):
                return NULL
            layout.args[k] = <char *>&values[k]
        else:
            return NULL
    axes, shape = PyArray_NDIM(whole), PyArray_DIMS(whole)
    if PyArray_SIZE(whole) <= 1:
        return NULL
    for k in range(nin):
        if not PyArray_CheckExact(given[k]):
            for axis in range(axes):
                strides[k][axis] = 0
        elif not broadcast(<PyArrayObject *>given[k], axes, shape, strides[k]):
            return NULL
    if out != NULL:
        if not is_array(out, number, axes, shape) or not is_writeable(<PyArrayObject *>out):
            return NULL
        result = <object>out
    else:
        result = new_output(whole, nin, number, strides)
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
    PyArrayObject *whole, int nin, int number, const npy_intp (*strides)[MAX_DIMENSIONS]
):
    """An array of that shape in the order of the inputs, as NumPy makes it; or None. Where they differ, it is C's."""
    cdef const npy_intp *shape = PyArray_DIMS(whole)
    cdef const npy_intp *given = PyArray_STRIDES(whole)
    cdef int axes = PyArray_NDIM(whole), first, second, k
    cdef bint in_order = True
    for second in range(1, axes):
        for first in range(second):
            in_order = in_order and not rises(nin, strides, first, second)
    if in_order:
        return PyArray_SimpleNew(axes, shape, number)
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
        if overflow or fabs(read) > EXACT:
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
    """Copy float16 to float32, or the reverse, if they are contiguous arrays of one shape; and whether they are."""
    cdef PyArrayObject *given = <PyArrayObject *>source
    cdef PyArrayObject *to = <PyArrayObject *>target
    cdef int axes = PyArray_NDIM(given)
    cdef npy_intp *shape = PyArray_DIMS(given)
    cdef bint widens = PyArray_TYPE(given) == NPY_HALF
    cdef fastact_flags flags
    if not (
        is_plain(<PyObject *>source, NPY_HALF if widens else NPY_FLOAT, axes, shape)
        and is_plain_output(<PyObject *>target, NPY_FLOAT if widens else NPY_HALF, axes, shape)
    ):
        return False
    flags = fastact_save_flags()
    if widens:
        fastact_widen(<float *>PyArray_BYTES(to), PyArray_BYTES(given), 2, PyArray_SIZE(given))
    else:
        fastact_narrow(PyArray_BYTES(to), 2, <const float *>PyArray_BYTES(given), PyArray_SIZE(given))
    fastact_restore_flags(flags)
    return True


def set_dispatcher(dispatcher, bint everything):
    """What is asked about calls with arrays that may be on a GPU, or about all of them."""
    fastact_set_dispatcher(dispatcher, everything)


_import_array()
_import_umath()
fastact_plain_call = plain_call
fastact_call_over_rows = call_over_rows
fastact_start_threads()
