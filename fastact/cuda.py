"""The same functions on a CUDA device, for arrays of PyTorch, CuPy, Numba and whoever has their protocols.

`fastact.cuda.sigmoid(x)` and so on take an array in the memory of a device (with `__cuda_array_interface__` or DLPack)
and give one of the same kind; `fastact.cuda.grad.NAME` are the gradients. The kernels are made from the very
formulas of the CPU's, by numba-cuda (`pip install "fastact[cuda]"`), when a function meets dtypes and a layout for the
first time; that takes a second or two, and later processes find them in `$XDG_CACHE_HOME/fastact` (`~/.cache/fastact`).

NumPy arrays are moved to the device and back. That takes far longer than the function itself on the CPU: it is
worth it in tests and to compare, and seldom else.
"""

import inspect
import sys
from functools import cache, lru_cache, partial
from itertools import chain
from math import prod
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

import fastact
from fastact import _cuda_arrays as arrays
from fastact import _cuda_elementwise, _cuda_rows, _dispatch
from fastact._arguments import axes_of, bool_of, returned, temperature_of
from fastact._cuda_device import is_available, why_not
from fastact._cuda_elementwise import CONSTANT, FIXED, SCALAR, STRIDED, VECTOR
from fastact._documentation import dressed, public_names
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._functions import choice_of, function_of, refuse
from fastact._gated import half_of
from fastact._gates import GATED, GATES, UFUNCS
from fastact._table import FLOAT_TYPES, REDUCTIONS, WITH_GRADIENT


@cache
def _runtime():
    """What launches, or a RuntimeError that says why it cannot."""
    if reason := why_not():
        raise RuntimeError(f"CUDA does not work here: {reason}")
    from fastact import _cuda_launch

    return _cuda_launch


def _compiler():
    """What makes the kernels."""
    from fastact import _cuda_compile

    return _cuda_compile


# ---- operands --------------------------------------------------------------------------------------


def _result_type(name, types, given):
    """The first of these type characters that all dtypes fit into, as NumPy looks for it; Python's numbers fit into any
    float. bfloat16, which NumPy has not, stays where nothing else comes in, and is a float32 otherwise."""
    stored = {storage for storage in given if isinstance(storage, str)}
    if stored == {"bfloat16"}:
        return "bfloat16"
    dtypes = [np.dtype("float32" if storage == "bfloat16" else storage) for storage in stored]
    for character in types:
        dtype = np.dtype(character)
        weak = [kind for kind in given if not isinstance(kind, str)]
        if all(np.can_cast(d, dtype) for d in dtypes) and (dtype.kind == "f" or all(k is not float for k in weak)):
            return dtype.name
    raise TypeError(f"{name}: real numbers of at most 64 bits are needed, got {', '.join(sorted(stored))}")


def _target(name, out, runtime, stream, device):
    """`out` and its Array; whether it suits the result is for `_check_out`."""
    if isinstance(out, tuple) and len(out) == 1:
        (out,) = out
    if not arrays.is_on_device(out):
        raise TypeError(f"{name}: out must be an array on the device of x, got {type(out).__name__}")
    target = arrays.array_of(out, "out", runtime, stream)
    if not target.writeable:
        raise ValueError(f"{name}: out is read-only")
    if target.device != device:
        raise ValueError(f"{name}: x is on device {device}, and out on device {target.device}")
    return out, target


def _output(name, out, first, device, runtime, stream, plan_for):
    """What is returned, its Array, and the Plan: plan_for(a Layout), or where `out` is None and it is made anew,
    plan_for(None)."""
    if out is None or out is ...:
        plan = plan_for(None)
        return *arrays.empty(first, plan.place, device), plan
    out, target = _target(name, out, runtime, stream, device)
    return out, target, plan_for(target.layout)


def _check_out(name, place, shape, result):
    """That a result of this shape and dtype can go into an array of this Layout."""
    if place.shape != shape:
        raise ValueError(f"{name}: out must have the shape {shape}, got {place.shape}")
    if place.storage != "bfloat16":
        if not np.can_cast(np.float32 if result == "bfloat16" else result, place.storage, "same_kind"):
            raise TypeError(f"{name}: a result of {result} cannot be cast to out's dtype {place.storage}")
        if place.storage not in ("float16", "float32", "float64") and place.storage != result:
            raise TypeError(f"{name}: out must have a float dtype, or {result}, got {place.storage}")
    elif np.dtype("float32" if result == "bfloat16" else result).kind != "f":
        raise TypeError(f"{name}: a result of {result} goes into its own dtype, got {place.storage}")


def _stream_for(given, first):
    """The stream to work on: by default that of the first operand's library."""
    return arrays.current_stream(first) if given is None else arrays.handle_of(given)


def _streams_of(operands, stream):
    """Others that operands may still be worked on."""
    return tuple(dict.fromkeys([x.stream for x in operands if x.stream is not None and x.stream != stream]))


def _on_host(name, labels, function, inputs, out, keywords):
    """Through the device and back, for NumPy arrays."""
    refuse(None, (name.removesuffix("_grad"), *labels), inputs)
    if out is not None and out is not ...:
        (out,) = out if isinstance(out, tuple) and len(out) == 1 else (out,)
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out must be an ndarray where the inputs are, got {type(out).__name__}")
    runtime = _runtime()
    device = [runtime.to_device(np.asarray(x)) if np.ndim(x) or k == 0 else x for k, x in enumerate(inputs)]
    result = runtime.to_host(function(*device, **keywords))
    if out is None or out is ...:
        return returned(result, out)
    if out.shape != result.shape:
        raise ValueError(f"out must have the shape {result.shape}, got {out.shape}")
    with np.errstate(all="ignore"):
        np.copyto(out, result, casting="same_kind")
    return out


def _operands(name, labels, inputs, there, stream):
    """What launches, the stream, and the Arrays of inputs that have to be on one device, all of them."""
    for label, x, on_device in zip(labels, inputs, there, strict=True):
        if not on_device:
            raise TypeError(f"{name}: {label} must be on the device as well, got {type(x).__name__}")
    runtime = _runtime()
    stream = _stream_for(stream, inputs[0])
    operands = [arrays.array_of(x, label, runtime, stream) for label, x in zip(labels, inputs, strict=True)]
    device = operands[-1].device
    for label, operand in zip(labels, operands, strict=True):
        if operand.device != device:
            raise ValueError(f"{name}: arrays must be on one device, got {device} and, for {label}, {operand.device}")
    return runtime, stream, operands


class Launch(NamedTuple):
    """A kernel, and what of its arguments does not depend on addresses: they stand between `work` and `last`."""

    kernel: Any
    blocks: int
    threads: int
    shared: int  # bytes of shared memory
    work: int | None  # for the threads, all together
    last: tuple


class Plan(NamedTuple):
    """What is known of a call before the addresses are."""

    result: str  # dtype
    dtype: str  # that of the computation
    place: arrays.Layout  # of the output
    axes: tuple = ()  # that a reduction runs over


def _plan(name, result, like, out):
    """The Plan for a result of the shape of a Layout, which goes into the Layout `out`, or lies as that one."""
    if out is None:
        out = arrays.without_gaps(result, like.shape, arrays.order_of(like))
    else:
        _check_out(name, out, like.shape, result)
    return Plan(result, "float32" if result in ("float16", "bfloat16") else result, out)


# ---- elementwise -----------------------------------------------------------------------------------


def _copy(x):
    return x


AT_DEFAULTS = {name: f"{name} at its defaults" for name, row in UFUNCS.items() if row.special_case}
FORMULAS = {name: row.formula for name, row in UFUNCS.items()} | {"copy": _copy}
FORMULAS |= {special: UFUNCS[name].special_case for name, special in AT_DEFAULTS.items()}


@lru_cache(maxsize=1024)
def _kernel(name, *description):
    return _compiler().elementwise(name, FORMULAS[name], *description)


@lru_cache(maxsize=4096)
def _elementwise_plan(name, types, given, out):
    """`given` are Layouts, names of dtypes and Python's number types; `out` is a Layout or None."""
    here = [place for place in given if isinstance(place, arrays.Layout)]
    result = _result_type(name, types, [k.storage if isinstance(k, arrays.Layout) else k for k in given])
    shape = np.broadcast_shapes(*(place.shape for place in here))
    none = arrays.without_gaps(result, shape, range(len(shape)))
    return _plan(name, result, next((place for place in here if place.shape == shape), none), out)


@lru_cache(maxsize=4096)
def _elementwise_launch(name, result, dtype, out, operands, fixed, places):
    """`operands` are the Layouts of inputs, or None for a number, whose value is in `fixed` if it gets a kernel of its
    own; `places` are the addresses of the output and the arrays modulo 16."""
    shape = out.shape
    given = [out, *(place for place in operands if place)]
    steps = [arrays.broadcast_steps(place, shape) for place in given]
    order = sorted(range(len(shape)), key=lambda k: -abs(steps[0][k]))
    sizes, steps = arrays.merged_dimensions([shape[k] for k in order], *([step[k] for k in order] for step in steps))
    width = 4 if max(place.size for place in given) <= 4 else 2
    vector = [step[-1] == place.size for step, place in zip(steps, given, strict=True)]
    aligned = all(
        not any(value % (place.size * width) for value in (address, *step[:-1]))
        for place, address, step, along in zip(given, places, steps, vector, strict=True)
        if along
    )
    whole = len(sizes) == 1 or sizes[-1] % width == 0
    if not (vector[0] and aligned and whole and all(v or s[-1] == 0 for v, s in zip(vector, steps, strict=True))):
        width = 1
    lies = iter(vector[1:])
    modes = tuple(
        (SCALAR if value is None else FIXED) if place is None
        else (VECTOR if next(lies) else CONSTANT) if width > 1
        else STRIDED
        for place, value in zip(operands, fixed, strict=True)
    )  # fmt: skip
    storages = tuple(place.storage if place else "float32" for place in operands)
    values = tuple(float(_number(value, result, dtype)) for value in fixed if value is not None)
    vectors = prod(sizes[:-1]) * -(-sizes[-1] // width)
    count = sizes[0] if len(sizes) == 1 and width > 1 else vectors
    inner = sizes[-1] // width
    steps = [(*step[:-1], step[-1] * width) for step in steps]
    per_block = _cuda_elementwise.THREADS * _cuda_elementwise.per_thread(len(sizes), width)
    blocks = -(-vectors // per_block)
    few = max(blocks * per_block, *(abs(s) for step in steps for s in step)) < _cuda_elementwise.FEW
    divisors = (*sizes[1:-1], inner)[: len(sizes) - 1]
    if few:
        divisors = chain.from_iterable((n, *_cuda_elementwise.multiplier(n)) for n in divisors)
    last = (*divisors, *chain.from_iterable(steps))
    kernel = _kernel(name, storages, modes, out.storage, dtype, len(sizes), width, values, few)
    return Launch(kernel, blocks, _cuda_elementwise.THREADS, 0, count, last)


def _number(value, result, dtype):
    """A parameter of a computation in `dtype`, rounded as NumPy does it."""
    with np.errstate(all="ignore"):
        return np.dtype(dtype).type(np.dtype("float32" if result == "bfloat16" else result).type(value))


def _run_elementwise(runtime, name, plan, out, inputs, fixed, stream, after):
    """`inputs` are Arrays, or numbers of the kernel's dtype; not those numbers that are in `fixed`."""
    operands = tuple([x.layout if type(x) is arrays.Array else None for x in inputs])
    places = (out.address & 15, *[x.address & 15 for x in inputs if type(x) is arrays.Array])
    launch = _elementwise_launch(name, plan.result, plan.dtype, out.layout, operands, fixed, places)
    values = [
        x.address if type(x) is arrays.Array else x for x, value in zip(inputs, fixed, strict=True) if value is None
    ]
    runtime.launch(launch, out.device, stream, after, (launch.work, out.address, *values, *launch.last))


def _call_elementwise(row, /, *inputs, out=None, stream=None, **others):
    """A row's formula of any arrays on one device, and numbers."""
    name, labels = row.name, (*row.arrays, *row.parameters)
    _dispatch.refuse_keywords(name.removesuffix("_grad"), others)
    first = None
    for x in inputs:
        if arrays.is_on_device(x):
            first = x
            break
    else:
        return _on_host(name, labels, partial(_call_elementwise, row), inputs, out, {"stream": stream})
    runtime = _runtime()
    stream = _stream_for(stream, first)
    operands, given, fixed, here = [], [], [], []
    for label, x in zip(labels, inputs, strict=True):
        value = None
        if type(x) is float or (isinstance(x, int) and not isinstance(x, np.generic)):
            kind = float if isinstance(x, float) else int
            if x == row.parameters.get(label):
                value = x
        elif arrays.is_on_device(x):
            x = arrays.array_of(x, label, runtime, stream)
            kind = x.layout
            if here and x.device != here[0].device:
                raise ValueError(
                    f"{name}: arrays must be on one device, got {here[0].device} and, for {label}, {x.device}"
                )
            here.append(x)
        elif isinstance(x, (np.generic, np.ndarray)) and x.ndim == 0:
            x = x[()]
            kind = x.dtype.name
        else:
            raise TypeError(f"{name}: {label} must be a number or on the device as well, got {type(x).__name__}")
        operands.append(x)
        given.append(kind)
        fixed.append(value)
    if name in AT_DEFAULTS and None not in fixed[len(row.arrays) :]:
        name, count = AT_DEFAULTS[name], len(row.arrays)
        operands, given, fixed = operands[:count], given[:count], fixed[:count]
    device = here[0].device
    plan_for = partial(_elementwise_plan, name, row.types, tuple(given))
    out, target, plan = _output(name, out, first, device, runtime, stream, plan_for)
    if 0 in plan.place.shape:
        return out
    operands = [
        x if value is not None or type(x) is arrays.Array else _number(x, plan.result, plan.dtype)
        for x, value in zip(operands, fixed, strict=True)
    ]
    after = _streams_of((*here, target), stream)

    def run(into):
        _run_elementwise(runtime, name, plan, into, operands, tuple(fixed), stream, after)

    _through_scratch(runtime, plan, first, here, target, stream, run)
    return out


def _through_scratch(runtime, plan, first, inputs, target, stream, run, in_place=True):
    """run(target), but by way of an array of its own where inputs overlap it; `in_place`: otherwise than element by
    element."""
    for x in inputs:
        if target.overlaps(x) and not (in_place and target.is_same(x)):
            break
    else:
        return run(target)
    place = arrays.without_gaps(plan.result, plan.place.shape, range(plan.place.ndim))
    _, between = arrays.empty(first, place, target.device)
    run(between)
    return _run_elementwise(runtime, "copy", plan, target, [between], (None,), stream, ())


# ---- gated linear units ----------------------------------------------------------------------------


def _halves(name, x, axis):
    """The halves of an Array along an axis."""
    place = x.layout
    axis, half = half_of(name, place.shape, axis)
    shape = (*place.shape[:axis], half, *place.shape[axis + 1 :])
    place = arrays.layout(place.storage, shape, place.steps)
    return x._replace(layout=place), x._replace(layout=place, address=x.address + half * place.steps[axis])


def _call_gated(name, labels, *inputs, axis=-1, out=None, stream=None):
    """A gated unit of the halves of x; or, of gy and x, its gradient."""
    there = [arrays.is_on_device(x) for x in inputs]
    if not any(there):
        inputs = [np.asarray(x) for x in inputs]
        return _on_host(name, labels, partial(_call_gated, name, labels), inputs, out, {"axis": axis, "stream": stream})
    runtime, stream, operands = _operands(name, labels, inputs, there, stream)
    *gradient, x = operands
    a, b = _halves(name, x, axis)
    result = _result_type(name, FLOAT_TYPES, [operand.layout.storage for operand in operands])
    if gradient and gradient[0].layout.shape != a.layout.shape:
        raise ValueError(f"gy must have the shape of half of x, {a.layout.shape}, got {gradient[0].layout.shape}")
    whole = x.layout if gradient else a.layout
    plan_for = partial(_plan, name, result, whole)
    out, target, plan = _output(name, out, inputs[-1], x.device, runtime, stream, plan_for)
    if 0 in plan.place.shape:
        return out
    after = _streams_of((*operands, target), stream)

    def run(into):
        if not gradient:
            return _run_elementwise(runtime, name, plan, into, (a, b), (None,) * 2, stream, after)
        for_a, for_b = _halves(name, into, axis)
        _run_elementwise(runtime, name, plan, for_a, (*gradient, b), (None,) * 2, stream, after)
        return _run_elementwise(runtime, f"{name}_grad", plan, for_b, (*gradient, a, b), (None,) * 3, stream, ())

    given = operands if gradient else (a, b)
    _through_scratch(runtime, plan, inputs[-1], given, target, stream, run, in_place=not gradient)
    return out


# ---- softmax and its kin ---------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _reduction_kernel(*description):
    return _compiler().reduction(*description)


@lru_cache(maxsize=4096)
def _reduction_plan(name, labels, given, axis, keepdims, out):
    """As `_elementwise_plan`."""
    like = given[-1]
    result = _result_type(name, FLOAT_TYPES, [place.storage for place in given])
    for label, place in zip(labels, given, strict=True):
        if place.shape != like.shape:
            raise ValueError(f"{name}: {label} must have the shape of {labels[-1]}, {like.shape}, got {place.shape}")
    axes = axes_of(axis, like.ndim)
    if REDUCTIONS[name].single:
        like = arrays.reduced(like, axes, keepdims)
    return _plan(name, result, like, out)._replace(axes=axes)


@lru_cache(maxsize=4096)
def _reduction_launch(name, dtype, axes, given, scaled, room):
    """`given` are the Layouts of the inputs and of the output; a block has `room` bytes of shared memory."""
    like, row = given[-2], REDUCTIONS[name]
    shape, steps, storages = like.shape, [place.steps for place in given], [place.storage for place in given]
    if row.single:
        steps[-1] = arrays.steps_of_reduced(given[-1], axes, like.ndim)
    kept = sorted((k for k in range(len(shape)) if k not in axes), key=lambda k: -abs(like.steps[k]))
    row_sizes, row_steps = arrays.merged_dimensions([shape[k] for k in kept], *([s[k] for k in kept] for s in steps))
    reduced = sorted(axes, key=lambda k: -abs(like.steps[k]))
    sizes, along = arrays.merged_dimensions([shape[k] for k in reduced], *([s[k] for k in reduced] for s in steps))
    count, length = prod(row_sizes), prod(sizes)
    side_by_side = [step[0] == place.size for step, place in zip(along, given, strict=True)]
    adjacent = len(sizes) == 1 and all(side_by_side[:-1] if row.single else side_by_side)
    across = along[-2][-1] != like.size and row_steps[-2][-1] == like.size and count > 1
    most = _cuda_rows.MOST // (len(given) - 1) // (np.dtype(dtype).itemsize // 4)
    of_slot = _cuda_rows.EXCHANGED * np.dtype(dtype).itemsize
    keeps = len(given) == 2 and like.storage in _cuda_rows.SHARED and not row.sparse
    room = (room - of_slot * _cuda_rows.MAX_SLOTS) // like.size if keeps else 0
    rows = _cuda_rows.arranged(count, length, across, adjacent, most, len(row_sizes), len(sizes), room, like.size == 2)
    kernel = _reduction_kernel(name, rows, tuple(storages[:-1]), storages[-1], dtype, scaled)
    shared = of_slot * rows.slots + rows.room(length) * like.size
    last = (count, length, *chain(row_sizes, *row_steps, sizes, *along))
    return Launch(kernel, -(-count // rows.block_rows), rows.threads, shared, None, last)


@lru_cache(maxsize=1024)
def _factor(temperature, dtype):
    """What a kernel is told of a temperature."""
    return () if temperature == 1 else _cuda_rows.factor(temperature, dtype)


def _call_reduction(name, labels, *inputs, axis=-1, keepdims=False, out=None, stream=None, temperature=1.0):
    """softmax and its kin of x, or their gradients of gy and y."""
    keepdims = bool_of("keepdims", keepdims)
    there = [arrays.is_on_device(x) for x in inputs]
    if not any(there):
        inputs = [np.asarray(x) for x in inputs]
        keywords = {"axis": axis, "keepdims": keepdims, "stream": stream, "temperature": temperature}
        return _on_host(name, labels, partial(_call_reduction, name, labels), inputs, out, keywords)
    temperature = temperature_of(temperature)
    runtime, stream, operands = _operands(name, labels, inputs, there, stream)
    device = operands[-1].device
    given = tuple([operand.layout for operand in operands])
    axis = axis if axis is None or type(axis) is int else axes_of(axis, given[-1].ndim)
    plan_for = partial(_reduction_plan, name, labels, given, axis, keepdims)
    out, target, plan = _output(name, out, inputs[-1], device, runtime, stream, plan_for)
    if 0 in plan.place.shape:
        return out
    after = _streams_of((*operands, target), stream)
    if 0 in given[-1].shape:  # sums of nothing
        nothing = np.dtype(plan.dtype).type(-np.inf)
        _run_elementwise(runtime, "copy", plan, target, [nothing], (None,), stream, after)
        return out
    factor = _factor(temperature, plan.dtype)

    def run(into):
        launch = _reduction_launch(
            name, plan.dtype, plan.axes, (*given, into.layout), bool(factor), runtime.shared_room(device)
        )
        addresses = [operand.address for operand in (*operands, into)]
        runtime.launch(launch, device, stream, after, (*addresses, *factor, *launch.last))

    _through_scratch(runtime, plan, inputs[-1], operands, target, stream, run)
    return out


# ---- the public functions --------------------------------------------------------------------------

SHARED_DOC = {
    "{arrays}": """device array
    In the memory of one CUDA device, with `__cuda_array_interface__` or DLPack: of PyTorch, CuPy, Numba. float32 and
    float64 are computed in their own dtype, float16 and bfloat16 in float32. NumPy arrays are moved to the device and
    back.""",
    "{out}": """out : device array, optional
    Where the result goes; may be an input.
stream : CUDA stream or its handle, optional
    Where to work: by default on the stream that the library of the first array works on now. The result is there once
    this stream is.

Returns
-------
device array
    Of the inputs'{shape} shape, and of the kind of the first array.

Raises
------
RuntimeError
    Where CUDA does not work, with the reason.
TypeError
    For complex numbers, tensors that require grad, and inputs that are partly on a device and partly in NumPy arrays;
    where `out` is elsewhere or cannot hold the result.""",
    "{after}": """Nothing has been launched then.

Notes
-----
{notes}

Examples
--------
>>> import fastact, torch
>>> x = torch.tensor([[-1.0, 2.0]], device="cuda")  # doctest: +SKIP
>>> {call}  # doctest: +SKIP""",
}
ELEMENTWISE_DOC = """{summary}

Parameters
----------
{labels} : {arrays} They broadcast, and `x` alone needs to be an array.{option}
{out}
ValueError
    Where shapes do not broadcast, or devices differ. {after}
"""
REDUCTION_DOC = """{summary}

Parameters
----------
{labels} : {arrays}
axis : int, tuple of ints or None, default -1
    What each sum runs over; None is everything.{option}
{out}
numpy.exceptions.AxisError
    Where there is no such axis.
ValueError
    Where shapes or devices differ, or an axis is repeated{wrong}. {after}
"""
KEEPDIMS = """
keepdims : bool, default False
    Whether the axes that were summed over stay, with size 1."""
TEMPERATURE = """
temperature : float, default 1
    """
WRONG_TEMPERATURE = ",\n    or `temperature` is not a positive number"
GATED_DOC = """{summary}

Parameters
----------
{labels} : {arrays}
axis : int, default -1
    The axis of `x` that is split in two: a, and after it b.
{out}
numpy.exceptions.AxisError
    Where there is no such axis.
ValueError
    Where `x` has an odd size along `axis`, or shapes or devices differ. {after}
"""


def _documented(function, name, module, doc, **values):
    for mark, text in SHARED_DOC.items():
        doc = doc.replace(mark, text)
    for mark, text in values.items():
        doc = doc.replace(f"{{{mark}}}", text)
    return dressed(function, name, module, doc)


def _summary(doc):
    return inspect.cleandoc(doc).partition("\n")[0]


def _elementwise_function(row):
    labels = (*row.arrays, *row.parameters)
    gradient = row.name in GRADIENTS
    module = "fastact.cuda.grad" if gradient else "fastact.cuda"
    name = row.name.removesuffix("_grad")

    def call_of(kernel):
        def call(*inputs, **keywords):
            if len(inputs) != len(labels):
                raise TypeError(f"{name}() takes {', '.join(labels)}, got {len(inputs)} positional arguments")
            return _call_elementwise(UFUNCS[kernel], *inputs, **keywords)

        return call

    if row.options:
        chosen = {option: call_of(kernel) for option, kernel in row.options.items()}
        function = choice_of(row, chosen, module)
    else:
        function = function_of(row, call_of(row.name), module=module)
    kind = inspect.Parameter
    function.__signature__ = inspect.Signature(
        [kind(array, kind.POSITIONAL_ONLY) for array in row.arrays]
        + [kind(p, kind.POSITIONAL_OR_KEYWORD, default=default) for p, default in row.parameters.items()]
        + [kind("approximate", kind.KEYWORD_ONLY, default=option) for option in list(row.options)[:1]]
        + [kind(option, kind.KEYWORD_ONLY, default=None) for option in ("out", "stream")]
    )
    return _documented(
        function,
        name,
        module,
        ELEMENTWISE_DOC,
        summary=_summary(row.doc),
        labels=", ".join(labels),
        option="".join(
            f"\napproximate : str, default {o!r}\n    As for `fastact.{name}`." for o in list(row.options)[:1]
        ),
        shape=" broadcast",
        notes=f"As `{module.replace('.cuda', '')}.{name}` at kinks, infinities and NaN: it is the same formula.",
        call=f"{module}.{name}({', '.join(['x'] * len(row.arrays) + ['0.5'] * len(row.parameters))})",
    )


def _over_axes(name, gradient=False):
    """The function for a row of the table of reductions, or its gradient."""
    row = REDUCTIONS[name]
    keywords = ["keepdims=False"] * row.single + ["out=None", "stream=None"] + ["temperature=1.0"] * row.temperature
    module, labels, divisor = "fastact.cuda", ("x",), "What `x` is divided by, without a loss of digits."
    notes = f"As `fastact.{name}` at infinities and NaN{', and of an empty axis' * row.single}."
    if gradient:
        module, labels, divisor = "fastact.cuda.grad", ("gy", "y"), "The one that `y` was made with."
        notes = "The sum is carried in twice the precision."
    arrays, taken = ", ".join(labels), ", ".join(keywords)
    given = ", ".join("{0}={0}".format(keyword.partition("=")[0]) for keyword in keywords)
    scope = {"call": partial(_call_reduction, name, labels)}
    exec(f"def function({arrays}, axis=-1, *, {taken}): return call({arrays}, axis=axis, {given})", scope)
    return _documented(
        scope["function"],
        name,
        module,
        REDUCTION_DOC,
        summary=_summary(getattr(fastact.grad if gradient else fastact, name).__doc__),
        labels=arrays,
        shape=" reduced" if row.single else "",
        option=KEEPDIMS * row.single + (TEMPERATURE + divisor) * row.temperature,
        wrong=WRONG_TEMPERATURE * row.temperature,
        notes=notes,
        call=f"{module}.{name}({arrays}, axis=1)",
    )


def _gated_function(name, gradient):
    module = "fastact.cuda.grad" if gradient else "fastact.cuda"
    gate = GATES[name].activation

    def forward(x, axis=-1, *, out=None, stream=None):
        return _call_gated(name, ("x",), x, axis=axis, out=out, stream=stream)

    def backward(gy, x, axis=-1, *, out=None, stream=None):
        return _call_gated(name, ("gy", "x"), gy, x, axis=axis, out=out, stream=stream)

    summary = f"Gated linear unit: a * {gate}(b), of the halves a and b of an array."
    if gradient:
        summary = f"The gradient of `fastact.{name}`: gy * {gate}(b), and after it gy * a * {gate}'(b)."
    return _documented(
        backward if gradient else forward,
        name,
        module,
        GATED_DOC,
        summary=summary,
        labels="gy, x" if gradient else "x",
        shape="" if gradient else " halved",
        notes=f"As `{module.replace('.cuda', '')}.{name}` at infinities and NaN: it is the same formula.",
        call=f"{module}.{name}({'x[:, :1], ' if gradient else ''}x, axis=1)",
    )


def _ufunc(name):
    """What computes the ufunc of this name; None where it is not there."""
    if name in GATED:
        return partial(_call_elementwise, GATED[name])
    return getattr(grad if name.endswith("_grad") else sys.modules[__name__], name.removesuffix("_grad"), None)


globals().update({name: _elementwise_function(row) for name, row in ACTIVATIONS.items()})
globals().update({name: _over_axes(name) for name in REDUCTIONS})
globals().update({name: _gated_function(name, gradient=False) for name in GATES})
grad = SimpleNamespace(
    **{name: _elementwise_function(GRADIENTS[f"{name}_grad"]) for name in ACTIVATIONS},
    **{name: _gated_function(name, gradient=True) for name in GATES},
    **{name: _over_axes(name, gradient=True) for name in WITH_GRADIENT},
)

__all__ = [*ACTIVATIONS, *GATES, *REDUCTIONS, "grad", "is_available", "why_not"]
__dir__ = public_names(globals())
