"""logsumexp against the oracle, and the limits at infinities."""

import numpy as np
import pytest
from cases import COMPILED, DTYPES, LAYOUTS, WITHOUT_FMA, bits, compiled_only
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.exceptions import AxisError
from rows import LIMITS_OF_LOGSUMEXP, SHAPES, arrays_and_axes, logsumexp_error, spreads

import fastact

INF, NAN = np.inf, np.nan


def check(x, axis=-1, **keywords):
    """Within 2 of these units, 3 in float64."""
    with np.errstate(all="raise"):
        got = fastact.logsumexp(x, axis=axis, keepdims=True, **keywords)
    bound = 3 if got.dtype == np.float64 or WITHOUT_FMA else 2
    assert logsumexp_error(got, x, axis, keywords.get("where")) <= bound
    assert np.array_equal(bits(fastact.logsumexp(x, axis=axis, **keywords)).ravel(), bits(got).ravel())
    return got


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axis", SHAPES)
def test_accuracy(shape, axis, dtype):
    for scale in spreads(shape, axis, [0.1, 3, 30, 1000]):
        x = (np.random.default_rng(0).normal(size=shape) * scale).astype(dtype)
        assert check(x, axis).dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("others", [1, 6, 40])
def test_rows_where_a_zero_leads(others, dtype):
    """The result is the logarithm alone, and has the error of the others' terms, which are all alike."""
    x = np.zeros((2000, 1 + others), dtype)
    x[:, 1:] = -np.random.default_rng(0).uniform(1, 30, size=(2000, 1))
    check(x)


@compiled_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_on_every_path(dtype):
    rng = np.random.default_rng(2)
    for length in [*range(1, 40), 127, 128, 129, 1024, 1025, 4096, 4097, 9000, 70_000]:
        x = rng.normal(scale=5, size=(40, length)).astype(dtype)
        want = bits(np.array([fastact.logsumexp(row) for row in x]))
        assert np.array_equal(bits(fastact.logsumexp(x, axis=1)), want)
        assert np.array_equal(bits(fastact.logsumexp(x[::-1], axis=1)), want[::-1])
        assert np.array_equal(bits(fastact.logsumexp(np.ascontiguousarray(x.T), axis=0)), want)
        out = np.zeros((2, 40), dtype).T[:, 1]
        assert fastact.logsumexp(x, out=out) is out
        assert np.array_equal(bits(out), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "0-d" and "empty" not in name])
def test_layout(layout, dtype):
    x = LAYOUTS[layout](np.random.default_rng(1).normal(scale=4, size=3000).astype(dtype))
    plain = np.array(x, dtype=dtype, order="C")
    for axis in [*range(x.ndim), None]:
        assert np.array_equal(bits(fastact.logsumexp(x, axis)), bits(fastact.logsumexp(plain, axis)))


@settings(deadline=None, max_examples=200)
@given(case=arrays_and_axes(), data=st.data())
def test_any_array(case, data):
    x, axis = case
    keywords = {}
    if data.draw(st.booleans(), "where"):
        keywords["where"] = data.draw(hnp.arrays(bool, x.shape[data.draw(st.integers(0, x.ndim)) :]))
    check(x, axis, **keywords)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row, want", LIMITS_OF_LOGSUMEXP)
def test_edges(row, want, dtype):
    for repeats in (1, 3, 40, 5000):
        rows = np.repeat(np.array(row, dtype)[None], repeats, axis=0)
        with np.errstate(all="raise"):
            for got in (fastact.logsumexp(rows, axis=1), fastact.logsumexp(np.ascontiguousarray(rows.T), axis=0)):
                assert got.dtype == dtype and got.shape == (repeats,)
                assert np.array_equal(got, np.full(repeats, want, dtype), equal_nan=True)


def test_as_scipy():
    special = pytest.importorskip("scipy.special")
    x = np.random.default_rng(3).normal(scale=3, size=(4, 5, 6))
    for axis in (0, 1, -1, (0, 2), None):
        for keepdims in (False, True):
            want = special.logsumexp(x, axis=axis, keepdims=keepdims)
            got = fastact.logsumexp(x, axis=axis, keepdims=keepdims)
            assert np.shape(got) == np.shape(want) and np.allclose(got, want, rtol=1e-14)


def test_shapes_and_out():
    x = np.ones((3, 4), "f")
    assert isinstance(fastact.logsumexp(x, axis=None), np.float32)
    assert isinstance(fastact.logsumexp(2), np.float64)
    assert fastact.logsumexp(x, axis=None, keepdims=True).shape == (1, 1)
    assert np.array_equal(fastact.logsumexp(x, axis=()), x)
    assert fastact.logsumexp(np.empty((0, 3))).shape == (0,)
    assert fastact.logsumexp(x, dtype="d").dtype == np.float64
    assert np.all(fastact.logsumexp(x, where=[False] * 4) == -INF)
    out = np.empty(3, ">f8")
    assert fastact.logsumexp(x, out=(out,)) is out and np.allclose(out, 1 + np.log(4))
    overlapping = x.copy()
    want = fastact.logsumexp(x, axis=0)
    assert np.array_equal(fastact.logsumexp(overlapping, axis=0, out=overlapping[0]), want)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_out_has_the_bits_of_a_new_result(dtype):
    x = np.random.default_rng(5).normal(scale=5, size=(4, 30, 20)).astype(dtype)
    for axis in (0, 1, 2, -1):
        want = fastact.logsumexp(x, axis=axis)
        out = np.empty_like(want)
        assert fastact.logsumexp(x, axis=axis, out=out) is out and np.array_equal(bits(out), bits(want))
        inside = x.copy()
        out = inside.reshape(-1)[-want.size - 3 : -3].reshape(want.shape)  # in the middle of what is read
        assert fastact.logsumexp(inside, axis=axis, out=out) is out and np.array_equal(bits(out), bits(want))
    one = x[:1, :1, 0].copy()
    assert np.array_equal(fastact.logsumexp(one, axis=1, out=one[0]), [x[0, 0, 0]])


def test_out_that_starts_where_x_does():
    """What one thread writes, another has yet to read: seen in one call of twenty."""
    x = np.random.default_rng(6).normal(size=(200_000, 4)).astype("f")
    fastact.set_num_threads(2)
    want = fastact.logsumexp(x)
    for _ in range(60 if COMPILED else 1):
        inside = x.copy()
        assert np.array_equal(fastact.logsumexp(inside, out=inside.reshape(-1)[: len(x)]), want)


@pytest.mark.parametrize(
    "x", [5.0, 2, np.float32(-3), np.array(7.5), np.array(1.5, "e"), np.array(-INF), np.array(4, ">f8")]
)
def test_no_dimensions(x):
    for keywords in ({}, {"axis": None}, {"axis": 0}, {"keepdims": True}, {"where": True}):
        got = fastact.logsumexp(x, **keywords)
        assert got == float(x) and isinstance(got, np.floating)
        out = np.full((), 77.0)
        assert fastact.logsumexp(x, out=out, **keywords) is out and out == float(x)


BAD = [
    ({"axis": 2}, AxisError, "axis 2"),
    ({"axis": (0, 0)}, ValueError, "repeated axis"),
    ({"axis": 0}, ValueError, r"out must have the shape of the result, \(4,\), got \(3,\)"),
    ({"keepdims": True}, ValueError, r"out must have the shape of the result, \(3, 1\)"),
    ({"where": np.zeros(3, bool)}, ValueError, "where of shape"),
    ({"dtype": "c8"}, TypeError, "dtype must be"),
    ({"out": np.zeros(3, int)}, TypeError, "cannot be cast"),
    *(({"keepdims": k}, TypeError, "keepdims must be True or False, got ") for k in ("a", [], None, np.ones(2), 1)),
]


@pytest.mark.parametrize("keywords, exception, message", BAD)
def test_errors(keywords, exception, message):
    out = np.full(3, 7, "f")
    with pytest.raises(exception, match=message):
        fastact.logsumexp(np.ones((3, 4), "f"), **{"out": out} | keywords)
    assert np.all(out == 7)
    with pytest.raises(TypeError):
        fastact.logsumexp(np.ones(3, "F"))
    with pytest.raises(TypeError, match="keepdims must be True or False, got 0"):
        fastact.logsumexp(np.ones(3), keepdims=0)  # a call that goes the shortest way
