"""The levels with fused multiply-add give the same bits."""

import pytest
from processes import run

from fastact import _backend
from fastact._levels import LEVELS

WITH_FMA = [name for name in _backend.available() if name in LEVELS and LEVELS[name].fma]

DIGESTS = """
import hashlib
import numpy as np, fastact
from cases import CALLS, bits, function_of, sample
from fastact._table import REDUCTIONS
for dtype in ("float32", "float64", "float16"):
    x = sample(dtype, size=50_000)
    for name, arguments in CALLS:
        print(name, arguments, dtype, hashlib.sha256(bits(function_of(name)(x, *arguments))).hexdigest())
    for name in REDUCTIONS:
        for shape in ((1000, 7), (100, 100), (2, 5000)):
            x = np.random.default_rng(0).normal(scale=9, size=shape).astype(dtype)
            for axis in (0, 1, None):
                print(name, shape, axis, dtype, hashlib.sha256(bits(getattr(fastact, name)(x, axis=axis))).hexdigest())
"""


def digests(level):
    done = run("-c", DIGESTS, FASTACT_BACKEND=level)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(len(WITH_FMA) < 2, reason="this CPU has only one such level")
def test_same_bits():
    first, second = map(digests, WITH_FMA)
    assert len(first) > 100
    assert [a for a, b in zip(first, second, strict=True) if a != b] == []
