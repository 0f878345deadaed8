"""The gated linear units: the product of one half and the gate of the other, in every layout."""

import mpmath as mp
import numpy as np
import pytest
from cases import COMPILED, DTYPES, bits, compiled_only, max_ulp, read_only, sample, unaligned
from definitions import DEFINITIONS, derivative, to_mpmath
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.exceptions import AxisError
from ulp import unit

import fastact
from fastact import _numpy, nn
from fastact._bench.peers import TORCH_COMPOSED
from fastact._gates import GATED, GATES
from fastact._table import module_name

INF, NAN = np.inf, np.nan
SHAPE = (6, 4, 10, 8)


def of(name):
    """The unit, its gradient, their ufuncs, and the gate."""
    activation = GATES[name].activation
    functions = [getattr(module, name) for module in (fastact, fastact.grad, fastact.ufuncs)]
    return (*functions, getattr(fastact.ufuncs, f"{name}_grad"), activation)


def halves(x, axis=-1):
    return [np.ascontiguousarray(half) for half in np.split(x, 2, axis)]


def joined(name, gy, x, axis=-1):
    """The gradient as the ufuncs have it, of contiguous halves."""
    _, _, ufunc, gradient, _ = of(name)
    a, b = halves(x, axis)
    gy = np.ascontiguousarray(gy)
    return np.concatenate([ufunc(gy, b), gradient(gy, a, b)], axis)


def three(dtype, size=3000):
    """gy, a and b, with all special values."""
    b = sample(dtype, size)
    return sample(dtype, size, seed=1)[: b.size], sample(dtype, size, seed=2)[: b.size], b


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GATES)
def test_is_a_product(name, dtype):
    """NaN and infinities included: of the numbers that the gate and its derivative are."""
    _, _, ufunc, gradient, gate = of(name)
    gy, a, b = three(dtype)
    with np.errstate(all="raise"):
        value, slope = ufunc(a, b), gradient(gy, a, b)
    assert value.dtype == slope.dtype == dtype
    assert np.array_equal(value[np.isnan(a) | np.isnan(b)] * 0, np.full((np.isnan(a) | np.isnan(b)).sum(), NAN), True)
    if COMPILED:
        gy, a, b = (np.asarray(v, np.promote_types(dtype, np.float32)) for v in (gy, a, b))
        with np.errstate(all="ignore"):
            want = a * getattr(fastact, gate)(b)
            want_slope = gy * (a * getattr(fastact.grad, gate)(b.dtype.type(1), b))
            assert np.array_equal(bits(value), bits(want.astype(dtype)))
            assert np.array_equal(bits(slope), bits(want_slope.astype(dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GATES)
def test_accuracy(name, dtype):
    """At most the error of the gate, and half a unit more for each product."""
    _, _, ufunc, gradient, gate = of(name)
    gy, a, b = np.random.default_rng(0).normal(scale=3, size=(3, 20_000)).astype(dtype)
    b[::7] *= 5
    wide_gy, wide_a, wide_b = (v.astype(np.longdouble) for v in (gy, a, b))
    g = getattr(_numpy, gate)(wide_b)
    want = wide_a * g
    bound = np.abs(wide_a) * max_ulp(gate) * unit(g, dtype) + unit(want, dtype) / 2
    assert np.all(np.abs(ufunc(a, b) - want) <= bound)
    slope = getattr(_numpy, f"{gate}_grad")(np.longdouble(1), wide_b)
    for_a = wide_a * slope
    bound = np.abs(wide_a) * max_ulp(f"{gate}_grad") * unit(slope, dtype) + unit(for_a, dtype) / 2
    want = wide_gy * for_a
    assert np.all(np.abs(gradient(gy, a, b) - want) <= np.abs(wide_gy) * bound + unit(want, dtype) / 2)


@pytest.mark.parametrize("name", GATES)
def test_central_differences(name):
    """The gradient is that of the definition, as mpmath finds it without knowing a formula."""
    gate = DEFINITIONS[GATES[name].activation]
    a, b = np.random.default_rng(0).normal(scale=2, size=(2, 40))
    got_a, got_b = np.split(getattr(fastact.grad, name)(np.ones(40), np.concatenate([a, b])), 2)
    with mp.workdps(60):
        for k in range(40):
            one_a, one_b = to_mpmath(a[k]), to_mpmath(b[k])
            for got, want in (
                (got_a[k], derivative(lambda v: v * gate(one_b), one_a, [])),
                (got_b[k], derivative(lambda v: one_a * gate(v), one_b, [])),
            ):
                assert abs(to_mpmath(got) - want) <= abs(want) * mp.mpf(2) ** -50 + mp.mpf(10) ** -36


# a, b, what reglu gives, and its gradient for b
OF_RELU = [
    (3.0, 0.0, 0.0, 0.0),
    (3.0, -1.0, 0.0, 0.0),
    (-3.0, -1.0, -0.0, -0.0),
    (INF, -1.0, NAN, NAN),
    (INF, 2.0, INF, INF),
]


@pytest.mark.parametrize("a, b, value, slope", OF_RELU)
def test_reglu(a, b, value, slope):
    a, b = np.full(50, a), np.full(50, b)
    assert np.array_equal(bits(fastact.ufuncs.reglu(a, b)), bits(np.full(50, value)))
    assert np.array_equal(bits(fastact.ufuncs.reglu_grad(1.0, a, b)), bits(np.full(50, slope)))


# name -> from an array of four dimensions, one in that layout
LAYOUTS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "transposed": lambda x: x.transpose(2, 0, 3, 1),
    "reversed": lambda x: x[::-1, ::-1, ::-1, ::-1],
    "rows reversed": lambda x: x[:, :, ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "every other row": lambda x: np.repeat(x, 2, axis=-2)[..., ::2, :],
    "sliced": lambda x: x[2:, :, 2:, 1:-1],
    "broadcast": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "unaligned": unaligned,
    "one row": lambda x: x[:1, :, :1],
    "empty": lambda x: x[:0],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", GATES)
def test_layouts(name, layout, dtype):
    function, gradient, ufunc, *_ = of(name)
    x = LAYOUTS[layout](np.resize(sample(dtype), SHAPE))
    x.flags.writeable = False
    for axis in range(-4, 4):
        if x.shape[axis] % 2:
            continue
        want = ufunc(*halves(x.astype(dtype), axis))
        gy = LAYOUTS[layout](np.resize(sample(dtype, seed=1), SHAPE))[tuple(map(slice, want.shape))]
        with np.errstate(all="raise"):
            got, got_gradient = function(x, axis), gradient(gy, x, axis=axis)
        assert got.dtype == got_gradient.dtype == dtype and got_gradient.shape == x.shape
        assert np.array_equal(bits(got), bits(want))
        want = joined(name, gy.astype(dtype), x.astype(dtype), axis)
        assert np.array_equal(bits(got_gradient), bits(want))
        out = np.full((*x.shape[:-1], 2 * x.shape[-1]), 7, dtype)[..., ::2]
        assert gradient(gy, x, axis, out=out) is out and np.array_equal(bits(out), bits(want))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape, axis",
    [
        *[((200_002,), 0), ((2, 90_000), 0), ((2, 90_000), 1), ((90_000, 2), 1), ((9000, 10), 1)],
        *[((701, 130), 1), ((400, 600), 1), ((30, 8192), 1), ((3, 42, 31, 29), 1), ((40, 2, 1500), 1)],
    ],
)
@compiled_only
@pytest.mark.parametrize("name", GATES)
def test_threads(name, shape, axis, dtype):
    function, gradient, ufunc, *_ = of(name)
    rng = np.random.default_rng(0)
    x = rng.normal(scale=4, size=shape).astype(dtype)
    want = ufunc(*halves(x, axis))
    gy = rng.normal(size=want.shape).astype(dtype)
    want_gradient = joined(name, gy, x, axis)
    for n in (1, 2, 3):
        fastact.set_num_threads(n)
        assert np.array_equal(bits(function(x, axis)), bits(want))
        assert np.array_equal(bits(gradient(gy, x, axis)), bits(want_gradient))


@st.composite
def arrays_and_axes(draw):
    """An array, some of whose axes are reversed, or have steps, or lie in another order, and an axis of even size."""
    shape = list(draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9)))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] *= 2
    steps = [draw(st.sampled_from([1, 1, 1, 2, -1, -3])) for _ in shape]
    order = draw(st.permutations(range(len(shape))))
    dtype = draw(st.sampled_from(DTYPES))
    base = np.random.default_rng(draw(st.integers(0, 99))).normal(scale=3, size=[9 * 2 * 3 for _ in shape[:2]])
    stored = np.resize(base, [shape[k] * abs(steps[k]) for k in order]).astype(dtype)
    x = stored[tuple(slice(None, None, steps[k]) for k in order)].transpose(np.argsort(order))
    assert x.shape == tuple(shape)
    return x, axis


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(GATES)), arrays_and_axes())
def test_shapes_and_axes(name, case):
    x, axis = case
    function, gradient, ufunc, *_ = of(name)
    want = ufunc(*halves(x, axis))
    assert np.array_equal(bits(function(x, axis)), bits(want))
    out = np.empty(want.shape, x.dtype, order="F")
    assert function(x, axis, out=out) is out and np.array_equal(bits(out), bits(want))
    assert np.array_equal(bits(gradient(want, x, axis)), bits(joined(name, want, x, axis)))


X = np.random.default_rng(0).normal(scale=2, size=(30, 64)).astype("f")
GY = np.random.default_rng(1).normal(size=(30, 32)).astype("f")


@pytest.mark.parametrize("name", GATES)
def test_out(name):
    function, gradient, *_ = of(name)
    for call, want in (
        (lambda **keywords: function(X, **keywords), function(X)),
        (lambda **keywords: gradient(GY, X, **keywords), gradient(GY, X)),
    ):
        for dtype in ("f", ">f4", "d", "e", "F"):
            out = np.full(want.shape, 7, dtype)
            assert call(out=out) is out and np.array_equal(out, want.astype(dtype))
            assert call(out=(out,)) is out
        assert np.array_equal(call(out=...), want)  # as NumPy has it, a new array
        wide = np.zeros((30, 200), "f")
        call(out=wide[:, 1 : 2 * want.shape[1] : 2])
        assert np.array_equal(wide[:, 1 : 2 * want.shape[1] : 2], want) and np.count_nonzero(wide) == np.count_nonzero(
            want
        )


@pytest.mark.parametrize("name", GATES)
def test_out_that_overlaps(name):
    function, gradient, *_ = of(name)
    want, want_gradient = function(X), gradient(GY, X)
    for part in (np.s_[:, :32], np.s_[:, 32:], np.s_[:, 1::2], np.s_[:, 31::-1], np.s_[:, 7:39]):
        x = X.copy()
        assert np.array_equal(function(x, out=x[part]), want) and np.array_equal(x[part], want)
    x, gy = X.copy(), GY.copy()
    assert gradient(gy, x, out=x) is x and np.array_equal(x, want_gradient)
    for before in (0, 1, 32, 40):  # gy is part of out
        memory = np.zeros(X.size + 100, "f")
        gy = memory[before : before + GY.size].reshape(GY.shape)
        gy[...] = GY
        out = memory[: X.size].reshape(X.shape)
        assert np.array_equal(gradient(gy, X, out=out), want_gradient)
    for before in (0, 1, 32, 40, X.size - 1):  # out is part of x, contiguous
        memory = np.zeros(X.size + GY.size, "f")
        x, out = memory[: X.size].reshape(X.shape), memory[before : before + GY.size].reshape(GY.shape)
        x[...] = X
        assert np.array_equal(function(x, out=out), want)


@pytest.mark.parametrize("name", GATES)
def test_dtypes(name):
    function, gradient, *_ = of(name)
    for given_dtype, dtype in {
        "?": "e",
        "b": "e",
        "h": "f",
        "i": "d",
        "q": "d",
        "e": "e",
        ">f4": "f",
        ">f8": "d",
    }.items():
        x = (np.arange(24) % 2).reshape(3, 8).astype(given_dtype)
        assert function(x).dtype == dtype
        assert np.array_equal(function(x), function(x.astype(dtype)))
        assert gradient(x[:, 4:], x).dtype == dtype
    assert gradient(GY, X.astype("d")).dtype == gradient(GY.astype("d"), X).dtype == "d"
    assert function(X, dtype="d").dtype == "d" and np.array_equal(function(X, dtype="d"), function(X.astype("d")))
    with np.errstate(all="raise"):
        assert function(np.full(64, 1e300), dtype="f").dtype == "f"
        assert function(np.full(64, 1e300), out=np.empty(32, "f")).dtype == "f"
    assert type(function([1.0, 2.0])) is np.ndarray and function([1.0, 2.0]).shape == (1,)
    assert type(function(np.ma.array(X))) is np.ndarray
    masked = np.ma.masked_less(X, 0)
    for call in (lambda: function(masked), lambda: gradient(GY, masked), lambda: gradient(masked[:, ::2], X)):
        with pytest.raises(TypeError, match=r"^g?[xy] must not be a masked array"):
            call()


READ_ONLY = read_only(np.full((30, 32), 7, "f"))

# x, keywords, exception, what its message says
ERRORS = [
    (X, {"axis": 2}, AxisError, "axis 2 is out of bounds for array of dimension 2"),
    (X, {"axis": -3}, AxisError, "axis -3 is out of bounds"),
    (np.float32(1), {}, AxisError, "axis -1 is out of bounds for array of dimension 0"),
    (X, {"axis": 1.0}, TypeError, "axis must be an int, got 1.0"),
    (X, {"axis": X}, TypeError, r"of two arrays it is fastact\.ufuncs\."),
    (X, {"axis": None}, TypeError, "axis must be an int, got None"),
    (X, {"axis": (0, 1)}, TypeError, r"axis must be an int, got \(0, 1\)"),
    (X[1:], {"axis": 0}, ValueError, "NAME: x must have an even size along axis 0, got 29"),
    (X[:, 1:], {}, ValueError, "NAME: x must have an even size along axis 1, got 63"),
    (X.astype("F"), {}, TypeError, "NAME: x must be real numbers"),
    (X.astype(object), {}, TypeError, "real numbers"),
    (X.astype(np.longdouble), {}, TypeError, "real numbers of at most 64 bits"),
    (X, {"dtype": "F"}, TypeError, "dtype must be float16, float32 or float64"),
    (X, {"dtype": int}, TypeError, "dtype must be"),
    (X, {"out": np.full((32, 30), 7, "f")}, ValueError, r"out must have the shape of half of x, \(30, 32\), got"),
    (X, {"out": READ_ONLY}, ValueError, "read-only"),
    (X, {"out": np.full((30, 32), 7)}, TypeError, "cannot be cast to out's dtype int64"),
    (X, {"out": [7.0]}, TypeError, "out must be an ndarray, got list"),
    (X, {"where": True}, TypeError, "where"),
]


@pytest.mark.parametrize("x, keywords, exception, message", ERRORS)
@pytest.mark.parametrize("name", GATES)
def test_errors(name, x, keywords, exception, message):
    out = keywords.get("out", np.full((30, 32), 7, "f"))
    with pytest.raises(exception, match=message.replace("NAME", name)):
        getattr(fastact, name)(x, **{"out": out} | keywords)
    assert np.all(np.asarray(out) == 7)


@pytest.mark.parametrize("name", GATES)
def test_errors_of_the_gradient(name):
    gradient = getattr(fastact.grad, name)
    out = np.full_like(X, 7)
    for gy in (GY[1:], GY[0], X, 1.0):
        with pytest.raises(ValueError, match=r"gy must have the shape of half of x, \(30, 32\), got"):
            gradient(gy, X, out=out)
    for exception, gy, x, keywords in (
        (TypeError, GY * 1j, X, {}),
        (TypeError, GY, X * 1j, {}),
        (TypeError, GY, X, {"axis": "rows"}),
        (AxisError, GY, X, {"axis": 2}),
        (ValueError, GY, X[:, 1:], {}),
        (ValueError, GY, X, {"out": READ_ONLY}),
        (ValueError, GY, X, {"out": np.empty((30, 32), "f")}),
        (TypeError, GY, X, {"out": np.empty(X.shape, int)}),
    ):
        with pytest.raises(exception):
            gradient(gy, x, **{"out": out} | keywords)
    assert np.all(out == 7)


@pytest.mark.parametrize("name", GATED)
def test_is_a_ufunc(name):
    ufunc = getattr(fastact.ufuncs, name)
    arrays = [GY, X[:, :32], X[:, 32:]][-ufunc.nin :]
    assert type(ufunc) is np.ufunc and ufunc.nin == len(GATED[name].arrays)
    want = ufunc(*arrays)
    first = np.broadcast_to(arrays[0][:, :1], GY.shape)
    assert np.array_equal(ufunc(arrays[0][:, :1], *arrays[1:]), ufunc(first, *arrays[1:]))  # broadcasts
    out = np.full_like(want, 7)
    ufunc(*arrays, out=out, where=GY > 0)
    assert np.array_equal(out, np.where(GY > 0, want, np.float32(7)))
    in_place = arrays[-1].copy()
    assert np.array_equal(ufunc(*arrays[:-1], in_place, out=in_place), want)

    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
            return ufunc

    assert ufunc(*arrays[1:], Other()) is ufunc


@pytest.mark.parametrize("name", GATES)
def test_module(name):
    function, gradient, *_ = of(name)
    for arguments in ((), (0,)):
        module = getattr(nn, module_name(name))(*arguments)
        y = function(X, *arguments)
        assert np.array_equal(module(X), y) and np.array_equal(module.backward(y), gradient(y, X, *arguments))


@pytest.mark.parametrize("name", GATES)
def test_pytorch(name):
    torch = pytest.importorskip("torch")
    x, gy = X.astype("d"), GY.astype("d")
    given = torch.from_numpy(x).requires_grad_()
    want = torch.nn.functional.glu(given, 1) if name == "glu" else TORCH_COMPOSED[name](torch, *given.chunk(2, 1))
    want.backward(torch.from_numpy(gy))
    assert np.allclose(getattr(fastact, name)(x), want.detach().numpy(), rtol=1e-13)
    assert np.allclose(getattr(fastact.grad, name)(gy, x), given.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", GATES)
def test_gradients_too_large_for_out(name):
    """In place as elsewhere: infinite, and no warning."""
    gy, x = np.full(4, 1e300), np.ones(8, "f")
    with np.errstate(all="raise"):
        want = getattr(fastact.grad, name)(gy, x, dtype="d", out=np.empty_like(x))
        got = getattr(fastact.grad, name)(gy, x, dtype="d", out=x)
    assert got is x and np.array_equal(got, want) and np.isinf(got).all()
