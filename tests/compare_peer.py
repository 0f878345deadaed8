"""Compare a peer's results with fastact's: python compare_peer.py NAME [new|out|backward].

Run by test_bench.py in a process of its own, because libraries leave settings behind. Prints how many calls it
compared.
"""

import sys

import numpy as np

from fastact import _numpy
from fastact._bench.cells import ROWS, Cell, Rows, normal
from fastact._bench.peers import PEERS, cores
from fastact._expressions import EXPRESSIONS, arguments_of
from fastact._gates import GATES


def forward(function, x, job):
    if function in GATES:
        a, b = np.split(x, 2, job.axis)
        return a * getattr(_numpy, GATES[function].activation)(b)
    if function in ROWS:
        return getattr(_numpy, function)(x, (job.axis,), None)
    return getattr(_numpy, function)(x, *arguments_of(function))


def derivative(job, x, v):
    """Of the function in the direction `v`, by central differences."""
    h = np.longdouble(1e-6)
    x, v = x.astype(np.longdouble), v.astype(np.longdouble)
    return (forward(job.function, x + h * v, job) - forward(job.function, x - h * v, job)) / (2 * h)


def check(job, got):
    # some compute float64 in float32, and near 0 they lose digits
    tolerance = {"rtol": 2e-5, "atol": 5e-6, "err_msg": f"{job.function} {job.x.dtype}"}
    assert got.dtype == job.x.dtype
    if job.gradient is None:
        np.testing.assert_allclose(got, job.y, **tolerance)
    elif job.function in ROWS:  # what a step in x changes, in terms of x and of y
        v = normal(job.x.shape, job.x.dtype, seed=4)
        np.testing.assert_allclose((got * v).sum(), (job.gradient * derivative(job, job.x, v)).sum(), **tolerance)
    else:
        np.testing.assert_allclose(got, job.gradient * derivative(job, job.x, np.ones_like(job.x)), **tolerance)


def main(peer, mode):
    seen = 0
    for function in EXPRESSIONS:
        for dtype, axis in ("float32", 1), ("float64", 0):
            for out in ("new", "out") if mode == "backward" else (mode,):
                # as many threads as there are cores: jax knows no other number
                size = Rows((6, 50), axis)
                job = Cell(function, dtype, size, "contiguous", cores(), out == "out", mode == "backward").job()
                with np.errstate(all="ignore"):
                    call = PEERS[peer].call(job)
                    got = call() if call else None
                if call:
                    seen += 1
                    got = got[0] if isinstance(got, tuple) else got  # prelu's also gives the weight's gradient
                    check(job, np.asarray(got) if job.out is None else job.out)
    print(seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
