"""Every function as one would write it in plain NumPy: what the demo and `fastact bench` compare with.

Each is the fastest short form, at the default parameters or at ARGUMENTS; none takes care of overflow,
cancellation or NaN. float32 stays float32.
"""

import numpy as np

from fastact._formulas import ACTIVATIONS

ARGUMENTS = {"prelu": (0.25,), "threshold": (0.0, -1.0)}  # what has no default
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
RRELU_SLOPE = (1 / 8 + 1 / 3) / 2


def arguments_of(name):
    """The values of all parameters of an elementwise function, or of a gradient NAME_grad."""
    name = name.removesuffix("_grad")
    return ARGUMENTS.get(name) or tuple(ACTIVATIONS[name].parameters.values())


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmin(x, axis=-1):
    return softmax(-x, axis)


def log_softmax(x, axis=-1):
    d = x - x.max(axis=axis, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=axis, keepdims=True))


def logsumexp(x, axis=-1):
    m = x.max(axis=axis, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=axis)) + m.squeeze(axis)


def hardmax(x, axis=-1):
    y = np.zeros_like(x)
    np.put_along_axis(y, np.expand_dims(x.argmax(axis=axis), axis), 1, axis=axis)
    return y


def sorted_and_counted(x, axis):
    """From the largest on, and 1, 2, 3, ... along the axis."""
    z = -np.sort(-x, axis=axis)
    n = np.arange(1, x.shape[axis] + 1, dtype=x.dtype)
    return z, n.reshape([-1 if k == axis % x.ndim else 1 for k in range(x.ndim)])


def sparsemax(x, axis=-1):
    z, n = sorted_and_counted(x, axis)
    tau = (z.cumsum(axis=axis) - 1) / n
    support = (z > tau).sum(axis=axis, keepdims=True)
    return np.maximum(x - np.take_along_axis(tau, support - 1, axis=axis), 0)


def entmax15(x, axis=-1):
    x = (x - x.max(axis=axis, keepdims=True)) / 2
    z, n = sorted_and_counted(x, axis)
    mean = z.cumsum(axis=axis) / n
    spread = n * ((z * z).cumsum(axis=axis) / n - mean * mean)
    tau = mean - np.sqrt(np.maximum((1 - spread) / n, 0))
    support = (z >= tau).sum(axis=axis, keepdims=True)
    return np.maximum(x - np.take_along_axis(tau, support - 1, axis=axis), 0) ** 2


def halves(x, axis):
    return np.split(x, 2, axis=axis)


def glu(x, axis=-1):
    a, b = halves(x, axis)
    return a / (1 + np.exp(-b))


def swiglu(x, axis=-1):
    a, b = halves(x, axis)
    return a * b / (1 + np.exp(-b))


def geglu(x, axis=-1):
    a, b = halves(x, axis)
    return a * gelu(b)


def reglu(x, axis=-1):
    a, b = halves(x, axis)
    return a * np.maximum(b, 0)


def gelu(x):
    """NumPy has no erf: the rational approximation 7.1.26 of Abramowitz and Stegun, off by 1.5e-7."""
    z = np.abs(x) * 0.7071067811865476
    t = 1 / (1 + 0.3275911 * z)
    p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return x / 2 * (1 + np.copysign(1 - p * np.exp(-z * z), x))


EXPRESSIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "threshold": lambda x: np.where(x > 0, x, -1),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "log_sigmoid": lambda x: -np.log1p(np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softshrink": lambda x: x - np.clip(x, -0.5, 0.5),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardshrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "relu_squared": lambda x: np.maximum(x, 0) ** 2,
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "gelu": gelu,
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))),
    "rrelu": lambda x: np.where(x > 0, x, RRELU_SLOPE * x),
    "softmin": softmin,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "hardmax": hardmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
    "glu": glu,
    "swiglu": swiglu,
    "geglu": geglu,
    "reglu": reglu,
}
