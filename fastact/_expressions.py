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
    "softmin": softmin,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
