"""Print what a call costs when there is little to do, and what the import costs.

    python bench/call_overhead.py

Ten elements: the time of each function as a share of np.exp's, or np.add's with a scalar for those with
parameters. The import: in fresh processes, beside that of NumPy alone. All take turns; the shortest counts.
"""

import subprocess
import sys
from time import perf_counter

import numpy as np

import fastact
from fastact._expressions import ARGUMENTS, EXPRESSIONS
from fastact._formulas import ACTIVATIONS

CALLS = 2000  # timed together, because one is shorter than the clock's own time
ROUNDS = 40


def repeated(function, *arguments):
    def without():
        for _ in range(CALLS):
            function(x)

    def one():
        for _ in range(CALLS):
            function(x, a)

    def two():
        for _ in range(CALLS):
            function(x, a, b)

    x, a, b = (*arguments, None, None)[:3]
    return (without, one, two)[len(arguments) - 1]


def alternate(calls, rounds):
    times = [float("inf")] * len(calls)
    for _ in range(rounds):
        for k, call in enumerate(calls):
            start = perf_counter()
            call()
            times[k] = min(times[k], perf_counter() - start)
    return times


def main():
    x = np.linspace(-1, 1, 10, dtype="f")
    calls = {"np.exp": (np.exp,), "np.add": (np.add, 1.0)}
    calls |= {name: (getattr(fastact, name), *ARGUMENTS.get(name, ())) for name in EXPRESSIONS}
    times = alternate([repeated(function, x, *arguments) for function, *arguments in calls.values()], ROUNDS)
    times = dict(zip(calls, times, strict=True))
    for name in ("np.exp", "np.add"):
        print(f"{name:<12}{times[name] / CALLS * 1e9:7.0f} ns")
    for name in EXPRESSIONS:
        plain = name not in ACTIVATIONS or not ACTIVATIONS[name].parameters
        anchor = "np.exp" if plain else "np.add"
        print(f"{name:<12}{times[name] / CALLS * 1e9:7.0f} ns  {times[name] / times[anchor]:5.2f} of {anchor}")
    imports = [[sys.executable, "-c", f"import {names}"] for names in ("numpy", "numpy, fastact")]
    # from elsewhere: a source tree in the current directory is not the installed package
    alone, both = alternate([lambda c=c: subprocess.run(c, check=True, cwd=sys.prefix) for c in imports], 30)
    print(f"import numpy {alone * 1e3:.1f} ms; with fastact {(both - alone) * 1e3:.1f} ms more")


if __name__ == "__main__":
    main()
