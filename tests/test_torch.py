"""The examples of PyTorch's documentation: their results as numbers, and PyTorch itself where it is installed."""

import numpy as np
import pytest
from cases import CALLS, FUNCTIONS

import fastact
from fastact._table import SOFTMAXES

# torch.randn(2) and torch.randn(2, 3) after torch.manual_seed(0)
TWO = [1.5409961, -0.2934289]
ROWS = [[1.5409961, -0.2934289, -2.1787894], [0.56843126, -1.0845224, -1.3985955]]

# The module as in its documentation's example; our arguments; what PyTorch 2.13 returns.
EXAMPLES = [
    ("ReLU()", "relu", (), TWO, [1.5409961, 0.0]),
    ("ReLU6()", "relu6", (), TWO, [1.5409961, 0.0]),
    ("ELU()", "elu", (), TWO, [1.5409961, -0.25429776]),
    ("PReLU()", "prelu", (0.25,), TWO, [1.5409961, -0.073357224]),
    ("LeakyReLU(0.1)", "leaky_relu", (0.1,), TWO, [1.5409961, -0.02934289]),
    ("Threshold(0, 20)", "threshold", (0, 20), TWO, [1.5409961, 20.0]),
    ("Hardtanh(-2, 2)", "hardtanh", (-2, 2), TWO, [1.5409961, -0.2934289]),
    ("Sigmoid()", "sigmoid", (), TWO, [0.82360947, 0.42716464]),
    ("Tanh()", "tanh", (), TWO, [0.9122876, -0.2852877]),
    ("LogSigmoid()", "log_sigmoid", (), TWO, [-0.19405879, -0.8505858]),
    ("Softplus()", "softplus", (), TWO, [1.735055, 0.5571569]),
    ("Softshrink()", "softshrink", (), TWO, [1.0409961, 0.0]),
    ("Softsign()", "softsign", (), TWO, [0.60645354, -0.22686125]),
    ("Tanhshrink()", "tanhshrink", (), TWO, [0.6287085, -0.00814119]),
    ("Softmin(dim=1)", "softmin", (1,), ROWS, [[0.0206113, 0.12905835, 0.8503304], [0.07478441, 0.3905528, 0.5346628]]),
    (
        "Softmax(dim=1)",
        "softmax",
        (1,),
        ROWS,
        [[0.84463423, 0.13489257, 0.02047323], [0.75111413, 0.14382596, 0.10505992]],
    ),
    (
        "LogSoftmax(dim=1)",
        "log_softmax",
        (1,),
        ROWS,
        [[-0.16885163, -2.0032766, -3.888637], [-0.28619766, -1.9391513, -2.2532244]],
    ),
]


@pytest.mark.parametrize("module, name, arguments, x, want", EXAMPLES)
def test_example(module, name, arguments, x, want):
    got = getattr(fastact, name)(np.array(x, "f"), *arguments)
    # PyTorch's tanhshrink subtracts tanh x from x and loses digits
    assert np.allclose(got, np.array(want, "f"), rtol=3e-6 if name == "tanhshrink" else 3e-7, atol=0)


@pytest.mark.parametrize("module, name, arguments, x, want", EXAMPLES)
def test_pytorch_agrees_with_the_table(module, name, arguments, x, want):
    torch = pytest.importorskip("torch")
    got = eval(f"torch.nn.{module}", {"torch": torch})(torch.tensor(x)).detach().numpy()
    assert np.allclose(got, want, rtol=1e-6, atol=0)


TORCH_NAMES = {"log_sigmoid": "logsigmoid", "gelu_tanh": "gelu"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, arguments", [call for call in CALLS if call[0] in FUNCTIONS])
def test_elementwise(name, arguments, dtype):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(scale=4, size=10_000).astype(dtype)
    given = [torch.tensor(a, dtype=getattr(torch, dtype)) for a in arguments] if name == "prelu" else arguments
    its_name, options = TORCH_NAMES.get(name, name), {"approximate": "tanh"} if name == "gelu_tanh" else {}
    function = getattr(torch.nn.functional, its_name, None) or getattr(torch, its_name, None)
    if function is None:
        pytest.skip("PyTorch has none")
    want = function(torch.from_numpy(x), *given, **options).numpy()
    # to what PyTorch's own error leaves: x - tanh x cancels, its softplus stops short of its threshold, its gelu
    # loses the left tail
    eps = np.finfo(dtype).eps
    assert np.allclose(
        getattr(fastact, name)(x, *arguments), want, rtol=64 * eps, atol=(16 if name == "gelu" else 4) * eps
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_reductions(name, axis, dtype):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(scale=4, size=(20, 30, 40)).astype(dtype)
    want = getattr(torch.nn.functional, name)(torch.from_numpy(x), axis).numpy()
    eps = np.finfo(dtype).eps
    assert np.allclose(getattr(fastact, name)(x, axis), want, rtol=64 * eps, atol=4 * eps)
