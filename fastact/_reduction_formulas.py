"""The elementwise part of softmax and its kin, and of their gradients, for the loops of `_kernels.pyx`."""

from fastact import _coefficients
from fastact._math import DOWN, EXP_LOW, LN2, LN2_REST, MAGIC_UP, exp_parts, exp_tail, fma, reduce_exp
from fastact._specialise import Polynomial, Primitive

exponent = Primitive("exponent", "the whole number n with 2**n <= x < 2**(n + 1)")
significand = Primitive("significand", "x / 2**exponent(x)")

atanh_remainder = Polynomial(_coefficients.ATANH)


def exp_difference(x, m):
    """e**(x - m) * UP, for x <= m or x NaN, and m finite; the rounding error of the difference is carried along."""
    d = x - m
    part = d - x
    d_low = (x - (d - part)) - (m + part)
    s, n, r = reduce_exp(EXP_LOW if d < EXP_LOW else d, MAGIC_UP)
    return (1.0 + (r + exp_tail(n, r, d_low if d > EXP_LOW else 0.0))) * s


def log_pair(s, s_low):
    """log(s + s_low), for s >= 1: n ln 2 + log1p(f), and log1p(f) = 2 atanh(u) with u = f / (2 + f)."""
    n, significant = exponent(s), significand(s)
    large = significant > 1.4142135623730951
    n = n + 1.0 if large else n
    f = 0.5 * significant if large else significant
    f = (f - 1.0) + s_low * (f / s)
    u = f / (2.0 + f)
    v = u * u
    log1p = f - u * (f - (v + v) * atanh_remainder(v))  # 2 u = f - u f
    return fma(n, LN2, fma(n, LN2_REST, log1p))


def minus_exp_product(gy, y, total, total_low):
    """gy - e**y * (total + total_low), rounded about once, for y <= 0."""
    high, low, s = exp_parts(y, 0.0)
    s = s * DOWN if y > EXP_LOW else 0.0
    a = total * s
    product = a * high
    product_low = fma(a, high, -product)
    d = gy - product
    part = d - gy
    d_low = (gy - (d - part)) - (product + part)
    return d + (d_low - fma(a, low, fma(total_low * s, high, product_low)))


# Each with the dtypes that it is needed in.
BOTH = ("float32", "float64")
REDUCTION_FORMULAS = {exp_difference: BOTH, log_pair: ("float64",), minus_exp_product: BOTH}
