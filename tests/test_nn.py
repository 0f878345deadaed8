"""The modules, beside the functions that they are made from, and beside PyTorch's where it is installed."""

import copy
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from cases import CALLS, DTYPES, FUNCTIONS, all_arguments, bits, gy_for, sample

import fastact
from fastact import nn
from fastact._gates import GATES
from fastact._table import ACTIVATIONS, SOFTMAXES, SPARSE, WITH_GRADIENT, module_name

NAMES = [*FUNCTIONS, *SOFTMAXES, *SPARSE, *GATES]
MODULES = {name: getattr(nn, module_name(name)) for name in NAMES}
ALL = [*nn.__all__[1:]]  # without Module itself
MODULE_CALLS = [(name, arguments) for name, arguments in CALLS if name in FUNCTIONS and name != "prelu"]

# What PyTorch 2.13 prints.
REPRESENTATIONS = {
    "ReLU()": "ReLU()",
    "ReLU(True)": "ReLU(inplace=True)",
    "ReLU(inplace=False)": "ReLU()",
    "ReLU6()": "ReLU6()",
    "ReLU6(True)": "ReLU6(inplace=True)",
    "ELU()": "ELU(alpha=1.0)",
    "ELU(0.5, True)": "ELU(alpha=0.5, inplace=True)",
    "ELU(alpha=2)": "ELU(alpha=2)",
    "PReLU()": "PReLU(num_parameters=1)",
    "PReLU(3, 0.1)": "PReLU(num_parameters=3)",
    "PReLU(init=0.5)": "PReLU(num_parameters=1)",
    "LeakyReLU()": "LeakyReLU(negative_slope=0.01)",
    "LeakyReLU(0.1, True)": "LeakyReLU(negative_slope=0.1, inplace=True)",
    "Threshold(0.1, 20)": "Threshold(threshold=0.1, value=20)",
    "Threshold(0.1, 20, True)": "Threshold(threshold=0.1, value=20, inplace=True)",
    "Hardtanh()": "Hardtanh(min_val=-1.0, max_val=1.0)",
    "Hardtanh(-2, 2, True)": "Hardtanh(min_val=-2, max_val=2, inplace=True)",
    "Sigmoid()": "Sigmoid()",
    "Tanh()": "Tanh()",
    "LogSigmoid()": "LogSigmoid()",
    "Softplus()": "Softplus(beta=1.0, threshold=20.0)",
    "Softplus(2, 10)": "Softplus(beta=2, threshold=10)",
    "Softshrink()": "Softshrink(0.5)",
    "Softshrink(lambd=1)": "Softshrink(1)",
    "Softsign()": "Softsign()",
    "Tanhshrink()": "Tanhshrink()",
    "Softmin(dim=1)": "Softmin(dim=1)",
    "Softmax(-1)": "Softmax(dim=-1)",
    "LogSoftmax(1)": "LogSoftmax(dim=1)",
    "Softmax2d()": "Softmax2d()",
    "GLU()": "GLU(dim=-1)",
    "GLU(1)": "GLU(dim=1)",
}


def test_every_activation_has_one():
    assert set(ALL) == {kind.__name__ for kind in MODULES.values()} | {"Softmax2d"}
    for name in ALL:
        kind = getattr(nn, name)
        assert issubclass(kind, nn.Module) and kind.__module__ == "fastact.nn" and kind.__name__ == name
    assert {text.partition("(")[0] for text in REPRESENTATIONS} <= set(ALL)


@pytest.mark.parametrize("call", REPRESENTATIONS)
def test_representation(call):
    module = eval(f"nn.{call}")
    assert repr(module) == REPRESENTATIONS[call]
    assert repr(eval(f"nn.{module!r}")) == repr(module)


@pytest.mark.parametrize("call", REPRESENTATIONS)
def test_representation_is_pytorchs(call):
    torch = pytest.importorskip("torch")
    assert repr(eval(f"torch.nn.{call}", {"torch": torch})) == REPRESENTATIONS[call]


def test_gelu():
    x = np.random.default_rng(0).normal(scale=2, size=(3, 50))
    for approximate, name in {"none": "gelu", "tanh": "gelu_tanh"}.items():
        m = pickle.loads(pickle.dumps(nn.GELU(approximate)))
        assert repr(m) == f"GELU(approximate={approximate!r})"
        assert np.array_equal(m(x), getattr(fastact, name)(x))
        assert np.array_equal(m.backward(x), getattr(fastact.grad, name)(x, x))
        m.approximate = "tanh" if approximate == "none" else "none"
        assert np.array_equal(m(x), fastact.gelu(x, approximate=m.approximate))
        assert np.array_equal(m.backward(x), fastact.grad.gelu(x, x, approximate=m.approximate))
    for wrong in ("sigmoid", None, True):
        with pytest.raises(ValueError, match="GELU: approximate must be 'none' or 'tanh'"):
            nn.GELU(wrong)


@pytest.mark.parametrize("inplace", [False, True])
def test_rrelu_in_training(inplace):
    x, gy = np.random.default_rng(0).normal(size=(2, 3, 400))
    m = nn.RReLU(0.1, 0.4, inplace, rng=np.random.default_rng(1))
    given = x.copy()
    y = m(given)
    assert (y is given) == inplace and np.array_equal(y[x > 0], x[x > 0])
    slopes = y[x < 0] / x[x < 0]
    assert slopes.min() < 0.11 and slopes.max() > 0.39 and 0.1 <= slopes.min() and slopes.max() <= 0.4 + 1e-12
    assert np.allclose(m.backward(gy), gy * y / x, rtol=1e-12)  # with the slopes of the call
    assert not np.array_equal(m(x.copy()), y)
    again = pickle.loads(pickle.dumps(nn.RReLU(0.1, 0.4, rng=np.random.default_rng(1))))
    assert np.array_equal(again(x), y)
    assert m.eval() is m
    assert np.array_equal(m(x.copy()), fastact.rrelu(x, 0.1, 0.4))
    assert np.array_equal(m.backward(gy), fastact.grad.rrelu(gy, x, 0.1, 0.4))
    assert m.train(1) is m and m.training is True
    assert np.unique(m(np.full(10, -1.0))).size == 10


def test_a_module_of_ones_own_without_methods():
    for call in (nn.Module(), nn.Module().backward):
        with pytest.raises(NotImplementedError, match=r"^Module has no (for|back)ward"):
            call(1.0)


def test_calls_are_forward():
    class Doubled(nn.Softmax):
        def forward(self, x):
            return 2 * super().forward(x)

    x = np.arange(3.0)
    m = Doubled(0).eval()
    assert np.array_equal(m(x), 2 * fastact.softmax(x)) and not m.training


# Arguments of PyTorch's that mean nothing here, or that it deprecates; ours for a generator of random numbers.
WITHOUT = {"rng", "device", "dtype", "min_value", "max_value", "args", "kwargs"}


@pytest.mark.parametrize("name", ALL)
def test_signature_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.nn, name):
        pytest.skip("PyTorch has no such module")
    theirs = inspect.signature(getattr(torch.nn, name)).parameters.values()
    theirs = [(p.name, p.default) for p in theirs if p.name not in WITHOUT]
    theirs = [("dim", inspect.Parameter.empty) if p == ("dim", None) else p for p in theirs]  # PyTorch guesses
    ours = [(p.name, p.default) for p in inspect.signature(getattr(nn, name)).parameters.values()]
    ours = [p for p in ours if p[0] not in WITHOUT]
    if ("inplace", False) not in theirs:  # ours all have it
        ours = [p for p in ours if p != ("inplace", False)]
    assert ours == theirs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, arguments", MODULE_CALLS)
def test_value_and_gradient(name, arguments, dtype):
    module = MODULES[name](*arguments)
    if arguments == tuple(ACTIVATIONS[name].parameters.values()):
        arguments = ()  # not the same in float16, to which given parameters are rounded
    for x in (sample(dtype), np.arange(-12, 12).astype(dtype).reshape(2, 3, 4).transpose(2, 0, 1), np.float64(2)):
        before = np.array(x)
        y = module(x)
        assert np.array_equal(bits(y), bits(getattr(fastact, name)(x, *arguments)))
        assert np.array_equal(bits(x), bits(before))
        gx = module.backward(gy_for(x))
        assert np.array_equal(bits(gx), bits(getattr(fastact.grad, name)(gy_for(x), x, *arguments)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, arguments", MODULE_CALLS)
def test_in_place(name, arguments, dtype):
    x = sample(dtype)
    outside = MODULES[name](*arguments)
    inside = MODULES[name](*arguments, inplace=True)
    want = outside(x), outside.backward(gy_for(x))
    written = x.copy()
    assert inside(written) is written
    assert np.array_equal(bits(written), bits(want[0]))
    assert np.array_equal(bits(inside.backward(gy_for(x))), bits(want[1]))


SLOPES = [0.25, 0.0, -2.0, np.inf, np.nan, 2.0**-25, 2.0**-24, 65504, 65520, 1e-30, 1e-46, 1e300]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("negative_slope", SLOPES)
def test_leaky_relu_in_place(negative_slope, dtype):
    """Some of these are 0 or inf in some dtypes, so that the sign of x is lost."""
    with np.errstate(over="ignore"):  # of a parameter that is cast
        test_in_place("leaky_relu", (negative_slope,), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("arguments", [(1, 0.5), (1, 1), (1, 3), (np.nan, 1), (0, np.nan), (1e-30, 0)])
def test_threshold_in_place(arguments, dtype):
    test_in_place("threshold", arguments, dtype)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_over_an_axis(name, dim):
    x, gy = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    module = MODULES[name](dim)
    y = module(x)
    assert np.array_equal(y, getattr(fastact, name)(x, axis=dim))
    assert np.array_equal(module.backward(gy), getattr(fastact.grad, name)(gy, y, axis=dim))


def test_hardmax():
    x, gy = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype("f")
    module = nn.Hardmax(1)
    assert np.array_equal(module(x), fastact.hardmax(x, axis=1))
    with pytest.raises(ValueError, match="Hardmax: gy must have the shape of the result"):
        module.backward(gy[0])
    gx = module.backward(gy)
    assert gx.shape == gy.shape and gx.dtype == "f" and not gx.any()


@pytest.mark.parametrize(
    "module", [nn.ReLU(), nn.ELU(inplace=True), nn.PReLU(), nn.RReLU(), nn.Softmax(1), nn.Hardmax()]
)
def test_shape_of_gradients(module):
    module(np.ones((2, 4)))
    for wrong in ((3, 2, 4), (2, 3), (4, 2), (3,)):
        with pytest.raises(
            ValueError, match=rf"{type(module).__name__}: gy must have the shape of the result, \(2, 4\)"
        ):
            module.backward(np.ones(wrong))


@pytest.mark.parametrize("name", SPARSE)
def test_the_last_axis_is_the_default(name):
    assert repr(MODULES[name]()) == f"{module_name(name)}(dim=-1)"


def test_softmax2d():
    module = nn.Softmax2d()
    for shape in ((3, 5, 4), (2, 3, 5, 4)):
        x, gy = np.random.default_rng(0).normal(size=(2, *shape))
        y = module(x)
        assert np.array_equal(y, fastact.softmax(x, axis=-3))
        assert np.array_equal(module.backward(gy), fastact.grad.softmax(gy, y, axis=-3))
    for shape in ((), (3, 4), (1, 2, 3, 4, 5)):
        with pytest.raises(ValueError, match="3 or 4 dimensions"):
            module(np.zeros(shape))


@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (4, 3, 5), (4, 3, 5, 6)])
@pytest.mark.parametrize("count", [1, 3])
def test_prelu(count, shape):
    module = nn.PReLU(count, 0.3)
    module.weight += np.arange(count, dtype="f")
    x, gy = np.random.default_rng(0).normal(size=(2, *shape)).astype("f")
    if count > 1 and len(shape) < 2:
        with pytest.raises(ValueError, match="3 channels along axis 1"):
            module(x)
        return
    weight = module.weight.reshape(-1, *[1] * (len(shape) - 2)) if len(shape) >= 2 else module.weight[0]
    assert module.weight_grad is None
    y = module(x)
    gx = module.backward(gy)
    assert np.array_equal(y, np.where(x > 0, x, weight * x)) and y.dtype == "f"
    assert np.array_equal(gx, np.where(x > 0, gy, weight * gy)) and gx.dtype == "f"
    axes = tuple(k for k in range(len(shape)) if k != 1 or count == 1)
    want = np.sum(np.where(x > 0, 0, np.multiply(gy, x, dtype="d")), axis=axes).reshape(count)
    assert module.weight_grad.shape == module.weight.shape
    assert np.allclose(module.weight_grad, want, rtol=1e-6)


def test_prelus_weights():
    module = nn.PReLU(2, dtype=float)
    assert module.weight.dtype == float and np.array_equal(module.weight, [0.25, 0.25])
    x = np.array([[-1.0, -1.0]])
    module.weight = np.array([2.0, 3.0])
    assert np.array_equal(module(x), [[-2.0, -3.0]])
    copied = copy.deepcopy(module)
    copied.weight -= 1
    assert np.array_equal(module(x), [[-2.0, -3.0]]) and np.array_equal(copied(x), [[-1.0, -2.0]])


def test_prelus_dtype():
    assert nn.PReLU(dtype=None).weight.dtype == np.float32  # as PyTorch's
    module = nn.PReLU()
    for wrong in (0.3, [0.3], np.float32(0.3), None):
        with pytest.raises(TypeError, match=f"^PReLU: weight must be an ndarray, got {type(wrong).__name__}$"):
            module.weight = wrong
    assert np.array_equal(module.weight, [0.25])


@pytest.mark.parametrize("name", ALL)
def test_subclasses_have_their_own_name(name):
    module = some(name, 3)
    shown = repr(module)
    module.__class__ = type("Own", (type(module),), {})
    assert repr(module) == shown.replace(name, "Own", 1)


def test_parameters_are_attributes():
    module = nn.Hardtanh(min_val=-2)
    x = np.linspace(-3, 3, 7)
    assert (module.min_val, module.max_val, module.inplace) == (-2, 1.0, False)
    module.max_val = 2
    assert np.array_equal(module(x), np.clip(x, -2, 2))
    assert np.array_equal(module.backward(1.0), np.abs(x) < 2)


def test_attributes_are_checked():
    module = nn.LeakyReLU()
    module.negative_slope = np.float64(0.5)
    assert module(np.ones(3, "f")).dtype == "f" and repr(module) == "LeakyReLU(negative_slope=0.5)"
    with pytest.raises(TypeError, match=r"^LeakyReLU: negative_slope must be a real number, got 'a'$"):
        module.negative_slope = "a"
    with pytest.raises(TypeError, match=r"^LeakyReLU: inplace must be True or False, got 1$"):
        module.inplace = 1
    with pytest.raises(ValueError, match=r"^PReLU: weight must have the shape \(3,\), got \(2,\)$"):
        nn.PReLU(3).weight = np.ones(2)
    assert repr(module) == "LeakyReLU(negative_slope=0.5)"


def test_numpy_scalars_leave_the_dtype():
    module = nn.ELU(np.float64(2))
    assert module(np.ones(3, "f")).dtype == "f" and repr(module) == "ELU(alpha=2.0)"
    assert nn.ReLU(np.bool_(True)).inplace is True
    for half in (np.longdouble(0.5), Fraction(1, 2)):
        assert repr(nn.ELU(half)) == "ELU(alpha=0.5)" and nn.PReLU(1, half).init == 0.5


def test_parameters_that_are_not_finite():
    x = np.linspace(-2, 2, 9)
    assert np.array_equal(nn.Softshrink(np.nan)(x), fastact.softshrink(x, np.nan), equal_nan=True)
    assert nn.PReLU(1, np.inf).weight[0] == np.inf


def some(name, channels):
    """A module of that name; of PReLU, with so many channels."""
    arguments = {"Threshold": (0.5, 2.0), "PReLU": (channels, 0.5)}
    return getattr(nn, name)(*arguments.get(name, (1,) * (name in map(module_name, SOFTMAXES))))


@pytest.mark.parametrize("name", ALL)
def test_pickles_and_copies(name):
    module = some(name, 3)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    y = module(x)
    gy = y + 1
    gx = module.backward(gy)
    assert len(pickle.dumps(module)) < 1000
    for again in (pickle.loads(pickle.dumps(module)), copy.copy(module), copy.deepcopy(module)):
        assert repr(again) == repr(module)
        with pytest.raises(RuntimeError, match=f"{name}.backward needs a call"):
            again.backward(gy)
        assert np.array_equal(again(x), y) and np.array_equal(again.backward(gy), gx)


# What NumPy makes arrays of.
LIKES = {
    "list": np.ndarray.tolist,
    "memoryview": memoryview,
    "masked": np.ma.asarray,
    "pandas": lambda x: pytest.importorskip("pandas").DataFrame(x),
    "dask": lambda x: pytest.importorskip("dask.array").from_array(x, chunks=2),
}


@pytest.mark.parametrize("kind", LIKES)
@pytest.mark.parametrize("name", sorted(set(ALL) - {"Softmax2d"}))
def test_what_is_like_an_array(name, kind):
    x = np.random.default_rng(0).normal(size=(4, 6))
    module, like = some(name, 6), some(name, 6)
    y = module(x)
    assert np.array_equal(np.asarray(like(LIKES[kind](x))), y)
    assert np.array_equal(np.asarray(like.backward(LIKES[kind](y))), module.backward(y))
    if name == "PReLU":
        assert np.array_equal(like.weight_grad, module.weight_grad)


def test_shared_by_threads():
    module = nn.Softplus(2)
    inputs = np.random.default_rng(0).normal(size=(50, 1000))

    def work(x):
        own = copy.copy(module)
        own(x)
        return np.array_equal(module(x), fastact.softplus(x, 2)) and np.array_equal(
            own.backward(x), fastact.grad.softplus(x, x, 2)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, inputs))


# The call, the error, and what its message says.
ERRORS = [
    ("ReLU(3)", TypeError, "ReLU: inplace must be True or False, got 3"),
    ("ReLU(slope=1)", TypeError, "ReLU: .*slope"),
    ("Sigmoid(False, 1)", TypeError, "Sigmoid: too many"),
    ("ELU('a')", TypeError, "ELU: alpha must be a real number, got 'a'"),
    ("ELU(1j)", TypeError, "ELU: alpha"),
    ("ELU([1.0])", TypeError, "ELU: alpha"),
    ("ELU(None)", TypeError, "ELU: alpha"),
    ("Threshold()", TypeError, "Threshold: .*threshold"),
    ("Threshold(1)", TypeError, "Threshold: .*value"),
    ("Hardtanh(2, 1)", ValueError, "Hardtanh: max_val must be greater than min_val, got 2, 1"),
    ("Hardtanh(1, 1)", ValueError, "Hardtanh: max_val"),
    ("CELU(0)", ValueError, "CELU: alpha must not be 0"),
    ("Softshrink(-1)", ValueError, "Softshrink: lambd must not be negative, got -1"),
    ("PReLU(0)", ValueError, "PReLU: num_parameters must be at least 1, got 0"),
    ("PReLU(1.5)", TypeError, "PReLU: num_parameters must be an int, got 1.5"),
    ("ELU(10**400)", ValueError, "ELU: alpha must be within the range of float64"),
    ("PReLU(1, 'a')", TypeError, "PReLU: init"),
    ("PReLU(2, 10**400)", ValueError, "PReLU: init must be within the range of float64"),
    ("PReLU(2, 1e300)", ValueError, r"PReLU: init must be within the range of float32, got 1e\+300"),
    ("PReLU(dtype=int)", TypeError, "PReLU: dtype must be"),
    ("RReLU(rng=3)", TypeError, "RReLU: rng must be a numpy.random.Generator or None, got 3"),
    ("RReLU(1, 0.5)", ValueError, "RReLU: upper must not be less than lower"),
    ("Softmax()", TypeError, "Softmax needs dim"),
    ("Softmin(None)", TypeError, "Softmin needs dim"),
    ("LogSoftmax('a')", TypeError, "LogSoftmax: dim must be an int, got 'a'"),
    ("Sparsemax('a')", TypeError, "Sparsemax: dim must be an int, got 'a'"),
    ("Softmax((0, 1))", TypeError, "Softmax: dim must be an int"),
    ("Softmax(True)", TypeError, "Softmax: dim must be an int, got True"),
    ("GLU(False)", TypeError, "GLU: dim must be an int, got False"),
    ("ReLU(inplace=True)([1.0])", TypeError, "x must be an ndarray, got list"),
    ("ELU(inplace=True)(np.arange(3))", TypeError, "float64"),
    ("ReLU()(np.ones(3) * 1j)", TypeError, "relu"),
    ("Softmax(2)(np.ones((3, 3)))", np.exceptions.AxisError, "axis 2"),
    ("GLU(None)", TypeError, "GLU: dim must be an int, got None"),
    ("SwiGLU(2)(np.ones((3, 4)))", np.exceptions.AxisError, "axis 2"),
    ("ReGLU(0)(np.ones((3, 4)))", ValueError, "reglu: x must have an even size along axis 0, got 3"),
]


@pytest.mark.parametrize("call, error, message", ERRORS)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        eval(f"nn.{call}")


@pytest.mark.parametrize("name", ALL)
def test_each_call_has_one_backward(name):
    module, x = some(name, 4), np.linspace(-2.0, 3.0, 16).reshape(1, 4, 2, 2)
    gy = np.ones_like(module(x))
    with pytest.raises((TypeError, ValueError)):
        module.backward(np.ones((3, 5)))
    module.backward(gy)
    with pytest.raises(RuntimeError, match="what is used twice on the way is two modules"):
        module.backward(gy)
    module(x)
    module.backward(gy)


def test_a_failed_call_leaves_the_last():
    module = nn.Tanh()
    module(np.array([0.5]))
    with pytest.raises(TypeError):
        module(np.array(["a"]))
    assert module.backward(1.0) == fastact.grad.tanh(1.0, 0.5)
    module = nn.ELU(inplace=True)
    x = np.arange(-2, 3)
    with pytest.raises(TypeError):
        module(x)
    assert np.array_equal(x, [-2, -1, 0, 1, 2])


@pytest.mark.parametrize("name", ALL)
def test_pytorchs_gradients(name):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.nn, name):
        pytest.skip("PyTorch has no such module")
    function = {module_name(function): function for function in NAMES}.get(name)
    calls = all_arguments(function) if function in FUNCTIONS and function != "prelu" else [()]
    calls = {"PReLU": [(), (6,), (6, -0.5)]}.get(name, calls if function in ACTIVATIONS else [(1,), (-1,)])
    calls = [()] if name == "Softmax2d" else calls
    rng = np.random.default_rng(0)
    for arguments in calls:
        x = rng.normal(scale=2, size=(4, 6, 5, 6))
        ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments).double().eval()
        given = torch.from_numpy(x).requires_grad_()
        result = theirs(given)
        gy = rng.normal(scale=2, size=result.shape)
        result.backward(torch.from_numpy(gy))
        # PyTorch keeps these parameters, 1 / alpha and 1 / 6 in float32
        close = {"rtol": {"PReLU": 1e-7, "CELU": 1e-6, "Hardsigmoid": 1e-6}.get(name, 1e-12), "atol": 1e-14}
        assert np.allclose(ours(x), result.detach().numpy(), **close)
        assert np.allclose(ours.backward(gy), given.grad.numpy(), **close)
        if name == "PReLU":
            assert np.allclose(ours.weight_grad, theirs.weight.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(nn._MODULES))
def test_wrong_argument_names_the_module(name):
    with pytest.raises(TypeError, match=rf"^{name}(\.__init__)?\b.* argument"):
        getattr(nn, name)(nothing_of_the_kind=1)
