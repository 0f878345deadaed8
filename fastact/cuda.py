"""The same functions on a CUDA device, for arrays of PyTorch, CuPy, Numba and whoever has their protocols.

`fastact.cuda.sigmoid(x)` and so on take an array in the memory of a device (with `__cuda_array_interface__` or DLPack)
and give one of the same kind; `fastact.cuda.grad.NAME` are the gradients. The kernels are made from the very
formulas of the CPU's, by numba-cuda (`pip install "fastact[cuda]"`), when a function meets dtypes and a layout for the
first time; that takes a second or two.

NumPy arrays are moved to the device and back. That takes far longer than the function itself on the CPU: it is
worth it in tests and to compare, and seldom else.
"""

import inspect
from functools import lru_cache, partial
from types import SimpleNamespace

import numpy as np

from fastact import _cuda_arrays as arrays
from fastact import _cuda_kernels as kernels
from fastact import _reductions
from fastact._cuda_device import is_available, why_not
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._functions import choice_of, function_of
from fastact._table import FLOAT_TYPES

COMPUTED_AS = {"float16": "float32", "bfloat16": "float32"}


def _runtime():
    """What compiles and launches, or a RuntimeError that says why it cannot."""
    if reason := why_not():
        raise RuntimeError(f"CUDA does not work here: {reason}")
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


def _checked_out(runtime, name, out, shape, result, device, stream):
    if isinstance(out, tuple) and len(out) == 1:
        (out,) = out
    if not arrays.is_on_device(out):
        raise TypeError(f"{name}: out must be an array on the device of x, got {type(out).__name__}")
    target = _aligned(name, arrays.array_of(out, "out", runtime, stream))
    if target.shape != shape:
        raise ValueError(f"{name}: out must have the shape {shape}, got {target.shape}")
    if not target.writeable:
        raise ValueError(f"{name}: out is read-only")
    if target.device != device:
        raise ValueError(f"{name}: x is on device {device}, and out on device {target.device}")
    if target.storage != "bfloat16":
        if not np.can_cast(np.float32 if result == "bfloat16" else result, target.storage, "same_kind"):
            raise TypeError(f"{name}: a result of {result} cannot be cast to out's dtype {target.storage}")
        if target.storage not in ("float16", "float32", "float64") and target.storage != result:
            raise TypeError(f"{name}: out must have a float dtype, or {result}, got {target.storage}")
    elif np.dtype("float32" if result == "bfloat16" else result).kind != "f":
        raise TypeError(f"{name}: a result of {result} goes into its own dtype, got {target.storage}")
    return target


def _aligned(name, array):
    size = arrays.itemsize(array.storage)
    if array.address % size or any(step % size for step in array.steps):
        raise ValueError(f"{name}: the elements of a device array must be aligned to their size")
    return array


def _stream_for(given, first):
    """The stream to work on: by default that of the first operand's library."""
    return arrays.current_stream(first) if given is None else arrays.handle_of(given)


def _streams_of(operands, stream):
    """Others that operands may still be worked on."""
    return tuple(dict.fromkeys(x.stream for x in operands if x.stream not in (None, stream)))


def _on_host(function, inputs, out, keywords):
    """Through the device and back, for NumPy arrays."""
    if out is not None:
        (out,) = out if isinstance(out, tuple) and len(out) == 1 else (out,)
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out must be an ndarray where the inputs are, got {type(out).__name__}")
    runtime = _runtime()
    device = [runtime.to_device(np.asarray(x)) if np.ndim(x) or k == 0 else x for k, x in enumerate(inputs)]
    result = runtime.to_host(function(*device, **keywords))
    if out is None:
        return result[()] if result.ndim == 0 else result
    if out.shape != result.shape:
        raise ValueError(f"out must have the shape {result.shape}, got {out.shape}")
    with np.errstate(all="ignore"):
        np.copyto(out, result, casting="same_kind")
    return out


# ---- elementwise -----------------------------------------------------------------------------------


def _copy(x):
    return x


FORMULAS = {name: row.formula for name, row in (ACTIVATIONS | GRADIENTS).items()} | {"copy": _copy}


@lru_cache(maxsize=1024)
def _kernel(name, *description):
    return _runtime().elementwise(FORMULAS[name], *description)


@lru_cache(maxsize=4096)
def _elementwise_plan(name, dtype, shape, *operands):
    """The kernel for these layouts, how many blocks, its first argument and its last ones.

    Each of `operands`, the output first, is storage, steps through the whole shape, and the address modulo 16; or
    None for a scalar.
    """
    given = [operand for operand in operands if operand]
    order = sorted(range(len(shape)), key=lambda k: -abs(given[0][1][k]))
    steps = [[operand[1][k] for k in order] for operand in given]
    sizes, steps = arrays.merged_dimensions([shape[k] for k in order], *steps)
    itemsizes = [arrays.itemsize(storage) for storage, *_ in given]
    width = 4 if max(itemsizes) <= 4 else 2
    vector = [step[-1] == size for step, size in zip(steps, itemsizes, strict=True)]
    aligned = all(
        not any(place % (size * width) for place in (operand[2], *step[:-1]))
        for operand, size, step, along in zip(given, itemsizes, steps, vector, strict=True)
        if along
    )
    whole = len(sizes) == 1 or sizes[-1] % width == 0
    if not (vector[0] and aligned and whole and all(v or s[-1] == 0 for v, s in zip(vector, steps, strict=True))):
        width = 1
    lies = iter(vector[1:])
    modes = tuple(
        kernels.SCALAR if x is None
        else (kernels.VECTOR if next(lies) else kernels.CONSTANT) if width > 1
        else kernels.STRIDED
        for x in operands[1:]
    )  # fmt: skip
    storages = tuple(x[0] if x else "float32" for x in operands[1:])
    kernel = _kernel(name, storages, modes, operands[0][0], dtype, len(sizes), width)
    threads = arrays.size_of(sizes[:-1]) * -(-sizes[-1] // width)
    count = sizes[0] if len(sizes) == 1 else threads
    inner = sizes[-1] // width
    steps = [(*step[:-1], step[-1] * width) for step in steps]
    last = (*sizes[1:-1], inner)[: len(sizes) - 1] + tuple(s for step in steps for s in step)
    return kernel, -(-threads // kernels.THREADS), count, last


def _run_elementwise(runtime, name, dtype, shape, out, inputs, stream, after):
    """`inputs` are Arrays, or numbers of the kernel's dtype."""
    operands = [
        (x.storage, arrays.broadcast_steps(x, shape), x.address % 16) if isinstance(x, arrays.Array) else None
        for x in (out, *inputs)
    ]
    kernel, blocks, count, last = _elementwise_plan(name, dtype, shape, *operands)
    values = [x.address if isinstance(x, arrays.Array) else x for x in inputs]
    runtime.launch(kernel, out.device, stream, after, blocks, kernels.THREADS, 0, (count, out.address, *values, *last))


def _call_elementwise(name, types, labels, *inputs, out=None, stream=None):
    """A formula of any arrays on one device, and numbers."""
    there = [arrays.is_on_device(x) for x in inputs]
    if not any(there):
        keywords = {"stream": stream}
        return _on_host(lambda *x, **k: _call_elementwise(name, types, labels, *x, **k), inputs, out, keywords)
    runtime = _runtime()
    first = inputs[there.index(True)]
    stream = _stream_for(stream, first)
    operands, given = [], []
    for label, x, on_device in zip(labels, inputs, there, strict=True):
        if on_device:
            operands.append(_aligned(name, arrays.array_of(x, label, runtime, stream)))
            given.append(operands[-1].storage)
        elif isinstance(x, (int, float)) and not isinstance(x, np.generic):
            operands.append(x)
            given.append(float if isinstance(x, float) else int)
        elif isinstance(x, (np.generic, np.ndarray)) and x.ndim == 0:
            operands.append(x[()])
            given.append(x.dtype.name)
        else:
            raise TypeError(f"{name}: {label} must be a number or on the device as well, got {type(x).__name__}")
    result = _result_type(name, types, given)
    here = [x for x in operands if isinstance(x, arrays.Array)]
    device = here[0].device
    for label, x in zip(labels, operands, strict=True):
        if isinstance(x, arrays.Array) and x.device != device:
            raise ValueError(f"{name}: arrays must be on one device, got {device} and, for {label}, {x.device}")
    shape = np.broadcast_shapes(*(x.shape for x in here))
    if out is None:
        same = [x for x in here if x.shape == shape]
        order = arrays.order_of(same[0]) if same else range(len(shape))
        out = arrays.empty(first, shape, result, device, order)
        target = arrays.array_of(out, "out", runtime, stream)
    else:
        target = _checked_out(runtime, name, out, shape, result, device, stream)
    if 0 in shape:
        return out
    dtype = COMPUTED_AS.get(result, result)
    kind, rounded = np.dtype(dtype).type, np.dtype(dtype if result == "bfloat16" else result).type  # as NumPy does
    with np.errstate(all="ignore"):
        operands = [x if isinstance(x, arrays.Array) else kind(rounded(x)) for x in operands]
    scratch = None
    if any(target.overlaps(x) and not target.is_same(x) for x in here):
        scratch = arrays.empty(first, shape, result, device, range(len(shape)))
    written = target if scratch is None else arrays.array_of(scratch, "out", runtime, stream)
    after = _streams_of((*here, target), stream)
    _run_elementwise(runtime, name, dtype, shape, written, operands, stream, after)
    if scratch is not None:
        _run_elementwise(runtime, "copy", dtype, shape, target, [written], stream, ())
    return out


# ---- softmax and its kin ---------------------------------------------------------------------------

WARP_ROWS = 1024  # up to this length a row has a warp, or a part of one
LONG_ROWS = 8192  # up to this one THREADS, and beyond it MAX_LANES
SHORT_COLUMNS = 32  # below this one thread to a column is enough
MANY_COLUMNS = 2**17  # keep a device busy with a thread to each


def _geometry(rows, length, across):
    """Lanes, rows to a block, and the threads from one lane, and one row, to the next. `across`: neighbours in memory
    are of different rows."""
    if across:
        lanes = 1 if rows >= MANY_COLUMNS or length < SHORT_COLUMNS else kernels.THREADS // kernels.WARP
        block_rows = kernels.THREADS // lanes
        return lanes, block_rows, block_rows, 1
    lanes = 1
    while lanes < kernels.WARP and lanes * kernels.UNROLL < length:
        lanes *= 2
    if length > WARP_ROWS:
        lanes = kernels.THREADS if length <= LONG_ROWS else kernels.MAX_LANES
    return lanes, max(1, kernels.THREADS // lanes), 1, lanes


@lru_cache(maxsize=1024)
def _reduction_kernel(*description):
    return _runtime().reduction(*description)


@lru_cache(maxsize=4096)
def _reduction_plan(name, dtype, shape, axes, *operands):
    """As `_elementwise_plan`, for the inputs and then the output; also a block's threads and bytes of shared memory."""
    storages, steps = zip(*operands, strict=True)
    kept = sorted((k for k in range(len(shape)) if k not in axes), key=lambda k: -abs(steps[0][k]))
    row_sizes, row_steps = arrays.merged_dimensions([shape[k] for k in kept], *([s[k] for k in kept] for s in steps))
    reduced = sorted(axes, key=lambda k: -abs(steps[0][k]))
    sizes, along = arrays.merged_dimensions([shape[k] for k in reduced], *([s[k] for k in reduced] for s in steps))
    rows, length = arrays.size_of(row_sizes), arrays.size_of(sizes)
    size = arrays.itemsize(storages[0])
    across = along[0][-1] != size and row_steps[0][-1] == size and rows > 1
    lanes, block_rows, lane_step, row_step = _geometry(rows, length, across)
    threads = lanes * block_rows
    shared = 4 * threads * np.dtype(dtype).itemsize if lanes * lane_step > kernels.WARP else 0
    rounds = -(-length // (kernels.UNROLL * lanes))
    kernel = _reduction_kernel(name, storages[:-1], storages[-1], dtype, len(row_sizes), len(sizes))
    last = (rows, length, rounds, lanes, block_rows, lane_step, row_step, row_sizes, *row_steps, sizes, *along)
    return kernel, -(-rows // block_rows), threads, shared, last


def _call_reduction(name, labels, *inputs, axis=-1, out=None, stream=None):
    """softmax and its kin of x, or their gradients of gy and y."""
    there = [arrays.is_on_device(x) for x in inputs]
    if not any(there):
        keywords = {"axis": axis, "stream": stream}
        inputs = [np.asarray(x) for x in inputs]
        return _on_host(lambda *x, **k: _call_reduction(name, labels, *x, **k), inputs, out, keywords)
    if not all(there):
        label = labels[there.index(False)]
        raise TypeError(
            f"{name}: {label} must be on the device as well, got {type(inputs[there.index(False)]).__name__}"
        )
    runtime = _runtime()
    stream = _stream_for(stream, inputs[0])
    operands = [
        _aligned(name, arrays.array_of(x, label, runtime, stream)) for label, x in zip(labels, inputs, strict=True)
    ]  # fmt: skip
    x = operands[-1]
    result = _result_type(name, FLOAT_TYPES, [operand.storage for operand in operands])
    for label, operand in zip(labels, operands, strict=True):
        if operand.shape != x.shape:
            raise ValueError(f"{name}: {label} must have the shape of {labels[-1]}, {x.shape}, got {operand.shape}")
        if operand.device != x.device:
            raise ValueError(f"{name}: arrays must be on one device, got {x.device} and, for {label}, {operand.device}")
    axes = _reductions.axes_of(axis, x.ndim)
    if out is None:
        out = arrays.empty(inputs[-1], x.shape, result, x.device, arrays.order_of(x))
        target = arrays.array_of(out, "out", runtime, stream)
    else:
        target = _checked_out(runtime, name, out, x.shape, result, x.device, stream)
    if 0 in x.shape:
        return out
    dtype = COMPUTED_AS.get(result, result)
    scratch = None
    if any(target.overlaps(operand) and not target.is_same(operand) for operand in operands):
        scratch = arrays.empty(inputs[-1], x.shape, result, x.device, range(x.ndim))
    written = target if scratch is None else arrays.array_of(scratch, "out", runtime, stream)
    described = [(operand.storage, operand.steps) for operand in (*operands, written)]
    kernel, blocks, threads, shared, last = _reduction_plan(name, dtype, x.shape, axes, *described)
    addresses = [operand.address for operand in (*operands, written)]
    after = _streams_of((*operands, target), stream)
    runtime.launch(kernel, x.device, stream, after, blocks, threads, shared, (*addresses, *last))
    if scratch is not None:
        _run_elementwise(runtime, "copy", dtype, x.shape, target, [written], stream, ())
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
    Of the inputs' {shape} shape, and of the kind of the first array.

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
{labels} : {arrays} They broadcast, and `x` alone needs to be an array.
{out}
ValueError
    Where shapes do not broadcast, or devices differ. {after}
"""
REDUCTION_DOC = """{summary}

Parameters
----------
{labels} : {arrays}
axis : int, tuple of ints or None, default -1
    What each sum runs over; None is everything.
{out}
numpy.exceptions.AxisError
    Where there is no such axis.
ValueError
    Where shapes or devices differ, or an axis is repeated. {after}
"""


def _documented(function, name, module, doc, **values):
    for mark, text in SHARED_DOC.items():
        doc = doc.replace(mark, text)
    for mark, text in values.items():
        doc = doc.replace(f"{{{mark}}}", text)
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__doc__ = doc
    return function


def _summary(doc):
    return inspect.cleandoc(doc).partition("\n")[0]


def _elementwise_function(row):
    labels = (*row.arrays, *row.parameters)
    gradient = row.name in GRADIENTS
    module = "fastact.cuda.grad" if gradient else "fastact.cuda"
    name = row.name.removesuffix("_grad")

    def call(*inputs, out=None, stream=None, kernel=row.name):
        if len(inputs) != len(labels):
            raise TypeError(f"{name}() takes {', '.join(labels)}, got {len(inputs)} positional arguments")
        return _call_elementwise(kernel, row.types, labels, *inputs, out=out, stream=stream)

    if row.options:
        chosen = {option: partial(call, kernel=kernel) for option, kernel in row.options.items()}
        function = choice_of(row, chosen, module)
    else:
        function = function_of(row, call, module=module)
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
        shape="broadcast",
        notes=f"As `{module.replace('.cuda', '')}.{name}` at kinks, infinities and NaN: it is the same formula.",
        call=f"{module}.{name}({', '.join(['x'] * len(row.arrays) + ['0.5'] * len(row.parameters))})",
    )


def _reduction_function(name):
    def function(x, axis=-1, *, out=None, stream=None):
        return _call_reduction(name, ("x",), x, axis=axis, out=out, stream=stream)

    return _documented(
        function,
        name,
        "fastact.cuda",
        REDUCTION_DOC,
        summary=_summary(getattr(_reductions, name).__doc__),
        labels="x",
        shape="",
        notes=f"As `fastact.{name}` at infinities and NaN.",
        call=f"fastact.cuda.{name}(x, axis=1)",
    )


def _reduction_gradient(name, formula):
    def function(gy, y, axis=-1, *, out=None, stream=None):
        return _call_reduction(name, ("gy", "y"), gy, y, axis=axis, out=out, stream=stream)

    return _documented(
        function,
        name,
        "fastact.cuda.grad",
        REDUCTION_DOC,
        summary=f"The gradient of `fastact.{name}`, from its result y: {formula}.",
        labels="gy, y",
        shape="",
        notes="The sum is carried in twice the precision.",
        call=f"fastact.cuda.grad.{name}(gy, y, axis=1)",
    )


globals().update({name: _elementwise_function(row) for name, row in ACTIVATIONS.items()})
globals().update({name: _reduction_function(name) for name in kernels.REDUCTIONS})
grad = SimpleNamespace(
    **{name: _elementwise_function(GRADIENTS[f"{name}_grad"]) for name in ACTIVATIONS},
    softmax=_reduction_gradient("softmax", "y * (gy - sum(gy * y))"),
    softmin=_reduction_gradient("softmin", "-y * (gy - sum(gy * y))"),
    log_softmax=_reduction_gradient("log_softmax", "gy - exp(y) * sum(gy)"),
)

__all__ = [*ACTIVATIONS, *kernels.REDUCTIONS, "grad", "is_available", "why_not"]
