"""softmax, its kin and the sparse ones against the oracle: shapes, axes, layouts, masks, edges."""

import numpy as np
import pytest
from cases import (
    DTYPES,
    KEEPING_SHAPE,
    LAYOUTS,
    MAX_ULP_OF_ROWS,
    bits,
    compiled_only,
    exact_reduction,
    row_ulps,
    unaligned,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from processes import run
from rows import EDGES, SHAPES, arrays_and_axes, spreads

import fastact
from fastact._table import INTEGER_TYPES, REDUCTIONS, SOFTMAXES, SPARSE

INF, NAN = np.inf, np.nan


def check(name, x, axis, **keywords):
    with np.errstate(all="raise"):
        got = getattr(fastact, name)(x, axis=axis, **keywords)
    want = exact_reduction(name, x, axis, keywords.get("where"))
    assert got.shape == x.shape
    assert row_ulps(name, got, want) <= (1 if name in SPARSE else MAX_ULP_OF_ROWS[got.dtype.name])
    return got


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axis", SHAPES)
@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_accuracy(name, shape, axis, dtype):
    for scale in spreads(shape, axis, [0.1, 3, 30, 1000]):
        x = (np.random.default_rng(0).normal(size=shape) * scale).astype(dtype)
        got = check(name, x, axis)
        assert got.dtype == dtype
        if name != "log_softmax" and dtype != "float16":
            total = np.sum(got, axis=axis, dtype=np.longdouble) if axis != () else got
            assert np.allclose(total, 1, rtol=0, atol=4 * np.finfo(dtype).eps * max(1, np.log2(x.size)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "0-d"])
@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_layout(name, layout, dtype):
    """Any layout has the bits of the contiguous one."""
    x = LAYOUTS[layout](np.random.default_rng(1).normal(scale=4, size=3000).astype(dtype))
    before = x.copy()
    plain = np.array(x, dtype=dtype, order="C")
    for axis in [*range(x.ndim), None]:
        got = getattr(fastact, name)(x, axis=axis)
        assert got.dtype == dtype and got.shape == x.shape
        assert np.array_equal(bits(got), bits(getattr(fastact, name)(plain, axis=axis)))
    assert np.array_equal(bits(x), bits(before))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_ellipsis_for_out(name):
    """As NumPy has it: a new array, also where there are no dimensions."""
    function = getattr(fastact, name)
    for x in (np.random.default_rng(0).normal(size=(3, 4)).T, np.ones(4, "f"), np.float32(2)):
        got = function(x, out=...)
        assert type(got) is np.ndarray and np.array_equal(got, function(x))
    if gradient := getattr(fastact.grad, name, None):
        got = gradient(1.0, 1.0, out=...)
        assert type(got) is np.ndarray and got == gradient(1.0, 1.0)


@compiled_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_same_bits_on_every_path(name, dtype):
    """A row's result depends on the row alone: not on its neighbours, the path it takes, or `out`."""
    function = getattr(fastact, name)
    rng = np.random.default_rng(2)
    for length in [*range(1, 71), 127, 128, 129, 1024, 1025, 4096, 4097, 9000]:
        x = rng.normal(scale=5, size=(40, length)).astype(dtype)
        want = bits(np.stack([function(row) for row in x]))
        assert np.array_equal(bits(function(x, axis=1)), want)
        assert np.array_equal(bits(function(np.ascontiguousarray(x.T), axis=0).T), want)
        assert np.array_equal(bits(function(x[:, ::-1], axis=1)), bits(function(x[:, ::-1].copy(), axis=1)))
        in_place = x.copy()
        assert function(in_place, axis=1, out=in_place) is in_place
        assert np.array_equal(bits(in_place), want)
        in_place = np.ascontiguousarray(x.T)
        function(in_place, axis=0, out=in_place)
        assert np.array_equal(bits(in_place.T), want)
        three = np.repeat(x.reshape(5, 8, length).transpose(0, 2, 1)[..., None], 2, axis=3)
        assert np.array_equal(bits(function(three, axis=1)[..., 1].transpose(0, 2, 1).reshape(40, length)), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*SOFTMAXES, "logsumexp"])
def test_columns_beside_infinite_ones(name, dtype):
    """More columns than are worked on together, and some that end otherwise."""
    function = getattr(fastact, name)
    for length, width in ((5, 2500), (70, 1041), (3000, 150)):
        x = np.random.default_rng(3).normal(scale=5, size=(length, width)).astype(dtype)
        x[:, 7], x[2, 40], x[3, 140], x[:, -1] = -INF, INF, NAN, INF
        with np.errstate(all="raise"):
            want = function(np.ascontiguousarray(x.T), axis=1).T
            got = function(x, axis=0)
            assert np.array_equal(got, want, equal_nan=True)
            if name != "logsumexp":
                function(x, axis=0, out=x)
                assert np.array_equal(x, want, equal_nan=True)


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(KEEPING_SHAPE), case=arrays_and_axes(), data=st.data())
def test_any_array(name, case, data):
    x, axis = case
    keywords = {}
    if data.draw(st.booleans(), "where"):
        keywords["where"] = data.draw(hnp.arrays(bool, x.shape[data.draw(st.integers(0, x.ndim)) :]))
    want_dtype = np.float64 if x.dtype.kind == "i" else x.dtype
    if data.draw(st.booleans(), "out"):
        out = np.empty(x.shape[::-1], want_dtype).T
        assert check(name, x, axis, out=out, **keywords) is out
    else:
        got = check(name, x, axis, **keywords)
        assert got.dtype == want_dtype and isinstance(got, np.ndarray)


@pytest.mark.parametrize("name", KEEPING_SHAPE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_out_that_overlaps(name, dtype):
    function = getattr(fastact, name)
    base = np.random.default_rng(3).normal(scale=3, size=(30, 40)).astype(dtype)
    views = [
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, ::-1], np.s_[:]),
        (np.s_[::-1], np.s_[:]),
        (np.s_[:], np.s_[:]),
    ]
    for source, target in views:
        for axis in (0, 1, None):
            array = base.copy()
            want = function(array[source].copy(), axis=axis)
            function(array[source], axis=axis, out=array[target])
            assert np.array_equal(array[target], want)
    square = base[:, :30].copy()
    want = function(square.copy().T, axis=1)
    function(square.T, axis=1, out=square)
    assert np.array_equal(square, want)


@pytest.mark.parametrize("given", ["f", "d", "e"])
@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_out_of_other_dtypes(name, given):
    function = getattr(fastact, name)
    x = np.random.default_rng(4).normal(size=(20, 30)).astype(given)
    computed = function(x.astype("f") if given == "e" else x, axis=0)
    for dtype in ("e", "f", "d", ">f4", ">f8", "F", "D"):
        out = np.empty(x.shape, dtype)
        assert function(x, axis=0, out=(out,)) is out
        assert np.array_equal(out, computed.astype(dtype))
    out = unaligned(np.empty_like(x))
    assert function(x, axis=0, out=out) is out and np.array_equal(out, function(x, axis=0))
    assert function(x, dtype="d").dtype == np.float64
    assert function(x, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("code", ["?", *INTEGER_TYPES])
@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_integers(name, code):
    x = np.array([[0, 1, 1], [1, 0, 0]], code)
    got = getattr(fastact, name)(x, axis=1)
    assert got.dtype == np.exp(x).dtype
    assert row_ulps(name, got, exact_reduction(name, x, 1)) <= MAX_ULP_OF_ROWS[got.dtype.name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row, want", EDGES)
def test_edges(row, want, dtype):
    x = np.array(row, dtype)
    want = np.array([NAN] * len(row) if want is None else want, dtype)
    with np.errstate(all="ignore"):
        logarithm = np.log(want)
        if row == [6e4, -6e4]:
            logarithm[1] = x[1] - x[0]
    for repeats in (1, 3, 40, 5000):
        rows = np.repeat(x[None], repeats, axis=0)
        with np.errstate(all="raise"):
            for array, axis in ((rows, 1), (np.ascontiguousarray(rows.T), 0)):
                results = {name: getattr(fastact, name)(array, axis=axis) for name in ("softmax", "log_softmax")}
                results["softmin"] = fastact.softmin(-array, axis=axis)
                for name, got in results.items():
                    got = got if axis == 1 else got.T
                    expected = logarithm if name == "log_softmax" else want
                    assert np.all((got == expected) | (np.isnan(got) & np.isnan(expected))), name


@compiled_only
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_in_a_row_that_threads_share(dtype):
    fastact.set_num_threads(2)
    x = np.random.default_rng(10).normal(size=300_000).astype(dtype)
    x[123_456] = INF
    at = x == INF
    with np.errstate(all="raise"):
        assert np.array_equal(fastact.softmax(x), at) and fastact.logsumexp(x) == INF
        assert np.array_equal(fastact.log_softmax(x), np.where(at, 0, -INF))
        x[:] = -INF
        assert np.isnan([fastact.softmax(x), fastact.log_softmax(x)]).all() and fastact.logsumexp(x) == -INF


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_signalling_nan(name, dtype):
    """As any other NaN, without a warning."""
    x = np.array([[1, 1], [1, INF], [1, 1]], dtype)
    x.view(f"i{x.itemsize}")[1, 1] += 1  # the next after infinity
    gradient = getattr(fastact.grad, name, None)
    with np.errstate(all="raise"):
        results = [
            getattr(fastact, name)(x, axis=1),
            *([gradient(x, x), gradient(np.ones_like(x), x)] if gradient else []),
        ]
    assert all(np.isnan(got[1]).any() and np.isfinite(got[[0, 2]]).all() for got in results)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_numbers(dtype):
    info = np.finfo(dtype)
    x = np.array([info.max, 0, -info.max], dtype)
    assert fastact.softmax(x).tolist() == [1, 0, 0]
    assert fastact.softmin(x).tolist() == [0, 0, 1]
    assert fastact.softmax(np.full(3, info.max, dtype)).tolist() == [1 / np.array(3, dtype)] * 3
    tail = np.array([0, np.log(info.smallest_subnormal.astype(np.longdouble)) + 2], dtype)
    check("softmax", tail, 0)
    assert 0 < fastact.softmax(tail)[1] < info.tiny


def test_log_softmax_keeps_its_digits_at_the_maximum():
    got = fastact.log_softmax(np.array([0.0, -40.0], np.float32))
    assert got[0] == -np.float32(np.exp(-40.0))
    check("log_softmax", np.array([30.0, 0.0, 0.0, 0.0]), 0)
    check("log_softmax", np.array([2.5, 2.5, -30.0], np.float32), 0)


@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_where(name):
    function = getattr(fastact, name)
    x = np.random.default_rng(5).normal(size=(50, 60)).astype("f")
    left_out = -INF if name == "log_softmax" else 0.0
    mask = np.random.default_rng(6).random(x.shape) < 0.7
    got = function(x, axis=1, where=mask)
    assert np.all(got[~mask] == left_out)
    for k in range(len(x)):
        want = exact_reduction(name, x[k, mask[k]], 0)
        assert row_ulps(name, got[k, mask[k]], want) <= MAX_ULP_OF_ROWS[got.dtype.name]
    assert np.array_equal(function(x, axis=1, where=True), function(x, axis=1))
    nan = x.copy()
    nan[~mask] = NAN
    assert np.array_equal(function(nan, axis=1, where=mask), got)
    out = np.full_like(x, 7)
    function(x, axis=0, where=mask[0], out=out)
    assert np.all(out[:, ~mask[0]] == left_out)
    assert np.array_equal(out[:, mask[0]], function(x, axis=0)[:, mask[0]])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_masked_arrays(name):
    function, rng = getattr(fastact, name), np.random.default_rng(7)
    x = np.ma.array(rng.normal(size=(5, 6)), mask=rng.random((5, 6)) < 0.3)
    got = function(x, axis=1)
    assert type(got) is np.ndarray
    filled = np.where(x.mask, REDUCTIONS[name].left_out, x.data)
    want = function(filled, axis=1)
    if not REDUCTIONS[name].single:
        want[x.mask] = REDUCTIONS[name].result_left_out
    assert np.array_equal(got, want)
    assert np.array_equal(function(np.ma.array(x.data), axis=1), function(x.data, axis=1))
    where = rng.random(6) < 0.7
    assert np.array_equal(function(x, where=where), function(x.data, where=where & ~x.mask))
    with pytest.raises(TypeError, match="where must be bool"):
        function(x, where=np.ones(6, int))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_numbers_that_are_not_numpys(name):
    x = np.arange(12).reshape(3, 4).astype(pytest.importorskip("ml_dtypes").bfloat16)
    for dtype in (None, "f", "d"):
        got, want = getattr(fastact, name)(x, dtype=dtype), getattr(fastact, name)(x.astype("f"), dtype=dtype)
        assert got.dtype == want.dtype and np.array_equal(got, want)


@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_small_shapes(name):
    function = getattr(fastact, name)
    one = 0.0 if name == "log_softmax" else 1.0
    for axis in (-1, 0, None, ()):
        got = function(np.float32(3.5), axis=axis)
        assert got == one and isinstance(got, np.float32)
    assert function([[1, 2], [3, 4]]).shape == (2, 2)
    for shape in ((0,), (3, 0), (0, 3), (2, 0, 4)):
        for axis in (*range(len(shape)), None):
            got = function(np.empty(shape, "f"), axis=axis)
            assert got.shape == shape and got.dtype == np.float32
    assert np.array_equal(function(np.zeros((4, 1)), axis=1), np.full((4, 1), one))


def test_softmin_is_softmax_of_the_negative():
    x = np.random.default_rng(7).normal(scale=3, size=(30, 100))
    assert np.array_equal(fastact.softmin(x, axis=0), fastact.softmax(-x, axis=0))


def test_shift_by_a_whole_number_changes_nothing():
    x = np.random.default_rng(8).integers(-9, 9, size=(30, 100)).astype("f")
    assert np.array_equal(fastact.softmax(x + 64, axis=1), fastact.softmax(x, axis=1))


@compiled_only
def test_few_long_columns():
    """Each is packed alone. Nothing may be read behind it: in a process of its own, where that is a crash."""
    done = run(
        "-c",
        """
import numpy as np, fastact
for n in (20_001, 65_001, 100_001, 150_001):
    x = np.array([0.0] + [-40.0] * (n - 1), "f")
    for _ in range(20):
        y = fastact.softmax(np.repeat(x[:, None], 3, axis=1), axis=0)
    assert np.all(y[0] == 1)
""",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_columns_with_infinities_among_others(name):
    """Side by side, each has what it has alone."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(30, 300)).astype("f")
    for value in (INF, -INF, NAN):
        x[rng.integers(0, 30, 60), rng.integers(0, 300, 60)] = value
    x[:, ::50] = -INF
    x[3:, 1::50] = INF
    alone = np.stack([getattr(fastact, name)(column.copy()) for column in x.T], axis=1)
    assert np.array_equal(bits(getattr(fastact, name)(x, axis=0)), bits(alone))
    in_place = x.copy()
    getattr(fastact, name)(in_place, axis=0, out=in_place)
    assert np.array_equal(bits(in_place), bits(alone))


@compiled_only
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*SOFTMAXES, "sparsemax"])
def test_where_of_any_layout(name, dtype):
    """As of infinities, but for what is left out itself; on any number of threads."""
    rng = np.random.default_rng(8)
    x, mask = rng.normal(scale=3, size=(100, 400)).astype(dtype), rng.random((100, 400)) < 0.7
    mask[5] = False
    x[7, 3:6] = NAN, INF, -INF
    left_out = INF if name == "softmin" else -INF
    function = getattr(fastact, name)
    masks = [
        mask,
        mask[:, :1],
        mask[0],
        np.asfortranarray(mask),
        np.repeat(mask, 2, axis=1)[:, ::2],
        np.True_,
        np.False_,
    ]
    for where in masks:
        for axis in (0, 1):
            whole = np.broadcast_to(where, x.shape)
            want = function(np.where(whole, x, np.array(left_out, dtype)), axis=axis)
            want[~whole] = -INF if name == "log_softmax" else 0
            for threads, y in [(1, x), (3, x), (2, np.asfortranarray(x)), (2, np.repeat(x, 2, axis=1)[:, ::2])]:
                fastact.set_num_threads(threads)
                assert np.array_equal(bits(function(y, axis=axis, where=where)), bits(want))
            in_place = x.copy()
            assert function(in_place, axis=axis, where=where, out=in_place) is in_place
            assert np.array_equal(bits(in_place), bits(want))
