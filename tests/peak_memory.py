"""How much memory calls take: python peak_memory.py, in a process of its own, on Linux, which keeps the peak of a
process and forgets it when asked.

Prints a line for each call of the catalogue: the bytes at its peak beyond those before it and those of a new result,
and what it is.
"""

import numpy as np
from cases import TABLE, first_arguments, public

import fastact
from fastact._bench import cells
from fastact._gates import GATED, GATES
from fastact._table import REDUCTIONS

SHAPE = (512, 1024)  # where a copy would be at least twice the bound
# layout -> from a function that makes arrays, one of that shape
LAYOUTS = {name: cells.LAYOUTS[name] for name in ("contiguous", "strided", "transposed")}
RESULT_TYPES = {"float32": "float32", "float64": "float64", "float16": "float16", "int64": "float64"}
# float32, into `out`: long rows, many short ones, and 32 MB
SHAPES = [(2, 2**20), (2**15, 32), (2**11, 2**12)]


def normal(shape, dtype="float32"):
    return np.resize((np.random.default_rng(0).normal(size=2**16) * 3).astype(dtype), shape)


def resident():
    """Bytes, at the peak."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def measure(call, *about, new=True):
    """`new` is whether the result is."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    before = resident()
    result = call()
    print(resident() - before - new * result.nbytes, *about, "into a new array" if new else "into out")


def elementwise(x):
    """name, function, its arguments."""
    for name, row in TABLE.items():
        yield name, public(name), ([x] * len(row.arrays) + [*first_arguments(name)])
    for name, row in GATED.items():
        yield name, getattr(fastact.ufuncs, name), [x] * len(row.arrays)


def over_axes(x):
    for axis in (0, 1):
        for name in REDUCTIONS:
            function = getattr(fastact, name)
            yield f"{name} over axis {axis}", function, (x, axis)
            if gradient := getattr(fastact.grad, name, None):
                yield f"grad.{name} over axis {axis}", gradient, (x, function(x, axis), axis)


def gates(x):
    for axis in (0, 1):
        gy = np.ascontiguousarray(np.split(x, 2, axis)[0])
        for name in GATES:
            yield f"{name} over axis {axis}", getattr(fastact, name), (x, axis)
            yield f"grad.{name} over axis {axis}", getattr(fastact.grad, name), (gy, x, axis)


def main():
    rng = np.random.default_rng(0)
    fastact.sigmoid(normal(SHAPE))  # starts the threads
    for dtype in ("float32", "float64", "float16", "int64"):
        for layout, arranged in LAYOUTS.items():
            x = arranged(lambda shape: normal(shape, dtype), SHAPE)
            for name, function, arguments in (*elementwise(x), *over_axes(x), *gates(x)):
                result = function(*arguments)
                out = arranged(lambda shape: np.ones(shape, result.dtype), result.shape)
                measure(lambda: function(*arguments, out=out), name, dtype, layout, new=False)
                if layout == "contiguous" and dtype == "float32":
                    measure(lambda: function(*arguments), name, dtype, layout)
        x = normal(SHAPE, dtype)
        measure(lambda: fastact.grad.prelu_weight(x, x, np.ones((SHAPE[0], 1))), "prelu_weight", dtype)
        if dtype in ("float32", "float64"):  # float16 is drawn in float32
            measure(lambda: fastact.rrelu_slopes(x, rng=rng), "rrelu_slopes", dtype)
            measure(lambda: fastact.gumbel_softmax(x, rng=rng), "gumbel_softmax", dtype)
    for shape in SHAPES:
        x = normal(shape)
        for name, function, arguments in (*elementwise(x), *over_axes(x), *gates(x)):
            out = np.ones_like(function(*arguments))
            measure(lambda: function(*arguments, out=out), name, *shape, new=False)


if __name__ == "__main__":
    main()
