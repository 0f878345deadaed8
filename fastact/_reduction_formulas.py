"""The elementwise part of softmax and its kin, and of their gradients, for the loops of `_kernels.pyx`."""

import numpy as np

from fastact._by_lookup import FRACTIONS, expm1_within_fraction, within_fraction
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
    ROUND,
    atanh_remainder,
    exp_tail,
    fma,
    multiply,
    not_below,
    power_of_two,
    reduce_exp,
    two_sum,
)
from fastact._specialise import Constant, Primitive

exponent = Primitive("exponent", "the whole number n with 2**n <= x < 2**(n + 1)")
significand = Primitive("significand", "x / 2**exponent(x)")

# What terms are multiplied with: the rounding errors of the smallest, and of their sums, are normal numbers then.
SCALE = Constant(2.0**112, 2.0**512)
MAGIC_SCALE = Constant(1.5 * 2.0**23 + 127 + 112, 1.5 * 2.0**52 + 1023 + 512)  # as MAGIC_UP
INTEGER_SCALE = Constant(1.5 * 2.0**23 + 8 * 112, np.nan)  # the same for eighths
# Whole exponents up to (NEAR - EXP_LOW) / ln 2 have exact products with LN2_HIGH.
NEAR = Constant(128.0, 1024.0)
# Adding and subtracting it leaves no more digits after the point than LN2_HIGH has.
COARSE = Constant(1.5 * 2.0**8, 1.5 * 2.0**12)


def greatest(m, r, r_low):
    """The shift, and the product as a pair. Where it is moderate the shift is 0: no difference, and so no rounding
    error of it."""
    a = m * r
    near = (1.0 if a < NEAR else 0.0) if a > -NEAR else 0.0
    a, a_low = multiply(m if near > 0.0 else 0.0, 0.0, r, r_low)
    return 0.0 if near > 0.0 else m, a, a_low


def exp_start(m, r, r_low):
    """What terms need of a row whose greatest (x - shift) * r is at x = m, as (shift, lowest, offset, magic, rest,
    rest_low): that product is `whole` ln 2 + rest + rest_low."""
    shift, a, a_low = greatest(m, r, r_low)
    whole = fma(a, LOG2E, MAGIC) - MAGIC
    difference = fma(-whole, LN2_HIGH, a)
    rest = (difference + COARSE) - COARSE
    rest_low = fma(-whole, LN2_LOW, a_low + (difference - rest))
    return shift, a + EXP_LOW, -a * LOG2E, MAGIC_SCALE - whole, rest, rest_low


# A term is e to the difference of x + x_low and the row's greatest, times SCALE: (1 + u) s, with s = 2**n * SCALE.
# At the greatest it is SCALE to the bit.


def exp_index(x, offset):
    """The n that is nearest to the difference, and MAGIC_SCALE, so that it is `power_of_two` of s."""
    return fma(x, LOG2E, offset) + MAGIC_SCALE


def exp_fraction(x, x_low, n, s_low, rest, rest_low):
    """u; n with the greatest's own, s is exact.

    x = n LN2_HIGH + rest + r; the sum of the first two is exact, and r is but for x near 0."""
    r = x - fma(n, LN2_HIGH, rest)
    return r + exp_tail(n, r, x_low - rest_low)


# Where a CPU looks up vectors, s is 2**(n / 8) * SCALE, rounded, and u small: what is rounded in it matters less.


def exp_start_by_fractions(m, r, r_low):
    shift, a, a_low = greatest(m, r, r_low)
    whole = fma(a, FRACTIONS, ROUND) - ROUND
    return shift, a + EXP_LOW, -a * FRACTIONS, INTEGER_SCALE - whole, within_fraction(a, a_low, whole), 0.0


def exp_index_by_fractions(x, offset):
    return fma(x, FRACTIONS, offset) + INTEGER_SCALE


def exp_fraction_by_fractions(x, x_low, n, s_low, rest, rest_low):
    """The same, with what rounding left of s, as a share of it; `rest` is what the greatest has within its fraction."""
    return expm1_within_fraction(within_fraction(x, x_low, n) - rest, s_low)


def scaled(x, shift, r, r_low, lowest):
    """(x - shift) * (r + r_low) as a pair, whose low part matters from `lowest` on."""
    d, d_low = two_sum(x, -shift)
    p, p_low = multiply(d, d_low, r, r_low)
    return p, p_low if p > lowest else 0.0


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


def minus_exp_product(gy, y, total, rest):
    """gy - e**y * total * (1 + rest), for y <= 0; where the two are about the same, no digit is lost."""
    s, n, r = reduce_exp(EXP_LOW if y < EXP_LOW else y, MAGIC_UP)
    s = s if y > EXP_LOW else 0.0
    a = (total * DOWN) * s  # s is a normal number
    d = gy - a
    # the product has d's rounding error, too, unless a is the larger
    return d + fma(-a, (r + rest) + exp_tail(n, r, 0.0), (gy - d) - a)


# Each with the dtypes that it is needed in.
BOTH = ("float32", "float64")
REDUCTION_FORMULAS = dict.fromkeys((exp_start, exp_index, exp_fraction, scaled, not_below, minus_exp_product), BOTH) | {
    log_pair: BOTH[1:]
}
# Of float32, what takes their place where vectors are looked up.
BY_FRACTIONS = {
    exp_start: exp_start_by_fractions,
    exp_index: exp_index_by_fractions,
    exp_fraction: exp_fraction_by_fractions,
}
