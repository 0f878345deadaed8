"""The gated linear units of one array, whose halves are a and b, and their gradients: made from the table of gates."""

import numpy as np

from fastact import _backend, _dispatch, ufuncs
from fastact._arguments import axis_of, new_result, output, result_type_of, wider_result_type, without_mask
from fastact._documentation import dressed
from fastact._gates import GATES, GRADIENT_NOTES, NOTES, docstring_for
from fastact._over_axes import COPIED, apart, blocks_of

FUNCTION = """Gated linear unit: a * {activation}(b), of the halves a and b of an array; {activation}(b) is {math}.

Parameters
----------
x : array_like
    Real numbers, an even number of them along `axis`: a, and after it b, which opens the gate.
{rest}

References
----------
{paper}

Examples
--------
>>> import fastact
>>> fastact.{name}([1.0, 2.0, 1.0, -1.0])
array({value})
"""

GRADIENT = """The gradient of `fastact.{name}`: gy * {activation}(b), and after it gy * a * {activation}'(b).

Parameters
----------
gy : array_like
    The gradient with respect to the result of `fastact.{name}`, and of its shape.
x : array_like
    What `fastact.{name}` was given: a, and after it b.
{rest}

Examples
--------
>>> import fastact
>>> fastact.grad.{name}([1.0, 1.0], [1.0, 2.0, 1.0, -1.0])
array({gradient})
"""

REST = """axis : int, default -1
    The axis of `x` that is split in two.
out : ndarray or tuple of one ndarray, optional
    Where the result goes; may share memory with {inputs}.
dtype : dtype, optional
    float16, float32 or float64: what to compute in and to return.

Returns
-------
ndarray
    {shape} float16, float32 and float64 are kept{wider}; integers are promoted as by
    `numpy.exp`, int64 to float64.

Raises
------
numpy.exceptions.AxisError
    Where `x` has no such axis.
TypeError
    For complex and long double numbers, objects, strings and dates, masked arrays, an `axis` that is no int, and
    where `out` cannot hold the result.
ValueError
    Where `x` has an odd size along `axis`, {wrong} has the wrong shape, or `out` is read-only.

Notes
-----
{notes}

{others}"""


ALL = (slice(None),)
over_halves = _backend.ufunc_module.over_halves


def half_of(name, shape, axis):
    """The axis, counted from the front, and half of the size along it."""
    if getattr(axis, "shape", ()):
        raise TypeError(f"{name} splits one array along an axis; of two arrays it is fastact.ufuncs.{name}(a, b)")
    axis = axis_of(axis, len(shape))
    half, odd = divmod(shape[axis], 2)
    if odd:
        raise ValueError(f"{name}: x must have an even size along axis {axis}, got {shape[axis]}")
    return axis, half


def _halved(name, x, axis):
    """The halves of an array along an axis."""
    axis, half = half_of(name, x.shape, axis)
    before = ALL * axis
    return x[(*before, slice(half))], x[(*before, slice(half, None))]


def _call(ufunc, dtype, *operands):
    *inputs, out = operands
    if all(operand.dtype == dtype for operand in operands):
        ufunc(*inputs, out=out)
    else:
        with np.errstate(all="ignore"):  # of casts
            ufunc(*inputs, out=out, dtype=dtype)


def _function(name):
    ufunc = getattr(ufuncs, name)

    def function(x, axis=-1, *, out=None, dtype=None):
        if dtype is None:  # the checks below take longer than a thousand elements
            result = over_halves(ufunc, None, None, x, axis, out)
            if result is not None:
                return result
        result = _dispatch.reduction(name, (x,), axis, out=out, dtype=dtype)
        if result is not NotImplemented:
            return result
        x = without_mask("x", x)
        result_type = result_type_of(name, "x", x.dtype, dtype)
        a, b = _halved(name, x, axis)
        result = output(name, out, "half of x", a.shape, result_type, a)
        _call(ufunc, result_type, a, b, np.asarray(result))
        return result

    rest = docstring_for(
        name,
        REST,
        NOTES,
        inputs="`x`",
        shape="Half of `x` in size along `axis`.",
        wider="",
        wrong="`out`",
        others=f"Where a and b are arrays of their own, or b comes first: `fastact.ufuncs.{name}(a, b)`.",
    )
    return dressed(function, name, "fastact", docstring_for(name, FUNCTION, "", rest=rest))


def _gradient(name):
    ufunc, ufunc_grad = getattr(ufuncs, name), getattr(ufuncs, f"{name}_grad")

    def function(gy, x, axis=-1, *, out=None, dtype=None):
        if dtype is None:  # as above
            result = over_halves(ufunc, ufunc_grad, gy, x, axis, out)
            if result is not None:
                return result
        result = _dispatch.reduction(name, (gy, x), axis, out=out, dtype=dtype)
        if result is not NotImplemented:
            return result
        gy, x = without_mask("gy", gy), without_mask("x", x)
        result_type = wider_result_type(name, dtype, gy=gy, x=x)
        a, b = _halved(name, x, axis)
        if gy.shape != a.shape:
            raise ValueError(f"gy must have the shape of half of x, {a.shape}, got {gy.shape}")
        result = output(name, out, "x", x.shape, result_type, x)
        target = np.asarray(result)
        gy, x = apart(gy, target), apart(x, target)
        a, b = _halved(name, x, axis)
        for_a, for_b = _halved(name, target, axis)
        if np.may_share_memory(x, target):  # what is for a must not overwrite what is yet to be read
            for block in blocks_of(a.shape, (), COPIED // result_type.itemsize):
                kept = new_result(a[block], result_type)
                _call(ufunc, result_type, gy[block], b[block], kept)
                _call(ufunc_grad, result_type, gy[block], a[block], b[block], for_b[block])
                with np.errstate(all="ignore"):  # `out` may be narrower
                    for_a[block] = kept
        else:
            _call(ufunc, result_type, gy, b, for_a)
            _call(ufunc_grad, result_type, gy, a, b, for_b)
        return result

    rest = docstring_for(
        name,
        REST,
        GRADIENT_NOTES,
        inputs="`gy` and `x`",
        shape="Of the shape of `x`.",
        wider=", the wider of two",
        wrong="`gy` or `out`",
        others=f"Where a and b are arrays of their own: `fastact.ufuncs.{name}(gy, b)` for a, and for b\n"
        f"`fastact.ufuncs.{name}_grad(gy, a, b)`.",
    )
    return dressed(function, name, "fastact.grad", docstring_for(name, GRADIENT, "", rest=rest))


FUNCTIONS = {name: _function(name) for name in GATES}
GRADIENTS = {name: _gradient(name) for name in GATES}
