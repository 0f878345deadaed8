"""Arrays on a device, whosever they are, and how their elements are gone through."""

from functools import cache, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

LEGACY_STREAM = 1  # the default stream, as both protocols write it
DLPACK_CUDA = {2, 13}  # device and managed memory
SIZES = {"bfloat16": 2}


def itemsize(storage):
    return SIZES.get(storage) or np.dtype(storage).itemsize


class Layout:
    """Where the elements of an array are, relative to its address; steps in bytes. `layout` makes them."""

    __slots__ = ("after", "before", "shape", "size", "steps", "storage", "whole")

    def __init__(self, storage, shape, steps):
        self.storage, self.shape, self.steps = storage, shape, steps  # storage is the name of a dtype
        self.size = itemsize(storage)
        self.whole = all(step % self.size == 0 for step in steps)  # aligned, if its address is
        ends = [(n - 1) * step for n, step in zip(shape, steps, strict=True)]
        # from the address back to the first byte, and on to the one after the last
        self.before = 0 if 0 in shape else -sum(min(end, 0) for end in ends)
        self.after = 0 if 0 in shape else sum(max(end, 0) for end in ends) + self.size

    @property
    def ndim(self):
        return len(self.shape)


# One object for all arrays that lie alike, so that it is found at once as a part of a key.
layout = lru_cache(maxsize=4096)(Layout)


class Array(NamedTuple):
    """A device array, whosever it is."""

    address: int
    layout: Layout
    device: int
    writeable: bool
    owner: Any  # keeps the memory alive
    stream: int | None  # where its maker may still be at work on it

    def overlaps(self, other):
        a, b = self.layout, other.layout
        return self.address - a.before < other.address + b.after and other.address - b.before < self.address + a.after

    def is_same(self, other):
        a, b = self.layout, other.layout
        return self.address == other.address and (
            a is b or (a.shape == b.shape and a.steps == b.steps and a.size == b.size)
        )


@cache
def library(kind):
    """The package that a type is from."""
    return kind.__module__.partition(".")[0]


@cache
def may_be_on_device(kind):
    return not issubclass(kind, (np.ndarray, np.generic, float, int, list, tuple))


def is_on_device(x):
    """Whether x is an array in the memory of a GPU."""
    kind = type(x)
    if not may_be_on_device(kind):
        return False
    if library(kind) == "torch":
        return getattr(x, "is_cuda", False)
    if hasattr(kind, "__dlpack_device__"):  # first, since jax's class has the other for arrays on the CPU, too
        return x.__dlpack_device__()[0] in DLPACK_CUDA
    return hasattr(kind, "__cuda_array_interface__")


def array_of(x, name, runtime, stream):
    """The Array of a device array, for work on `stream`. `name` is what error messages call it."""
    if library(type(x)) == "torch":
        array = _of_torch(x, name)
    elif hasattr(type(x), "__cuda_array_interface__"):
        array = _of_interface(x, name, runtime)
    else:
        array = _of_view(x, runtime.view(x, stream))
    if array.address % array.layout.size or not array.layout.whole:
        raise ValueError(f"{name}: the elements of a device array must be aligned to their size")
    return array


def _of_interface(x, name, runtime):
    given = x.__cuda_array_interface__
    if given.get("mask") is not None:
        raise TypeError(f"{name}: masked arrays are not supported")
    dtype, shape, (address, read_only) = np.dtype(given["typestr"]), tuple(given["shape"]), given["data"]
    if not dtype.isnative:
        raise TypeError(f"{name} must be in native byte order, got dtype {dtype}")
    steps = given.get("strides") or contiguous_steps(shape, dtype.itemsize)
    place = layout(dtype.name, shape, tuple(steps))
    return Array(address, place, runtime.device_of(address), not read_only, x, given.get("stream"))


def _of_view(x, view):
    """From a view by cuda.core, which has seen to the order of streams."""
    shape, size = tuple(view.shape), view.dtype.itemsize
    steps = tuple(s * size for s in view.strides or contiguous_steps(shape, 1))
    return Array(view.ptr, layout(view.dtype.name, shape, steps), view.device_id, not view.readonly, (x, view), None)


@lru_cache(maxsize=4096)
def _layout_of_torch(dtype, shape, strides):
    size = dtype.itemsize
    return layout(str(dtype).removeprefix("torch."), tuple(shape), tuple(s * size for s in strides))


def _of_torch(x, name):
    if x.requires_grad:
        raise TypeError(f"{name} requires grad, and fastact takes no part in autograd: give it {name}.detach()")
    if x.is_neg():  # its memory holds the other sign
        raise TypeError(f"{name} is a view that is negated lazily: give it {name}.resolve_neg()")
    place = _layout_of_torch(x.dtype, x.shape, x.stride())
    return Array(x.data_ptr(), place, x.get_device(), True, x, current_stream(x))


@cache
def _stream_of_torch():
    """What tells the handle of the stream that PyTorch works on, on a device."""
    import torch

    def by_object(device):
        return torch.cuda.current_stream(device).cuda_stream

    return getattr(torch._C, "_cuda_getCurrentRawStream", by_object)  # a tenth of the time


def current_stream(x):
    """The handle of the stream that x's library works on."""
    kind = library(type(x))
    if kind == "torch":
        return _stream_of_torch()(x.get_device()) or LEGACY_STREAM
    if kind == "cupy":
        import cupy

        return cupy.cuda.get_current_stream().ptr or LEGACY_STREAM
    return LEGACY_STREAM


def handle_of(stream):
    """The handle of a stream: an int, or an object of cuda.core, PyTorch, CuPy or Numba."""
    if hasattr(stream, "__cuda_stream__"):
        protocol = stream.__cuda_stream__
        handle = (protocol() if callable(protocol) else protocol)[1]
    else:
        handle = stream
        for attribute in ("cuda_stream", "ptr", "handle"):
            if hasattr(stream, attribute):
                handle = getattr(stream, attribute)
                break
        handle = getattr(handle, "value", handle)  # of a ctypes pointer
    if not isinstance(handle, int) or isinstance(handle, bool):
        raise TypeError(f"stream must be a CUDA stream or its handle, got {type(stream).__name__}")
    return handle or LEGACY_STREAM


def contiguous_steps(shape, size):
    steps = []
    for n in reversed(shape):
        steps.append(size)
        size *= max(n, 1)
    return tuple(reversed(steps))


def empty(like, place, device):
    """A new array of the kind of `like`, of this Layout without gaps; and its Array."""
    kind = library(type(like))
    if kind == "torch":
        import torch

        strides = [step // place.size for step in place.steps]
        array = torch.empty_strided(place.shape, strides, dtype=getattr(torch, place.storage), device=like.device)
        return array, Array(array.data_ptr(), place, device, True, array, None)
    if kind == "cupy":
        import cupy

        with cupy.cuda.Device(device):
            memory = cupy.cuda.alloc(max(prod(place.shape), 1) * place.size)
            array = cupy.ndarray(place.shape, place.storage, memory, strides=place.steps)
        return array, Array(array.data.ptr, place, device, True, array, None)
    if place.storage == "bfloat16":
        raise TypeError("bfloat16 results are PyTorch's: there is none of x's kind, give an `out`")
    from numba import cuda

    with cuda.gpus[device]:
        array = cuda.device_array(place.shape, place.storage, place.steps)
    return array, Array(array.__cuda_array_interface__["data"][0], place, device, True, array, None)


def without_gaps(storage, shape, order):
    """The Layout of a new array, whose axes lie in memory in this order, the outermost first."""
    steps = dict(zip(order, contiguous_steps([shape[k] for k in order], itemsize(storage)), strict=True))
    return layout(storage, tuple(shape), tuple(steps[k] for k in range(len(shape))))


def order_of(place):
    """The axes of a Layout, the outermost in memory first."""
    return sorted(range(place.ndim), key=lambda k: -abs(place.steps[k]) if place.shape[k] > 1 else 0)


def reduced(place, axes, keepdims):
    """The Layout of what a sum over some axes of an array leaves, in the order of the array."""
    kept = [k for k in range(place.ndim) if keepdims or k not in axes]
    shape = tuple(1 if k in axes else place.shape[k] for k in kept)
    return layout(place.storage, shape, tuple(place.steps[k] for k in kept))


def steps_of_reduced(place, axes, ndim):
    """Steps through that result, for the axes of the array: 0 along those of the sum."""
    own = iter(place.steps if place.ndim < ndim else [s for k, s in enumerate(place.steps) if k not in axes])
    return tuple(0 if k in axes else next(own) for k in range(ndim))


def broadcast_steps(place, shape):
    """Steps through an array of this Layout that is broadcast to a shape."""
    missing = len(shape) - place.ndim
    own = (0 if n == 1 else step for n, step in zip(place.shape, place.steps, strict=True))
    return (0,) * missing + tuple(own)


def merged_dimensions(shape, *steps):
    """Dimensions of size 1 left out, and neighbours that are one in memory made one: the sizes, and for each array its
    steps. There is always one dimension."""
    sizes, merged = [], [[] for _ in steps]
    for n, *here in zip(shape, *steps, strict=True):
        if n == 1:
            continue
        if sizes and all(last[-1] == step * n for last, step in zip(merged, here, strict=True)):
            sizes[-1] *= n
            for last, step in zip(merged, here, strict=True):
                last[-1] = step
        else:
            sizes.append(n)
            for last, step in zip(merged, here, strict=True):
                last.append(step)
    if not sizes:
        return (1,), [(0,) for _ in steps]
    return tuple(sizes), [tuple(one) for one in merged]
