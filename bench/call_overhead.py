"""Print what a call costs when there is little to do, and what the import costs.

    python bench/call_overhead.py

Ten elements: the time of each function as a share of np.exp's, or np.add's with a scalar for those with
parameters. The import: in fresh processes, beside that of NumPy alone. All take turns; the shortest counts. It takes
20 seconds.
"""

import argparse
import subprocess
import sys
from functools import partial

import numpy as np

import fastact
from fastact._expressions import ARGUMENTS, EXPRESSIONS
from fastact._formulas import ACTIVATIONS
from fastact._timing import shortest


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    x = np.linspace(-1, 1, 10, dtype="f")
    calls = {"np.exp": partial(np.exp, x), "np.add": partial(np.add, x, 1.0)}
    calls |= {name: partial(getattr(fastact, name), x, *ARGUMENTS.get(name, ())) for name in EXPRESSIONS}
    times = dict(zip(calls, shortest(calls.values(), seconds=10), strict=True))
    for name in ("np.exp", "np.add"):
        print(f"{name:<12}{times[name] * 1e9:7.0f} ns")
    for name in EXPRESSIONS:
        plain = name not in ACTIVATIONS or not ACTIVATIONS[name].parameters
        anchor = "np.exp" if plain else "np.add"
        print(f"{name:<12}{times[name] * 1e9:7.0f} ns  {times[name] / times[anchor]:5.2f} of {anchor}")
    imports = [[sys.executable, "-c", f"import {names}"] for names in ("numpy", "numpy, fastact")]
    # from elsewhere: a source tree in the current directory is not the installed package
    alone, both = shortest([partial(subprocess.run, c, check=True, cwd=sys.prefix) for c in imports], seconds=10)
    print(f"import numpy {alone * 1e3:.1f} ms; with fastact {(both - alone) * 1e3:.1f} ms more")


if __name__ == "__main__":
    main()
