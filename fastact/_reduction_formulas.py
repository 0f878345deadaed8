"""The elementwise part of softmax and its kin, and of their gradients, for the loops of `_kernels.pyx`."""

from fastact import _coefficients
from fastact._math import (
    DOWN,
    EXP_LOW,
    LN2,
    LN2_HIGH,
    LN2_LOW,
    LN2_REST,
    LOG2E,
    MAGIC,
    MAGIC_UP,
    exp_tail,
    fma,
    multiply,
    power_of_two,
    reduce_exp,
    two_sum,
)
from fastact._specialise import Constant, Polynomial, Primitive

exponent = Primitive("exponent", "the whole number n with 2**n <= x < 2**(n + 1)")
significand = Primitive("significand", "x / 2**exponent(x)")

atanh_remainder = Polynomial(_coefficients.ATANH)
# Whole exponents up to (NEAR - EXP_LOW) / ln 2 have exact products with LN2_HIGH.
NEAR = Constant(128.0, 1024.0)
# Adding and subtracting it leaves no more digits after the point than LN2_HIGH has.
COARSE = Constant(1.5 * 2.0**8, 1.5 * 2.0**12)


def exp_start(m, r, r_low):
    """What `exp_term` needs of a row whose greatest (x - shift) * r is at x = m, as (shift, lowest, offset, magic,
    rest, rest_low): that product is `whole` ln 2 + rest + rest_low.

    Where it is moderate the shift is 0: no difference, and so no rounding error of it."""
    a = m * r
    near = (1.0 if a < NEAR else 0.0) if a > -NEAR else 0.0
    shift = 0.0 if near > 0.0 else m
    a, a_low = multiply(m if near > 0.0 else 0.0, 0.0, r, r_low)
    whole = fma(a, LOG2E, MAGIC) - MAGIC
    difference = fma(-whole, LN2_HIGH, a)
    rest = (difference + COARSE) - COARSE
    rest_low = fma(-whole, LN2_LOW, a_low + (difference - rest))
    return shift, a + EXP_LOW, -a * LOG2E, MAGIC_UP - whole, rest, rest_low


def exp_term(x, x_low, lowest, offset, magic, rest, rest_low):
    """e to the difference of x + x_low and the row's greatest, times UP; at the greatest it is UP to the bit.

    x = n LN2_HIGH + rest + r; the sum of the first two is exact, and r is but for x near 0."""
    x = lowest if x < lowest else x
    t = fma(x, LOG2E, offset) + MAGIC_UP
    n = t - magic
    power = power_of_two(t)
    r = x - fma(n, LN2_HIGH, rest)
    return fma(r + exp_tail(n, r, x_low - rest_low), power, power)


def scaled(x, shift, r, r_low, lowest):
    """(x - shift) * (r + r_low) as a pair, for `exp_term`."""
    d, d_low = two_sum(x, -shift)
    p, p_low = multiply(d, d_low, r, r_low)
    return p, p_low if p > lowest else 0.0


def exp(x):
    """e**x, for x <= 0."""
    s, n, r = reduce_exp(EXP_LOW if x < EXP_LOW else x, MAGIC_UP)
    return (1.0 + (r + exp_tail(n, r, 0.0))) * s * DOWN


def log_pair(s, s_low):
    """log(s + s_low), for s >= 1: n ln 2 + log1p(f), and log1p(f) = 2 atanh(u) with u = f / (2 + f)."""
    n, significant = exponent(s), significand(s)
    large = significant > 1.4142135623730951
    n = n + 1.0 if large else n
    f = 0.5 * significant if large else significant
    f = (f - 1.0) + s_low * power_of_two(MAGIC - n)
    u = f / (2.0 + f)
    v = u * u
    log1p = f - u * (f - (v + v) * atanh_remainder(v))  # 2 u = f - u f
    return fma(n, LN2, fma(n, LN2_REST, log1p))


def minus_exp_product(gy, y, total, total_low):
    """gy - e**y * (total + total_low), for y <= 0; where the two are about the same, no digit is lost."""
    s, n, r = reduce_exp(EXP_LOW if y < EXP_LOW else y, MAGIC_UP)
    s = s * DOWN if y > EXP_LOW else 0.0
    a = total * s
    d = gy - a
    rest = fma(-total_low, s, (gy - d) - a)  # d's rounding error too, unless a is the larger
    return d + fma(-a, r + exp_tail(n, r, 0.0), rest)


# Each with the dtypes that it is needed in.
BOTH = ("float32", "float64")
REDUCTION_FORMULAS = dict.fromkeys((exp, exp_start, exp_term, scaled, minus_exp_product), BOTH) | {log_pair: BOTH[1:]}
