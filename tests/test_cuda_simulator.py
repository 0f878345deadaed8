"""The CUDA kernels and everything that leads to them, without a GPU: in Numba's simulator, on NumPy's memory."""

import json
import re
from collections import defaultdict
from ctypes import c_void_p
from fractions import Fraction
from importlib.util import find_spec
from operator import attrgetter
from types import SimpleNamespace

import numpy as np
import pytest
from cases import (
    AS_ON_A_GPU,
    BEYOND_THE_RANGE,
    BY_LOOKUP,
    CALLS,
    EDGES_OF_ALL,
    LAYOUTS,
    MAX_ULP_OF_HALVES,
    MAX_ULP_OF_ROWS,
    axes_of,
    bits,
    exact,
    exact_reduction,
    inputs_of,
    is_row_gradient,
    is_sparse_result,
    public,
    ulps,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.exceptions import AxisError
from rows import LIMITS_OF_LOGSUMEXP, logsumexp_error

import fastact
from fastact import _bench, _cuda_device
from fastact.__main__ import main
from fastact._formulas import GRADIENTS
from fastact._gates import GATES

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

import cuda_simulator as simulator
from cuda_simulator import DeviceArray

from fastact import (
    _backend,
    _cuda_elementwise,
    _cuda_rows,
    _dispatch,
    _over_axes,
    _reduction_gradients,
    _reductions,
    cuda,
)
from fastact import _cuda_arrays as arrays
from fastact._table import SOFTMAXES, SPARSE

INF, NAN = np.inf, np.nan


@pytest.fixture(autouse=True, scope="module")
def device():
    """One with warps of 4 threads and blocks of 8, so that rows over several warps stay small: it is slow."""
    caches = (cuda._kernel, cuda._elementwise_launch, cuda._reduction_kernel, cuda._reduction_launch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "_runtime", lambda: simulator)
        patch.setattr(cuda, "_compiler", lambda: simulator)
        patch.setattr(arrays, "empty", simulator.empty)
        patch.setattr(_cuda_elementwise, "THREADS", 8)
        for name, value in {
            "WARP": 4,
            "THREADS": 8,
            "MAX_LANES": 16,
            "STREAMING_LANES": 16,
            "LIMITS": ((4, 2),),
            "LIMITS_OF_HALVES": ((4, 2),),
            "MOST": 4,
            "UNROLL_REST": 2,
            "MANY": 40,
        }.items():
            patch.setattr(_cuda_rows, name, value)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def nothing_launched():
    before = len(simulator.launches)
    yield
    assert len(simulator.launches) == before


def numbers(dtype, size=100, scale=4):
    x = np.random.default_rng(0).normal(scale=scale, size=size).astype(dtype)
    x[:8] = [0, -0.0, INF, -INF, NAN, 20, -100, 1e-30 if dtype != "float16" else 1e-7]
    return x


# ---- elementwise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name, arguments", CALLS)
def test_elementwise(name, arguments, dtype):
    """The CPU's bits: it is the same formula, but for those by lookup and for halves."""
    x = numbers(dtype, 50)
    inputs = inputs_of(name, x)
    got = public(name, cuda)(*map(DeviceArray, inputs), *arguments)
    assert isinstance(got, DeviceArray) and got.host.dtype == dtype
    if AS_ON_A_GPU and dtype != "float16" and (name, dtype) not in BY_LOOKUP:
        assert np.array_equal(bits(got.host), bits(public(name)(*inputs, *arguments)))
    bound = MAX_ULP_OF_HALVES if dtype == "float16" else 2 if name in GRADIENTS else 1.5
    assert ulps(got.host, exact(name, x, arguments)) <= bound


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("byte-swapped", "unaligned")])
def test_layouts(layout):
    x = LAYOUTS[layout](np.random.default_rng(1).normal(scale=3, size=120).astype("f"))
    got = cuda.elu(DeviceArray(x)).host
    assert got.shape == x.shape
    assert np.array_equal(bits(got), bits(fastact.elu(x)))
    if layout not in ("broadcast", "one value"):
        assert got.strides == fastact.elu(x).strides or 1 in x.shape or x.size < 2


@given(n=st.integers(1, 2**31), i=st.integers(0, 2**31 - 1))
def test_quotients_by_multiplication(n, i):
    m, shift = _cuda_elementwise.multiplier(n)
    for j in {i, i // n * n, max(i // n * n - 1, 0), 2**31 - 1}:  # where the quotient changes, too
        assert (2 * j * m) >> 32 >> shift == j // n and m < 2**32


def test_vectors_are_used():
    """Contiguous arrays, broadcast parameters, odd sizes and odd addresses: a block does as much as it should."""
    x = np.arange(70, dtype="f")
    of_floats = [(x[:64], 8), (x[:65], 8), (x[1:65], 4), (x[2:66], 4), (x[4:68], 8), (x[::2], 4)]
    for view, per_thread in [*of_floats, (x[:64].astype("d"), 4)]:
        got = cuda.relu(DeviceArray(view))
        assert np.array_equal(got.host, np.maximum(view, 0))
        assert simulator.launches[-1][4] == -(-view.size // (8 * per_thread))
    images = np.random.default_rng(2).normal(size=(2, 3, 4, 4)).astype("f")
    weight = np.array([0.5, -2, 3], "f").reshape(3, 1, 1)
    got = cuda.prelu(DeviceArray(images), DeviceArray(weight))
    assert np.array_equal(got.host, fastact.prelu(images, weight))
    assert simulator.launches[-1][4] == images.size // 32


def test_many_elements(monkeypatch):
    """More than indices of 32 bits can tell apart, or steps as large: by other products and quotients."""
    images = np.random.default_rng(2).normal(size=(2, 3, 4, 5)).astype("f")[..., ::-1]
    weight = np.array([0.5, -2, 3], "f").reshape(3, 1, 1)
    want = cuda.prelu(DeviceArray(images), DeviceArray(weight)).host
    cuda._elementwise_launch.cache_clear()
    monkeypatch.setattr(_cuda_elementwise, "FEW", 4)
    got = cuda.prelu(DeviceArray(images), DeviceArray(weight)).host
    assert np.array_equal(got, want) and np.array_equal(got, fastact.prelu(images, weight))
    assert simulator.launches[-1][0] is not simulator.launches[-2][0]
    cuda._elementwise_launch.cache_clear()


BROADCAST = [((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((5,), ()), ((1,), (2, 5)), ((0, 3), (3,))]


@pytest.mark.parametrize("shape, other", BROADCAST)
def test_broadcasting(shape, other):
    rng = np.random.default_rng(3)
    x, alpha = rng.normal(size=shape).astype("f"), rng.normal(size=other).astype("f")
    got = cuda.elu(DeviceArray(x), DeviceArray(alpha))
    assert np.array_equal(got.host, fastact.elu(x, alpha))
    got = cuda.hardtanh(DeviceArray(x), DeviceArray(alpha - 1), 2.0)
    assert np.array_equal(got.host, fastact.hardtanh(x, alpha - 1, 2.0))


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_layout(data):
    shape = data.draw(st.lists(st.integers(0, 3), min_size=0, max_size=4).map(tuple), "shape")
    steps = data.draw(st.tuples(*[st.sampled_from([1, -1, 2, -2])] * len(shape)), "steps")
    base = np.random.default_rng(4).normal(size=[2 * n for n in shape]).astype("f")
    x = base[tuple(slice(0 if s > 0 else None, None, s) for s in steps)]
    x = x[tuple(slice(n) for n in shape)].transpose(data.draw(st.permutations(range(len(shape)))))
    weight = x[:1] if x.ndim and data.draw(st.booleans(), "fewer rows") else x
    out = DeviceArray(np.empty(x.shape[::-1], "d").T) if data.draw(st.booleans(), "out") else None
    got = cuda.prelu(DeviceArray(x), DeviceArray(weight), out=out)
    assert out is None or got is out
    assert np.array_equal(got.host, fastact.prelu(x, weight))


DTYPES = [
    ("sigmoid", "i4", "float64"),
    ("sigmoid", "i2", "float32"),
    ("sigmoid", "?", "float16"),
    ("relu", "i4", "int32"),
    ("relu", "u8", "uint64"),
    ("relu", "?", "int8"),
    ("relu6", "i1", "int8"),
]


@pytest.mark.parametrize("name, given, result", DTYPES)
def test_integers(name, given, result):
    x = np.array([0, 1, 7, 100, 3] if given[0] != "i" else [0, 1, -7, 100, 3]).astype(given)
    got = getattr(cuda, name)(DeviceArray(x)).host
    want = getattr(fastact, name)(x)
    assert got.dtype == result == want.dtype
    assert np.array_equal(got, want)


def test_mixed_dtypes_are_as_numpy_has_them():
    x = numbers("float32")[8:]
    for weight in (0.25, 1, np.float32(0.25), np.float64(0.25), np.array(0.25)):
        got = cuda.prelu(DeviceArray(x), weight).host
        want = fastact.prelu(x, weight)
        assert got.dtype == want.dtype and np.array_equal(got, want)
    got = cuda.prelu(DeviceArray(x), DeviceArray(np.array([0.1]))).host
    assert got.dtype == np.float64 and np.array_equal(got, fastact.prelu(x, np.array([0.1])))


def test_bfloat16(monkeypatch):
    """Storage only: the nearest bfloat16 to float32's result, ties to even."""
    high = np.r_[np.arange(0x3C00, 0x4200, 97), [0, 0x8000, 0x7F80, 0xFF80, 0x7FC0, 0x7F7F]].astype(np.uint16)
    x = (high.astype(np.uint32) << 16).view(np.float32)
    of_array = arrays.array_of

    def array_of(x, *given):
        array = of_array(x, *given)
        assert x.host.dtype == np.uint16
        return array._replace(layout=arrays.layout("bfloat16", array.layout.shape, array.layout.steps))

    monkeypatch.setattr(arrays, "array_of", array_of)
    out = DeviceArray(np.empty_like(high))
    assert cuda.softsign(DeviceArray(high), out=out) is out
    got = (out.host.astype(np.uint32) << 16).view(np.float32)
    want = fastact.softsign(x).view(np.uint32)
    rounded = (want + 0x7FFF + (want >> 16 & 1)) & 0xFFFF0000
    assert np.array_equal(got, rounded.view(np.float32), equal_nan=True)


def test_out_and_overlap():
    base = numbers("float32")[8:]
    want = fastact.elu(base)
    x = DeviceArray(base.copy())
    assert cuda.elu(x, out=x) is x and np.array_equal(x.host, want)
    for source, target in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:]), (np.s_[::-1], np.s_[:])):
        array = base.copy()
        cuda.elu(DeviceArray(array[source]), out=(DeviceArray(array[target]),))
        assert np.array_equal(array[target], want[source])
    square = np.random.default_rng(0).normal(size=(9, 9)).astype("f")
    for function in (cuda.elu, cuda.softmax):
        array = square.copy()
        function(DeviceArray(array), out=DeviceArray(array.T))
        assert np.array_equal(array.T, function(DeviceArray(square)).host)
    for dtype in ("e", "d"):
        out = DeviceArray(np.empty(base.shape, dtype))
        cuda.elu(DeviceArray(base), out=out)
        assert np.array_equal(out.host, want.astype(dtype))


def test_numpy_arrays_go_there_and_back():
    x = numbers("float32")[8:].reshape(4, -1)
    got = cuda.elu(x.tolist(), 0.5)
    assert type(got) is np.ndarray and np.array_equal(got, fastact.elu(x.astype("d"), 0.5))
    out = np.empty_like(x)
    assert cuda.elu(x, np.array([[1], [2], [3], [4]], "f"), out=out) is out
    assert np.array_equal(out, fastact.elu(x, np.array([[1], [2], [3], [4]], "f")))
    assert np.array_equal(cuda.softmax(x, axis=0), cuda.softmax(DeviceArray(x), axis=0).host)
    assert cuda.sigmoid(0.0) == 0.5
    assert np.array_equal(cuda.elu(x.astype(">f4")), fastact.elu(x))


def test_streams():
    x, y = DeviceArray(np.ones(5, "f"), stream=7), DeviceArray(np.ones(5, "f"), stream=9)
    cuda.relu(x)
    assert simulator.launches[-1][2:4] == (arrays.LEGACY_STREAM, (7,))
    cuda.prelu(x, y, out=x, stream=7)
    assert simulator.launches[-1][2:4] == (7, (9,))
    cuda.softmax(y, stream=9)
    assert simulator.launches[-1][2:4] == (9, ())

    class Stream:
        cuda_stream = 11

    class Protocol:
        def __cuda_stream__(self):
            return 0, 12

    of_numba = SimpleNamespace(handle=c_void_p(13))
    for stream, handle in ((Stream(), 11), (Protocol(), 12), (of_numba, 13), (0, arrays.LEGACY_STREAM)):
        cuda.relu(x, stream=stream)
        assert simulator.launches[-1][2] == handle


# ---- rows ------------------------------------------------------------------------------------------

# parts of a warp, a warp, several warps; across; several axes; shapes with nothing to reduce
ROWS = [
    ((9, 1), 1),
    ((5, 3), 1),
    ((5, 10), 1),
    ((3, 20), 1),
    ((2, 30), 1),
    ((2, 70), 1),
    ((10, 5), 0),
    ((41, 3), 0),
    ((3, 41), 0),
    ((2, 5, 3), 1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (2, 1)),
    ((2, 3, 4), None),
    ((4, 5), ()),
    ((3, 1, 2, 2, 3), (1, 3)),
    ((), -1),
]


def check(name, x, axis, **keywords):
    got = getattr(cuda, name)(DeviceArray(x), axis=axis, **keywords).host
    assert got.shape == x.shape
    with np.errstate(all="ignore"):
        want = exact_reduction(name, x, axis, **keywords)
        assert ulps(got, want) <= MAX_ULP_OF_ROWS[got.dtype.name]
    return got


# every shape in float32; in the others a few
CASES = [("float32", *row) for row in ROWS] + [(d, *row) for d in ("float64", "float16") for row in ROWS[2:9:3]]


@pytest.mark.parametrize("dtype, shape, axis", CASES)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_rows(name, shape, axis, dtype):
    x = np.asarray(np.random.default_rng(5).normal(scale=9, size=shape)).astype(dtype)
    assert check(name, x, axis).dtype == dtype


@pytest.mark.parametrize("name, dtype", [("softmax", "float32"), ("log_softmax", "float16"), ("logsumexp", "float32")])
def test_shared_memory(name, dtype, monkeypatch):
    """Long rows are kept there where they have room, and nothing else changes: not one bit."""
    x = np.random.default_rng(9).normal(scale=9, size=(4, 290)).astype(dtype)
    x[1, 5], x[2, :100], x[3, 7] = INF, -INF, NAN
    for keywords in [{}, {"temperature": 0.7}] if name == "softmax" else [{}]:
        monkeypatch.setattr(simulator, "room", 0)
        want = getattr(cuda, name)(DeviceArray(x), **keywords).host
        monkeypatch.setattr(simulator, "room", 8192)
        got = getattr(cuda, name)(DeviceArray(x), **keywords).host
        assert np.array_equal(bits(got), bits(want))
        assert simulator.launches[-1][0] is not simulator.launches[-2][0]


@pytest.mark.parametrize("name", SOFTMAXES)
def test_many_small_terms_of_halves(name):
    """Each of them vanishes beside what its lane's sum starts with."""
    x = np.full(8000, -16.1, "f2")
    x[0] = 0
    check(name, -x if name == "softmin" else x, -1)


@pytest.mark.parametrize("layout", ["F", "transposed", "reversed axes", "sliced", "every other"])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_layouts_of_rows(name, layout):
    x = LAYOUTS[layout](np.random.default_rng(6).normal(scale=4, size=60).astype("f"))
    for axis in {0, x.ndim - 1}:
        check(name, x, axis)
        out = DeviceArray(np.empty(x.shape[::-1], "d").T)
        assert getattr(cuda, name)(DeviceArray(x), axis, out=out) is out


HARD_ROWS = {
    "one far above": np.r_[200.0, np.zeros(30)],
    "rising": np.arange(70) / 5.0,
    "rising slowly": np.arange(100) / 1000.0,
    "falling": -np.arange(30) / 5.0,
    "subnormal terms": np.r_[0.0, np.full(20, -95.0)],
    "equal": np.full(13, 3e4),
    "two at the maximum": np.r_[2.5, 2.5, -30.0],
    "nearly one": np.r_[0.0, -20.0, -40.0],
    "close": np.array([1.0, np.nextafter(np.float32(1), np.float32(0)), 0.5]),
    "large numbers": np.array([3e38, 0, -3e38]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", HARD_ROWS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_hard_rows(name, row, dtype):
    x = HARD_ROWS[row].astype(dtype)
    check(name, x, 0)
    check(name, x[::-1], 0)


# rows with their softmax, to the bit; None: NaN throughout
EDGES = [
    *EDGES_OF_ALL,
    ([-INF] * 9 + [INF] + [3.0] * 20, [0.0] * 9 + [1.0] + [0.0] * 20),
    ([-INF] * 29 + [1.0], [0.0] * 29 + [1.0]),
    ([1.0] * 30 + [NAN], None),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row, want", EDGES)
def test_edges(row, want, dtype):
    check_edges(row, want, dtype)


def check_edges(row, want, dtype, **keywords):
    x = np.tile(np.array(row, dtype), (2, 1))
    want = np.tile(np.array([NAN] * len(row) if want is None else want, dtype), (2, 1))
    with np.errstate(all="ignore"):
        logarithm = np.log(want)
    for axis, y in ((1, x), (0, np.ascontiguousarray(x.T))):
        results = [cuda.softmax(DeviceArray(y), axis, **keywords), cuda.softmin(DeviceArray(-y), axis, **keywords)]
        results.append(cuda.log_softmax(DeviceArray(y), axis, **keywords))
        for got, expected in zip(results, (want, want, logarithm), strict=True):
            got = got.host if axis else got.host.T
            assert np.array_equal(got, expected, equal_nan=True)


def test_rows_in_place_and_overlapping():
    base = np.random.default_rng(7).normal(size=(3, 14)).astype("f")
    for name in SOFTMAXES:
        function = getattr(cuda, name)
        for axis in (0, 1):
            want = function(DeviceArray(base), axis).host
            x = DeviceArray(base.copy())
            assert function(x, axis, out=x) is x
            assert np.array_equal(x.host, want)
            array = base.copy()
            want = function(DeviceArray(base[:, 1:].copy()), axis).host
            function(DeviceArray(array[:, 1:]), axis, out=DeviceArray(array[:, :-1]))
            assert np.array_equal(array[:, :-1], want)


def test_empty_arrays_launch_nothing(nothing_launched):
    for shape in ((0,), (3, 0), (0, 3), (2, 0, 4)):
        x = DeviceArray(np.empty(shape, "f"))
        assert cuda.sigmoid(x).host.shape == shape
        for axis in (*range(len(shape)), None):
            assert cuda.softmax(x, axis).host.shape == shape


# ---- logsumexp -------------------------------------------------------------------------------------


def check_logsumexp(x, axis):
    got = cuda.logsumexp(DeviceArray(x), axis, keepdims=True).host
    assert logsumexp_error(got, x, axis) <= (3 if x.dtype == np.float64 else 2)
    return got


def check_results_of_logsumexp(x, axis):
    axes = axes_of(axis, x.ndim)
    kept = check_logsumexp(x, axis)
    got = cuda.logsumexp(DeviceArray(x), axis).host
    assert got.shape == tuple(n for k, n in enumerate(x.shape) if k not in axes)
    assert got.dtype == x.dtype and np.array_equal(got.ravel(), kept.ravel(), equal_nan=True)
    out = DeviceArray(np.empty(got.shape[::-1], "d").T)
    assert cuda.logsumexp(DeviceArray(x), axis, out=out) is out
    assert np.array_equal(out.host.astype(x.dtype), got, equal_nan=True)


@pytest.mark.parametrize("dtype, shape, axis", CASES)
def test_logsumexp(shape, axis, dtype):
    x = np.asarray(np.random.default_rng(5).normal(scale=9, size=shape)).astype(dtype)
    check = check_results_of_logsumexp if shape in ((5, 10), (2, 3, 4)) else check_logsumexp
    check(x, axis)


@pytest.mark.parametrize("layout", ["F", "transposed", "reversed axes", "sliced", "every other"])
def test_layouts_of_logsumexp(layout):
    x = LAYOUTS[layout](np.random.default_rng(6).normal(scale=4, size=60).astype("f"))
    for axis in {0, x.ndim - 1}:
        check_results_of_logsumexp(x, axis)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", HARD_ROWS)
def test_hard_rows_of_logsumexp(row, dtype):
    check_logsumexp(HARD_ROWS[row].astype(dtype), 0)


@pytest.mark.parametrize("row, want", LIMITS_OF_LOGSUMEXP)
def test_limits_of_logsumexp(row, want):
    for repeats in (1, 40):  # held, and read in pieces
        x = np.tile(np.array(row, "f"), (3, repeats))
        if np.isfinite(want):
            x[:, len(row) :] = -INF
        assert np.array_equal(cuda.logsumexp(DeviceArray(x), 1).host, np.full(3, want, "f"), equal_nan=True)


def test_logsumexp_of_nothing_and_in_place():
    for shape, axis in (((3, 0), 1), ((0,), None), ((2, 0, 4), 1)):
        x = np.empty(shape, "f")
        got = cuda.logsumexp(DeviceArray(x), axis).host
        assert np.array_equal(got, fastact.logsumexp(x, axis)) and got.shape == np.shape(fastact.logsumexp(x, axis))
    assert cuda.logsumexp(DeviceArray(np.empty((3, 0), "f")), 0).host.shape == (0,)
    for axis in (0, 1):
        x = np.random.default_rng(7).normal(size=(5, 5)).astype("f")
        want = cuda.logsumexp(DeviceArray(x), axis).host
        assert np.array_equal(cuda.logsumexp(x, axis), want)  # there and back
        out = DeviceArray(x[2])
        assert fastact.logsumexp(DeviceArray(x), axis, out=out) is out and np.array_equal(out.host, want)


# ---- hardmax, sparsemax, entmax15 ------------------------------------------------------------------


# every shape with two of the three
@pytest.mark.parametrize(
    "name, dtype, shape, axis", [(SPARSE[(k + i) % 3], *case) for i in (0, 1) for k, case in enumerate(CASES)]
)
def test_sparse(name, shape, axis, dtype):
    x = np.asarray(np.random.default_rng(14).normal(scale=0.7, size=shape)).astype(dtype)
    y = getattr(cuda, name)(DeviceArray(x), axis).host
    assert y.dtype == dtype and y.shape == x.shape and is_sparse_result(y, x, name, axis)
    assert np.array_equal(getattr(fastact, name)(DeviceArray(x), axis).host, y)
    if name != "hardmax":
        gy = np.asarray(np.random.default_rng(15).normal(size=shape)).astype(dtype)
        got = getattr(cuda.grad, name)(DeviceArray(gy), DeviceArray(y), axis).host
        assert got.dtype == dtype and is_row_gradient(got, gy, y, name, axis)
        assert np.array_equal(getattr(fastact.grad, name)(DeviceArray(gy), DeviceArray(y), axis).host, got)


@pytest.mark.parametrize("row, want", EDGES_OF_ALL)
@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_edges_of_sparse(name, row, want):
    for length in (len(row), 9, 40):  # alone, and in what several lanes hold, and read again
        row = np.array([*row, *[-INF] * (length - len(row))], "f")
        wanted = np.full(length, NAN) if want is None else [*want, *[0.0] * (length - len(want))]
        for x in (row, np.stack([np.zeros(length, "f"), row])):
            got = getattr(cuda, name)(DeviceArray(x)).host
            assert np.array_equal(got if x is row else got[1], wanted, equal_nan=True)


def test_hardmax():
    x = np.random.default_rng(16).integers(0, 3, (20, 70)).astype("f")
    x[3, 40], x[4], x[5, 3], x[6, :2] = NAN, -INF, INF, -0.0
    for axis in (0, 1, None):
        for view in (x, x[:, ::-1], x[:7, :5]):
            assert np.array_equal(
                cuda.hardmax(DeviceArray(view), axis).host, fastact.hardmax(view, axis), equal_nan=True
            )


def test_support_of_sparse():
    """Rows that take many steps, of which some in a block are done before others; all of gy's infinities beside it."""
    x = np.array([np.linspace(0, 1e-3, 33), np.geomspace(1e-9, 1, 33), np.zeros(33), np.arange(33.0)], "f")
    for name in ("sparsemax", "entmax15"):
        y = getattr(cuda, name)(DeviceArray(x)).host
        np.testing.assert_allclose(y, exact_reduction(name, x, 1), rtol=2e-7, atol=1e-15)
        gy = np.where(y > 0, x, INF)
        got = getattr(cuda.grad, name)(DeviceArray(gy), DeviceArray(y)).host
        np.testing.assert_allclose(got, getattr(fastact.grad, name)(gy, y), rtol=2e-6, atol=1e-9)


# ---- temperatures ----------------------------------------------------------------------------------


TEMPERATURES = [*zip(SOFTMAXES * 2, [0.01, 0.7, 100.0, 0.7, 100.0, 0.01], strict=True)]


@pytest.mark.parametrize("dtype, shape, axis", [CASES[2], *CASES[5:7], CASES[-6]])
@pytest.mark.parametrize("name, temperature", TEMPERATURES)
def test_temperature(name, shape, axis, dtype, temperature):
    rng = np.random.default_rng(10)
    x, gy = rng.normal(scale=9, size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    y = check(name, x, axis, temperature=temperature)
    got = getattr(cuda.grad, name)(DeviceArray(gy), DeviceArray(y), axis, temperature=temperature).host
    assert is_row_gradient(got, gy, y, name, axis, temperature)


@pytest.mark.parametrize("temperature", [1e-300, 1e300])
@pytest.mark.parametrize("row, want", [edge for edge in EDGES if not np.all(np.isfinite(edge[0]))])
def test_edges_at_a_temperature(row, want, temperature):
    """Where the limit depends on infinities, the temperature does not matter."""
    check_edges(row, want, "float32", temperature=temperature)


@pytest.mark.parametrize("dtype, x, temperature, want", BEYOND_THE_RANGE)
def test_beyond_the_range(dtype, x, temperature, want):
    x = DeviceArray(np.array(x, dtype))
    got = cuda.log_softmax(x, temperature=temperature).host
    np.testing.assert_allclose(got, np.array(want, dtype), rtol=4 * np.finfo(dtype).eps)
    got = cuda.softmax(x, temperature=temperature).host
    np.testing.assert_allclose(got, np.exp(np.array(want, dtype)), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype, size, temperature", [("float32", 1e30, 1e-20), ("float64", 1e300, 7e-30)])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_gradients_beyond_the_range(name, dtype, size, temperature):
    gy, y = np.array([[size, 0, 0]], dtype), np.array([[0.5, 0.3, 0.2]], dtype)
    y = np.log(y) if name == "log_softmax" else y
    got = getattr(cuda.grad, name)(DeviceArray(gy), DeviceArray(y), temperature=temperature).host
    assert np.array_equal(got, [[-INF, INF, INF] if name == "softmin" else [INF, -INF, -INF]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors(dtype):
    limits = np.finfo(dtype)
    for temperature in (0.01, 0.7, 2.0, 3.0, 1e-310, 1e-40, 1e300, 5e-324, 1.7e308):
        r, r_low = _cuda_rows.factor(temperature, dtype)
        assert r.dtype == r_low.dtype == limits.dtype and 0 < r < INF
        inverse = min(1 / Fraction(temperature), Fraction(float(limits.max)))
        assert abs(Fraction(float(r)) + Fraction(float(r_low)) - inverse) <= max(
            inverse * Fraction(float(limits.eps)) ** 2, Fraction(float(limits.smallest_subnormal))
        )


def test_temperature_one_and_the_facade():
    x = np.random.default_rng(11).normal(size=(2, 4)).astype("f")
    for name in SOFTMAXES:
        plain = getattr(cuda, name)(DeviceArray(x)).host
        assert np.array_equal(getattr(cuda, name)(DeviceArray(x), temperature=np.float32(1)).host, plain)
        warm = getattr(cuda, name)(DeviceArray(x), temperature=0.7).host
        assert np.array_equal(getattr(fastact, name)(DeviceArray(x), temperature=0.7).host, warm)
        assert np.array_equal(getattr(cuda, name)(x, temperature=0.7), warm)
        gradient = getattr(cuda.grad, name)(DeviceArray(x), DeviceArray(warm), temperature=0.7).host
        got = getattr(fastact.grad, name)(DeviceArray(x), DeviceArray(warm), temperature=0.7)
        assert np.array_equal(got.host, gradient)


# ---- gradients of rows -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, shape, axis", CASES)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_gradients_of_rows(name, shape, axis, dtype):
    rng = np.random.default_rng(8)
    x, gy = (np.asarray(rng.normal(scale=s, size=shape)).astype(dtype) for s in (3, 1))
    y = exact_reduction(name, x, axis).astype(dtype)
    got = getattr(cuda.grad, name)(DeviceArray(gy), DeviceArray(y), axis=axis).host
    assert got.dtype == dtype and is_row_gradient(got, gy, y, name, axis)
    if shape == (5, 10):
        for in_place, other in ((gy.copy(), y), (y.copy(), gy)):
            pair = (in_place, other) if other is y else (other, in_place)
            out = DeviceArray(in_place)
            getattr(cuda.grad, name)(*map(DeviceArray, pair), axis=axis, out=out)
            assert np.array_equal(out.host, got)


# ---- gated linear units ----------------------------------------------------------------------------


HALVED = [("float32", *case) for case in [((6, 8), -1), ((6, 8), 0), ((2, 4, 3), 1), ((2,), 0), ((3, 0), 1)]]


@pytest.mark.parametrize("dtype, shape, axis", [*HALVED, ("float64", (3, 6), 1), ("float16", (4, 3), 0)])
@pytest.mark.parametrize("name", GATES)
def test_gated(name, dtype, shape, axis):
    """The CPU's bits, but for what is by lookup there; in new arrays, in arrays that are there, and in their own."""
    rng = np.random.default_rng(9)
    x = rng.normal(scale=3, size=shape).astype(dtype)
    by_lookup = (GATES[name].activation, dtype) in BY_LOOKUP
    same = nearly if by_lookup else alike
    want = getattr(fastact, name)(x, axis=axis)
    assert same(getattr(cuda, name)(DeviceArray(x), axis=axis).host, want)
    assert same(getattr(fastact, name)(DeviceArray(x), axis).host, want)
    half = np.split(x, 2, axis)
    assert same(getattr(fastact.ufuncs, name)(*map(DeviceArray, half)).host, want)
    array = x.copy()
    out = DeviceArray(np.split(array, 2, axis)[1])
    assert getattr(cuda, name)(DeviceArray(array), axis, out=out) is out and same(out.host, want)
    gy = rng.normal(size=want.shape).astype(dtype)
    want = getattr(fastact.grad, name)(gy, x, axis=axis)
    by_lookup |= (f"{GATES[name].activation}_grad", dtype) in BY_LOOKUP  # the gate is part of it
    same = nearly if by_lookup else alike
    for out in (None, DeviceArray(x.copy()), DeviceArray(np.empty(shape[::-1], dtype).T)):
        given = DeviceArray(x) if out is None or out.host.T.flags.c_contiguous else out
        got = getattr(cuda.grad, name)(DeviceArray(gy), given, axis, out=out)
        assert same(got.host, want) and (out is None or got is out)
    assert same(getattr(fastact.grad, name)(DeviceArray(gy), DeviceArray(x), axis).host, want)


def alike(got, want):
    return got.dtype == want.dtype and np.array_equal(bits(got), bits(want)) if AS_ON_A_GPU else nearly(got, want)


def nearly(got, want):
    return got.dtype == want.dtype and np.allclose(got, want, rtol=8 * np.finfo(got.dtype).eps, atol=0)


# ---- the facade ------------------------------------------------------------------------------------


def test_the_same_functions_take_device_arrays():
    """`fastact.sigmoid` is a ufunc, and an array on a device never gets as far as NumPy."""
    x = numbers("float32", 20)
    assert isinstance(fastact.sigmoid, np.ufunc) and fastact.sigmoid is fastact.ufuncs.sigmoid
    out = DeviceArray(np.empty_like(x))
    for got in (fastact.sigmoid(DeviceArray(x)), fastact.sigmoid(DeviceArray(x), out=out, stream=5)):
        assert np.array_equal(got.host, fastact.sigmoid(x), equal_nan=True)
    assert got is out and simulator.launches[-1][2] == 5
    assert np.array_equal(fastact.elu(DeviceArray(x)).host, fastact.elu(x), equal_nan=True)
    assert np.array_equal(fastact.elu(DeviceArray(x), alpha=2.0).host, fastact.elu(x, 2.0), equal_nan=True)
    assert np.array_equal(
        fastact.grad.tanh(2.0, DeviceArray(x)).host, fastact.grad.tanh(np.float32(2), x), equal_nan=True
    )
    assert np.array_equal(fastact.sigmoid(DeviceArray(x), out=...).host, fastact.sigmoid(x), equal_nan=True)
    rows = x[8:].reshape(3, 4)
    for name in SOFTMAXES:
        got = getattr(fastact, name)(DeviceArray(rows), axis=0, out=DeviceArray(np.empty_like(rows)))
        assert np.allclose(got.host, getattr(fastact, name)(rows, axis=0), rtol=1e-6)
        assert np.array_equal(getattr(fastact, name)(DeviceArray(rows), axis=0, out=...).host, got.host)
        assert type(getattr(cuda, name)(1.0, out=...)) is np.ndarray


def test_what_is_not_done_on_a_device(nothing_launched):
    refused = "cannot be given for arrays on a device$"
    for name in ("sigmoid", "elu", "gelu", "softmax"):
        with pytest.raises(TypeError, match=f"^{name}: where {refused}"):
            getattr(fastact, name)(no_copy(), where=True)
        with pytest.raises(TypeError, match="kernel"):  # a name within
            getattr(fastact, name)(no_copy(), kernel="tanh")
        with pytest.raises(TypeError, match="on the device of x"):
            getattr(fastact, name)(no_copy(), out=X.copy())
    with pytest.raises(TypeError, match=f"^elu: beta and casting and dtype {refused}"):
        fastact.elu(no_copy(), beta=1, dtype="f", casting="no")
    with pytest.raises(TypeError, match=f"^swiglu: where {refused}"):
        fastact.ufuncs.swiglu(no_copy(), no_copy(), where=True)


def test_backend_cuda(monkeypatch):
    """NumPy's arrays go to the device, too; objects with ways of their own, and keywords of NumPy's, do not."""
    monkeypatch.setattr(_backend, "backend", "cuda")
    for module in (_over_axes, _reductions, _reduction_gradients):  # as chosen at import
        monkeypatch.setattr(module, "QUICK", defaultdict(lambda: lambda *given: None))
    _backend.ufunc_module.set_dispatcher(_dispatch.elementwise, True)
    try:
        before = len(simulator.launches)
        assert np.array_equal(fastact.relu(X), X) and np.array_equal(fastact.softmax(X, axis=1), X / 4)
        assert fastact.elu([1.0, 2.0]).tolist() == [1, 2] and fastact.grad.tanh(1.0, 0.0) == 1
        assert len(simulator.launches) == before + 4
        assert np.array_equal(fastact.relu(X, where=True), X)
        assert np.array_equal(fastact.softmax(X, axis=1, dtype="d"), X / 4)
        assert len(simulator.launches) == before + 4
        out = np.empty_like(X)
        assert fastact.relu(X, out) is out and np.array_equal(out, X)
        assert fastact.ufuncs.elu(-X, 2.0, out) is out and np.array_equal(out, fastact.elu(-X, 2.0))
        with pytest.raises(TypeError):
            fastact.relu(X, out, out=out)
    finally:
        _backend.ufunc_module.set_dispatcher(_dispatch.elementwise, False)


@pytest.mark.parametrize("direction, out", [("forward", "a new array"), ("backward", "an array that is there")])
def test_benchmark(monkeypatch, capsys, tmp_path, direction, out):
    """`fastact bench --device cuda`, in small and with nothing but the simulator: all it does but PyTorch's part."""
    compiler = SimpleNamespace(to_device=DeviceArray, synchronize=lambda: None, jit=lambda _: lambda f: {(128, 64): f})
    monkeypatch.setattr(_bench.cuda, "torch", lambda: None)
    monkeypatch.setattr(_bench.cuda, "numba", lambda: compiler)
    monkeypatch.setattr(_bench.cuda, "LAUNCHES", 1)
    monkeypatch.setattr(cuda, "why_not", lambda: None)
    monkeypatch.setattr(_cuda_device, "describe", lambda: "a simulator")
    path, picture = tmp_path / "cells.json", tmp_path / "cells.svg"
    options = ["--device", "cuda", "--dtypes", "float32,float16", "--sizes", "30", "--rows", "3x5,2x4"]
    options += ["--seconds", "0.01", "--json", str(path)] + ["--out", str(picture)] * bool(find_spec("matplotlib"))
    options += ["--backward", "--preallocated"] * (direction == "backward")
    assert main(["bench", "relu", "prelu", "softmax", *options]) == 0
    printed = capsys.readouterr().out
    assert "backend cuda, on a simulator\n" in printed and f"\n{direction}, into {out}, contiguous\n" in printed
    assert len(re.findall(r"\n\| softmax +\| float", printed)) == 4 and "elementwise, geometric mean" in printed
    assert re.search(r"\na call on ten elements: [\d.]+ us; the launch of an empty kernel: [\d.]+ us\n$", printed)
    about = json.loads(path.read_text(encoding="utf-8"))
    assert about["device"] == "a simulator" and all(about["host seconds"].values())
    sizes = {"relu": ["30"], "prelu": ["30"], "softmax": ["3x5", "2x4"]}
    assert [(cell["function"], cell["dtype"], cell["size"]) for cell in about["cells"]] == [
        (name, dtype, size) for name in sizes for dtype in ("float32", "float16") for size in sizes[name]
    ]
    for cell in about["cells"]:
        assert cell["direction"] == direction and cell["threads"] is None
        assert set(cell["seconds"]) == {"fastact", "copy"}
    assert not find_spec("matplotlib") or picture.read_bytes().startswith(b"<?xml")


# ---- errors ----------------------------------------------------------------------------------------

X = np.ones((3, 4), "f")


def no_copy():
    return DeviceArray(X.copy())


class Masked(DeviceArray):
    @property
    def __cuda_array_interface__(self):
        return super().__cuda_array_interface__ | {"mask": no_copy()}


BAD = [
    ("sigmoid", (DeviceArray(X.astype("F")),), {}, TypeError, "sigmoid: real numbers .* complex64"),
    ("softmax", (DeviceArray(X.astype("F")),), {}, TypeError, "softmax: real numbers .* complex64"),
    ("prelu", (no_copy(), X), {}, TypeError, "prelu: weight must be a number or on the device"),
    ("prelu", (X, no_copy()), {}, TypeError, "prelu: x must be a number or on the device"),
    ("prelu", (no_copy(), "a"), {}, TypeError, "prelu: weight must be"),
    ("prelu", (no_copy(), 1j), {}, TypeError, "prelu: weight must be"),
    ("prelu", (no_copy(),), {}, TypeError, "missing 1 required positional argument: 'weight'"),
    ("prelu", (no_copy(), DeviceArray(np.ones(3, "f"))), {}, ValueError, "broadcast"),
    (
        "prelu",
        (no_copy(), DeviceArray(X.copy(), 1)),
        {},
        ValueError,
        "on one device, got 0 .* weight, 1",
    ),
    ("elu", (no_copy(),), {"beta": 1}, TypeError, "elu: beta cannot be given for arrays on a device"),
    ("relu", ("a",), {}, TypeError, "relu: x must be real numbers of at most 64 bits, got dtype <U1"),
    ("elu", (X, "a"), {}, TypeError, "elu: alpha must be real numbers of at most 64 bits, got dtype <U1"),
    ("grad.elu", (X, X.astype("g")), {}, TypeError, "elu: x must be real numbers of at most 64 bits"),
    ("softmax", ([None],), {}, TypeError, "softmax: x must be real numbers of at most 64 bits, got dtype object"),
    ("grad.softmax", (X, X * 1j), {}, TypeError, "softmax: y must be real numbers of at most 64 bits"),
    ("glu", (["a", "b"],), {}, TypeError, "glu: x must be real numbers of at most 64 bits, got dtype <U1"),
    ("sigmoid", (no_copy(), 2.0), {}, TypeError, "got 2 positional"),
    ("sigmoid", (no_copy(),), {"out": X}, TypeError, "out must be an array on the device of x, got ndarray"),
    ("sigmoid", (X,), {"out": no_copy()}, TypeError, "out must be an ndarray where the inputs are"),
    ("sigmoid", (no_copy(),), {"out": DeviceArray(X.T)}, ValueError, r"out must have the shape \(3, 4\)"),
    ("sigmoid", (no_copy(),), {"out": DeviceArray(X.astype(int))}, TypeError, "cannot be cast to out's dtype int64"),
    ("sigmoid", (no_copy(),), {"out": DeviceArray(X.astype("F"))}, TypeError, "complex64"),
    ("sigmoid", (no_copy(),), {"out": DeviceArray(X.copy(), 1)}, ValueError, "x is on device 0, and out on device 1"),
    ("sigmoid", (no_copy(),), {"stream": "fast"}, TypeError, "stream must be a CUDA stream"),
    ("sigmoid", (no_copy(),), {"stream": True}, TypeError, "stream must be a CUDA stream"),
    ("sigmoid", (Masked(X.copy()),), {}, TypeError, "x: masked arrays are not supported"),
    ("sigmoid", (DeviceArray(X.astype(">f4")),), {}, TypeError, "byte order"),
    ("sigmoid", (DeviceArray(LAYOUTS["unaligned"](X)),), {}, ValueError, "aligned"),
    ("softmax", (no_copy(),), {"axis": 2}, AxisError, "axis 2 is out of bounds"),
    ("softmax", (no_copy(),), {"axis": (0, 0)}, ValueError, "repeated axis"),
    ("softmax", (no_copy(),), {"axis": 1.0}, TypeError, "axis must be"),
    ("softmax", (no_copy(),), {"temperature": 0}, ValueError, "temperature must be positive"),
    ("grad.softmax", (no_copy(), no_copy()), {"temperature": "1"}, TypeError, "temperature must be a real"),
    ("logsumexp", (no_copy(),), {"axis": 2}, AxisError, "axis 2 is out of bounds"),
    ("logsumexp", (no_copy(),), {"out": DeviceArray(np.ones(4, "f"))}, ValueError, r"out must have the shape \(3,\)"),
    ("logsumexp", (no_copy(),), {"temperature": 2.0}, TypeError, "temperature"),
    ("logsumexp", (no_copy(),), {"keepdims": "a"}, TypeError, "keepdims must be True or False, got 'a'"),
    ("logsumexp", (X,), {"keepdims": None}, TypeError, "keepdims must be True or False, got None"),
    ("softmax", (no_copy(),), {"out": DeviceArray(X.T)}, ValueError, "out must have the shape"),
    ("softmax", (no_copy(),), {"out": DeviceArray(X.copy(), 1)}, ValueError, "device 1"),
    ("glu", (no_copy(),), {"axis": 2}, AxisError, "axis 2 is out of bounds"),
    ("glu", (no_copy(),), {"axis": 0}, ValueError, "glu: x must have an even size along axis 0, got 3"),
    ("glu", (no_copy(),), {"axis": 1.0}, TypeError, "axis must be"),
    ("glu", (no_copy(),), {"out": no_copy()}, ValueError, r"out must have the shape \(3, 2\), got \(3, 4\)"),
    ("glu", (DeviceArray(X.astype("F")),), {}, TypeError, "glu: real numbers .* complex64"),
    ("grad.glu", (no_copy(), X), {}, TypeError, "x must be on the device as well"),
    ("grad.glu", (no_copy(), no_copy()), {}, ValueError, r"gy must have the shape of half of x, \(3, 2\)"),
    ("grad.softmax", (no_copy(), X), {}, TypeError, "y must be on the device as well"),
    ("grad.softmax", (no_copy(), DeviceArray(X[:2])), {}, ValueError, r"gy must have the shape of y"),
]


@pytest.mark.parametrize("name, arguments, keywords, exception, message", BAD)
def test_errors(name, arguments, keywords, exception, message, nothing_launched):
    with pytest.raises(exception, match=message):
        attrgetter(name)(cuda)(*arguments, **keywords)


def test_read_only_out(nothing_launched):
    out = X.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        cuda.sigmoid(no_copy(), out=DeviceArray(out))
