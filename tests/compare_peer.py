"""Compare a peer's results with fastact's: python compare_peer.py NAME [new|out].

Run by test_bench.py in a process of its own, because libraries leave settings behind.
"""

import sys

import numpy as np

from fastact._bench.cells import Job, normal
from fastact._bench.peers import calls, cores
from fastact._expressions import EXPRESSIONS


def main(peer, mode):
    seen = 0
    for function in EXPRESSIONS:
        for dtype, axis in ("float32", 1), ("float64", 0):
            x = normal((6, 50), dtype, seed=2)
            out = np.zeros_like(x) if mode == "out" else None
            job = Job(function, x, axis, out=out, threads=cores())  # jax knows no other number
            with np.errstate(all="ignore"):
                call = calls(job, [peer]).get(peer)
                got = call() if call else None
            if call:
                seen += 1
                y = np.asarray(got) if out is None else out
                assert y.dtype == dtype
                # some compute float64 in float32, and near 0 they lose digits
                np.testing.assert_allclose(y, job.y, rtol=2e-5, atol=1e-6, err_msg=f"{function} {dtype}")
    print(seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
