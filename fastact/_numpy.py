"""The same functions in plain NumPy: the fallback backend, and the oracle of the tests.

Written to be right at a glance and in extended precision; speed does not matter here. Each function takes
and returns arrays of long double (relu and relu6: of any real dtype).
"""

import numpy as np

from fastact._gates import GATES
from fastact._table import REDUCTIONS, times


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
    limit = np.fmin(threshold, 1e30)  # from there on the result is x, also where z is infinite
    return np.where(z > limit, x, (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta)


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


# of selu, to more digits than a long double has
SELU_SCALE, SELU_ALPHA = (
    np.longdouble(digits) for digits in ("1.0507009873554804934193349852946", "1.6732632423543772848170429916717")
)


def selu(x):
    scale, below = map(x.dtype.type, (SELU_SCALE, SELU_SCALE * SELU_ALPHA))
    return np.where(x > 0, scale * x, below * np.expm1(np.minimum(x, 0)))


def celu(x, alpha):
    # the limits are those of alpha * expm1(x / alpha) from above
    bent = np.where(np.isinf(alpha), x, alpha * np.expm1(np.minimum(x, 0) / np.abs(alpha)))
    return np.where(x >= 0, x, np.where(alpha >= 0, bent, np.nan) + 0 * np.where(np.isnan(x), x, 0))


def hardswish(x):
    return np.where(x >= 3, x, np.where(x <= -3, 0, x * (x + 3) / 6 + 0.0))


def hardsigmoid(x):
    return np.where(x >= 3, 1, np.where(x <= -3, 0, (x + 3) / 6))


def hardshrink(x, lambd):
    return np.where(np.abs(x) <= lambd, 0, x)


def relu_squared(x):
    return relu(x) ** 2


def squareplus(x, b):
    a = np.abs(x)
    d = a + np.sqrt(a * a + b)  # no cancellation
    return np.where(x < 0, np.where((b == 0) | np.isinf(x), 0, b / (2 * d)), np.where(np.isinf(x), x, d / 2))


def silu(x):
    return swish(x, x.dtype.type(1))


def swish(x, beta):
    z = beta * x
    limit = np.where(z > 0, x, np.copysign(0, x))
    return np.where(np.isinf(z), limit, x * sigmoid(z))


def quick_gelu(x):
    return gated(x, quick_gelu_exponential(np.abs(x)))


def quick_gelu_exponential(a):
    """e**(-1.702 a); the first exponent is exact, the second small."""
    return np.exp(-1.625 * a) * np.exp(a.dtype.type(np.longdouble("-0.077")) * a)


def gated(x, e):
    """x over 1 + e**-z, given e**-abs(z) for z of the sign of x."""
    return np.where(np.isinf(x), np.where(x > 0, x, -0.0), x * np.where(x < 0, e, 1) / (1 + e))


def mish(x):
    # tanh(log(1 + e**x)), over e**2x on the right
    e = np.exp(-np.abs(x))
    left, right = e * (2 + e) / (2 + e * (2 + e)), (1 + 2 * e) / (1 + 2 * e * (1 + e))
    return np.where(np.isinf(x), np.where(x > 0, x, -0.0), x * np.where(x < 0, left, right))


ROOT_2_PI = np.longdouble("2.50662827463100050241576528481104525301")


def normal_density(a):
    near = np.floor(a * 64) / 64  # has an exact square
    return np.exp(-near * near / 2) * np.exp(-(a - near) * (a + near) / 2) / a.dtype.type(ROOT_2_PI)


def normal_tail(a):
    """The upper tail of the normal distribution, for a >= 0: a power series, and Laplace's continued fraction."""
    tail, beyond = np.empty_like(a), a > 1.5
    near = a[~beyond]
    term, total = near, np.zeros_like(near)
    for k in range(3, 99, 2):
        total, term = total + term, term * near * near / k
    tail[~beyond] = a.dtype.type(0.5) - normal_density(near) * total
    for low, high in ((1.5, 3), (3, np.inf)):
        band = (a > low) & (a <= high)
        far = np.minimum(a[band], 1e5)
        fraction = np.zeros_like(far)
        bits = np.finfo(a.dtype).nmant + 8
        for k in range(int((bits * np.log(2) / (2 * low)) ** 2), 0, -1):  # n steps leave out e**(-2 a sqrt(n)) of it
            fraction = k / (far + fraction)
        tail[band] = normal_density(far) / (far + fraction)
    return tail


def gelu(x):
    below = np.where(np.isinf(x), 0, np.abs(x) * normal_tail(np.abs(x)))
    return np.where(x < 0, -below, x - below)


# 2 sqrt(2 / pi), and 0.044715 times that: what a float32 holds of it, and the rest
GELU_TANH_LINEAR = np.longdouble(1.5957691669464111), np.longdouble("-4.53406804210527157602625e-8")
GELU_TANH_CUBIC = np.longdouble(0.07135481387376785), np.longdouble("2.39883239599313562727986e-9")


def gelu_tanh(x):
    return gated(x, gelu_tanh_exponential(np.minimum(np.abs(x), 1e3)))


def gelu_tanh_exponential(a):
    """e**-(linear a + cubic a**3); the first exponent is exact, the second small."""
    linear, linear_low, cubic, cubic_low = map(a.dtype.type, GELU_TANH_LINEAR + GELU_TANH_CUBIC)
    near = np.floor(a * 64) / 64
    rest = (a - near) * (linear + cubic * (a * a + a * near + near * near)) + linear_low * a + cubic_low * a**3
    return np.exp(-(linear * near + cubic * near**3)) * np.exp(-rest)


def rrelu(x, lower, upper):
    return prelu(x, (lower + upper) / 2)


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


def selu_grad(gy, x):
    scale, below = map(x.dtype.type, (SELU_SCALE, SELU_SCALE * SELU_ALPHA))
    return gy * np.where(x > 0, scale, below * np.exp(np.minimum(x, 0)))


def celu_grad(gy, x, alpha):
    z = np.where(np.isinf(alpha), 0, np.minimum(x, 0) / np.abs(alpha))
    bent = np.where(alpha >= 0, np.exp(z), np.nan) + 0 * np.where(np.isnan(x), x, 0)
    return gy * np.where(x >= 0, 1, bent)


def hardswish_grad(gy, x):
    return gy * np.where(x >= 3, 1, np.where(x <= -3, 0, (2 * x + 3) / 6))


def hardsigmoid_grad(gy, x):
    return gy * np.where(np.isnan(x), x, (np.abs(x) < 3) / x.dtype.type(6))


def hardshrink_grad(gy, x, lambd):
    return gy * np.where(np.isnan(x), x, ~(np.abs(x) <= lambd))


def relu_squared_grad(gy, x):
    return gy * (2 * relu(x))


def squareplus_grad(gy, x, b):
    a = np.abs(x)
    r = np.sqrt(a * a + b)
    left = np.where((b == 0) | np.isinf(x), 0, b / (2 * r * (a + r)))
    right = np.where(x == 0, 0.5, np.where(np.isinf(x), 1, (1 + a / r) / 2))
    return gy * np.where(x < 0, left, right)


# Where the derivatives of silu, mish, gelu and gelu_tanh are 0, with the opposite sign, in two parts. Near it they
# are written as differences from there, so that nothing cancels: with d = a - root, e**-a - e**-root is
# e**-root * expm1(-d).
SILU_ROOT = (1.2784645427610737, 1.0946994183093437e-16)
MISH_ROOT = (1.1924312145154952, 4.8484829848031044e-17)
GELU_ROOT = (0.7517915246935645, -1.4956759177009883e-17)
GELU_TANH_ROOT = (0.7524614220710163, -3.635560509207687e-17)


def from_root(a, root):
    """a - root, and the root."""
    high, rest = map(a.dtype.type, root)
    return (a - high) - rest, high + rest


def silu_grad(gy, x):
    return swish_grad(gy, x, x.dtype.type(1))


def swish_grad(gy, x, beta):
    return gated_grad(gy, x, beta, np.exp(-np.abs(beta * x)))


def gated_grad(gy, x, beta, e):
    """gy times the derivative of x / (1 + e**(-beta x)), given e = e**-abs(beta x)."""
    a = np.minimum(np.abs(beta * x), 1e5)
    d, root = from_root(a, SILU_ROOT)
    # near the root by exact products of parts
    moderate = (a < 4) & (np.abs(x) < 1e30) & (np.abs(beta) < 1e30)
    (x_high, x_low), (beta_high, beta_low) = (halves(np.where(moderate, np.abs(v), 1)) for v in (x, beta))
    one, other = x_high * beta_low, x_low * beta_high
    middle = one + other
    rest = (one - (middle - other)) + (other - (middle - (middle - other)))
    root_high, root_low = map(x.dtype.type, SILU_ROOT)
    near = (x_high * beta_high - root_high + middle) + (rest + x_low * beta_low - root_low)
    d = np.where(moderate, near, d)
    left = e * (np.exp(-root) * np.expm1(-d) - d) / (1 + e) ** 2  # 1 + e - a, which is 0 at the root
    return gy * np.where(beta * x < 0, left, 1 - left)


def halves(x):
    """x as the sum of a number of 24 bits and the rest."""
    high = x.astype(np.float32).astype(x.dtype)
    return high, x - high


def quick_gelu_grad(gy, x):
    return gated_grad(gy, x, x.dtype.type(np.longdouble("1.702")), quick_gelu_exponential(np.abs(x)))


def mish_grad(gy, x):
    x = np.clip(x, -1e5, 1e5)
    a, e = np.abs(x), np.exp(-np.abs(x))
    d, root = from_root(a, MISH_ROOT)
    r = np.exp(-root)
    change = r * np.expm1(-d)
    # (e + 2) (e**2 + 2 e + 2) - 4 a (1 + e), which is 0 at the root
    n = change * (e * e + e * r + r * r + 4 * (e + r) + 6 - 4 * a) - 4 * d * (1 + r)
    left = e * n / (2 + e * (2 + e)) ** 2
    denominator = 1 + 2 * e * (1 + e)
    right = (1 + 2 * e) / denominator + 4 * a * e * e * (1 + e) / denominator**2
    return gy * np.where(x < 0, left, right)


def gelu_grad(gy, x):
    a = np.minimum(np.abs(x), 1e5)
    d, root = from_root(a, GELU_ROOT)
    # near the root a Taylor series: the density's derivatives are Hermite's polynomials times it
    near = np.clip(d, -0.25, 0.25)
    before, hermite, after = a.dtype.type(1), root, root * root - 1
    series, power = np.zeros_like(a), near
    for k in range(1, 41):
        series = series + (-1) ** (k + 1) * (after - before) * power
        before, hermite, after = hermite, after, root * after - (k + 1) * hermite
        power = power * near / (k + 1)
    series = series * normal_density(root)
    left = np.where(near == d, series, -(a * normal_density(a) - normal_tail(a)))
    return gy * np.where(x < 0, left, 1 - left)


def gelu_tanh_grad(gy, x):
    a = np.minimum(np.abs(x), 1e3)
    d, root = from_root(a, GELU_TANH_ROOT)

    linear, cubic = (a.dtype.type(sum(parts)) for parts in (GELU_TANH_LINEAR, GELU_TANH_CUBIC))
    # 1 + e - a dz/da with e = e**-z, which is 0 at the root
    squares = a * a + a * root + root * root
    change = gelu_tanh_exponential(root) * np.expm1(-d * (linear + cubic * squares))
    n = change - d * (linear + 3 * cubic * squares)
    e = gelu_tanh_exponential(a)
    left = e * n / (1 + e) ** 2
    return gy * np.where(x < 0, left, 1 - left)


def rrelu_grad(gy, x, lower, upper):
    return prelu_grad(gy, x, (lower + upper) / 2)


# ---- gated ------------------------------------------------------------------------------------------


globals().update({name: times(globals()[gate.activation], name) for name, gate in GATES.items()})
globals().update({f"{name}_grad": times(globals()[f"{gate.activation}_grad"], name) for name, gate in GATES.items()})


# ---- over axes --------------------------------------------------------------------------------------


def softmax(x, axes, where, temperature=1.0):
    x, limit, ones, others = _terms(x, axes, where, temperature)
    return _masked(x / (ones + others), limit, where, 0)


def softmin(x, axes, where, temperature=1.0):
    return softmax(-x, axes, where, temperature)


def log_softmax(x, axes, where, temperature=1.0):
    with np.errstate(all="ignore"):
        _, limit, ones, others = _terms(x, axes, where, temperature)
        m = _maximum(x, axes, where)
        total = np.where(ones == 1, np.log1p(others), np.log(ones + others))
        return _masked(np.where(x == m, 0, (x - m) / temperature) - total, limit, where, -np.inf)


def logsumexp(x, axes, where):
    with np.errstate(all="ignore"):
        _, _, ones, others = _terms(x, axes, where)
        m = _maximum(x, axes, where)
        return np.where(np.isinf(m), m, m + np.where(ones == 1, np.log1p(others), np.log(ones + others)))


def softmax_gradient(gy, axes, y, temperature=1.0):
    return y * (gy - np.sum(gy * y, axis=axes, keepdims=True)) / temperature


def softmin_gradient(gy, axes, y, temperature=1.0):
    return -softmax_gradient(gy, axes, y, temperature)


def log_softmax_gradient(gy, axes, y, temperature=1.0):
    total = np.sum(gy, axis=axes, keepdims=True)
    # near the maximum e**y is 1 - small, and gy may be the total
    near = (y > -0.5) & np.isfinite(total)
    return np.where(near, (gy - total) - np.expm1(y) * total, gy - np.exp(y) * total) / temperature


def hardmax(x, axes, where):
    if x.size == 0:
        return x
    where = True if where is None else where
    x = np.where(where, x, -np.inf)
    places = np.arange(x.size).reshape(x.shape)  # in C order
    first = np.min(np.where(x == _maximum(x, axes, None), places, x.size), axis=axes, keepdims=True)
    return np.where(where, np.where(np.isnan(x).any(axis=axes, keepdims=True), np.nan, places == first), 0)


def sparsemax(x, axes, where):
    return _projection(x, axes, where, lambda z, first, _, k: (first - 1) / k)


def entmax15(x, axes, where):
    def tau(z, first, second, k):
        mean = first / k
        return mean - np.sqrt(np.maximum(1 - (second - mean * first), 0) / k)

    return _projection(x / 2, axes, where, tau) ** 2


def _projection(x, axes, where, tau_of):
    """max(z - tau, 0) with z = x - max x and tau from the largest elements of z, which are as many as lie above it."""
    if x.size == 0:
        return x
    m = _maximum(x, axes, where)
    where = np.broadcast_to(True if where is None else where, x.shape)
    infinities = np.sum((x == np.inf) & where, axis=axes, keepdims=True)
    z = np.where(where, np.where(x == m, 0, x - m), -np.inf)
    kept = [k for k in range(x.ndim) if k not in axes]
    rows = z.transpose(*kept, *axes).reshape(m.size, -1)
    s = -np.sort(-rows, axis=-1)
    first, second, k = np.cumsum(s, axis=-1), np.cumsum(s * s, axis=-1), np.arange(1, s.shape[-1] + 1)
    candidates = tau_of(s, first, second, k)
    # so many are above the threshold that they ask for; -inf and what comes after a NaN never is
    size = np.maximum(np.sum(s > candidates, axis=-1, keepdims=True), 1)
    tau = np.take_along_axis(candidates, size - 1, axis=-1).reshape(m.shape)
    return _masked(np.maximum(z - tau, 0), (m == -np.inf) | (infinities > 1), where, 0)


def sparsemax_gradient(gy, axes, y):
    return _weighted_gradient(gy, axes, np.where(np.isnan(y), y, y > 0))


def entmax15_gradient(gy, axes, y):
    return _weighted_gradient(gy, axes, np.sqrt(y))


def _weighted_gradient(gy, axes, weights):
    gy = np.where(weights == 0, 0, gy)
    mean = np.sum(weights * gy, axis=axes, keepdims=True) / np.sum(weights, axis=axes, keepdims=True)
    return np.where(weights == 0, 0, weights * (gy - mean))


def _maximum(x, axes, where):
    return np.max(x, axis=axes, keepdims=True, initial=-np.inf, where=True if where is None else where)


def _terms(x, axes, where, temperature=1.0):
    """e**((x - max) / temperature), where there is no limit, how many terms are 1 at the maximum, the others' sum."""
    where = np.broadcast_to(True if where is None else where, x.shape)
    m = _maximum(x, axes, where)
    at_m = (x == m) & where
    e = np.where(at_m, 1, np.exp((x - m) / temperature))
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
                inputs = [np.asarray(v, out.dtype).astype(np.longdouble) for v in (*inputs, *defaults)]
            out[...] = function(*inputs)

    return fill


def select(x, where, value, out):
    """As `_kernels.select`."""
    out[...] = np.where(where, x, x.dtype.type(value))


def reduce(name, x, axes, out, second, temperature=1.0):
    """As `_kernels.reduce`."""
    # the reduced axes last: a row's sum must not depend on how the rows lie in memory
    order = [k for k in range(x.ndim) if k not in axes] + sorted(axes)
    with np.errstate(all="ignore"):
        x = np.array(x.transpose(order), dtype=np.longdouble, order="C")
        if second is not None:
            second = np.array(second.transpose(order), dtype=np.longdouble, order="C")
        last = tuple(range(x.ndim - len(axes), x.ndim))
        rest = (np.longdouble(temperature),) if REDUCTIONS[name.removesuffix("_gradient")].temperature else ()
        out.transpose(order)[...] = globals()[name](x, last, second, *rest)
