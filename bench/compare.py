"""Print a table of ratios: how many times as long as fastact the others take.

    python bench/compare.py [--functions NAME...] [--size N] [--dtype D] [--layout L] [--threads N] [--out]

All libraries take turns in one process, on the same array and as many threads (NumPy and SciPy use one);
each figure is the shortest of many rounds.
"""

import argparse
import math
import platform
from importlib.metadata import version

import numpy as np
from peers import libraries

import fastact
from fastact._expressions import EXPRESSIONS
from fastact._timing import shortest

# name -> an array of a number of rows and columns in that layout
LAYOUTS = {
    "contiguous": lambda normal, rows, columns: normal(rows, columns),
    "strided": lambda normal, rows, columns: normal(rows, 2 * columns)[:, ::2],
    "transposed": lambda normal, rows, columns: normal(columns, rows).T,
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--functions", nargs="+", default=list(EXPRESSIONS), choices=list(EXPRESSIONS), metavar="NAME")
    parser.add_argument("--size", type=int, default=1_000_000, help="elements (default: a million)")
    parser.add_argument("--row", type=int, default=1000, help="length of a row for the softmax family (default: 1000)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--layout", default="contiguous", choices=list(LAYOUTS))
    parser.add_argument("--threads", type=int, default=fastact.get_num_threads())
    parser.add_argument("--seconds", type=float, default=1.0, help="for each function (default: 1)")
    parser.add_argument("--out", action="store_true", help="write into an array that is there, where a library can")
    return parser.parse_args()


def make_input(options):
    def normal(*shape):
        return np.random.default_rng(0).normal(scale=3, size=shape).astype(options.dtype)

    row = min(options.row, options.size)
    return LAYOUTS[options.layout](normal, max(1, options.size // row), row)


def main():
    options = parse()
    fastact.set_num_threads(options.threads)
    found = libraries(options.threads)
    peers = [name for name in found if name != "fastact"]
    x = make_input(options)
    out = np.empty_like(x) if options.out else None
    versions = ", ".join(f"{name} {version(name)}" for name in found)
    print(f"{versions}; backend {fastact.backend}, threads {options.threads}, {platform.machine()}")
    print(f"{options.dtype}, shape {x.shape}, {options.layout}, {'into' if options.out else 'without'} `out`\n")
    print("| function | fastact, ns an element | " + " | ".join(f"{name}, times as long" for name in peers) + " |")
    print("| --- |" + " ---: |" * (1 + len(peers)))
    logarithms = {name: [] for name in peers}
    for function in options.functions:
        present = [name for name in found if function in found[name]]
        with np.errstate(all="ignore"):
            times = dict(
                zip(present, shortest([found[n][function](x, out) for n in present], options.seconds), strict=True)
            )
        cells = [f"{times['fastact'] / x.size * 1e9:.3f}"]
        for name in peers:
            ratio = times[name] / times["fastact"] if name in times else None
            cells.append(f"{ratio:.1f}" if ratio else "")
            logarithms[name] += [math.log(ratio)] if ratio else []
        print(f"| `{function}` | " + " | ".join(cells) + " |", flush=True)
    means = [f"**{math.exp(sum(v) / len(v)):.1f}**" if v else "" for v in logarithms.values()]
    print("| geometric mean | | " + " | ".join(means) + " |")


if __name__ == "__main__":
    main()
