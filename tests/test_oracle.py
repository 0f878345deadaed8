"""The plain NumPy functions, which the other tests trust, against mpmath."""

import mpmath as mp
import numpy as np
import pytest
from cases import FUNCTIONS, REDUCTIONS, SPARSE, first_arguments, sample
from definitions import ELEMENTWISE, exact
from definitions import REDUCTIONS as ROWS
from definitions import SPARSE as SPARSE_ROWS

from fastact import _numpy

if np.finfo(np.longdouble).nmant < 63:
    pytest.skip("long double is no wider than double here", allow_module_level=True)

mp.mp.prec = 200


def agree(got, want):
    """To far better than a float64 is wide."""
    want = mp.mpf(want)
    return abs(exact(got) - want) <= abs(want) * mp.mpf(2) ** -58 + mp.mpf(2) ** -1100


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementwise(name):
    x = np.concatenate([sample("float64", 150), sample("float32", 150).astype("d")])
    x = x[np.isfinite(x) & (np.abs(x) < 1e5)]
    arguments = first_arguments(name)
    got = getattr(_numpy, name)(x.astype(np.longdouble), *map(np.longdouble, arguments))
    mp.mp.prec = 2500 if name in ("tanhshrink", "log_sigmoid", "softplus", "gelu_tanh") else 200
    for value, result in zip(x, got, strict=True):
        assert agree(result, ELEMENTWISE[name](exact(value), *map(mp.mpf, arguments))), value


@pytest.mark.parametrize("scale", [0.5, 5, 50])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_rows(name, scale):
    x = np.random.default_rng(0).normal(scale=scale, size=(20, 30))
    got = getattr(_numpy, name)(x.astype(np.longdouble), (1,), None)
    mp.mp.prec = 500
    for row, results in zip(x, got, strict=True):
        wanted = ROWS[name]([exact(value) for value in row])
        assert all(agree(result, want) for result, want in zip(results, wanted, strict=True))


@pytest.mark.parametrize("scale", [0.05, 0.5, 5])
@pytest.mark.parametrize("name", SPARSE)
def test_sparse_rows(name, scale):
    x = np.random.default_rng(0).normal(scale=scale, size=(20, 30))
    got = getattr(_numpy, name)(x.astype(np.longdouble), (1,), None)
    for row, results in zip(x, got, strict=True):
        wanted = SPARSE_ROWS[name]([exact(value) for value in row])
        assert all(abs(exact(y) - want) <= mp.mpf(2) ** -60 for y, want in zip(results, wanted, strict=True))
