"""A GPU to stand in for one: Numba's CUDA simulator, working on the memory of NumPy arrays.

Kernels are specialised as for CUDA, with primitives in Python; addresses are those of the host. Everything above
them (shapes, strides, streams, dispatch) is the library's own.
"""

import ctypes
import ctypes.util
import sys
import threading
from functools import partial
from typing import ClassVar

import numpy as np
from numba.cuda.simulator.kernel import FakeCUDAKernel

from fastact import _cuda_elementwise, _cuda_halves, _cuda_rows, _math
from fastact._cuda_arrays import Array, itemsize
from fastact._cuda_elementwise import FIXED
from fastact._cuda_sparse import kernel_over_axes
from fastact._specialise import specialise

sys.setswitchinterval(5e-5)  # the simulator's threads look out for one another all the time, which holds up the others

libm = ctypes.CDLL(ctypes.util.find_library("m"))
libm.fma.argtypes = [ctypes.c_double] * 3
libm.fma.restype = ctypes.c_double


def fma(a, b, c):
    if a.dtype == np.float32:  # exact but for a second rounding, of what float64 cannot hold
        return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    return np.float64(libm.fma(a, b, c))


def sqrt(a):
    with np.errstate(invalid="ignore"):
        return np.sqrt(a)


def power_of_two(t):
    bits = {4: (np.uint32, 23), 8: (np.uint64, 52)}[t.itemsize]
    return (t.view(bits[0]) << bits[0](bits[1])).view(t.dtype)


def half_octave(a):
    return (a.view(np.uint32) >> np.uint32(22)).view(np.float32)


def lookup(rows, k):
    return partial(lambda index: np.float32(rows[k][int(index.view(np.uint32)) & 7]))


# A primitive that is a plain function would be specialised as a part of the formula; a partial is taken as it is.
FORMULA_PRIMITIVES = {
    "fma": partial(fma),
    "fabs": np.abs,
    "sqrt": partial(sqrt),
    "copysign": np.copysign,
    "power_of_two": partial(power_of_two),
    "half_octave": partial(half_octave),
    "lookup": lookup,
    "either": _cuda_elementwise.either,
    "product_error": _math.product_error_by_fma,
    "reciprocal": _math.reciprocal_by_division,
    "root_and_inverse": _math.root_and_inverse_by_division,
}


def approximation(function):
    """A bit off, but for 1."""

    def approximate(x):
        y = function(np.float64(x))
        return np.float32(y if y == 1 else y * (1 + 2.0**-22))

    return partial(approximate)


_OF_HALVES = {
    "exp2": approximation(np.exp2),
    "log2": approximation(np.log2),
    "reciprocal": approximation(np.reciprocal),
}
APPROXIMATIONS = {"float16": _OF_HALVES, "bfloat16": _OF_HALVES}


def thread():
    return threading.current_thread().threadIdx.x


def block():
    return threading.current_thread().blockIdx.x


def barrier():
    threading.current_thread().syncthreads()


def any_in_block(condition):
    return threading.current_thread().syncthreads_or(bool(condition))


def shared():
    """One dict for each block."""
    return threading.current_thread()._manager.__dict__.setdefault("shared", {})


def shuffle(value, distance):
    assert 0 < distance < _cuda_rows.WARP
    table = shared().setdefault("shuffle", {})
    table[thread()] = value
    barrier()
    result = table[thread() ^ distance]
    barrier()
    return result


def put(k, value):
    shared()[k] = value


def get(k):
    return shared()[k]


def keep(k, value):
    """For this thread alone."""
    assert k < room // 2
    shared()["kept", thread(), k] = value


def kept(k):
    return shared()["kept", thread(), k]


room = 0


def shared_room(device):
    return room


def approximate_log(x):
    return np.log(x) * (1 + 4 * np.finfo(x.dtype).eps)


def at(address, storage):
    kind = np.dtype("uint16" if storage == "bfloat16" else storage)
    assert address % kind.itemsize == 0, "misaligned"
    return np.frombuffer((ctypes.c_char * kind.itemsize).from_address(address), kind)


def loader(storage, dtype, width=1):
    size = np.dtype("uint16" if storage == "bfloat16" else storage).itemsize

    def load(address):
        if storage == "bfloat16":
            return (at(address, storage).astype(np.uint32) << 16).view(np.float32)[0].astype(dtype)
        return at(address, storage)[0].astype(dtype)

    def load_vector(address):
        assert address % (size * width) == 0, "misaligned"
        return tuple(load(address + k * size) for k in range(width))

    return load if width == 1 else load_vector


def bfloat16(value):
    """The bits of the nearest bfloat16, by way of the distance to both neighbours."""
    value = np.float32(value)
    if np.isnan(value):
        return 0x7FC0
    low = int(value.view(np.uint32)) >> 16
    below, above = (np.array([bits << 16], np.uint32).view(np.float32)[0] for bits in (low, low + 1))
    if np.isinf(above):
        above = np.copysign(np.float64(2.0**128), value)
    down, up = abs(np.float64(value) - below), abs(np.float64(above) - value)
    return low + (up < down or (up == down and low % 2))


def storer(storage, dtype, width=1):
    size = np.dtype("uint16" if storage == "bfloat16" else storage).itemsize

    def store(address, *values):
        assert len(values) == width and address % (size * width) == 0, "misaligned"
        for k, value in enumerate(values):
            assert value.dtype == dtype, f"{value.dtype} in a kernel of {dtype}"
            at(address + k * size, storage)[...] = bfloat16(value) if storage == "bfloat16" else value

    return store


def plain(function):
    return function


class Kernel:
    """As `_cuda_compile.Kernel`."""

    def __init__(self, function):
        self.function = function

    def run(self, grid, threads, arguments):
        def quietly(*arguments):
            with np.errstate(all="ignore"):
                self.function(*arguments)

        FakeCUDAKernel(quietly, device=False)[(grid,), (threads,)](*arguments)


def of_32_bits(operation):
    """Of integers of 32 bits."""

    def function(*operands):
        assert max(map(abs, operands)) < 2**31
        return operation(*operands)

    return function


def elementwise(name, formula, storages, modes, out_storage, dtype, ndim, width, fixed=(), few=True):
    sizes = [itemsize(storage) for storage in (*storages, out_storage)]
    primitives = FORMULA_PRIMITIVES | _cuda_halves.primitives_for(out_storage, dtype, APPROXIMATIONS)
    scope = {
        "formula": specialise(formula, dtype, primitives, plain),
        "thread": thread,
        "block": block,
        "quotient": int.__floordiv__,
        "few_sum": of_32_bits(int.__add__),
        "few_difference": of_32_bits(int.__sub__),
        "few_product": of_32_bits(int.__mul__),
        "few_below": of_32_bits(int.__lt__),
        "few_steps": lambda address, k, step: address + of_32_bits(int.__mul__)(k, step),
        "few_quotient": lambda i, m, shift: (2 * i * m) >> 32 >> shift,
        "store": storer(out_storage, dtype),
        "store_vector": storer(out_storage, dtype, width),
    }
    for k, storage in enumerate(storages):
        scope |= {f"load{k}": loader(storage, dtype), f"load_vector{k}": loader(storage, dtype, width)}
    places = (k for k, mode in enumerate(modes) if mode == FIXED)
    scope |= {f"c{k}": np.dtype(dtype).type(value) for k, value in zip(places, fixed, strict=True)}
    exec(_cuda_elementwise.source(modes, ndim, width, sizes, few), scope)
    return Kernel(scope["elementwise"])


def reduction(name, rows, storages, out_storage, dtype, scaled=False):
    sizes = [itemsize(storage) for storage in (*storages, out_storage)]
    of_halves = _cuda_halves.primitives_for(out_storage, dtype, APPROXIMATIONS)
    function, parts = kernel_over_axes(name, rows, sizes, dtype, scaled, of_halves)
    primitives = FORMULA_PRIMITIVES | parts
    primitives |= {
        "thread": partial(thread),
        "block": partial(block),
        "quotient": int.__floordiv__,
        "number": np.dtype(dtype).type,
        "maximum": np.fmax,
        "load": partial(loader(storages[-1], dtype)),
        "load_gradient": partial(loader(storages[0], dtype)),
        "store": partial(storer(out_storage, dtype)),
        "shuffle": partial(shuffle),
        "barrier": partial(barrier),
        "any_in_block": partial(any_in_block),
        "any_in_warp": partial(any_in_block),  # warps wait for one another in `shuffle`
        "put": partial(put),
        "get": partial(get),
        "keep": partial(keep),
        "kept": partial(kept),
        "approximate_log": partial(approximate_log),
    }
    function = specialise(function, dtype, primitives, plain)

    def grouped(*arguments):
        """The sizes and the steps of each array come one by one."""
        arrays = len(sizes)
        first = arrays + 2 * scaled + 2
        assert all(value.dtype == dtype for value in arguments[arrays : first - 2])
        given = iter(arguments[first:])
        groups = [
            tuple(next(given) for _ in range(n)) for n in [rows.n_kept] * (arrays + 1) + [rows.n_reduced] * (arrays + 1)
        ]
        assert not list(given)
        function(*arguments[:first], *groups)

    return Kernel(grouped)


# ---- what of `_cuda_launch` is used, and arrays ----------------------------------------------------

launches = []  # what was launched: kernel, device, stream, streams waited for, blocks, threads


def launch(launch, device, stream, after, arguments):
    launches.append((launch.kernel, device, stream, after, launch.blocks, launch.threads))
    assert 0 < launch.threads <= 1024 and 0 < launch.blocks < 2**31
    launch.kernel.run(launch.blocks, launch.threads, arguments)


class DeviceArray:
    """A NumPy array that says it is on a device."""

    devices: ClassVar[dict] = {}  # address -> device, where it is not 0

    def __init__(self, host, device=0, stream=None):
        self.host, self.stream = np.asarray(host), stream
        if device:
            self.devices[self.host.ctypes.data] = device

    @property
    def __cuda_array_interface__(self):
        return self.host.__array_interface__ | {"version": 3, "stream": self.stream}

    def __array__(self, *arguments, **keywords):
        raise AssertionError("copied to the host")

    def copy_to_host(self):
        return self.host.copy()

    def copy_to_device(self, other):
        self.host[...] = other.host


def device_of(address):
    return DeviceArray.devices.get(address, 0)


def to_device(array):
    return DeviceArray(np.array(array, array.dtype.newbyteorder("="), order="C"))


def to_host(array):
    return array.host


def empty(like, place, device):
    assert isinstance(like, DeviceArray)
    memory = np.full(max(np.prod(place.shape, dtype=int), 1), 77, place.storage)
    host = np.lib.stride_tricks.as_strided(memory, place.shape, place.steps)
    array = DeviceArray(host, device)
    return array, Array(host.ctypes.data, place, device, True, array, None)
