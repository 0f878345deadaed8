"""The levels with fused multiply-add give the same bits; and each Python makes nearly the same machine code."""

import ast
import inspect

import pytest
from processes import run

from fastact import _backend, _by_lookup, _formulas, _math
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


@pytest.mark.parametrize("module", [_formulas, _math, _by_lookup])
def test_no_condition_within_what_is_returned(module):
    """Some versions of Python compile the rest of such a return once for each value, and LLVM then computes both: gelu
    took a tenth longer and made subnormal numbers, swish's gradient took half as long again."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Return):
            parts, value = [], node.value
            while isinstance(value, ast.IfExp):
                parts += [value.test, value.body]
                value = value.orelse
            within = [inner for part in [*parts, value] for inner in ast.walk(part) if isinstance(inner, ast.IfExp)]
            assert within == [], ast.unparse(node)
