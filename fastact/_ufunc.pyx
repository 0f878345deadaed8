"""The driver that makes NumPy ufuncs of the compiled loops.

A compiled loop is fast only over contiguous operands that do not overlap. This module brings everything
else into that form, in blocks that fit the first-level cache, and splits large calls over threads.
"""

cimport cython
from libc.float cimport FLT_MAX
from cpython.ref cimport PyObject, Py_INCREF
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport INFINITY, fabs
from libc.stdlib cimport calloc
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
    object PyArray_SimpleNew(int, npy_intp *, int)
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
    ctypedef unsigned short fexcept_t
    int feclearexcept(int)
    int fegetexceptflag(fexcept_t *, int)
    int fesetexceptflag(const fexcept_t *, int)

cdef extern from "numpy/halffloat.h" nogil:
    float npy_half_to_float(uint16_t)
    uint16_t npy_float_to_half(float)

include "_runtime.pxi"

cdef extern from "_dispatch.h":
    PyObject *(*fastact_plain_call)(PyObject *, PyObject **, Py_ssize_t, PyObject *) except? NULL
    void fastact_install_dispatch(object)
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
    BLOCK_BYTES = 4608  # of each operand; five of them leave room in a first-level cache of 32 KB, and whole cycles fill one
    BLOCK_WORDS = 576  # BLOCK_BYTES / 8
    COPIED_PER_THREAD = 4096  # elements that are worth waking a thread for the copies alone
    TOGETHER = 8192  # elements that one loop is done with before another follows: in the second cache
    PIECE_BYTES = 1536  # of a row; while it is worked on, that of the next row is fetched
    WITH_GIL = 500  # elements up to which other threads wait, as for NumPy's own ufuncs
    EXACT = 1 << 24  # whole numbers up to it are, in every dtype
    SHORT_BYTES = 512  # of rows that are worked on together
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

# Rows whose elements are shared out, `share` to each thread; and perhaps the same rows of another loop, which follows piece by
# piece, so that it finds in the caches what this one has read.
cdef struct Shares:
    const Loop *loop
    char **args
    const npy_intp *steps
    ptrdiff_t rows
    ptrdiff_t length
    const npy_intp *jumps
    bint direct
    ptrdiff_t share
    const Shares *then

# Contiguous rows, and where their operands are.
cdef struct Halves:
    Shares all
    char *args[MAX_OPERANDS]
    npy_intp steps[MAX_OPERANDS]
    npy_intp jumps[MAX_OPERANDS]


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
    cdef ptrdiff_t i
    if loop.half:
        for i in range(n):
            (<float *>block)[i] = npy_half_to_float((<const uint16_t *>(source + i * step))[0])
    else:
        copy_strided(block, loop.size, source, step, n, loop.size)


cdef void write_block(const Loop *loop, char *target, ptrdiff_t step, const char *block, ptrdiff_t n) noexcept nogil:
    cdef ptrdiff_t i
    if loop.half:
        for i in range(n):
            (<uint16_t *>(target + i * step))[0] = npy_float_to_half((<const float *>block)[i])
    else:
        copy_strided(target, step, block, loop.size, n, loop.size)


cdef inline bint scalar_parameters(const Loop *loop, const npy_intp *steps) noexcept nogil:
    cdef int k
    for k in range(loop.arrays, loop.nin):
        if steps[k] != 0:
            return False
    return loop.nin > loop.arrays


cdef void run_blocks(const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n) noexcept nogil:
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
    cdef ptrdiff_t block = BLOCK_BYTES // size, stride = loop.stride, start = 0, m
    cdef npy_intp length
    cdef bint scalar = scalar_parameters(loop, steps)
    cdef fastact_loop *run = loop.run_scalar if scalar else loop.run
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


cdef inline void run_row(const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, bint direct) noexcept nogil:
    if direct:
        run_direct(loop, args, steps, n)
    else:
        run_blocks(loop, args, steps, n)


cdef void run_compiled(char **args, const npy_intp *dimensions, const npy_intp *steps, void *data) noexcept nogil:
    """NumPy's inner loop for a compiled formula."""
    run_rows(<const Loop *>data, args, steps, 1, dimensions[0], steps)


cdef inline void run_rows(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t rows, ptrdiff_t length, const npy_intp *jumps
) noexcept nogil:
    """The loop over rows of one length, which lie `jumps` bytes apart; several must not overlap with the output."""
    cdef ptrdiff_t n = rows * length
    cdef int nin = loop.nin, threads = 1, k
    cdef bint direct = not loop.half, copied = loop.half
    cdef ptrdiff_t per_thread = loop.per_thread
    cdef Shares all
    cdef fastact_flags flags
    cdef fexcept_t all_flags
    if n <= 0:
        return
    flags = fastact_save_flags()
    if loop.half:  # NumPy's conversion raises flags by hand, those of the x87 unit too
        fegetexceptflag(&all_flags, FE_ALL_EXCEPT)
    if rows == 1 and writes_what_it_reads_later(loop, args, steps, n, loop.size):
        if nin == 1:
            run_blocks(loop, args, steps, n)
        else:
            run_one_by_one(loop, args, steps, n)
    else:
        for k in range(nin + 1):
            if k < loop.arrays or k == nin or not scalar_parameters(loop, steps):
                direct = direct and steps[k] == loop.size and (k == nin or args[k] != args[nin])
            copied = copied or (steps[k] != loop.size and steps[k] != 0)
        if copied:
            per_thread = min(per_thread, COPIED_PER_THREAD)
        if n >= 2 * per_thread:
            threads = <int>min(<ptrdiff_t>fastact_threads_now(), n // per_thread)
        if threads > 1:
            all.loop, all.args, all.steps, all.rows, all.length = loop, args, steps, rows, length
            all.jumps, all.direct, all.then = jumps, direct, NULL
            share_out(&all, threads)
        elif rows == 1:
            run_row(loop, args, steps, n, direct)
        else:
            run_part(loop, args, steps, rows, length, jumps, 0, n, direct)
    if loop.half:
        fesetexceptflag(&all_flags, FE_ALL_EXCEPT)
    fastact_restore_flags(flags)


cdef void run_one_by_one(const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n) noexcept nogil:
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t i
    cdef int k
    for i in range(n):
        for k in range(loop.nin + 1):
            here[k] = args[k] + i * steps[k]
        run_blocks(loop, here, steps, 1)


cdef void run_part(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t rows, ptrdiff_t length, const npy_intp *jumps,
    ptrdiff_t start, ptrdiff_t n, bint direct,
) noexcept nogil:
    """`n` elements from the one numbered `start`, which may be in the middle of a row unless rows are short."""
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t row = start // length, column = start % length, m
    cdef int k
    if is_short(loop, rows, length):
        for k in range(loop.nin + 1):
            here[k] = args[k] + row * jumps[k]
        run_short_rows(loop, here, steps, n // length, length, jumps, direct)
        return
    while n > 0:
        m = min(length - column, n)
        if rows > 1 and length * loop.size <= 4 * BLOCK_BYTES:  # the processor does not foresee where rows go on
            m = min(m, PIECE_BYTES // loop.size)
            for k in range(loop.nin):
                fastact_prefetch(args[k] + (row + 1) * jumps[k] + column * steps[k], m * loop.size)
        for k in range(loop.nin + 1):
            here[k] = args[k] + row * jumps[k] + column * steps[k]
        run_row(loop, here, steps, m, direct)
        n -= m
        column += m
        if column == length:
            row += 1
            column = 0


cdef inline bint is_short(const Loop *loop, ptrdiff_t rows, ptrdiff_t length) noexcept nogil:
    return rows > 1 and length * loop.size <= SHORT_BYTES


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


cdef void run_short_rows(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t rows, ptrdiff_t length, const npy_intp *jumps,
    bint direct,
) noexcept nogil:
    """Contiguous rows, as many at a time as fit into a block, side by side: each alone would cost a call and a stride
    that is not full."""
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef char *packed[MAX_OPERANDS]
    cdef ptrdiff_t size = length * loop.size, many = BLOCK_BYTES // size
    cdef int nin = loop.nin, k
    cdef bint scattered = jumps[nin] != size
    while rows > 0:
        many = min(many, rows)
        for k in range(nin + 1):
            packed[k] = <char *>storage[k] if k < nin or scattered else args[nin]
            if k < nin:
                copy_rows(packed[k], size, args[k], jumps[k], size, many)
        run_row(loop, packed, steps, many * length, direct)
        if scattered:
            copy_rows(args[nin], jumps[nin], packed[nin], size, size, many)
        for k in range(nin + 1):
            args[k] += many * jumps[k]
        rows -= many


cdef void one_share(const void *call, ptrdiff_t k, int thread) noexcept nogil:
    cdef const Shares *all = <const Shares *>call
    cdef ptrdiff_t start = k * all.share, end = min(start + all.share, all.rows * all.length), n
    if all.then == NULL:
        run_share(all, start, end - start)
        return
    while start < end:
        n = min(whole_rows(all, TOGETHER), end - start)
        run_share(all, start, n)
        run_share(all.then, start, n)
        start += n


cdef inline void run_share(const Shares *all, ptrdiff_t start, ptrdiff_t n) noexcept nogil:
    run_part(all.loop, all.args, all.steps, all.rows, all.length, all.jumps, start, n, all.direct)


cdef inline ptrdiff_t whole_rows(const Shares *all, ptrdiff_t n) noexcept nogil:
    """n elements, or some more: short rows are not divided."""
    return (n + all.length - 1) // all.length * all.length if is_short(all.loop, all.rows, all.length) else n


cdef void share_out(Shares *all, int threads) noexcept nogil:
    cdef ptrdiff_t n = all.rows * all.length
    cdef ptrdiff_t line = 64 // all.loop.size  # whole cache lines to each thread
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
    if compiled is None:  # one of fastact's own, of which there is another for the GPU
        fastact_install_dispatch(ufunc)
    return ufunc


def per_thread(ufunc):
    """How many elements are worth waking a thread, by type character, for a ufunc of this module's loops."""
    cdef PyUFuncObject *of = <PyUFuncObject *>ufunc
    cdef const Loop *loop
    cdef dict found = {}
    cdef int k
    for k in range(of.ntypes):
        loop = <const Loop *>of.data[k]
        found[ufunc.types[k][-1]] = loop.per_thread
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


def over_rows(ufunc, *operands):
    """Call a ufunc with arrays of one shape, the output last, and return True; or do nothing and return False where
    they are not all of them rows of contiguous numbers of one dtype, at constant distances, or the output overlaps.

    NumPy would call the loop for each row anew, on one thread.
    """
    cdef PyUFuncObject *of = <PyUFuncObject *>ufunc
    cdef PyArrayObject *array = <PyArrayObject *>operands[0]
    cdef const npy_intp *shape = PyArray_DIMS(array)
    cdef const npy_intp *strides[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef npy_intp jumps[MAX_OPERANDS]
    cdef char *args[MAX_OPERANDS]
    cdef const Loop *loop
    cdef int number = PyArray_TYPE(array), axis = PyArray_NDIM(array), k
    cdef ptrdiff_t length, rows
    loop = compiled_loop(of, number)
    if loop == NULL:
        return False
    for k in range(of.nargs):
        array = <PyArrayObject *>operands[k]
        if PyArray_TYPE(array) != number or not PyArray_ISBEHAVED_RO(array):
            return False
        args[k] = PyArray_BYTES(array)
        strides[k] = PyArray_STRIDES(array)
        steps[k] = loop.size
    length = in_one(of.nargs, shape, strides, steps, &axis)
    for k in range(of.nargs):
        jumps[k] = strides[k][axis - 1] if axis else 0
    rows = in_one(of.nargs, shape, strides, jumps, &axis)
    if axis or length == 1 or writes_what_it_reads_later(loop, args, jumps, rows, length * loop.size):
        return False
    with nogil:
        run_rows(loop, args, steps, rows, length, jumps)
    return True


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
    cdef Halves one, two
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
        lay_out(&one, loop, [a, b, to], [2, 2, 1], rows, length)
    else:
        of_gy = PyArray_BYTES(<PyArrayObject *>gy)
        lay_out(&one, loop, [of_gy, b, to], [1, 2, 2], rows, length)
        lay_out(&two, second, [of_gy, a, b, to + length * loop.size], [1, 2, 2, 2], rows, length)
        one.all.then = &two.all
    if rows * length > WITH_GIL:
        with nogil:
            run_all(&one.all)
    else:
        run_all(&one.all)
    return out


cdef void lay_out(
    Halves *halves, const Loop *loop, char **args, const int *apart, ptrdiff_t rows, ptrdiff_t length
) noexcept:
    """Rows that lie so many lengths apart."""
    cdef int k
    for k in range(loop.nin + 1):
        halves.args[k], halves.steps[k], halves.jumps[k] = args[k], loop.size, apart[k] * length * loop.size
    halves.all.loop, halves.all.rows, halves.all.length, halves.all.direct = loop, rows, length, True
    halves.all.args, halves.all.steps, halves.all.jumps = halves.args, halves.steps, halves.jumps
    halves.all.then = NULL


cdef void run_all(Shares *all) noexcept nogil:
    """Contiguous rows that do not overlap with the output."""
    cdef ptrdiff_t per_thread = all.loop.per_thread, n = all.rows * all.length
    cdef int threads = 1
    cdef fastact_flags flags = fastact_save_flags()
    if all.then:
        per_thread = min(per_thread, <ptrdiff_t>all.then.loop.per_thread)
    if n >= 2 * per_thread:
        threads = <int>min(<ptrdiff_t>fastact_threads_now(), n // per_thread)
    if n:
        share_out(all, threads)
    fastact_restore_flags(flags)


cdef PyObject *plain_call(PyObject *ufunc, PyObject **given, Py_ssize_t count, PyObject *names) except? NULL:
    """The result of a call with contiguous arrays of one shape and dtype, parameters that are numbers, and nothing but
    `out` besides: what NumPy would give, without the time that its other cases take. NULL where it is one of these."""
    cdef PyUFuncObject *of = <PyUFuncObject *>ufunc
    cdef PyArrayObject *array
    cdef PyObject *out = NULL
    cdef const Loop *loop
    cdef double values[MAX_OPERANDS]
    cdef char *args[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef ptrdiff_t n
    cdef int nin = of.nargs - 1, number, axes, k
    if names != NULL:
        if count != nin or PyTuple_GET_SIZE(names) != 1 or <object>PyTuple_GET_ITEM(names, 0) is not "out":
            return NULL
        out = given[nin]
        if PyTuple_CheckExact(out) and PyTuple_GET_SIZE(out) == 1:
            out = PyTuple_GET_ITEM(out, 0)
    elif count == nin + 1:
        out = given[nin]
    elif count != nin:
        return NULL
    if not PyArray_CheckExact(given[0]):
        return NULL
    array = <PyArrayObject *>given[0]
    number, axes = PyArray_TYPE(array), PyArray_NDIM(array)
    if axes == 0 or (number != NPY_FLOAT and number != NPY_DOUBLE):
        return NULL
    loop = compiled_loop(of, number)
    if loop == NULL:
        return NULL
    n = PyArray_SIZE(array)
    for k in range(loop.arrays):
        if not is_plain(given[k], number, axes, PyArray_DIMS(array)):
            return NULL
        args[k], steps[k] = PyArray_BYTES(<PyArrayObject *>given[k]), loop.size
    for k in range(loop.arrays, nin):
        if not read_number(given[k], number, &values[k]):
            return NULL
        args[k], steps[k] = <char *>&values[k], 0
    if out == NULL or <object>out is None:
        result = PyArray_SimpleNew(axes, PyArray_DIMS(array), number)
    else:
        if not is_plain_output(out, number, axes, PyArray_DIMS(array)):
            return NULL
        result = <object>out
    args[nin], steps[nin] = PyArray_BYTES(<PyArrayObject *>result), loop.size
    for k in range(loop.arrays):
        if args[k] != args[nin] and overlap(<PyArrayObject *>given[k], <PyArrayObject *>result):
            return NULL
    if n > WITH_GIL:
        with nogil:
            run_rows(loop, args, steps, 1, n, steps)
    else:
        run_rows(loop, args, steps, 1, n, steps)
    Py_INCREF(result)
    return <PyObject *>result


cdef inline bint is_plain(PyObject *operand, int number, int axes, const npy_intp *shape):
    """Whether it is a contiguous array of that dtype and shape."""
    cdef PyArrayObject *array = <PyArrayObject *>operand
    return (
        PyArray_CheckExact(operand)
        and PyArray_TYPE(array) == number
        and PyArray_NDIM(array) == axes
        and PyArray_CompareLists(PyArray_DIMS(array), shape, axes)
        and PyArray_IS_C_CONTIGUOUS(array)
        and PyArray_ISBEHAVED_RO(array)
    )


cdef inline bint is_plain_output(PyObject *operand, int number, int axes, const npy_intp *shape):
    """Whether it may be written to, too."""
    return (
        is_plain(operand, number, axes, shape)
        and PyArray_ISBEHAVED(<PyArrayObject *>operand)
        and PyArray_FLAGS(<PyArrayObject *>operand) >= 0  # else NumPy has something to say about writing there
    )


cdef inline bint overlap(PyArrayObject *a, PyArrayObject *b):
    """Whether two contiguous arrays share memory."""
    cdef char *start_a = PyArray_BYTES(a)
    cdef char *start_b = PyArray_BYTES(b)
    return start_a < start_b + PyArray_NBYTES(b) and start_b < start_a + PyArray_NBYTES(a)


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
    elif fabs(read) > FLT_MAX and fabs(read) < INFINITY:
        return False
    else:
        (<float *>value)[0] = <float>read
    return True


cdef ptrdiff_t in_one(
    int count, const npy_intp *shape, const npy_intp **strides, const npy_intp *steps, int *axis
) noexcept:
    """How many elements of the axes before `axis` lie at these steps in all of the operands; it moves before those."""
    cdef ptrdiff_t n = 1
    cdef int k
    while axis[0]:
        if shape[axis[0] - 1] != 1:
            for k in range(count):
                if strides[k][axis[0] - 1] != n * steps[k]:
                    return n
            n *= shape[axis[0] - 1]
        axis[0] -= 1
    return n


def set_dispatcher(dispatcher, bint everything):
    """What is asked about calls with arrays that may be on a GPU, or about all of them."""
    fastact_set_dispatcher(dispatcher, everything)


_import_array()
_import_umath()
fastact_plain_call = plain_call
fastact_start_threads()
