"""The plain NumPy functions, which the other tests trust, against mpmath."""

import mpmath as mp
import numpy as np
import pytest
from cases import FUNCTIONS, exact_gradient, exact_reduction, first_arguments, sample
from definitions import DEFINITIONS, ROWS, derivative, to_mpmath

from fastact import _numpy
from fastact._table import SOFTMAXES, SPARSE, WITH_GRADIENT

if np.finfo(np.longdouble).nmant < 63:
    pytest.skip("long double is no wider than double here", allow_module_level=True)

mp.mp.prec = 200


def agree(got, want):
    """To far better than a float64 is wide."""
    want = mp.mpf(want)
    return abs(to_mpmath(got) - want) <= abs(want) * mp.mpf(2) ** -58 + mp.mpf(2) ** -1100


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementwise(name):
    x = np.concatenate([sample("float64", 150), sample("float32", 150).astype("d")])
    x = x[np.isfinite(x) & (np.abs(x) < 1e5)]
    arguments = first_arguments(name)
    got = getattr(_numpy, name)(x.astype(np.longdouble), *map(np.longdouble, arguments))
    mp.mp.prec = 2500 if name in ("tanhshrink", "log_sigmoid", "softplus", "gelu_tanh") else 200
    for value, result in zip(x, got, strict=True):
        assert agree(result, DEFINITIONS[name](to_mpmath(value), *map(mp.mpf, arguments))), value


@pytest.mark.parametrize("scale", [0.5, 5, 50])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_rows(name, scale):
    x = np.random.default_rng(0).normal(scale=scale, size=(20, 30))
    got = getattr(_numpy, name)(x.astype(np.longdouble), (1,), None)
    mp.mp.prec = 500
    for row, results in zip(x, got, strict=True):
        wanted = ROWS[name]([to_mpmath(value) for value in row])
        assert all(agree(result, want) for result, want in zip(results, wanted, strict=True))


@pytest.mark.parametrize("scale", [0.05, 0.5, 5])
@pytest.mark.parametrize("name", SPARSE)
def test_sparse_rows(name, scale):
    x = np.random.default_rng(0).normal(scale=scale, size=(20, 30))
    got = getattr(_numpy, name)(x.astype(np.longdouble), (1,), None)
    for row, results in zip(x, got, strict=True):
        wanted = ROWS[name]([to_mpmath(value) for value in row])
        assert all(abs(to_mpmath(y) - want) <= mp.mpf(2) ** -60 for y, want in zip(results, wanted, strict=True))


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_gradients_of_rows(name):
    """By central differences of the definition, at a distance over which the support does not change."""
    x, gy = np.random.default_rng(0).normal(size=(2, 20))
    got = exact_gradient(name, gy, exact_reduction(name, x, 0), 0)
    definition, row, weights = ROWS[name], list(map(to_mpmath, x)), list(map(to_mpmath, gy))
    with mp.workprec(300):
        for k, result in enumerate(got):
            want = derivative(lambda v: mp.fdot(weights, definition([*row[:k], v, *row[k + 1 :]])), row[k], ())
            assert abs(to_mpmath(result) - want) < mp.mpf(2) ** -60


@pytest.mark.parametrize("name, parameters", [("silu", ()), ("swish", (1.0,)), ("swish", (0.7,))])
def test_gradients_beside_their_zero(name, parameters):
    """Of the neighbours of where x / (1 + e**-z) has none, z being a multiple of x."""
    x = np.float64(-1.2784645427610738 / (parameters or (1.0,))[0]) + np.spacing(1.0) * np.array(
        [-1000, -30, -1, 0, 1, 2, 100]
    )
    got = getattr(_numpy, f"{name}_grad")(np.longdouble(1), x.astype(np.longdouble), *map(np.longdouble, parameters))
    mp.mp.prec = 500
    for value, result in zip(x, got, strict=True):
        want = derivative(DEFINITIONS[name], to_mpmath(value), [*map(to_mpmath, parameters)])
        assert abs(to_mpmath(result) - want) <= abs(want) * mp.mpf(2) ** -52
