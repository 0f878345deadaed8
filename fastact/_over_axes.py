"""Calls of the backend's kernels over axes, for arrays of any dtype and layout."""

import math
from collections import defaultdict
from itertools import product

import numpy as np

from fastact import _backend, _dispatch
from fastact._arguments import (
    COMPUTED_AS,
    axes_of,
    mask_of,
    output,
    result_type_of,
    returned,
    temperature_of,
    unmasked,
    wider_result_type,
    without_mask,
)
from fastact._table import REDUCTIONS

convert = _backend.ufunc_module.convert
MODULES: list = []
if _backend.backend == _backend.PLAIN:
    from fastact._numpy import reduce, select

    REDUCE: dict = defaultdict(lambda: reduce)
else:
    select = _backend.kernels_module.select
    MODULES += [_backend.kernels_module, _backend.simplex_module]
    REDUCE = {name: module.reduce for module in MODULES for name in module.KINDS}
# name -> what gives the result of a simple call, or None: the checks below take longer than a thousand exponentials
QUICK: dict = defaultdict(lambda: lambda *given: None)
if _backend.backend != _backend.CUDA:
    QUICK |= {name: module.reduce_contiguous for module in MODULES for name in module.KINDS}

COPIED = 2**18  # bytes of operands that have another dtype, at a time


def apply(name, x, axis, out, where, dtype, temperature=1.0):
    if where is None and dtype is None:
        result = QUICK[name](name, x, None, axis, out, temperature)
        if result is not None:
            return result
    return over_axes(name, axis, out, where, dtype, temperature, x)


def over_axes(name, axis, out, where, dtype, temperature, x, *y):
    """The result of any call, checked: of x, or, for the gradient, of gy, here x, and y."""
    temperature = temperature_of(temperature)
    if type(x) is not np.ndarray or _backend.backend == _backend.CUDA:
        given = temperature if temperature != 1 else None
        result = _dispatch.reduction(name, (x, *y), axis, out=out, where=where, dtype=dtype, temperature=given)
        if result is not NotImplemented:
            return result
    if y:
        kernel, argument = f"{name}_gradient", "gy"
        x, second = without_mask("gy", x), without_mask("y", *y)
        result_type = wider_result_type(name, dtype, gy=x, y=second)
        if second.shape != x.shape:
            raise ValueError(f"y must have the shape of gy, {x.shape}, got {second.shape}")
    else:
        kernel, argument = name, "x"
        where = unmasked(x, where)
        x = np.asarray(x)
        result_type = result_type_of(name, "x", x.dtype, dtype)
        second = mask_of(where, x.shape)
    axes = axes_of(axis, x.ndim)
    result = output(name, out, argument, x.shape, result_type, x)
    reduce_into(kernel, x, second, axes, np.asarray(result), result_type, temperature)
    return returned(result, out)


def reduce_into(name, x, second, axes, out, result_type, temperature=1.0):
    """Call the backend's `reduce`, whatever the dtype and layout of these are. What has another dtype than it computes
    in, or is not aligned, is copied: a few rows at a time, so that it takes no memory to speak of."""
    computed_as = COMPUTED_AS[result_type.char]
    x = apart(x, out)
    second = None if second is None else apart(second, out)
    masked = second is not None and not name.endswith("_gradient")
    if fits(x, computed_as) and fits(out, computed_as) and (masked or second is None or fits(second, computed_as)):
        if not masked:
            REDUCE[name](name, x, axes, out, second, temperature)
            return
        if name != "logsumexp":  # which has no room for all elements in `out`
            _reduce_selected(name, x, axes, out, second, temperature, out)
            return
    copies = computed_as.itemsize * (1 if second is None or masked else 2)
    with np.errstate(all="ignore"):
        for block in blocks_of(x.shape, axes, COPIED // copies):
            given, there = converted(x[block], computed_as), out[block]
            target = there
            if not fits(out, computed_as):
                target = given if given.shape == there.shape else np.empty(there.shape, computed_as)
            if masked:
                _reduce_selected(name, given, axes, given, second[block], temperature, target)
            else:
                beside = None if second is None else converted(second[block], computed_as)
                REDUCE[name](name, given, axes, target, beside, temperature)
            if target is not there:
                cast(target, there)


def _reduce_selected(name, x, axes, between, where, temperature, out):
    """By way of `between`, which may be x or `out`: those that take no part do so as infinities."""
    row = REDUCTIONS[name]
    select(x, where, row.left_out, between)
    REDUCE[name](name, between, axes, out, None, temperature)
    if not row.single:
        select(out, where, row.result_left_out, out)


def converted(x, dtype):
    """A copy in another dtype."""
    result = np.empty_like(x, dtype)
    cast(x, result)
    return result


def cast(source, target):
    """Copy to an array of another dtype, the one in which is computed being packed; float16 faster than NumPy does."""
    packed = source if target.dtype.char == "e" else target
    order = sorted(range(packed.ndim), key=lambda k: -packed.strides[k])
    if not convert(source.transpose(order), target.transpose(order)):
        np.copyto(target, source, casting="same_kind")


def blocks_of(shape, axes, elements):
    """Indices that cut an array, but not across `axes`, into blocks of so many elements, or one row where that is
    more."""
    size = math.prod(shape)
    if size <= elements:
        return [(*[slice(None)] * len(shape), ...)]
    ranges = []
    for k, n in enumerate(shape):
        step = n
        if k not in axes and size > elements:
            step = max(1, elements * n // size)
            step = max(16, step // 16 * 16) if step >= 8 else step  # whole vectors, if this is the last axis
            size = size // n * step
        ranges.append([slice(start, start + step) for start in range(0, n, step or 1)])
    return ((*block, ...) for block in product(*ranges))


def fits(x, dtype):
    return x.dtype == dtype and x.flags.aligned


def apart(x, out):
    """x, or a copy of it where it lies across `out`."""
    if x is not out and np.may_share_memory(x, out) and not same_memory(x, out):
        return x.copy(order="K")
    return x


def same_memory(a, b):
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides and a.shape == b.shape and a.itemsize == b.itemsize
