"""The gradients of softmax, its kin and the sparse ones against the formula in extended precision."""

import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, WITHOUT_FMA, bits, compiled_only, exact_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.exceptions import AxisError
from rows import SHAPES, arrays_and_axes, case, gradient_error, spreads
from ulp import unit

import fastact
from fastact import _reduction_gradients as grad
from fastact._table import SOFTMAXES, WITH_GRADIENT

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axis", SHAPES)
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_accuracy(name, shape, axis, dtype):
    for scale in spreads(shape, axis, [0.1, 3, 30]):
        gy, y = case(name, shape, axis, dtype, scale)
        with np.errstate(all="raise"):
            got = getattr(grad, name)(gy, y, axis)
        assert got.dtype == dtype and got.shape == gy.shape
        assert gradient_error(name, got, gy, y, axis) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_many_rows_of_a_block(name, dtype):
    """Rows of as many terms as are added in the dtype: their sum is the least exact."""
    rng = np.random.default_rng(0)
    for scale in (3, 10):
        y = getattr(fastact, name)(rng.normal(scale=scale, size=(1000, 128)).astype(dtype))
        for spread in (0.5, 2):
            gy = np.exp(rng.normal(scale=spread, size=y.shape)).astype(dtype)
            for signed in (gy, rng.choice([-1, 1], y.shape).astype(dtype) * gy):
                got = getattr(grad, name)(signed, y)
                assert gradient_error(name, got, signed, y, -1) <= 1


@pytest.mark.parametrize("scale", [1.0, 1e-10, 1e-30])
@pytest.mark.parametrize("name", ["softmax", "softmin"])
@pytest.mark.parametrize("temperature", [0.01, 0.3, 0.7, 30.0, 1e6, 1e15])
def test_small_shares(name, temperature, scale):
    """A y whose quotient by the temperature is subnormal."""
    rng = np.random.default_rng(0)
    y = np.array([1, 1e-30, 1e-38, 3e-45, 0], "f")
    gy = (rng.normal(size=(20, 5)) * scale * np.float32([1e-3, 1e20, 1e36, 1e38, 1])).astype("f")
    y = np.broadcast_to(y, gy.shape)
    want = exact_gradient(name, gy, y, 1) / np.longdouble(temperature)
    for axis in (0, 1):
        got = getattr(grad, name)(*(a if axis else a.T.copy() for a in (gy, y)), axis, temperature=temperature)
        got = got if axis else got.T
        terms = np.abs(y * gy.astype("g")) + y * np.sum(np.abs(gy * y.astype("g")), 1, keepdims=True)
        assert np.all(np.abs(got - want) <= 8 * unit(terms / temperature, "float32"))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "dtype, large, y",
    [
        ("float32", 1.3e25, -132.0),
        ("float32", 1e37, -140.0),
        ("float64", 2.1e159, -1001.0),
        ("float64", 1e300, -1100.0),
    ],
)
def test_huge_sums(dtype, large, y, axis):
    """Whose products with what vanishes itself do not."""
    gy, y = np.array([[large, 0.0, 1.0]], dtype), np.array([[0.0, y, y - 1]], dtype)
    gy, y = (gy, y) if axis else (gy.T.copy(), y.T.copy())
    assert gradient_error("log_softmax", grad.log_softmax(gy, y, axis), gy, y, axis) <= 1


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "dtype, small",
    [("float32", 2.0**-66), ("float32", 2.0**-90), ("float64", 2.0**-510), ("float64", 2.0**-629)],
)
def test_tiny_sums(dtype, small, axis):
    """Of a gy so small that products with powers of e would be subnormal; the result is as with a larger one."""
    gy, y = case("log_softmax", (30, 50), axis, dtype, 5)
    got = grad.log_softmax(gy * gy.dtype.type(small), y, axis)
    assert gradient_error("log_softmax", got, gy * gy.dtype.type(small), y, axis) <= 1
    assert gradient_error("log_softmax", got / got.dtype.type(small), gy, y, axis) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_one_hot(name, dtype):
    """As a cross-entropy asks for it, also where the right class has almost all the weight."""
    for gap in (0, 1, 10, 15, 30, 200):
        x = np.random.default_rng(0).normal(size=(20, 100)).astype(dtype)
        x[:, 3] += -gap if name == "softmin" else gap
        y = getattr(fastact, name)(x)
        gy = np.zeros_like(x)
        gy[:, 3] = -1
        got = getattr(grad, name)(gy, y)
        assert gradient_error(name, got, gy, y, -1) <= 1
        if name == "log_softmax" and not WITHOUT_FMA:  # not one digit is lost
            want = np.exp(y.astype(np.longdouble))
            want[:, 3] = np.expm1(y[:, 3].astype(np.longdouble))
            assert np.all(np.abs(got - want) <= np.abs(want) * np.finfo(dtype).eps + np.finfo(dtype).tiny)


@compiled_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_same_bits_on_every_path(name, dtype):
    function = getattr(grad, name)
    for length in [*range(1, 40), 127, 128, 129, 1024, 1025, 4096, 4097, 9000]:
        gy, y = case(name, (40, length), 1, dtype, 3)
        want = bits(np.stack([function(*rows) for rows in zip(gy, y, strict=True)]))
        assert np.array_equal(bits(function(gy, y, axis=1)), want)
        assert np.array_equal(bits(function(gy.T, np.ascontiguousarray(y.T), axis=0).T), want)
        columns = np.ascontiguousarray(gy.T), np.ascontiguousarray(y.T)
        assert np.array_equal(bits(function(*columns, axis=0).T), want)
        for k in (0, 1):
            pair = [gy.copy(), y.copy()]
            assert function(*pair, axis=1, out=pair[k]) is pair[k]
            assert np.array_equal(bits(pair[k]), want)
            pair = [array.copy() for array in columns]
            function(*pair, axis=0, out=pair[k])
            assert np.array_equal(bits(pair[k].T), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_columns_beside_infinite_ones(name, dtype):
    """More columns than are worked on together, and some whose sum is not finite."""
    function = getattr(grad, name)
    for shape in ((5, 2500), (70, 1041), (3000, 150)):
        gy, y = case(name, shape, 0, dtype, 3)
        gy[2, 40], gy[3, 140], gy[:, -1] = np.inf, np.nan, np.finfo(dtype).max
        with np.errstate(all="raise"):
            want = function(np.ascontiguousarray(gy.T), np.ascontiguousarray(y.T), axis=1).T
            assert np.array_equal(function(gy, y, axis=0), want, equal_nan=True)
            function(gy, y, axis=0, out=gy)
        assert np.array_equal(gy, want, equal_nan=True)


def test_threads_change_nothing():
    for name in WITH_GRADIENT:
        for shape, axis in (((1, 200_001), 1), ((3000, 40), 1), ((3000, 10), 1), ((300, 300), 0)):
            gy, y = case(name, shape, axis, "float32", 3)
            results = []
            for threads in (1, 2, 3):
                fastact.set_num_threads(threads)
                results.append(bits(getattr(grad, name)(gy, y, axis)))
            assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "0-d"])
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_layout(name, layout, dtype):
    rng = np.random.default_rng(1)
    gy = LAYOUTS[layout](rng.normal(size=3000).astype(dtype))
    y = LAYOUTS[layout](rng.uniform(0, 1, 3000).astype(dtype) - (name == "log_softmax"))
    before = gy.copy(), y.copy()
    plain = [np.array(array, dtype=dtype, order="C") for array in (gy, y)]
    for axis in [*range(gy.ndim), None]:
        got = getattr(grad, name)(gy, y, axis=axis)
        assert got.dtype == dtype
        assert np.array_equal(bits(got), bits(getattr(grad, name)(*plain, axis=axis)))
        assert np.array_equal(bits(getattr(grad, name)(plain[0], y, axis=axis)), bits(got))
    assert np.array_equal(bits(gy), bits(before[0])) and np.array_equal(bits(y), bits(before[1]))


@settings(deadline=None, max_examples=200)
@given(name=st.sampled_from(WITH_GRADIENT), case=arrays_and_axes(), data=st.data())
def test_any_array(name, case, data):
    gy, axis = case
    low, high = (-30, 0) if name == "log_softmax" else (0, 1)
    y = data.draw(hnp.arrays("f", gy.shape, elements=st.floats(low, high, width=16)))
    with np.errstate(all="raise"):
        got = getattr(grad, name)(gy, y, axis=axis)
    want_dtype = np.float32 if gy.dtype == np.float16 else np.float64 if gy.dtype.kind == "i" else gy.dtype
    assert got.dtype == want_dtype and got.shape == gy.shape
    if np.all(np.isfinite(gy)):
        assert gradient_error(name, got, gy, y, axis) <= 1
    else:
        assert np.array_equal(np.isnan(got), np.isnan(exact_gradient(name, gy, y, axis)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_infinities(name, dtype):
    """As NumPy has it; a row beside others has what it has alone."""
    rng = np.random.default_rng(2)
    gy, y = case(name, (40, 30), 1, dtype, 3)
    gy[rng.integers(0, 40, 10), rng.integers(0, 30, 10)] = rng.choice([INF, -INF, NAN], 10)
    gy[5] = 3e38
    want = exact_gradient(name, gy, y, 1)
    with np.errstate(all="raise"):
        got = getattr(grad, name)(gy, y, axis=1)
    finite = np.isfinite(want)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    assert np.array_equal(got[~finite & ~np.isnan(got)], want[~finite & ~np.isnan(got)].astype(dtype))
    columns = [np.ascontiguousarray(array.T) for array in (gy, y)]
    assert np.array_equal(bits(getattr(grad, name)(*columns, axis=0).T), bits(got))


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_out_that_overlaps(name):
    function = getattr(grad, name)
    gy, y = case(name, (31, 40), 1, "float32", 3)
    base = np.concatenate([gy, y])
    for source, target in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:]), (np.s_[:, ::-1], np.s_[:])):
        array = base.copy()
        want = function(array[source][:31].copy(), array[source][:31].copy(), axis=1)
        function(array[source][:31], array[source][:31], axis=1, out=array[target][:31])
        assert np.array_equal(array[target][:31], want, equal_nan=True)
    out = np.empty((31, 40), ">f8")
    assert function(gy, y, out=(out,)) is out
    assert np.array_equal(out, function(gy, y))
    assert function(gy, y, dtype="d").dtype == np.float64


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_small_shapes(name):
    function = getattr(grad, name)
    one = function(np.float32(2), np.float32(1))
    assert isinstance(one, np.float32)
    for shape in ((0,), (3, 0), (0, 3), (2, 0, 4)):
        for axis in (*range(len(shape)), None, ()):
            assert function(np.empty(shape, "f"), np.empty(shape, "f"), axis=axis).shape == shape


GY = np.ones((3, 4), "f")
BAD = [
    ((GY, GY[:2]), {}, ValueError, r"y must have the shape of gy, \(3, 4\), got \(2, 4\)"),
    ((GY, 1.0), {}, ValueError, "y must have the shape of gy"),
    ((GY, GY), {"axis": 2}, AxisError, "axis 2"),
    ((GY, GY), {"axis": (0, 0)}, ValueError, "repeated axis"),
    ((GY, GY), {"axis": 1.0}, TypeError, "axis must be"),
    ((GY, GY.astype("F")), {}, TypeError, "y must be real numbers"),
    ((GY, None), {}, TypeError, "y must be real numbers"),
    ((GY.astype("F"), GY), {}, TypeError, "gy must be real numbers"),
    ((GY, GY.astype(object)), {"dtype": "f"}, TypeError, "y must be real numbers"),
    ((GY, GY), {"dtype": "i4"}, TypeError, "dtype must be"),
    ((GY, GY), {"where": True}, TypeError, "where"),
    ((GY, GY, 0, None), {}, TypeError, "positional"),
]


@pytest.mark.parametrize("arguments, keywords, exception, message", BAD)
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_errors(name, arguments, keywords, exception, message):
    out = np.full((3, 4), 7, "f")
    with pytest.raises(exception, match=message):
        getattr(grad, name)(*arguments, **{"out": out} | keywords)
    assert np.all(out == 7)
    for bad in (np.full((4, 3), 7, "f"), np.full((3, 4), 7), [1.0]):
        with pytest.raises((TypeError, ValueError), match="out"):
            getattr(grad, name)(GY, GY, out=bad)
