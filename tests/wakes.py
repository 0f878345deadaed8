"""Which calls wake a second thread: python wakes.py, in a process of its own, on Linux, with two threads of GNU OpenMP
that sleep whenever they have nothing to do (GOMP_SPINCOUNT=0).

Prints a line for each call: whether it should, whether it did, and what it is.
"""

import os
import time

import numpy as np

import fastact
from fastact import _backend, ufuncs
from fastact._table import REDUCTIONS, SPARSE

PER_THREAD = 32768  # bytes, as in fastact/_axes.pxi


def wakes(thread):
    """How often it has been put to sleep."""
    with open(f"/proc/self/task/{thread}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary"))


def settled(thread):
    while True:
        before = wakes(thread)
        time.sleep(0.002)
        if wakes(thread) == before:
            return before


def calls():
    """Size from which on there are threads, a function of the size, and a name."""
    for name in ufuncs.__all__:
        for ufunc in filter(None, (getattr(ufuncs, name), ufuncs._AT_DEFAULTS.get(name))):
            for character, per_thread in _backend.ufunc_module.per_thread(ufunc).items():
                if character in "fd":
                    x, out = np.ones((2, 2 * per_thread), character)
                    yield (
                        2 * per_thread,
                        lambda n, u=ufunc, x=x, out=out: u(*[x[:n]] * u.nin, out=out[:n]),
                        f"{name} of {ufunc.nin} {character}",
                    )
    for name in (*REDUCTIONS, *SPARSE, "logsumexp"):
        function = getattr(fastact, name)
        for character in "fd":
            rows = 2 * PER_THREAD // np.dtype(character).itemsize // 32
            x = np.ones((rows, 32), character)
            yield rows, lambda n, f=function, x=x: f(x[:n]), f"{name} of {character}"


def main():
    known = set(os.listdir("/proc/self/task"))
    fastact.sigmoid(np.ones(2**20))
    (thread,) = set(os.listdir("/proc/self/task")) - known
    for size, call, name in calls():
        for n, should in ((size - 1, 0), (size, 1)):
            fastact.set_num_threads(2)  # even if others have had the core
            before = settled(thread)
            call(n)
            time.sleep(0.002)
            print(should, int(wakes(thread) > before), name)


if __name__ == "__main__":
    main()
