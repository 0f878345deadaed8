"""Print what a call costs when there is little to do, and what the import costs.

    python bench/call_overhead.py

Ten elements: the time of each function as a share of np.exp's, or np.add's with a scalar for those with
parameters. The import: in fresh processes, beside that of NumPy alone. All take turns; the shortest counts.
"""

import subprocess
import sys
from time import perf_counter

import numpy as np
from peers import libraries

from fastact._expressions import EXPRESSIONS
from fastact._formulas import ACTIVATIONS

CALLS = 2000  # timed together, because one is shorter than the clock's own time
ROUNDS = 40


def repeated(call):
    def many():
        for _ in range(CALLS):
            call()

    return many


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
    calls = {name: make(x, None) for name, make in libraries(1)["fastact"].items()}
    calls = {"np.exp": lambda: np.exp(x), "np.add": lambda: np.add(x, 1.0)} | calls
    times = dict(zip(calls, alternate([repeated(call) for call in calls.values()], ROUNDS), strict=True))
    for name in ("np.exp", "np.add"):
        print(f"{name:<12}{times[name] / CALLS * 1e9:7.0f} ns")
    for name in EXPRESSIONS:
        plain = name not in ACTIVATIONS or not ACTIVATIONS[name].parameters
        anchor = "np.exp" if plain else "np.add"
        print(f"{name:<12}{times[name] / CALLS * 1e9:7.0f} ns  {times[name] / times[anchor]:5.2f} of {anchor}")
    # -P: a source tree in the current directory is not the installed package
    flags = ["-P"] if sys.version_info >= (3, 11) else []
    imports = [[sys.executable, *flags, "-c", f"import {names}"] for names in ("numpy", "numpy, fastact")]
    alone, both = alternate([lambda c=c: subprocess.run(c, check=True) for c in imports], 30)
    print(
        f"import numpy {alone * 1e3:.1f} ms, import numpy, fastact {both * 1e3:.1f} ms: {(both - alone) * 1e3:.1f} ms more"
    )


if __name__ == "__main__":
    main()
