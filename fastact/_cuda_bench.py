"""How fast the functions are on a CUDA device: beside PyTorch there, and beside a copy in the device's memory.

    python -m fastact._cuda_bench [FUNCTION...] [--dtypes LIST] [--size N] [--rows LIST] [--backward] [--json FILE]

Each call writes into an array that is there. Functions and PyTorch take turns; a time is that of a run of launches up
to the device's having done them, the shortest of many, divided by their number. The last line is what a call costs
the host, on ten elements, beside the launch of an empty kernel by Numba.
"""

import argparse
import importlib
import json
import math
import sys
from functools import partial
from importlib.util import find_spec

import numpy as np

from fastact import cuda
from fastact._cuda_rows import REDUCTIONS
from fastact._expressions import ARGUMENTS
from fastact._formulas import ACTIVATIONS
from fastact._timing import shortest

FUNCTIONS = [*ACTIVATIONS, *REDUCTIONS]
ROWS = "1000000x10,100000x80,10000x1000,200x50257"
TORCH = {"log_sigmoid": "logsigmoid"}
LAUNCHES = 20  # to one measurement


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="default: all")
    parser.add_argument("--dtypes", default="float32", help="of float32, float64, float16 (default: float32)")
    parser.add_argument("--size", type=int, default=2**26, help="elements (default: 2**26)")
    parser.add_argument("--rows", default=ROWS, help=f"shapes for softmax and its kin (default: {ROWS})")
    parser.add_argument("--backward", action="store_true", help="the gradients; without PyTorch beside them")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each line (default: 0.5)")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    options = parser.parse_args(arguments)
    options.functions = options.functions or FUNCTIONS
    if unknown := set(options.functions) - set(FUNCTIONS):
        parser.error(f"none of the functions: {', '.join(sorted(unknown))}")
    return options


class Device:
    """Where it is measured: PyTorch's tensors if it is there, else Numba's arrays."""

    def __init__(self):
        self.numba = importlib.import_module("numba.cuda")
        torch = importlib.import_module("torch") if find_spec("torch") else None
        self.torch = torch if torch and torch.cuda.is_available() else None

    def array(self, host):
        return self.torch.from_numpy(host).cuda() if self.torch else self.numba.to_device(host)

    def repeated(self, call, times=LAUNCHES):
        def run():
            for _ in range(times):
                call()
            self.numba.synchronize()

        return run

    def seconds(self, calls, seconds):
        """The shortest time of each, for one launch."""
        runs = [self.repeated(call) for call in calls]
        for run in runs:
            run()  # compiles
        return [time / LAUNCHES for time in shortest(runs, seconds)]

    def copy(self, x, out):
        return partial(out.copy_, x) if self.torch else partial(out.copy_to_device, x)

    def peer(self, name, x, arguments):
        """PyTorch's call for the same."""
        if not self.torch:
            return None
        function = getattr(self.torch.nn.functional, TORCH.get(name, name), None) or getattr(self.torch, name)
        if name == "prelu":
            arguments = (self.torch.tensor(arguments, dtype=x.dtype, device=x.device),)
        return partial(function, x, *arguments)


def measure(device, name, dtype, shape, options):
    block = np.random.default_rng(0).normal(scale=3, size=2**20).astype(dtype)
    host = np.resize(block, shape)
    x, out = device.array(host), device.array(np.empty_like(host))
    arguments = (-1,) if name in REDUCTIONS else ARGUMENTS.get(name, ())
    calls = {"copy": device.copy(x, out)}
    if options.backward:
        start = getattr(cuda, name)(x, *arguments) if name in REDUCTIONS else x
        calls["fastact"] = partial(getattr(cuda.grad, name), x, start, *arguments, out=out)
    else:
        calls["fastact"] = partial(getattr(cuda, name), x, *arguments, out=out)
        if peer := device.peer(name, x, arguments):
            calls["torch"] = peer
    times = dict(zip(calls, device.seconds(calls.values(), options.seconds), strict=True))
    # a copy moves two arrays, a gradient three
    moved = host.nbytes * (3 if options.backward else 2)
    share = (moved / times["fastact"]) / (2 * host.nbytes / times["copy"])
    return {
        "function": name,
        "direction": "backward" if options.backward else "forward",
        "dtype": dtype,
        "shape": list(shape),
        "seconds": times,
        "nanoseconds per element": times["fastact"] / host.size * 1e9,
        "GB/s": moved / times["fastact"] / 1e9,
        "share of copy bandwidth": share,
        "torch takes times as long": times["torch"] / times["fastact"] if "torch" in times else None,
    }


def launch_cost(device, seconds):
    """What a call costs on ten elements, beside an empty kernel of Numba's: both in seconds."""

    @device.numba.jit("void(int64)")
    def empty(n):
        pass

    x, out = (device.array(np.zeros(10, "f")) for _ in range(2))
    return device.seconds([partial(cuda.sigmoid, x, out=out), lambda: empty[128, 64](1)], seconds)


def line(row):
    shape = "x".join(map(str, row["shape"]))
    ratio = row["torch takes times as long"]
    cells = [f"`{row['function']}`", row["dtype"], shape, f"{row['nanoseconds per element']:.4f}", f"{row['GB/s']:.0f}"]
    cells += [f"{100 * row['share of copy bandwidth']:.0f} %", f"{ratio:.2f}" if ratio else ""]
    return "| " + " | ".join(cells) + " |"


def main(arguments=None):
    options = parse(arguments)
    if reason := cuda.why_not():
        print(f"CUDA does not work here: {reason}", file=sys.stderr)
        return 1
    device = Device()
    from fastact._cuda_device import describe

    about = describe()
    direction = "backward" if options.backward else "forward"
    print(f"{about}; {direction}, into arrays that are there, beside {'PyTorch' if device.torch else 'a copy alone'}\n")
    print("| function | dtype | shape | ns an element | GB/s | of a copy's | PyTorch takes times as long |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    results = []
    rows = [tuple(map(int, text.split("x"))) for text in options.rows.split(",")]
    for name in options.functions:
        for dtype in options.dtypes.split(","):
            for shape in rows if name in REDUCTIONS else [(options.size,)]:
                results.append(measure(device, name, dtype, shape, options))
                print(line(results[-1]), flush=True)
    ratios = [row["torch takes times as long"] for row in results if row["torch takes times as long"]]
    if ratios:
        mean = math.exp(np.mean(np.log(ratios)))
        print(f"\nPyTorch: at least {min(ratios):.2f}, geometric mean {mean:.2f} times as long")
    call, empty = launch_cost(device, options.seconds)
    print(f"a call on ten elements: {call * 1e6:.1f} us; the launch of an empty kernel: {empty * 1e6:.1f} us")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": about, "cells": results, "call": call, "empty launch": empty}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
