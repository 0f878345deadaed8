"""Does it matter how far numbers lie from 0? A vector instruction that takes or gives a number below the normal range,
as a result or on the way, takes Intel's CPUs 150 cycles.

    python bench/ranges.py [--dtype float32] [--seconds 0.2] [NAME ...]

Nanoseconds an element on one thread, of 10,000 numbers that are drawn evenly from each range around 0: elementwise
functions and gradients at their defaults; those over axes, and their gradients, over rows of 100. It takes 20 seconds.
"""

import argparse
from functools import partial

import numpy as np

import fastact
from fastact._expressions import ARGUMENTS
from fastact._formulas import ACTIVATIONS
from fastact._table import REDUCTIONS
from fastact._timing import shortest

RANGES = [3, 30, 80, 110, 10000]


def calls(name, x):
    """By name: the function and its gradient, with somewhere to write."""
    function, gradient = getattr(fastact, name), getattr(fastact.grad, name, None)
    gy, y = np.ones_like(x), function(x, *ARGUMENTS.get(name, ()))
    arguments = (x, *ARGUMENTS.get(name, ())) if name in ACTIVATIONS else (y,)
    yield name, partial(function, x, *ARGUMENTS.get(name, ()), out=np.empty_like(y))
    if gradient:
        yield f"grad.{name}", partial(gradient, gy, *arguments, out=np.empty_like(x))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", default=[*ACTIVATIONS, *REDUCTIONS])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--seconds", type=float, default=0.2, help="for each function")
    options = parser.parse_args()
    fastact.set_num_threads(1)
    rng = np.random.default_rng(0)
    print("|", " | ".join(["function", *(f"±{end}" for end in RANGES)]), "|")
    print("| ---", "| ---:" * len(RANGES), "|")
    for name in options.names:
        inputs = [rng.uniform(-end, end, (100, 100)).astype(options.dtype) for end in RANGES]
        for each in zip(*(calls(name, x) for x in inputs), strict=True):
            times = shortest([call for _, call in each], options.seconds)
            print("|", " | ".join([f"`{each[0][0]}`", *(f"{t / inputs[0].size * 1e9:.2f}" for t in times)]), "|")


if __name__ == "__main__":
    main()
