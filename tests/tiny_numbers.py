"""Which calls make numbers below the normal range on the way, though their results are not: python tiny_numbers.py, on
x86-64 Linux with glibc, in a process of its own, which has children that are killed by the first such number.

Prints the name and the dtype of each call, and whether it did.
"""

import ctypes
import os
import signal
from functools import partial

import numpy as np
from cases import TABLE, first_arguments, public

import fastact
from fastact._table import SOFTMAXES

FE_UNDERFLOW = 0x10
libm = ctypes.CDLL("libm.so.6")

# Up to where abs(x) is looked at. Beyond it what is rounded away, or the smaller part of a sum, may be subnormal
# before it vanishes.
END = {"float32": 10000, "float64": 300}
ENDS = {
    "elu_grad": (40, 300),
    "softplus": (40, 300),
    "mish": (90, 300),
    "mish_grad": (90, 300),
    "gelu_tanh": (5, 20),
    "gelu_tanh_grad": (9, 20),
}
SPREADS = {"float32": 80, "float64": 700}  # of a row


def is_killed(call):
    """By an underflow."""
    child = os.fork()
    if not child:
        try:
            libm.feenableexcept(FE_UNDERFLOW)
            call()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGFPE):
        raise RuntimeError(f"a child ended with {status}")
    return status == -signal.SIGFPE


def elementwise(dtype):
    tiny = np.finfo(dtype).tiny
    numbers = np.concatenate([np.linspace(-s, s, 4097) for s in (1, 10, 100, 1000, 10000)]).astype(dtype)
    for name, row in TABLE.items():
        end = dict(zip(END, ENDS[name], strict=True) if name in ENDS else END)[dtype]
        x = numbers[np.abs(numbers) <= end]
        gy, parameters = [np.ones_like(x)] * (len(row.arrays) - 1), first_arguments(name)
        y = public(name)(*gy, x, *parameters)
        x = np.where((np.abs(y) < tiny) & (np.abs(x) > 1), x.dtype.type(1), x)
        yield name, partial(public(name), *gy, x, *parameters)


def over_axes(dtype):
    rng = np.random.default_rng(0)
    x, gy = (
        numbers.astype(dtype) for numbers in (rng.uniform(0, SPREADS[dtype], (40, 300)), rng.normal(size=(40, 300)))
    )
    masked = np.where(rng.random(x.shape) < 0.3, x.dtype.type(-1e9), x)
    for name in [*SOFTMAXES, "logsumexp"]:
        for axis in (0, 1):
            function = getattr(fastact, name)
            yield f"{name} over axis {axis}", partial(function, x, axis)
            if "log" in name:
                yield f"{name} over axis {axis}, masked", partial(function, masked, axis)
            if gradient := getattr(fastact.grad, name, None):
                yield f"grad.{name} over axis {axis}", partial(gradient, gy, function(x, axis), axis)


def main():
    fastact.set_num_threads(1)
    print("the trap", is_killed(partial(fastact.sigmoid, np.full(100, -90, "float32"))), sep=": ", flush=True)
    for dtype in END:
        for calls in (elementwise(dtype), over_axes(dtype)):
            for name, call in calls:
                print(dtype, name, is_killed(call), sep=": ", flush=True)


if __name__ == "__main__":
    main()
