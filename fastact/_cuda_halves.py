"""What formulas are made of where a CUDA kernel stores its results in 16 bits: numbers in the place of pairs, and what
the device approximates by one instruction.

Results are within 2**-16 of the exact ones, as shares, before they are rounded to 11 bits (float16) or 8 (bfloat16).
Each function stands for the one of the same name in `_math.py`, `_by_lookup.py` or `_cuda_rows.py`. What vanishes is
-0.0, which compilers can leave out of sums.
"""

from types import FunctionType

from fastact import _by_lookup, _coefficients, _cuda_rows, _math
from fastact._cuda_rows import SMALLEST_START, log_alone, nan_unless, within_range
from fastact._math import (
    DOWN,
    GELU_ROOT,
    GELU_ROOT_LOW,
    GELU_SLOPE,
    GELU_TAIL,
    GELU_TANH_CUBIC,
    GELU_TANH_CUBIC_3,
    GELU_TANH_LINEAR,
    GELU_TANH_LINEAR_LOW,
    LARGE,
    LN2,
    LOG2E,
    THIRD,
    UP,
    copysign,
    fabs,
    fma,
    reciprocal,
    root_and_inverse,
)
from fastact._specialise import Polynomial, Primitive

exp2 = Primitive("exp2", "2**x, to 2**-22 of it; 1 for 0")
log2 = Primitive("log2", "the binary logarithm, to 2**-22 or that share of it, for x >= 1")

tanhshrink_remainder = Polynomial(_coefficients.TANHSHRINK_FOR_HALVES)
gelu_tail = Polynomial(_coefficients.GELU_TAIL_FOR_HALVES)
gelu_slope = Polynomial(_coefficients.GELU_SLOPE_FOR_HALVES)


def exp(x):
    return exp2(x * LOG2E)


def expm1(x):
    """e**x - 1, for x <= 0."""
    near = fma(x * x, fma(x, fma(x, 1 / 24, 1 / 6), 0.5), x)
    return near if x > -0.0625 else exp(x) - 1.0


def log1p(f):
    """log(1 + f), for f >= 0."""
    near = fma(f * f, fma(f, fma(f, -0.25, THIRD), -0.5), f)
    return near if f < 0.03125 else log2(1.0 + f) * LN2


# ---- for `_math.py` --------------------------------------------------------------------------------


def no_error(a, b, p):
    return -0.0


def two_sum(a, b):
    return a + b, -0.0


def add(a, a_low, b, b_low):
    return (a + a_low) + (b + b_low), -0.0  # of sums of rows there are low parts


def multiply(a, a_low, b, b_low):
    return a * b, -0.0


def through_zero(d, d_low, c, c_low, slope):
    return (d + d_low) * fma(d, slope, c)


def times_inverse(a, a_low, b, b_low, inverse):
    return a * inverse, -0.0, 1.0


def square_of_quotient(q, rest, inverse):
    return q * q


def exp_parts(x, x_low):
    return exp(x), -0.0, UP


def expm1_parts(x, x_low):
    return expm1(x), -0.0


def logistic(x, low_of_minus_abs):
    e = exp(-fabs(x))
    y = reciprocal(1.0 + e)
    return e * y if x < 0.0 else y


def gated(x, a, z, z_low, back):
    e = exp(z)
    inverse = reciprocal(1.0 + e)
    return copysign(x * inverse if x > 0.0 else a * (e * inverse) * (back * UP), x)


def logistic_parts(x, x_low):
    e = exp(x)
    t = reciprocal(1.0 + e)
    return e * t, 1.0, t, -0.0


def gated_slope(q, s, p, p_low):
    return q * (1.0 - p) * UP


def gelu_tanh_parts(a):
    square, linear = a * a, GELU_TANH_LINEAR + GELU_TANH_LINEAR_LOW
    z, h = a * fma(square, GELU_TANH_CUBIC, linear), a * fma(square, GELU_TANH_CUBIC_3, linear)
    return z, -0.0, h, -0.0


def mish_parts(x):
    e = exp2(fma(x, LOG2E, 64.0))
    n = e * fma(e, DOWN, 2.0)
    return e, -0.0, n, -0.0, fma(n, DOWN, 2.0), -0.0


def down_and_add(a, a_low, b):
    return fma(a, DOWN, b), -0.0


def tanhshrink_near_zero(a):
    u = a * a
    return a * u * fma(u, tanhshrink_remainder(u), THIRD)


def root_parts(x, b):
    a = fabs(x)
    scale = 0.25 * DOWN if a > LARGE else 1.0
    a = a * scale
    b = b * scale * scale
    r, inverse = root_and_inverse(fma(a, a, b))
    r = a if b == 0.0 else r
    return r, -0.0, inverse, a + r, -0.0, scale


def bell(x, scale):
    e = exp(x)
    inverse = reciprocal(1.0 + e)
    return scale * e * (inverse * inverse)


def tanh(a):
    e = expm1(-2.0 * a)
    return -e * reciprocal(2.0 + e)


def tanh_parts(a):
    return tanh(a), -0.0, 1.0


def log1p_exp(z):
    return log1p(exp(-fabs(z))) + (z if z > 0.0 else 0.0)


def log1p_exp_parts(z, z_low):
    return log1p_exp(z), -0.0, 1.0


# ---- for `_by_lookup.py` ---------------------------------------------------------------------------


def square_whole(a):
    t = tanh(a)
    return t * t


def gelu_factors(a):
    """As `gelu_parts`: e**(-a**2 / 2), a / (a + 4), w."""
    inverse = reciprocal(a + 4.0)
    return exp2(a * a * (-0.5 * LOG2E)), a * inverse, fma(inverse, -8.0, 1.0)


def gelu_whole(a):
    e, q, w = gelu_factors(a)
    return e * q * fma(w, gelu_tail(w), GELU_TAIL), UP


def gelu_derivative_whole(a):
    e, _, w = gelu_factors(a)
    return ((a - GELU_ROOT) - GELU_ROOT_LOW) * e * fma(w, gelu_slope(w), GELU_SLOPE), UP


# ---- for `_cuda_rows.py`: terms are relative to the row's maximum, and 1 is its own ----------------


def exact_origin(top):
    return top, 0.0, 0.0


def exact_difference(x, c, lowest, r, r_low):
    return x - c, -0.0


def scaled_by(x, top, r, r_low):
    scale, r, _ = within_range(r, r_low)
    return (x * scale - top * scale) * r, -0.0


def scaled_difference(x, c, lowest, r, r_low):
    return scaled_by(x, c, r, r_low)


def power(x, x_low, magic):
    e = exp(x)
    return e, e, -0.0


def include(p, s, u, high, low):
    total = high + p
    return total, low + (p - (total - high))


def largest_term(top, c, magic, lowest, r, r_low):
    return 1.0, -0.0


def quotient_of_pairs(a, a_low, b, b_low):
    return a, a_low  # b is 1


def stands_alone(high, low, start):
    return high + low < start * 2.0**-31 and start > SMALLEST_START


def inverse_sum(high, low, top, peak):
    total = high + low
    return reciprocal(total) + nan_unless(peak, total), -0.0


def share(x, s, u, top, q, q_low, r, r_low):
    return q * s


def log_of_sum(high, low):
    f = high + low
    return log1p(f), -0.0, 1.0 + f


def log_share(x, s, u, top, q, q_low, r, r_low):
    return (x - top) - q


def scaled_log_share(x, s, u, top, q, q_low, r, r_low):
    return scaled_by(x, top, r, r_low)[0] - q


def log_softmax_gradient(gy, y, high, low, r, r_low):
    return fma(-exp(y), high + low, gy)


# ----------------------------------------------------------------------------------------------------


def never_by_lookup(by_lookup, whole, specialised):
    """For `either`."""
    return specialised(whole)


def primitives_for(out_storage, dtype, approximations):
    """What `specialise` is to take in the place of others, in a kernel of this dtype: nothing, or where the storage has
    `approximations`, these primitives and what is above."""
    if out_storage not in approximations or dtype != "float32":
        return {}
    functions = {
        getattr(module, name): function
        for module in (_math, _by_lookup, _cuda_rows)
        for name, function in globals().items()
        if isinstance(function, FunctionType) and function.__module__ == __name__ and hasattr(module, name)
    }
    functions |= {_cuda_rows.scaled_origin: exact_origin, _cuda_rows.level: log_alone}
    constants = {_cuda_rows.START: 2.0, _cuda_rows.SMALLEST_START: 2.0**-100}
    return functions | constants | {"either": never_by_lookup, "product_error": no_error} | approximations[out_storage]
