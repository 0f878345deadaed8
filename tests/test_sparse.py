"""hardmax, sparsemax and entmax15: what they do not share with softmax; Gumbel-softmax."""

import mpmath as mp
import numpy as np
import pytest
from cases import COMPILED, DTYPES, bits, compiled_only
from definitions import ROWS, to_mpmath
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rows import EDGES

import fastact
from fastact import _numpy

INF, NAN = np.inf, np.nan
NAMES = ["sparsemax", "entmax15"]
# What a result may be off by where it is as small as that; elsewhere 1 unit in the last place.
LEAST_BOUND = {"float32": 1e-15, "float64": 1e-22 if COMPILED else 1e-17}


def rows_of(kind, dtype):
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 10, 16, 17, 192, 193):
        x = rng.normal(size=(3, n))
        if kind == "ties":
            x = np.round(x)
        elif kind == "shifted":
            x = x / 10 + 1000
        elif kind == "geometric":
            x = np.broadcast_to(-(0.9 ** np.arange(n)), (1, n))
        elif kind == "subnormal":
            x = x * np.finfo(dtype).tiny
        elif kind == "at the threshold":  # after the first, all are where tau is, or next to it
            x = np.where(np.arange(n) == 0, 1, rng.integers(-1, 2, (3, n)) * np.finfo(dtype).eps)
        else:
            x = x * kind
        yield from x.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [1e-3, 0.1, 1, 30, "ties", "shifted", "geometric", "subnormal", "at the threshold"])
@pytest.mark.parametrize("name", NAMES)
def test_accuracy(name, kind, dtype):
    unit = np.finfo(dtype)
    with mp.workprec(300):
        for x in rows_of(kind, dtype):
            got = getattr(fastact, name)(x)
            for y, want in zip(got, ROWS[name]([to_mpmath(v) for v in x]), strict=True):
                _, exponent = mp.frexp(want)
                ulp = mp.ldexp(1, max(exponent - 1, unit.minexp) - unit.nmant)
                assert abs(to_mpmath(y) - want) <= max(ulp, LEAST_BOUND[dtype])


@compiled_only  # the fallback is the oracle
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_long_rows(name, dtype):
    """Sums over many: all elements take part, or few."""
    rng = np.random.default_rng(0)
    rows = []
    for n in (5000, 200_000):
        rows += [rng.normal(size=n) / n, rng.normal(size=n), np.arange(n) / -(n**1.5), np.zeros(n)]
    if (name, dtype) == ("entmax15", "float32"):  # so many that one step of Newton's does not do
        rows.append(rng.uniform(size=3_000_000) * 1e-4)
    for x in rows:
        x = x.astype(dtype)
        got = getattr(fastact, name)(x)
        want = getattr(_numpy, name)(x.astype(np.longdouble), (0,), None)
        # the oracle's own sums are not exact
        assert np.all(np.abs(got - want) <= want * np.finfo(dtype).eps + 1e-15)
        assert abs(np.sum(got, dtype=np.longdouble) - 1) < 4 * np.finfo(dtype).eps


# rows with their sparsemax and entmax15, to the bit: as of softmax, and two more
EDGES_OF_SPARSE = [*EDGES, ([NAN, INF], None), ([1.0, 3.0], [0.0, 1.0])]


def in_places(row, length):
    """The row with -inf between its elements, so that it gets that long."""
    row = np.asarray(row)
    wide = np.full(max(length, row.size), -INF, row.dtype)
    wide[:: wide.size // row.size][: row.size] = row
    return wide


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row, want", EDGES_OF_SPARSE)
@pytest.mark.parametrize("name", NAMES)
def test_edges(name, row, want, dtype):
    x = np.array(row, dtype)
    for length in (1, 40, 1000) if COMPILED else (1,):
        wide = in_places(x, length)
        results = np.full(wide.shape, NAN, dtype)
        if want is not None:
            results = np.maximum(in_places(np.array(want, dtype), length), 0)
        for repeats in (1, 40):
            rows = np.repeat(wide[None], repeats, axis=0)
            with np.errstate(all="raise"):
                for array, axis in ((rows, 1), (np.ascontiguousarray(rows.T), 0)):
                    got = getattr(fastact, name)(array, axis=axis)
                    got = got if axis == 1 else got.T
                    assert np.array_equal(got, np.broadcast_to(results, rows.shape), equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_numbers(name, dtype):
    function, info = getattr(fastact, name), np.finfo(dtype)
    assert function(np.array([info.max, 0, -info.max], dtype)).tolist() == [1, 0, 0]
    assert function(np.full(4, info.max, dtype)).tolist() == [0.25] * 4
    assert function(np.array([info.smallest_subnormal, 0], dtype)).tolist() == [0.5, 0.5]


@settings(deadline=None, max_examples=200)
@given(
    x=hnp.arrays("f", st.integers(1, 200), elements=st.floats(-1e3, 1e3, width=32)),
    name=st.sampled_from(NAMES),
    shift=st.integers(-64, 64),
)
def test_properties(x, name, shift):
    function = getattr(fastact, name)
    y = function(x)
    assert abs(np.sum(y, dtype="d") - 1) < 1e-6 and np.all(y >= 0)
    order = np.argsort(x, kind="stable")
    assert np.all(np.diff(y[order]) >= 0)
    shifted = x.astype("d") + shift
    if np.all(shifted - shift == x):
        assert np.allclose(function(shifted), y, rtol=1e-6, atol=1e-15)
    assert np.count_nonzero(function(4 * x)) <= np.count_nonzero(y)
    assert np.all(np.isin(np.flatnonzero(fastact.hardmax(x)), np.flatnonzero(y)))


def test_hardmax():
    x = np.array([[1, 3, 3], [INF, INF, 0], [-INF, -INF, -INF], [0, NAN, INF], [-0.0, 0.0, -1]])
    want = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0], [NAN] * 3, [1, 0, 0]])
    for length in (3, 192, 195, 1000):
        wide = np.stack([in_places(row, length) for row in x])
        wanted = np.zeros(wide.shape)
        wanted[:, :: length // 3][:, :3] = want
        wanted[3] = NAN
        for array in (wide, wide.astype("f"), wide.astype("e")):
            assert np.array_equal(fastact.hardmax(array), wanted, equal_nan=True)
            assert np.array_equal(fastact.hardmax(np.ascontiguousarray(array.T), axis=0).T, wanted, equal_nan=True)
    cube = np.random.default_rng(0).integers(0, 3, (5, 4, 6))
    assert np.argmax(fastact.hardmax(cube, axis=None)) == np.argmax(cube)
    got = fastact.hardmax(cube, axis=(2, 0)).transpose(1, 0, 2).reshape(4, -1)
    assert np.array_equal(np.argmax(got, axis=1), np.argmax(cube.transpose(1, 0, 2).reshape(4, -1), axis=1))
    assert np.array_equal(got.sum(axis=1), np.ones(4))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_outside_of_the_support(name):
    y = np.zeros((2, 100), "f")
    y[0, [3, 70]] = 0.25, 0.75
    gy = np.full((2, 100), INF, "f")
    gy[0, [3, 70]] = 1, 2
    got = getattr(fastact.grad, name)(gy, y)
    assert np.array_equal(np.flatnonzero(got), [3, 70]) and abs(got.sum()) < 1e-7
    y[1, 5] = NAN
    assert np.isnan(getattr(fastact.grad, name)(gy, y)[1, 5])


# ---- Gumbel-softmax --------------------------------------------------------------------------------


def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("dtype", [*DTYPES, "int64"])
def test_gumbel_softmax(dtype):
    logits = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for axis in (0, -1, (0, 2), None):
        y = fastact.gumbel_softmax(logits, 0.5, axis=axis, rng=rng())
        assert y.dtype == fastact.softmax(logits).dtype and y.shape == logits.shape
        assert np.allclose(np.sum(y, axis=axis, dtype="d"), 1, atol=2e-3 if dtype == "float16" else 1e-6)
        assert np.array_equal(bits(y), bits(fastact.gumbel_softmax(logits, tau=0.5, axis=axis, rng=rng())))
        hard = fastact.gumbel_softmax(logits, 0.5, True, axis, rng=rng())
        assert hard.dtype == y.dtype and np.array_equal(np.unique(hard), [0, 1])
        if dtype != "float16":
            assert np.array_equal(hard, fastact.hardmax(y, axis))
    assert isinstance(fastact.gumbel_softmax(np.float32(1), rng=rng()), np.float32)
    assert fastact.gumbel_softmax(np.zeros((3, 0)), rng=rng()).shape == (3, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gumbel_noise(dtype):
    """Draws have the probabilities of softmax, and the noise Gumbel's moments."""
    logits = np.log(np.array([0.1, 0.2, 0.7], dtype))
    draws = fastact.gumbel_softmax(np.tile(logits, (400_000, 1)), hard=True, rng=rng())
    assert np.all(np.abs(draws.mean(axis=0) - [0.1, 0.2, 0.7]) < 0.004)
    # of two, the logits' difference is logistic
    y = fastact.gumbel_softmax(np.zeros((400_000, 2), dtype), rng=rng()).astype("d")
    difference = np.log(y[:, 0]) - np.log(y[:, 1])
    assert abs(difference.mean()) < 0.02 and abs(difference.var() - np.pi**2 / 3) < 0.05


class ZeroAndOne(np.random.Generator):
    """Draws of the largest noise, and of none."""

    def standard_exponential(self, size, dtype):
        return np.arange(2, dtype=dtype)


@pytest.mark.parametrize("dtype, largest", [("float32", 17.4), ("float64", 37.5)])
def test_largest_gumbel_noise(dtype, largest):
    y = fastact.gumbel_softmax(np.zeros(2, dtype), rng=ZeroAndOne(np.random.PCG64()))
    assert largest - 0.2 < np.log(y[0] / y[1]) <= largest


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_of_some(hard):
    x, where = np.arange(12.0).reshape(3, 4), np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    x[~where] = NAN
    y = fastact.gumbel_softmax(x, hard=hard, where=where, rng=rng())
    assert np.all(y[~where] == 0) and np.allclose(y.sum(axis=1), [1, 1, 0])
    assert np.array_equal(y, fastact.gumbel_softmax(np.ma.array(x, mask=~where), hard=hard, rng=rng()))
    generator = rng()
    for wrong, error in ((np.ones(4), TypeError), (np.ones(3, bool), ValueError)):
        with pytest.raises(error, match="where"):
            fastact.gumbel_softmax(x, where=wrong, rng=generator)
    assert generator.random() == rng().random()


def test_gumbel_softmax_at_infinities():
    x = np.array([[INF, 0, 1], [-INF, 0, -INF], [INF, INF, 0], [-INF] * 3, [NAN, 0, 1]])
    with np.errstate(all="raise"):
        y = fastact.gumbel_softmax(x, rng=rng())
        hard = fastact.gumbel_softmax(x, hard=True, rng=rng())
    want = [[1, 0, 0], [0, 1, 0], [NAN] * 3, [NAN] * 3, [NAN] * 3]
    assert np.array_equal(y, want, equal_nan=True) and np.array_equal(hard, want, equal_nan=True)


@pytest.mark.parametrize(
    "arguments, keywords, exception, message",
    [
        (([1.0],), {}, TypeError, "rng"),
        (([1.0],), {"rng": 3}, TypeError, "rng must be a numpy.random.Generator, .*, got int"),
        (([1.0],), {"rng": np.random.RandomState(0)}, TypeError, "rng must be .* got RandomState"),
        (([1.0], 0), {"rng": rng()}, ValueError, "tau must be positive and finite, got 0"),
        (([1.0], -1.0), {"rng": rng()}, ValueError, "tau must be"),
        (([1.0], NAN), {"rng": rng()}, ValueError, "tau must be"),
        (([1.0], "a"), {"rng": rng()}, TypeError, "tau must be a real number, got 'a'"),
        (([1.0],), {"hard": "no", "rng": rng()}, TypeError, "hard must be True or False, got 'no'"),
        (([1.0],), {"hard": np.array([1, 0]), "rng": rng()}, TypeError, "hard must be True or False"),
        (([1j],), {"rng": rng()}, TypeError, "logits must be real numbers"),
        (([1.0],), {"axis": 1, "rng": rng()}, np.exceptions.AxisError, "axis 1"),
        (([1.0], 1.0, False, -1, rng()), {}, TypeError, "positional"),
    ],
)
def test_gumbel_softmax_errors(arguments, keywords, exception, message):
    with pytest.raises(exception, match=message):
        fastact.gumbel_softmax(*arguments, **keywords)
    if isinstance(generator := keywords.get("rng"), np.random.Generator):
        assert generator.random() == rng().random()  # nothing was drawn


@pytest.mark.parametrize("dtype", DTYPES)
def test_hard_draws_do_not_depend_on_the_temperature(dtype):
    """Nor has rounding made ties, which the first would win."""
    x = np.zeros((10_000, 4), dtype)
    draws = fastact.gumbel_softmax(x, hard=True, rng=rng())
    assert np.all(np.abs(draws.mean(axis=0, dtype="d") - 0.25) < 0.02) and np.all(draws.sum(axis=1) == 1)
    for tau in (1e-30, 1e8, 1e300):
        assert np.array_equal(fastact.gumbel_softmax(x, tau, hard=True, rng=rng()), draws)
    y = fastact.gumbel_softmax(x, rng=rng())
    assert np.all(y[draws == 1] == y.max(axis=1))


def test_gumbel_softmax_at_a_tiny_temperature():
    """Where what is divided by it would overflow."""
    logits = np.float32([1.0, 2.0, 3.0])
    assert np.array_equal(
        fastact.gumbel_softmax(logits, tau=1e-37, rng=rng()), fastact.gumbel_softmax(logits, hard=True, rng=rng())
    )
