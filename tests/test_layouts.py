"""Arrays that do not lie in one: the same bits as contiguous ones, and results that lie as NumPy's own would."""

import math

import numpy as np
import pytest
from cases import bits, compiled_only
from hypothesis import given, settings
from hypothesis import strategies as st

import fastact
from fastact import _table
from fastact._gates import GATES

# ufunc, how many arrays, how many parameters
FUNCTIONS = {
    "relu": (fastact.relu, 1, 0),
    "tanh": (fastact.tanh, 1, 0),
    "prelu": (fastact.prelu, 1, 1),
    "hardtanh": (fastact.hardtanh, 1, 2),
    "grad.relu": (fastact.grad.relu, 2, 0),
    "grad.prelu": (fastact.grad.prelu, 2, 1),
    "glu": (fastact.ufuncs.glu, 2, 0),
    "glu_grad": (fastact.ufuncs.glu_grad, 3, 0),
}
DTYPES = st.sampled_from([np.dtype(name) for name in ("float32", "float64", "float16")])
SIZES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 10, 15, 16, 17, 33, 63, 64, 65, 100, 130, 300])
SHAPES = st.lists(SIZES, min_size=1, max_size=5).map(tuple).filter(lambda shape: math.prod(shape) <= 40_000)


def numbers(shape, dtype, seed):
    return (np.random.default_rng(seed).normal(size=shape) * 2).astype(dtype)


@st.composite
def views(draw, shape, dtype):
    """An array of that shape, whose elements lie in another one in any order and with gaps; and that one."""
    axes = draw(st.permutations(range(len(shape)))) if draw(st.booleans()) else list(range(len(shape)))
    gaps = [draw(st.sampled_from([0, 0, 1, 3, 20])) for _ in shape] if draw(st.booleans()) else [0] * len(shape)
    steps = [draw(st.sampled_from([1, 1, -1, 2])) for _ in shape] if draw(st.booleans()) else [1] * len(shape)
    sizes = [(n - 1) * abs(step) + 1 + gap for n, step, gap in zip(shape, steps, gaps, strict=True)]
    whole = numbers([sizes[axis] for axis in axes], dtype, draw(st.integers(0, 99)))
    view = whole.transpose(np.argsort(axes))
    view = view[tuple(slice(gap // 2, size - (gap - gap // 2)) for gap, size in zip(gaps, sizes, strict=True))]
    view = view[tuple(slice(None, None, step) for step in steps)]
    assert view.shape == shape
    return view, whole


@st.composite
def calls(draw):
    """A function and its operands, which broadcast."""
    function, n_arrays, n_parameters = draw(st.sampled_from(list(FUNCTIONS.values())))
    shape, dtype = draw(SHAPES), draw(DTYPES)
    operands = []
    for k in range(n_arrays + n_parameters):
        own = shape
        if k >= n_arrays and draw(st.booleans()):
            operands.append(draw(st.sampled_from([0.5, -1.0, 2])))
            continue
        if k and draw(st.booleans()):
            own = tuple(draw(st.sampled_from([1, n])) for n in shape)[draw(st.integers(0, len(shape) - 1)) :]
        operands.append(draw(views(own, dtype))[0])
    return function, operands


def in_one(operands, shape):
    return [np.array(np.broadcast_to(x, shape), order="C") if isinstance(x, np.ndarray) else x for x in operands]


def steps(x):
    return [step for step, n in zip(x.strides, x.shape, strict=True) if n > 1]


@settings(max_examples=400, deadline=None)
@given(calls(), st.sampled_from([1, 2, 3]))
def test_inputs(call, threads):
    function, operands = call
    fastact.set_num_threads(1)
    want = function(*in_one(operands, operands[0].shape))
    fastact.set_num_threads(threads)
    got = function(*operands)
    assert got.dtype == want.dtype and np.array_equal(bits(got), bits(want))
    if len(operands) <= 2:
        assert steps(got) == steps(np.maximum(*operands) if len(operands) == 2 else np.positive(*operands))


@settings(max_examples=400, deadline=None)
@given(st.data(), calls())
def test_output(data, call):
    """Of any layout; what lies between its elements stays as it was."""
    function, operands = call
    want = function(*in_one(operands, operands[0].shape))
    out, whole = data.draw(views(want.shape, want.dtype))
    before = whole.copy()
    assert function(*operands, out=out) is out
    assert np.array_equal(bits(out), bits(want))
    out[...] = 0
    after = whole.copy()
    whole[...] = before
    out[...] = 0
    assert np.array_equal(after, whole)


@settings(max_examples=200, deadline=None)
@given(st.data(), calls())
def test_in_place(data, call):
    """The output is the first input, or another view of its memory."""
    function, operands = call
    shape = operands[0].shape
    dtype = operands[0].dtype
    operands[0], whole = data.draw(views(shape, dtype))
    other = whole.reshape(-1)[: math.prod(shape)].reshape(shape)
    for out in (operands[0], other):
        whole[...] = numbers(whole.shape, dtype, 1)
        want = function(*in_one(operands, shape))
        function(*operands, out=out)
        assert np.array_equal(bits(out), bits(want))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64"])
def test_integers(dtype):
    x = np.random.default_rng(0).integers(0, 100, (40, 50, 60)).astype(dtype)
    for view in (x[:, 3:-3], x.T, x[::2, ::-1, 5:], x.transpose(1, 0, 2)):
        assert np.array_equal(fastact.relu(view), np.maximum(view, 0))
        out = np.empty(view.shape, dtype)
        assert np.array_equal(fastact.relu(view, out=out), np.maximum(view, 0))


@pytest.mark.parametrize("ndim", range(7, 12))
def test_many_axes_with_gaps(ndim):
    """More than the 8 that calls without NumPy's machinery have room for, too."""
    x, out = numbers((2, *(3,) * ndim), "f", 0)[(slice(None), *[slice(None, None, 2)] * ndim)]
    assert np.array_equal(fastact.relu(x), np.maximum(x, 0))
    assert fastact.relu(x, out=out) is out and np.array_equal(out, np.maximum(x, 0))


@pytest.mark.parametrize("strides", [(8, 4), (0, 4), (4, 4)])
def test_what_overlaps_itself(strides):
    """An output whose elements share memory: as NumPy has it."""
    x = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    got, want = np.zeros((2, 12), np.float32)
    for ufunc, memory in ((fastact.relu, got), (np.positive, want)):
        ufunc(x, out=np.lib.stride_tricks.as_strided(memory, (3, 4), strides))
    assert np.array_equal(got, want)


@compiled_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_beyond_the_caches(dtype):
    """More than 16 MB of operands, of which smaller blocks are brought together."""
    x, gy = numbers((3_000_005,), dtype, 0)[::2], numbers((4_500_009,), dtype, 1)[2::3]
    rows = x[: 700 * 2000].reshape(700, 2000)  # every other element still
    for function, operands in ((fastact.gelu, (x,)), (fastact.prelu, (x, gy)), (fastact.grad.relu, (gy, x))):
        want = function(*map(np.ascontiguousarray, operands))
        assert np.array_equal(bits(function(*operands)), bits(want))
    assert np.array_equal(bits(fastact.tanh(rows[:, ::-1])), bits(fastact.tanh(np.ascontiguousarray(rows[:, ::-1]))))
    assert np.array_equal(bits(fastact.relu(x, out=x)), bits(np.maximum(x, 0)))


@compiled_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_results_past_the_caches(dtype, threads):
    """More than 32 MB of operands, in one and in long rows: the same as row by row, and nothing else is written."""
    rows = 100 * np.arange(600)[:, None] % 173 + np.arange(36_000_000 // (600 * np.dtype(dtype).itemsize)) % 251 - 150
    x = rows.astype(dtype)
    gy, memory = x[::-1].copy(), np.full(x.size + 40, 7, dtype)
    calls = [(fastact.relu, [x]), (fastact.relu, [x[:, 3:-1]])]
    if dtype != "int16":
        calls += [(fastact.leaky_relu, [x, 0.3]), (fastact.prelu, [x, gy]), (fastact.grad.relu, [gy, x])]
        calls += [(fastact.tanh, [x]), (fastact.grad.prelu, [gy, x, -0.5])]
    fastact.set_num_threads(threads)
    for function, operands in calls:
        want = [function(*(a[k] if isinstance(a, np.ndarray) else a for a in operands)) for k in range(len(x))]
        for start in (0, 21):
            out = memory[start : start + operands[0].size].reshape(operands[0].shape)
            function(*operands, out=out)
            assert out.tobytes() == np.array(want).tobytes()
            assert np.all(memory[:start] == 7) and np.all(memory[start + out.size :] == 7)
            memory[:] = 7


@pytest.mark.parametrize(
    "shapes", [((700, 1), (3,)), ((1, 90), (80, 1)), ((5, 1, 7), (4, 1)), ((2, 1), (1, 0)), ((3,), (2,))]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_shapes_that_no_operand_has(shapes, dtype):
    x, weight = (np.random.default_rng(0).normal(size=shape).astype(dtype) for shape in shapes)
    for turn in (lambda a: a, np.transpose):
        x, weight = turn(x), turn(weight)
        try:
            sums = x + weight
        except ValueError:
            with pytest.raises(ValueError, match="broadcast"):
                fastact.prelu(x, weight)
            continue
        got, want = fastact.prelu(x, weight), fastact.prelu(*(a.copy() for a in np.broadcast_arrays(x, weight)))
        assert np.array_equal(got, want) and got.strides == sums.strides


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 130, 200])
def test_rows_in_reverse(length, dtype):
    x = np.random.default_rng(0).normal(size=(300, 2 * length)).astype(dtype)
    for rows in (x[:, ::-1], x[:, ::-2], x[::-1, length:], x[:, length:0:-1]):
        out = np.empty_like(x)[:, ::-1][:, : rows.shape[1]]
        assert np.array_equal(fastact.leaky_relu(rows), fastact.leaky_relu(rows.copy()))
        assert np.array_equal(fastact.leaky_relu(rows, out=out), fastact.leaky_relu(rows.copy()))
    assert np.array_equal(fastact.leaky_relu(x[0, ::-1]), fastact.leaky_relu(x[0])[::-1])


@pytest.mark.parametrize("shape", [(300, 2, 2), (100, 7, 3), (90, 4, 15), (40, 3, 2, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_scattered_elements(shape, dtype):
    """Fields of records, too, whose steps are no multiples of an element's size."""
    records = np.zeros(shape, np.dtype([("x", dtype), ("mark", "i2")]))
    records["x"] = np.random.default_rng(0).normal(scale=5, size=shape)
    for x in (records["x"].copy(), records["x"], records["x"][..., ::-1]):
        for axis in (1, (0, 2), (1, len(shape) - 1)):
            rows = np.moveaxis(x, axis, np.arange(-np.size(axis), 0))
            rows = np.ascontiguousarray(rows).reshape(*rows.shape[: -np.size(axis)], -1)
            want = fastact.softmax(rows)
            got = np.moveaxis(fastact.softmax(x, axis=axis), axis, np.arange(-np.size(axis), 0))
            assert np.array_equal(got.reshape(want.shape), want)
            want, total = fastact.logsumexp(rows), fastact.logsumexp(x, axis=axis)
            assert np.array_equal(total, want)


@pytest.mark.parametrize("function", [fastact.softmax, fastact.hardmax, fastact.entmax15])
def test_results_of_what_repeats_lie_in_order(function):
    x = np.broadcast_to(numbers((30,), np.float32, 0), (20, 30))
    result = function(x)
    assert result.strides == np.exp(x).strides and np.array_equal(bits(result), bits(function(x.copy())))
    assert fastact.glu(x).flags.c_contiguous and fastact.grad.softmax(x, x).flags.c_contiguous


AXES = st.sampled_from([None, -1, 0, (0, 1), (1, 2), (0, 2), (0, 1, 2)])
REDUCTIONS = {
    "softmax": lambda x, **keywords: fastact.softmax(x, **keywords),
    "log_softmax": lambda x, **keywords: fastact.log_softmax(x, **keywords),
    "hardmax": lambda x, **keywords: fastact.hardmax(x, **keywords),
    "sparsemax": lambda x, **keywords: fastact.sparsemax(x, **keywords),
    "grad.softmax": lambda x, **keywords: fastact.grad.softmax(x, x[::-1].copy(), **keywords),
    "grad.entmax15": lambda x, **keywords: fastact.grad.entmax15(x, np.abs(x), **keywords),
}


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.tuples(SIZES, SIZES, SIZES).filter(lambda s: math.prod(s) <= 40_000),
    DTYPES,
    st.sampled_from(list(REDUCTIONS)),
    AXES,
)
def test_rows_that_lie_anywhere(data, shape, dtype, name, axis):
    """The same bits as of contiguous arrays, wherever the elements of a row and its results are."""
    x, _ = data.draw(views(shape, dtype))
    want = REDUCTIONS[name](x.copy(order="C"), axis=axis)
    out, memory = data.draw(views(shape, dtype))
    out[...] = 7
    before = memory.copy()
    assert REDUCTIONS[name](x, axis=axis, out=out) is out
    assert np.array_equal(bits(out), bits(want))
    out[...] = 7
    assert np.array_equal(bits(memory), bits(before))


class Indirect(np.ndarray):
    """What NumPy's functions do not take, and of which an index is no view."""

    def __array_function__(self, *given):
        return NotImplemented

    def __getitem__(self, index):
        return np.asarray(self)[index].copy()


@pytest.mark.parametrize("dtype", ["float32", ">f4", "int64"])
@pytest.mark.parametrize("name", [*_table.REDUCTIONS, *GATES])
def test_output_of_a_subclass(name, dtype):
    x = numbers((6, 8), dtype, 0)
    gy = numbers((6, 4), dtype, 1)
    calls = [lambda **out: getattr(fastact, name)(x, **out)]
    if name in GATES:
        calls.append(lambda **out: getattr(fastact.grad, name)(gy, x, **out))
    elif hasattr(fastact.grad, name):
        calls.append(lambda **out: getattr(fastact.grad, name)(x, x, **out))
    for call in calls:
        want = call()
        out = np.zeros_like(want).view(Indirect)
        assert call(out=out) is out and np.array_equal(np.asarray(out), want, equal_nan=True)
