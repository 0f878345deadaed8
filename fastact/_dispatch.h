/* Calls of a ufunc with an array on a GPU are handed to a function in Python, and those with arrays of one dtype, which
   most are, to the driver; all others go where they went, some nanoseconds later. NumPy calls a ufunc through the field
   `vectorcall` of the object. */
#ifndef FASTACT_DISPATCH_H
#define FASTACT_DISPATCH_H

#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

static vectorcallfunc fastact_numpy_call; /* the same for every ufunc */
static PyObject *fastact_dispatcher;      /* dispatcher(name, arguments, keywords): a result, or NotImplemented */
static int fastact_dispatch_all;          /* whether it is asked about arrays of NumPy, too */
/* The result of a call; or NULL, without an exception where it is not of that kind. */
static PyObject *(*fastact_plain_call)(PyObject *ufunc, PyObject *const *args, Py_ssize_t count, PyObject *names);
static PyObject *(*fastact_call_over_rows)(PyObject *ufunc, PyObject *const *args, Py_ssize_t count, PyObject *names);

/* Whether the type says that its arrays may be on a device. */
static int fastact_may_be_on_device(PyObject *x)
{
    PyTypeObject *type = Py_TYPE(x);
    if (type == &PyArray_Type || type == &PyFloat_Type || type == &PyLong_Type || type == &PyList_Type ||
        PyArray_CheckScalar(x) || PyArray_Check(x))
        return 0;
    return PyObject_HasAttrString((PyObject *)type, "__cuda_array_interface__") ||
           PyObject_HasAttrString((PyObject *)type, "__dlpack_device__");
}

static PyObject *fastact_dispatched(const char *name, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *arguments = PyTuple_New(count), *keywords = PyDict_New(), *result = NULL;
    Py_ssize_t k;
    if (!arguments || !keywords)
        goto done;
    for (k = 0; k < count; k++) {
        Py_INCREF(args[k]);
        PyTuple_SET_ITEM(arguments, k, args[k]);
    }
    for (k = 0; names && k < PyTuple_GET_SIZE(names); k++)
        if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, k), args[count + k]) < 0)
            goto done;
    result = PyObject_CallFunction(fastact_dispatcher, "sOO", name, arguments, keywords);
done:
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *fastact_call_numpy(PyObject *ufunc, PyObject *const *args, size_t flagged_count, PyObject *names)
{
    PyObject *result = fastact_numpy_call(ufunc, args, flagged_count, names);
    if (result && PyErr_Occurred()) /* of a loop, which NumPy does not ask */
        Py_CLEAR(result);
    return result;
}

static PyObject *fastact_call_here(PyObject *ufunc, PyObject *const *args, size_t flagged_count, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged_count);
    PyObject *result = fastact_plain_call(ufunc, args, count, names);
    if (!result && !PyErr_Occurred())
        result = fastact_call_over_rows(ufunc, args, count, names);
    return result || PyErr_Occurred() ? result : fastact_call_numpy(ufunc, args, flagged_count, names);
}

static PyObject *fastact_call(PyObject *ufunc, PyObject *const *args, size_t flagged_count, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged_count), k;
    int ask = fastact_dispatch_all;
    for (k = 0; k < count && !ask; k++)
        ask = fastact_may_be_on_device(args[k]);
    if (ask && fastact_dispatcher) {
        PyObject *result = fastact_dispatched(((PyUFuncObject *)ufunc)->name, args, count, names);
        if (result != Py_NotImplemented)
            return result;
        Py_DECREF(result);
    }
    return (fastact_dispatch_all ? fastact_call_numpy : fastact_call_here)(ufunc, args, flagged_count, names);
}

static void fastact_install(PyObject *ufunc, int may_be_on_device)
{
    fastact_numpy_call = ((PyUFuncObject *)ufunc)->vectorcall;
    ((PyUFuncObject *)ufunc)->vectorcall = may_be_on_device ? fastact_call : fastact_call_here;
}

static void fastact_set_dispatcher(PyObject *dispatcher, int all)
{
    Py_INCREF(dispatcher);
    Py_XSETREF(fastact_dispatcher, dispatcher);
    fastact_dispatch_all = all;
}

#endif
