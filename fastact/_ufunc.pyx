"""The driver that makes NumPy ufuncs of the compiled loops.

A compiled loop is fast only over contiguous operands that do not overlap. This module brings everything
else into that form, in blocks that fit the first-level cache, and splits large calls over threads. NumPy hands
over what lies in one; arrays that do not, of one dtype, are taken before it sees them.
"""

from cpython.exc cimport PyErr_Occurred, PyErr_SetObject
from cpython.ref cimport PyObject, Py_INCREF
from libc.float cimport FLT_MAX
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport INFINITY, fabs
from libc.stdlib cimport calloc, llabs
from libc.string cimport memcpy

import numpy

cdef extern from "numpy/arrayobject.h":
    ctypedef ptrdiff_t npy_intp
    int NPY_HALF, NPY_FLOAT, NPY_DOUBLE, NPY_ARRAY_WRITEABLE
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

cdef extern from "_dispatch.h":
    PyObject *(*fastact_plain_call)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *) except? NULL
    PyObject *(*fastact_call_over_rows)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *) except? NULL
    void fastact_install(object, bint)
    void fastact_set_dispatcher(object, int)
    int fastact_dispatch_all

cdef extern from "fastact_loops.h":
    ctypedef void fastact_loop(char **, const npy_intp *, const npy_intp *, void *) noexcept nogil
    ctypedef struct fastact_elements:
        int cycle
        int epilogue
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
    AHEAD = 1024  # bytes, of those processors that need to be told
    MAX_DIMENSIONS = 64  # NumPy 2's
    MAX_AXES = 8  # that do not lie in one

# Loops are told how many bytes ahead they fetch: Intel's processors do not look as far ahead as memory is away.
cdef void *ahead = <void *><ptrdiff_t>AHEAD if fastact_is_intel() else NULL

include "_run.pxi"


cdef void run_compiled(char **args, const npy_intp *dimensions, const npy_intp *steps, void *data) noexcept nogil:
    """NumPy's inner loop for a compiled formula."""
    cdef const Loop *loop = <const Loop *>data
    cdef Rows all
    one_row(&all, loop, args, steps, dimensions[0])
    run_all(&all, dimensions[0] > 1 and writes_what_it_reads_later(loop, args, steps, dimensions[0], loop.size))


cdef void run_callback(char **args, const npy_intp *dimensions, const npy_intp *steps, void *data) noexcept with gil:
    """NumPy's inner loop for a function of arrays: callback(out, *inputs). What it raises is left for `_dispatch.h`."""
    cdef const Loop *loop = <const Loop *>data
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t n = dimensions[0], i
    cdef int k
    if PyErr_Occurred():  # in an earlier part of this call
        return
    try:
        if n > 1 and writes_what_it_reads_later(loop, args, steps, n, loop.size):
            for i in range(n):
                for k in range(loop.nin + 1):
                    here[k] = args[k] + i * steps[k]
                call_back(loop, here, steps, 1)
        else:
            call_back(loop, args, steps, n)
    except BaseException as error:
        PyErr_SetObject(type(error), error)
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
            loop.epilogue = fastact_loops[row].elements.epilogue
            loop.per_thread = fastact_loops[row].elements.per_thread
            return 0
        row += 1
    raise ValueError(f"no compiled loop for {name.decode()} of type {chr(type)!r} with {nin} inputs")


def make_ufunc(str name, str doc, int nin, str types, callback=None, dict compiled=None):
    """The ufunc `name`, with a loop for each of NumPy's type characters in `types`: the one of this module; or
    callback(out, *inputs), given arrays of one dimension; or compiled[type], a `CompiledLoop` of _activation.py."""
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
        dtype = numpy.dtype(types[k])
        number = dtype.num
        for operand in range(nin + 1):
            signature[k * (nin + 1) + operand] = number
        loop = <Loop *>calloc(1, sizeof(Loop))
        if not loop:
            raise MemoryError
        data[k] = loop
        loop.nin = nin
        loop.type_number = number
        loop.size = dtype.itemsize
        loop.half = types[k] == "e"
        functions[k] = run_compiled
        if callback is not None:
            Py_INCREF(callback)
            loop.callback = <PyObject *>callback
            functions[k] = run_callback
        elif compiled is not None:
            given = compiled[types[k]]
            loop.arrays = given.arrays
            loop.run = <fastact_loop *><size_t>given.address
            loop.run_scalar = <fastact_loop *><size_t>given.address_with_numbers
            loop.cycle, loop.epilogue, loop.per_thread = given.cycle, given.epilogue, given.per_thread
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


include "_direct_calls.pxi"


def set_dispatcher(dispatcher, bint everything):
    """What is asked about calls with arrays that may be on a GPU, or about all of them."""
    fastact_set_dispatcher(dispatcher, everything)


_import_array()
_import_umath()
fastact_plain_call = plain_call
fastact_call_over_rows = call_over_rows
fastact_start_threads(is_fork())
