"""The same functions in plain NumPy: the fallback backend, and the oracle of the tests.

Written to be right at a glance and in extended precision; speed does not matter here. Each function takes
and returns arrays of long double (relu and relu6: of any real dtype).
"""

import numpy as np


def relu(x):
    return np.where(x <= 0, x.dtype.type(0), x)


def relu6(x):
    return np.where(x > 6, x.dtype.type(6), relu(x))


def elu(x, alpha):
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def prelu(x, weight):
    return np.where(x > 0, x, weight * x)


def leaky_relu(x, negative_slope):
    return np.where(x > 0, x, negative_slope * x)


def threshold(x, threshold, value):
    return np.where(x <= threshold, value, x)


def hardtanh(x, min_val, max_val):
    above = np.where(x < min_val, min_val, x)
    return np.where(above > max_val, max_val, above)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def tanh(x):
    return np.tanh(x)


def log_sigmoid(x):
    return -(np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x))))


def softplus(x, beta, threshold):
    z = beta * x
    return np.where(z > threshold, x, (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta)


def softshrink(x, lambd):
    return np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, np.where(np.isnan(x), x, 0)))


def softsign(x):
    return np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))


def tanhshrink(x):
    # x - tanh(x) cancels near 0; there, Lambert's continued fraction tanh x = x / (1 + r) with
    # r = x**2 / (3 + x**2 / (5 + ...)) gives x r / (1 + r)
    u = np.minimum(np.abs(x), 1) ** 2
    tail = np.zeros_like(x)
    for k in range(41, 1, -2):
        tail = u / (k + tail)
    return np.where(np.abs(x) < 1, x * (tail / (1 + tail)), x - np.tanh(x))


# ---- gradients: gy times the derivative -------------------------------------------------------------


def relu_grad(gy, x):
    return gy * np.where(np.isnan(x), x, x > 0)


def relu6_grad(gy, x):
    return gy * np.where(np.isnan(x), x, (x > 0) & (x < 6))


def elu_grad(gy, x, alpha):
    return gy * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def prelu_grad(gy, x, weight):
    return gy * np.where(np.isnan(x), x, np.where(x > 0, 1, weight))


def leaky_relu_grad(gy, x, negative_slope):
    return prelu_grad(gy, x, negative_slope)


def threshold_grad(gy, x, threshold, value):
    return gy * np.where(np.isnan(x), x, ~(x <= threshold))


def hardtanh_grad(gy, x, min_val, max_val):
    return gy * np.where(np.isnan(x), x, ~((x <= min_val) | (x >= max_val)))


def sigmoid_grad(gy, x):
    e = np.exp(-np.abs(x))
    return gy * (e / (1 + e) ** 2)


def tanh_grad(gy, x):
    return 4 * sigmoid_grad(gy, 2 * x)


def log_sigmoid_grad(gy, x):
    return gy * sigmoid(-x)


def softplus_grad(gy, x, beta, threshold):
    z = beta * x
    return gy * np.where(z > threshold, 1, sigmoid(z))


def softshrink_grad(gy, x, lambd):
    return gy * np.where(np.isnan(x), x, (x > lambd) | (x < -lambd))


def softsign_grad(gy, x):
    return gy / (1 + np.abs(x)) / (1 + np.abs(x))


def tanhshrink_grad(gy, x):
    return gy * np.tanh(x) ** 2


# ---- over axes --------------------------------------------------------------------------------------


def softmax(x, axes, where):
    x, limit, ones, others = _terms(x, axes, where)
    return _masked(x / (ones + others), limit, where, 0)


def softmin(x, axes, where):
    return softmax(-x, axes, where)


def log_softmax(x, axes, where):
    with np.errstate(all="ignore"):
        _, limit, ones, others = _terms(x, axes, where)
        m = _maximum(x, axes, where)
        total = np.where(ones == 1, np.log1p(others), np.log(ones + others))
        return _masked(np.where(x == m, 0, x - m) - total, limit, where, -np.inf)


def logsumexp(x, axes, where):
    with np.errstate(all="ignore"):
        _, _, ones, others = _terms(x, axes, where)
        m = _maximum(x, axes, where)
        return np.where(np.isinf(m), m, m + np.where(ones == 1, np.log1p(others), np.log(ones + others)))


def softmax_gradient(gy, axes, y):
    return y * (gy - np.sum(gy * y, axis=axes, keepdims=True))


def softmin_gradient(gy, axes, y):
    return -softmax_gradient(gy, axes, y)


def log_softmax_gradient(gy, axes, y):
    total = np.sum(gy, axis=axes, keepdims=True)
    # near the maximum e**y is 1 - small, and gy may be the total
    return np.where((y > -0.5) & np.isfinite(total), (gy - total) - np.expm1(y) * total, gy - np.exp(y) * total)


def _maximum(x, axes, where):
    return np.max(x, axis=axes, keepdims=True, initial=-np.inf, where=True if where is None else where)


def _terms(x, axes, where):
    """e**(x - max), where there is no limit, the terms that are 1 at the maximum, and the sum of the rest."""
    where = np.broadcast_to(True if where is None else where, x.shape)
    m = _maximum(x, axes, where)
    at_m = (x == m) & where
    e = np.where(at_m, 1, np.exp(x - m))
    ones = np.sum(at_m, axis=axes, keepdims=True, dtype=x.dtype)
    others = np.sum(np.where(at_m | ~where, 0, e), axis=axes, keepdims=True)
    no_limit = (m == -np.inf) | ((m == np.inf) & (ones != 1))
    return e, no_limit, ones, others


def _masked(y, no_limit, where, left_out):
    y = np.where(no_limit, np.nan, y)
    return y if where is None else np.where(where, y, left_out)


def callback(name, defaults=()):
    """What the ufunc driver calls for `name`: it fills `out` from the inputs, and the defaults after them."""
    function = globals()[name]

    def fill(out, *inputs):
        with np.errstate(all="ignore"):
            if out.dtype.kind == "f":
                computed = np.promote_types(out.dtype, np.float32)
                inputs = [np.asarray(v, computed).astype(np.longdouble) for v in (*inputs, *defaults)]
            out[...] = function(*inputs)

    return fill


def reduce(name, x, axes, out, second):
    """As `_kernels.reduce`."""
    # the reduced axes last: a row's sum must not depend on how the rows lie in memory
    order = [k for k in range(x.ndim) if k not in axes] + sorted(axes)
    x = np.array(x.transpose(order), dtype=np.longdouble, order="C")
    if second is not None:
        second = second.transpose(order)
        second = second if second.dtype == bool else np.array(second, dtype=np.longdouble, order="C")
    with np.errstate(all="ignore"):
        out.transpose(order)[...] = globals()[name](x, tuple(range(x.ndim - len(axes), x.ndim)), second)
