"""Every function as one would write it in plain NumPy: what the demo and `fastact bench` compare with.

Each is the fastest short form, at the default parameters or at ARGUMENTS; none takes care of overflow,
cancellation or NaN. float32 stays float32.
"""

import numpy as np

ARGUMENTS = {"prelu": (0.25,), "threshold": (0.0, -1.0)}  # what has no default


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmin(x, axis=-1):
    return softmax(-x, axis)


def log_softmax(x, axis=-1):
    d = x - x.max(axis=axis, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=axis, keepdims=True))


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
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
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
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3))),
    "rrelu": lambda x: np.where(x > 0, x, 11 / 48 * x),
    "softmin": softmin,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
