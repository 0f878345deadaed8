"""What is particular to the gradients; all else of them runs through the tables of the other tests."""

import re

import mpmath as mp
import numpy as np
import pytest
from cases import COMPILED, DTYPES, LAYOUTS, bits, first_arguments, gy_for, public, sample
from definitions import DEFINITIONS, derivative, to_mpmath

import fastact
from fastact import _numpy
from fastact._bench.cells import Job
from fastact._bench.peers import TORCH_BACKWARD, TORCH_BACKWARD_COMPOSED, torch_backward_call
from fastact._table import ACTIVATIONS, GRADIENTS

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("name", GRADIENTS)
def test_central_differences(name):
    """The derivative is that of the function, as mpmath finds it without knowing a formula."""
    activation = name.removesuffix("_grad")
    arguments = first_arguments(name)
    kinks = np.array(ACTIVATIONS[activation].kinks(*arguments))
    x = np.random.default_rng(0).normal(scale=3, size=60)
    x = x[np.all(np.abs(x[:, None] - kinks) > 1e-3, axis=1)]
    got = public(name)(1.0, x, *arguments)
    with mp.workdps(60):
        given = [to_mpmath(float(a)) for a in arguments]
        for value, result in zip(map(to_mpmath, x), got, strict=True):
            want = derivative(DEFINITIONS[activation], value, given)
            assert abs(to_mpmath(result) - want) <= abs(want) * mp.mpf(2) ** -51 + mp.mpf(10) ** -36


# What the derivative is taken as where there is none, with other parameters than in test_elementwise.py: function, x,
# parameters, derivative. PyTorch's conventions.
KINKS = [
    ("hardtanh", 2.0, (2.0, 1.0), 0.0),
    ("leaky_relu", -0.0, (0.25,), 0.25),
    ("elu", 0.0, (2.5,), 2.5),
    ("softshrink", 0.0, (0.0,), 0.0),
    ("rrelu", 0.0, (0.25, 0.75), 0.5),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, x, parameters, slope", KINKS)
def test_kinks(name, x, parameters, slope, dtype):
    assert x in ACTIVATIONS[name].kinks(*parameters)
    gy = np.array([1.0, -3.0] * 40, dtype)
    got = getattr(fastact.grad, name)(gy, np.full(80, x, dtype), *parameters)
    assert np.array_equal(got, gy * np.asarray(slope, dtype))


# With a wide bend, the left tail is long, and what it is computed from is beyond the range of the dtype.
WIDE = [("float32", 2.0**e, x) for e in (15, 29, 80, 100) for x in (-4.0, -1e12, -1.34e24, -3e38)]
WIDE += [("float64", 2.0**e, x) for e in (29, 100) for x in (-4.0, -1e100, -2.4e167, -1e308)]


@pytest.mark.parametrize("dtype, b, x", WIDE)
def test_wide_squareplus(dtype, b, x):
    x = np.full(70, x, dtype)
    exact = mp.mpf(float(x[0]))
    with mp.workdps(700):
        root = mp.sqrt(exact**2 + b)
        want = {fastact.squareplus: (exact + root) / 2, fastact.grad.squareplus: (1 + exact / root) / 2}
    for function, value in want.items():
        got = function(x, b) if function is fastact.squareplus else function(np.ones_like(x), x, b)
        unit = np.spacing(np.asarray(float(value), dtype))
        assert np.all(np.abs((got - float(value)) / unit) <= 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_nan_and_infinity(name, dtype):
    """NaN in gy or x gives NaN; the product with gy is IEEE 754's."""
    function, arguments = public(name), first_arguments(name)
    x = sample(dtype, 200)
    derivative = function(np.ones_like(x), x, *arguments)
    with np.errstate(all="raise"):
        assert np.isnan(function(np.full_like(x, NAN), x, *arguments)).all()
        assert np.array_equal(np.isnan(derivative), np.isnan(x))
        got = function(np.full_like(x, -INF), x, *arguments)
    zero = derivative == 0
    if not COMPILED:  # computes in long double, where fewer derivatives vanish
        with np.errstate(all="ignore"):
            wide = (np.asarray(value).astype(dtype).astype(np.longdouble) for value in (1, x, *arguments))
            zero = getattr(_numpy, name)(*wide) == 0
    assert np.array_equal(np.isnan(got), np.isnan(x) | zero)
    assert np.array_equal(got[derivative > 0], np.full_like(x, -INF)[derivative > 0])
    assert np.array_equal(got[derivative < 0], np.full_like(x, INF)[derivative < 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", GRADIENTS)
def test_layouts_of_gy(name, layout, dtype):
    """The other tests give x all layouts; here gy has them, with x contiguous and with x like gy."""
    function, arguments = public(name), first_arguments(name)
    gy = LAYOUTS[layout](sample(dtype))
    x = np.clip(sample(dtype, seed=1)[: gy.size], -5, 5).reshape(gy.shape)
    with np.errstate(all="raise"):
        got = function(gy, x, *arguments)
    assert got.shape == gy.shape and got.dtype == dtype
    plain = np.array(gy, dtype=dtype, order="C")
    assert np.array_equal(bits(got), bits(function(plain, x, *arguments)))
    assert np.array_equal(bits(function(gy, gy, *arguments)), bits(function(plain, plain.copy(), *arguments)))


@pytest.mark.parametrize("name", GRADIENTS)
def test_broadcasting_of_gy(name):
    function, arguments = public(name), first_arguments(name)
    x = np.random.default_rng(0).normal(scale=3, size=(40, 50)).astype("f")
    derivative = function(np.float32(1), x, *arguments)
    assert np.array_equal(derivative, function(np.ones_like(x), x, *arguments))
    for gy in (np.float32(2), np.full(50, 2, "f"), np.full((40, 1), 2, "f"), np.full((3, 1, 1), 2, "f")):
        assert np.array_equal(function(gy, x, *arguments), np.broadcast_to(2 * derivative, np.broadcast(gy, x).shape))
    want = function(gy_for(x), x, *arguments)
    gy = gy_for(x)
    assert function(gy, x, *arguments, out=gy) is gy and np.array_equal(gy, want)
    in_place = x.copy()
    assert function(gy_for(x), in_place, *arguments, out=in_place) is in_place and np.array_equal(in_place, want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weight_of_prelu(dtype):
    rng = np.random.default_rng(0)
    x, gy = (rng.normal(size=(4, 3, 20, 30)).astype(dtype) for _ in range(2))
    x[0, 0, 0, :4] = [0, -0.0, -INF, INF]
    gy[0, 0, 0, 2] = 0.5
    for shape in [(3, 1, 1), (1, 3, 1, 1), (), (1,), (20, 1), (4, 3, 20, 30), (30,)]:
        weight = np.full(shape, 0.25, dtype)
        got = fastact.grad.prelu_weight(gy, x, weight)
        assert got.shape == shape and got.dtype == dtype
        with np.errstate(all="ignore"):
            products = np.where(x > 0, 0, gy.astype(np.longdouble) * x)
        axes = tuple(k for k in range(4) if k < 4 - len(shape) or shape[k - 4 + len(shape)] == 1)
        want = products.sum(axis=axes, keepdims=True).reshape(shape)
        size = np.abs(products).sum(axis=axes, keepdims=True).reshape(shape)
        finite = np.isfinite(want)
        eps = np.finfo(dtype).eps
        assert np.array_equal(np.isfinite(got), finite)
        error = np.abs(got[finite] - want[finite])
        # numpy.sum adds in float64, along some axes one after another
        slack = eps * np.sqrt(x.size / weight.size) if dtype == "float64" else eps / 8
        assert np.all(error <= eps * np.abs(want[finite]) + slack * size[finite])
    assert np.isnan(fastact.grad.prelu_weight(1.0, np.array([NAN, 1.0]), 0.25))
    assert fastact.grad.prelu_weight(1, gy, 0.25).dtype == fastact.grad.prelu_weight(gy, -1.0, 1).dtype == dtype


def test_weight_of_prelu_in_64_dimensions():
    x, gy = np.random.default_rng(0).normal(size=(2, 3, 4))
    want = fastact.grad.prelu_weight(gy, x, np.ones((3, 1)))
    shape = (3, *(1,) * 62, 4)
    got = fastact.grad.prelu_weight(gy.reshape(shape), x.reshape(shape), np.ones((3, *(1,) * 63)))
    assert np.array_equal(got.reshape(3, 1), want)


X = np.ones((2, 3, 4))
BAD_WEIGHTS = [
    ((X[0], X[1], np.ones((4, 1, 1))), ValueError, r"weight of shape \(4, 1, 1\) does not broadcast to the shape of x"),
    (
        (X, X, np.ones(7)),
        ValueError,
        r"weight of shape \(7,\) does not broadcast to the shape of x and gy, \(2, 3, 4\)",
    ),
    ((X, X[:, :2], 0.25), ValueError, r"gy and x must broadcast, got the shapes \(2, 3, 4\) and \(2, 2, 4\)"),
    ((X * 1j, X, 0.25), TypeError, "^prelu_weight: gy must be real numbers of at most 64 bits, got dtype complex128"),
    ((X, "a", 0.25), TypeError, "^prelu_weight: x must be real numbers of at most 64 bits, got dtype <U1"),
    ((10**400, X, 0.25), TypeError, "^prelu_weight: gy must be real numbers of at most 64 bits, got dtype object"),
    ((X, X, 10**400), TypeError, "^prelu_weight: weight must be real numbers of at most 64 bits, got dtype object"),
]


@pytest.mark.parametrize("arguments, exception, message", BAD_WEIGHTS)
def test_bad_weight_of_prelu(arguments, exception, message):
    with pytest.raises(exception, match=message):
        fastact.grad.prelu_weight(*arguments)


@pytest.mark.parametrize("dtype", DTYPES)
def test_slopes_of_rrelu(dtype):
    x = np.random.default_rng(0).normal(size=(200, 300)).astype(dtype)
    slopes = fastact.rrelu_slopes(x, 0.25, 0.5, rng=np.random.default_rng(1))
    assert slopes.dtype == dtype and slopes.shape == x.shape
    assert 0.25 <= slopes.min() < 0.2505 and 0.4995 < slopes.max() <= 0.5
    assert abs(slopes.mean(dtype="d") - 0.375) < 1e-3
    assert np.array_equal(slopes, fastact.rrelu_slopes(x, 0.25, 0.5, rng=np.random.default_rng(1)))
    bounds = np.array([[0.0], [1.0]]), np.array([[0.5], [1.5]])
    low, high = fastact.rrelu_slopes(np.zeros((2, 99), dtype), *bounds, rng=np.random.default_rng(1))
    assert low.max() <= 0.5 and high.min() >= 1
    assert type(fastact.rrelu_slopes(3, rng=np.random.default_rng(1))) is np.float64
    with pytest.raises(TypeError, match="rng"):
        fastact.rrelu_slopes(x, rng=0)
    with pytest.raises(TypeError):
        fastact.rrelu_slopes(x * 1j, rng=np.random.default_rng(1))
    for shape in ((7,), (2, 1, 1)):
        message = re.escape(f"upper of shape {shape} does not broadcast to the shape of x, (200, 300)")
        with pytest.raises(ValueError, match=message):
            fastact.rrelu_slopes(x, 0.1, np.zeros(shape), rng=np.random.default_rng(1))
    for wrong in (None, "0.1", 1j):
        with pytest.raises(TypeError, match="lower must be real numbers"):
            fastact.rrelu_slopes(x, wrong, rng=np.random.default_rng(1))
    with np.errstate(all="raise"):
        fastact.rrelu_slopes(x, 0.0, np.finfo(dtype).tiny * 8, rng=np.random.default_rng(1))
        fastact.rrelu_slopes(x, -3e38, 3e38, rng=np.random.default_rng(1))
        largest = np.finfo(dtype).max
        slopes = fastact.rrelu_slopes(x, -largest, largest, rng=np.random.default_rng(1))
    assert np.all(np.abs(slopes) <= largest) and abs((slopes > 0).mean() - 0.5) < 0.01


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name in TORCH_BACKWARD | TORCH_BACKWARD_COMPOSED])
def test_pytorch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    gy, x = rng.normal(size=(2, 10_000))
    x[:6] = 0.0, 6.0, 0.5, -0.5, 3.0, -3.0
    job = Job(name, x, gradient=gy)
    arguments = (torch.tensor(job.arguments, dtype=torch.float64),) if name == "prelu" else job.arguments
    want = torch_backward_call(torch, job, torch.from_numpy(x), arguments, None)()
    want = want[0] if name == "prelu" else want  # after it comes that for the weight
    rtol = 1e-7 if name == "hardsigmoid" else 1e-12  # PyTorch's 1/6 is a float32
    assert np.allclose(getattr(fastact.grad, name)(gy, x, *job.arguments), want.numpy(), rtol=rtol, atol=1e-15)
