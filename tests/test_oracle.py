"""The plain NumPy functions, which the other tests trust, against mpmath."""

import mpmath as mp
import numpy as np
import pytest
from cases import FUNCTIONS, REDUCTIONS, first_arguments, sample

from fastact import _numpy

if np.finfo(np.longdouble).nmant < 63:
    pytest.skip("long double is no wider than double here", allow_module_level=True)

mp.mp.prec = 200

DEFINITIONS = {
    "relu": lambda x: max(0, x),
    "relu6": lambda x: min(max(0, x), 6),
    "elu": lambda x, alpha: x if x > 0 else alpha * mp.expm1(x),
    "prelu": lambda x, weight: x if x > 0 else weight * x,
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "threshold": lambda x, threshold, value: x if x > threshold else value,
    "hardtanh": lambda x, low, high: min(max(x, low), high),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "tanh": mp.tanh,
    "log_sigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    "softplus": lambda x, beta, threshold: x if beta * x > threshold else mp.log1p(mp.exp(beta * x)) / beta,
    "softshrink": lambda x, lambd: x - lambd if x > lambd else x + lambd if x < -lambd else 0,
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - mp.tanh(x),
}


def softmax(row):
    terms = [mp.exp(x) for x in row]
    return [term / sum(terms) for term in terms]


ROWS = {
    "softmax": softmax,
    "softmin": lambda row: softmax([-x for x in row]),
    "log_softmax": lambda row: [x - mp.log(mp.fsum(mp.exp(y) for y in row)) for x in row],
}


def exact(x):
    """A NumPy number as one of mpmath's."""
    mantissa, exponent = np.frexp(np.longdouble(x))
    return mp.ldexp(mp.mpf(int(mantissa * np.longdouble(2) ** 64)), int(exponent) - 64)


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
    mp.mp.prec = 2500 if name in ("tanhshrink", "log_sigmoid", "softplus") else 200
    for value, result in zip(x, got, strict=True):
        assert agree(result, DEFINITIONS[name](exact(value), *map(mp.mpf, arguments))), value


@pytest.mark.parametrize("scale", [0.5, 5, 50])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_rows(name, scale):
    x = np.random.default_rng(0).normal(scale=scale, size=(20, 30))
    got = getattr(_numpy, name)(x.astype(np.longdouble), (1,), None)
    mp.mp.prec = 500
    for row, results in zip(x, got, strict=True):
        wanted = ROWS[name]([exact(value) for value in row])
        assert all(agree(result, want) for result, want in zip(results, wanted, strict=True))
