"""The temperature of softmax and its kin, and of their gradients, against the oracle in extended precision."""

import numpy as np
import pytest
from cases import BEYOND_THE_RANGE, LAYOUTS, MAX_ULP_OF_ROWS, bits, compiled_only, exact_gradient, exact_reduction, ulps
from rows import EDGES, SHAPES, case, gradient_error, spreads

import fastact
from fastact import _reduction_gradients as grad
from fastact._table import SOFTMAXES

TEMPERATURES = [0.01, 0.7, 100.0]
FLOATS = ["float32", "float64"]


def check(name, x, axis, temperature, **keywords):
    with np.errstate(all="raise"):
        got = getattr(fastact, name)(x, axis=axis, temperature=temperature, **keywords)
    want = exact_reduction(name, x, axis, keywords.get("where"), temperature=temperature)
    assert ulps(got, want) <= MAX_ULP_OF_ROWS[got.dtype.name]
    return got


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape, axis", SHAPES)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_accuracy(name, shape, axis, dtype, temperature):
    for scale in spreads(shape, axis, [0.1, 3, 300]):
        x = (np.random.default_rng(0).normal(size=shape) * scale).astype(dtype)
        check(name, x, axis, temperature)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape, axis", SHAPES)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_accuracy_of_gradients(name, shape, axis, dtype, temperature):
    gy, y = case(name, shape, axis, dtype, 3)
    with np.errstate(all="raise"):
        got = getattr(grad, name)(gy, y, axis, temperature=temperature)
    # times the temperature it is as without, but for what rounding the product costs
    assert gradient_error(name, got.astype(np.longdouble) * temperature, gy, y, axis, dtype) <= 2


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "0-d"])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_layout(name, layout, dtype):
    """Any layout has the bits of the contiguous one."""
    x = LAYOUTS[layout](np.random.default_rng(1).normal(scale=4, size=3000).astype(dtype))
    plain = np.array(x, dtype=dtype, order="C")
    for axis in [*range(x.ndim), None]:
        got = getattr(fastact, name)(x, axis=axis, temperature=0.7)
        assert np.array_equal(bits(got), bits(getattr(fastact, name)(plain, axis=axis, temperature=0.7)))
        gradient = getattr(grad, name)(x, got, axis, temperature=0.7)
        again = getattr(grad, name)(plain, np.array(got, order="C"), axis, temperature=0.7)
        assert np.array_equal(bits(gradient), bits(again))


@compiled_only
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_same_bits_on_every_path(name, dtype):
    rng = np.random.default_rng(2)
    function, gradient = getattr(fastact, name), getattr(grad, name)
    for length in (1, 2, 10, 16, 17, 50, 129, 1025, 4097):
        for scale, temperature in ((5, 0.3), (5, 1), (300, 1), (300, 2.5)):
            x = rng.normal(scale=scale, size=(40, length)).astype(dtype)
            columns = np.ascontiguousarray(x.T)
            want = np.stack([function(row, temperature=temperature) for row in x])
            assert np.array_equal(bits(function(x, temperature=temperature)), bits(want))
            assert np.array_equal(bits(function(columns, axis=0, temperature=temperature).T), bits(want))
            assert np.array_equal(
                bits(gradient(columns, np.ascontiguousarray(want.T), axis=0, temperature=temperature).T),
                bits(gradient(x, want, temperature=temperature)),
            )
            in_place = x.copy()
            assert function(in_place, out=in_place, temperature=temperature) is in_place
            assert np.array_equal(bits(in_place), bits(want))


@pytest.mark.parametrize("name", SOFTMAXES)
def test_one_is_as_without(name):
    for scale in (3, 300):
        x = np.random.default_rng(3).normal(scale=scale, size=(30, 100)).astype("f")
        want = getattr(fastact, name)(x)
        for one in (1, 1.0, np.float32(1), np.array(1), np.array(1.0)):
            assert np.array_equal(bits(getattr(fastact, name)(x, temperature=one)), bits(want))
            gradient = getattr(grad, name)(x, want, temperature=one)
            assert np.array_equal(bits(gradient), bits(getattr(grad, name)(x, want)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_a_power_of_two_is_a_division(name, dtype):
    x = np.random.default_rng(4).normal(scale=9, size=(30, 100)).astype(dtype)
    for temperature in (0.25, 4.0):
        got = getattr(fastact, name)(x, temperature=temperature)
        want = getattr(fastact, name)(x / np.array(temperature, dtype))
        assert ulps(got, want) <= 2


@pytest.mark.parametrize("name", SOFTMAXES)
def test_where(name):
    rng = np.random.default_rng(5)
    x, mask = rng.normal(scale=3, size=(50, 60)).astype("f"), rng.random((50, 60)) < 0.7
    got = check(name, x, 1, 0.2, where=mask)
    assert np.all(got[~mask] == (-np.inf if name == "log_softmax" else 0))
    check(name, x, (0, 1), 3.0, where=mask[0])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("temperature", [0.01, 0.7, 2.0, 100.0, 1e-300, 1e300])
@pytest.mark.parametrize("row, want", EDGES)
def test_infinities(row, want, temperature, dtype):
    """Where the limit depends on infinities, the temperature does not matter."""
    if not np.any(np.isinf(row)) and not np.any(np.isnan(row)):
        return
    want = np.array([np.nan] * len(row) if want is None else want, dtype)
    with np.errstate(all="ignore"):
        logarithm = np.log(want)
    for repeats in (1, 3, 40):
        rows = np.repeat(np.array(row, dtype)[None], repeats, axis=0)
        for x, axis in ((rows, 1), (np.ascontiguousarray(rows.T), 0)):
            with np.errstate(all="raise"):
                results = {
                    "softmax": fastact.softmax(x, axis=axis, temperature=temperature),
                    "softmin": fastact.softmin(-x, axis=axis, temperature=temperature),
                    "log_softmax": fastact.log_softmax(x, axis=axis, temperature=temperature),
                }
            for name, got in results.items():
                expected = np.broadcast_to(logarithm if name == "log_softmax" else want, rows.shape)
                assert np.array_equal(got if axis == 1 else got.T, expected, equal_nan=True), name


@pytest.mark.parametrize("dtype", FLOATS)
def test_extreme_temperatures(dtype):
    x = np.array([1.0, 2.0, 1.5], dtype)
    for tiny in (1e-310, 1e-100, 1e-30):
        assert fastact.softmax(x, temperature=tiny).tolist() == [0, 1, 0]
    for huge in (1e308, 1e30):
        assert np.array_equal(fastact.softmax(x, temperature=huge), np.full(3, 1 / 3, dtype))
    check("log_softmax", x, 0, 1e-3)


@pytest.mark.parametrize("name", SOFTMAXES)
def test_gradient_of_a_sum_that_is_not_finite(name):
    gy, y = case(name, (6, 30), 1, "float32", 3)
    gy[0, 3], gy[1, 4], gy[2] = np.inf, np.nan, 3e38
    want = exact_gradient(name, gy, y, 1, 0.5)
    with np.errstate(all="raise"):
        got = getattr(grad, name)(gy, y, temperature=0.5)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    assert np.array_equal(got[np.isinf(want)], want[np.isinf(want)].astype("f"))


def test_threads_change_nothing():
    x = np.random.default_rng(6).normal(scale=3, size=200_001).astype("f")
    results = []
    for threads in (1, 2, 3):
        fastact.set_num_threads(threads)
        y = [getattr(fastact, name)(x, temperature=0.3) for name in SOFTMAXES]
        g = [getattr(grad, name)(x, y[k], temperature=0.3) for k, name in enumerate(SOFTMAXES)]
        results.append(bits(np.stack(y + g)))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


BAD = [
    (0, ValueError),
    (-1.0, ValueError),
    (np.inf, ValueError),
    (np.nan, ValueError),
    ("1", TypeError),
    (None, TypeError),
    (1j, TypeError),
    (True, TypeError),
    ([1.0], TypeError),
    (np.ones(3), TypeError),
    (10**400, ValueError),
]


@pytest.mark.parametrize("temperature, exception", BAD)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_errors(name, temperature, exception):
    x = np.ones((3, 4), "f")
    for call in (getattr(fastact, name), lambda x, **keywords: getattr(grad, name)(x, x, **keywords)):
        with pytest.raises(exception, match="temperature"):
            call(x, temperature=temperature)
    with pytest.raises(TypeError, match="positional"):
        getattr(fastact, name)(x, 1, 2.0)


def test_large_whole_numbers():
    x = np.arange(4.0)
    assert np.array_equal(fastact.softmax(x, temperature=2**70), fastact.softmax(x, temperature=2.0**70))


def test_half_precision_and_integers():
    x = np.random.default_rng(7).normal(size=(20, 30)).astype("e")
    assert fastact.softmax(x, temperature=0.5).dtype == np.float16
    check("softmax", x.astype("d"), 1, np.float16(0.1))
    assert np.array_equal(fastact.softmax([1, 2, 3], temperature=2), fastact.softmax([0.5, 1.0, 1.5]))


@pytest.mark.parametrize("layout", [(1, 0), (40, 0), (40, 1)])
@pytest.mark.parametrize("dtype, x, temperature, want", BEYOND_THE_RANGE)
def test_beyond_the_range(dtype, x, temperature, want, layout):
    """As rows and as columns."""
    count, axis = layout
    x, want = (np.tile(np.array(a, dtype), (count, 1)) for a in (x, want))
    x, want = (x.T.copy(), want.T) if axis else (x, want)
    got = fastact.log_softmax(x, axis=1 - axis, temperature=temperature)
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
    got = fastact.softmax(x, axis=1 - axis, temperature=temperature)
    np.testing.assert_allclose(got, np.exp(want), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("dtype, size, temperature", [("float32", 1e30, 1e-20), ("float64", 1e300, 7e-30)])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_gradients_beyond_the_range(name, dtype, size, temperature, count):
    gy = np.tile(np.array([size, 0, 0], dtype), (count, 1))
    y = np.tile(np.array([0.5, 0.3, 0.2], dtype), (count, 1))
    sign = -1 if name == "softmin" else 1
    y = np.log(y) if name == "log_softmax" else y
    want = np.tile([sign * np.inf, -sign * np.inf, -sign * np.inf], (count, 1))
    assert np.array_equal(getattr(grad, name)(gy, y, temperature=temperature), want)
    assert np.array_equal(getattr(grad, name)(gy.T.copy(), y.T.copy(), 0, temperature=temperature), want.T)


@pytest.mark.parametrize("dtype, small, temperature", [("float32", 1e-30, 5e-8), ("float64", 1e-300, 1e-16)])
def test_small_numbers_over_a_small_temperature(dtype, small, temperature):
    """Nothing underflows before it is made large."""
    gy, y = np.array([[1e-12, 3e-13, 2e-13]], dtype), np.array([[small, 0.5, 0.5]], dtype)
    for name in ("softmax", "softmin"):
        got = getattr(grad, name)(gy, y, temperature=temperature)
        assert np.allclose(got, exact_gradient(name, gy, y, 1, temperature).astype(dtype), rtol=1e-6, atol=0)
