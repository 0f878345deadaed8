"""Arrays on a device, whosever they are, and how their elements are gone through."""

from math import prod
from typing import Any, NamedTuple

import numpy as np

LEGACY_STREAM = 1  # the default stream, as both protocols write it
DLPACK_CUDA = {2, 13}  # device and managed memory
SIZES = {"bfloat16": 2}


def itemsize(storage):
    return SIZES.get(storage) or np.dtype(storage).itemsize


class Array(NamedTuple):
    """Where a device array's elements are; steps in bytes."""

    address: int
    shape: tuple
    steps: tuple
    storage: str  # the name of its dtype
    device: int
    writeable: bool
    owner: Any  # keeps the memory alive
    stream: int | None  # where its maker may still be at work on it

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def extent(self):
        """The first address, and the one after the last."""
        if 0 in self.shape:
            return self.address, self.address
        ends = [(n - 1) * step for n, step in zip(self.shape, self.steps, strict=True)]
        low, high = sum(min(e, 0) for e in ends), sum(max(e, 0) for e in ends)
        return self.address + low, self.address + high + itemsize(self.storage)

    def overlaps(self, other):
        (a, b), (c, d) = self.extent, other.extent
        return a < d and c < b

    def is_same(self, other):
        return self[:3] == other[:3] and itemsize(self.storage) == itemsize(other.storage)

    def transposed(self, axes):
        return self._replace(shape=tuple(self.shape[k] for k in axes), steps=tuple(self.steps[k] for k in axes))


def library(x):
    """The package that an object's type is from."""
    return type(x).__module__.partition(".")[0]


def is_on_device(x):
    """Whether x is an array in the memory of a GPU."""
    if isinstance(x, (np.ndarray, np.generic, float, int, list, tuple)):
        return False
    if library(x) == "torch":
        return getattr(x, "is_cuda", False)
    if hasattr(type(x), "__cuda_array_interface__"):
        return True
    return hasattr(type(x), "__dlpack_device__") and x.__dlpack_device__()[0] in DLPACK_CUDA


def array_of(x, name, runtime, stream):
    """The Array of a device array, for work on `stream`. `name` is what error messages call it."""
    if library(x) == "torch":
        return _of_torch(x, name)
    if hasattr(type(x), "__cuda_array_interface__"):
        return _of_interface(x, name, runtime)
    return _of_view(x, runtime.view(x, stream))


def _of_interface(x, name, runtime):
    given = x.__cuda_array_interface__
    if given.get("mask") is not None:
        raise TypeError(f"{name}: masked arrays are not supported")
    dtype, shape, (address, read_only) = np.dtype(given["typestr"]), tuple(given["shape"]), given["data"]
    if not dtype.isnative:
        raise TypeError(f"{name} must be in native byte order, got dtype {dtype}")
    steps = given.get("strides") or contiguous_steps(shape, dtype.itemsize)
    device = runtime.device_of(address)
    return Array(address, shape, tuple(steps), dtype.name, device, not read_only, x, given.get("stream"))


def _of_view(x, view):
    """From a view by cuda.core, which has seen to the order of streams."""
    shape, size = tuple(view.shape), view.dtype.itemsize
    steps = tuple(s * size for s in view.strides or contiguous_steps(shape, 1))
    return Array(view.ptr, shape, steps, view.dtype.name, view.device_id, not view.readonly, (x, view), None)


def _of_torch(x, name):
    if x.requires_grad:
        raise TypeError(f"{name} requires grad, and fastact takes no part in autograd: give it {name}.detach()")
    size = x.element_size()
    shape, steps = tuple(x.shape), tuple(s * size for s in x.stride())
    storage = str(x.dtype).removeprefix("torch.")
    return Array(x.data_ptr(), shape, steps, storage, x.device.index, True, x, current_stream(x))


def current_stream(x):
    """The handle of the stream that x's library works on."""
    if library(x) == "torch":
        import torch

        return torch.cuda.current_stream(x.device).cuda_stream or LEGACY_STREAM
    if library(x) == "cupy":
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


def empty(like, shape, storage, device, order):
    """A new array of the kind of `like`, whose axes lie in memory in this order, the outermost first."""
    inner = tuple(shape[k] for k in order)
    kind = library(like)
    if kind == "torch":
        import torch

        array = torch.empty(inner, dtype=getattr(torch, storage), device=like.device).permute(_inverse(order))
        return array
    if kind == "cupy":
        import cupy

        with cupy.cuda.Device(device):
            return cupy.empty(inner, storage).transpose(_inverse(order))
    if storage == "bfloat16":
        raise TypeError("bfloat16 results are PyTorch's: there is none of x's kind, give an `out`")
    from numba import cuda

    with cuda.gpus[device]:
        array = cuda.device_array(inner, storage)
    return array if tuple(order) == tuple(range(len(order))) else array.transpose(_inverse(order))


def _inverse(order):
    inverse = [0] * len(order)
    for place, axis in enumerate(order):
        inverse[axis] = place
    return tuple(inverse)


def order_of(array):
    """Its axes, the outermost in memory first."""
    return sorted(range(array.ndim), key=lambda k: -abs(array.steps[k]) if array.shape[k] > 1 else 0)


def broadcast_steps(array, shape):
    """Steps through an array that is broadcast to a shape."""
    missing = len(shape) - array.ndim
    own = (0 if n == 1 else step for n, step in zip(array.shape, array.steps, strict=True))
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


def size_of(shape):
    return prod(shape)
