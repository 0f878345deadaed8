"""The tables of functions by pieces are what they say, and their lookups the same for one number and for many."""

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from cases import PIECES, beside_borders, compiled_only

import fastact
from fastact import _by_lookup, _coefficients
from fastact._specialise import PiecesAsPairs


def polynomial(coefficients, x):
    return sum(c * x**k for k, c in enumerate(coefficients))


def tail(a):
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


FUNCTIONS = {
    "tanh_pieces": (mp.tanh, 9.01),
    "tanhshrink_pieces": (lambda a: 3 * (a - mp.tanh(a)) / a**2, 9.01),
    "gelu_pieces": (lambda a: 2 * a * tail(a), 14.9),
    "gelu_slope_pieces": (lambda a: tail(a) - a / mp.sqrt(2 * mp.pi), 14.9),
    "silu_slope_pieces": (lambda a: (1 + mp.exp(-a) - a) / (1 + mp.exp(-a)) ** 2, 104.0),
}


@pytest.mark.parametrize("name", PIECES)
def test_tables(name):
    """Exactly evaluated, within 2**-25 of the function, at 100 places of each piece."""
    pieces, (function, end) = getattr(_by_lookup, name), FUNCTIONS[name]
    borders = [0.0, *beside_borders(PIECES[name]).reshape(7, -1)[:, 200], end]
    with mp.workdps(40):
        for a in np.concatenate([np.linspace(*pair, 100, dtype=np.float32) for pair in pairwise(borders)])[1:]:
            index = (np.float32(1 + PIECES[name] * min(a, 1.001 * borders[7])).view(np.uint32) >> 22) & 7
            row = [mp.mpf(float(numbers[index])) for numbers in pieces.rows]
            d = mp.mpf(float(a)) - row[0]
            if isinstance(pieces, PiecesAsPairs):
                value, slopes = row[1] + row[2], row[3:]
            else:
                value, slopes = min(row[1], mp.mpf(float(a))), row[2:]
            got, want = value + d * polynomial(slopes, d), function(mp.mpf(float(a)))
            assert abs(got / want - 1) < mp.mpf(2) ** -25, (a, index)


@compiled_only
@pytest.mark.parametrize(
    "function", [fastact.tanh, fastact.tanhshrink, fastact.gelu, fastact.silu, fastact.geglu, fastact.swiglu]
)
def test_one_and_many(function):
    """Whichever way a number is looked up: alone, or in vectors of four, eight or sixteen."""
    x = np.concatenate([beside_borders(scale) for scale in PIECES.values()])
    x = np.concatenate([x, -x])[: len(x) // 32 * 32]
    if function in (fastact.geglu, fastact.swiglu):
        x = x.reshape(-1, 2)
    whole = function(x)
    for size in (2, 4, 8, 10, 16, 24, 32, 38, 62):
        parts = [function(x[k : k + size]) for k in range(0, len(x), size)]
        assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(function(x[::-1])[::-1], whole)


def test_polynomial():
    for u in np.linspace(-0.7, 0.7, 101):
        got = polynomial(_coefficients.HALF_EXPM1["float32"], mp.mpf(u))
        assert abs(1 + u * got - mp.exp(-mp.mpf(u) / 2)) < 2**-27 * mp.exp(-u / 2)
