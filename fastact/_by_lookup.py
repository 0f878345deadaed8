"""Parts of formulas for which there are two ways: by lookup, where a CPU can look up vectors, which is by pieces in
float32 or by fractions of octaves; otherwise as for any dtype and compiler, the `whole`.

By pieces there is no division, the polynomials are shorter, and only what a piece adds to its value is rounded twice.
e**x by fractions of octaves, eighths in float32 and quarters in float64, needs less of a polynomial, and no pair.
"""

import numpy as np

from fastact import _coefficients
from fastact._math import (
    DOWN,
    EXP_LOW,
    GELU_ROOT,
    GELU_ROOT_LOW,
    GELU_SLOPE,
    GELU_SLOPE_LOW,
    GELU_TAIL,
    GELU_TAIL_LOW,
    GELU_TANH_END,
    LARGE,
    LN2,
    LN2_HIGH,
    LN2_LOW,
    LN2_REST,
    LOG2E,
    MAGIC_UP,
    NEAR_ROOT,
    QUICK_GELU,
    QUICK_GELU_LOW,
    SILU_ROOT,
    SILU_ROOT_LOW,
    SILU_SLOPE,
    SILU_SLOPE_LOW,
    TAIL_END,
    THIRD,
    THIRD_LOW,
    UP,
    bell,
    copysign,
    divide,
    down_and_add,
    exp_parts,
    fabs,
    fma,
    gated,
    gated_slope,
    gelu_slope,
    gelu_tail,
    gelu_tanh_parts,
    half_octave,
    logistic,
    logistic_parts,
    multiply,
    not_above,
    not_below,
    on_either_side,
    power_of_two,
    product_error,
    reciprocal,
    silu_slope,
    square_of_quotient,
    tanh_parts,
    tanhshrink_near_zero,
    through_zero,
    times_power,
    two_sum,
    with_constant,
)
from fastact._specialise import ByLookup, Constant, Pieces, PiecesAsPairs, Polynomial, Row

tanh_pieces = Pieces(_coefficients.TANH_PIECES)
tanhshrink_pieces = Pieces(_coefficients.TANHSHRINK_PIECES)
gelu_pieces = Pieces(_coefficients.GELU_PIECES)
gelu_slope_pieces = PiecesAsPairs(_coefficients.GELU_SLOPE_PIECES)
silu_slope_pieces = PiecesAsPairs(_coefficients.SILU_SLOPE_PIECES)
TANH_SCALE, TANHSHRINK_SCALE = _coefficients.TANH_SCALE, _coefficients.TANHSHRINK_SCALE
SILU_SLOPE_SCALE = _coefficients.SILU_SLOPE_SCALE

exp_remainder_by_fractions = Polynomial(_coefficients.EXP_BY_FRACTIONS)
# 2**(k / 8) and 2**(k / 4), less what `times_power` adds for k; and what rounding left of it, as a share.
_EIGHTHS = 2.0 ** (np.arange(8) / 8)
_ROUNDED = _EIGHTHS.astype(np.float32)
_QUARTERS = ["0x1p+0", "0x1.306fe0a31b715p+0", "0x1.6a09e667f3bcdp+0", "0x1.ae89f995ad3adp+0"]
_QUARTERS_LOW = ["0x0p+0", "0x1.34d754db0abb6p-55", "-0x1.3b3efbf5e2228p-54", "0x1.c1a7792cb3387p-55"]
fraction_power = Row(
    (_ROUNDED.view(np.int32) - (np.arange(8, dtype=np.int32) << 20)).view(np.float32).tolist(),
    (np.array([*map(float.fromhex, _QUARTERS)]).view(np.int64) - (np.arange(4) << 50)).view(np.float64).tolist(),
)
fraction_power_low = Row((_EIGHTHS / _ROUNDED - 1.0).tolist(), map(float.fromhex, _QUARTERS_LOW))
# How many of these fractions of an octave e is, and how much each adds to x.
FRACTIONS = Constant(8.0 * LOG2E.values["float32"], 4.0 * LOG2E.values["float64"])
_EIGHTH = float(np.float32(np.log(2) / 8))
FRACTION_HIGH = Constant(_EIGHTH, LN2.values["float64"] / 4)
FRACTION_LOW = Constant(np.log(2) / 8 - _EIGHTH, LN2_REST.values["float64"] / 4)
# What is 1 beside e**x, so that this does not overflow; and a number that leaves an integer of what is added to it, for
# `times_power` with that factor.
ONE = Constant(2.0**-64, 2.0**-512)
HALF_UP = Constant(2.0**63, 2.0**511)
INTEGER_BY_ONE = Constant(1.5 * 2.0**23 - 8 * 64, 1.5 * 2.0**52 - 4 * 512)
INTEGER_UP = Constant(1.5 * 2.0**23 + 8 * 64, 1.5 * 2.0**52 + 4 * 512)  # the same for UP
# From there on e**-x vanishes beside 1; what is rounded away of less would be subnormal. And quick_gelu vanishes below.
VANISHES = Constant(19.0, 42.0)
QUICK_GELU_END = Constant(-76.0, -450.0)

half_expm1_slope = Polynomial(_coefficients.HALF_EXPM1)
half_expm1_curve = Polynomial({"float32": _coefficients.HALF_EXPM1["float32"][1:]})  # (slope + 1 / 2) / u


def within_fraction(x, x_low, n):
    """What is left of x + x_low without n fractions of ln 2; the first difference is exact but for x near 0."""
    return fma(-n, FRACTION_LOW, fma(-n, FRACTION_HIGH, x)) + x_low


def expm1_within_fraction(r, low):
    """e**r - 1 + low"""
    return fma(fma(exp_remainder_by_fractions(r), r, 1.0), r, low)


def exp_by_fractions(x, x_low, sign, integer):
    """u and s, for e**(sign * (x + x_low)) = (1 + u) * s, times what `integer` is for. The sign is a literal: of limits
    on an x that is negated afterwards, LLVM makes no minimum or maximum."""
    index = fma(x, sign * FRACTIONS, integer)
    r = sign * within_fraction(x, x_low, sign * (index - integer))
    return expm1_within_fraction(r, fraction_power_low(index)), times_power(fraction_power(index), index)


def one_plus_exp(x, x_low, sign):
    """(1 + e**(sign * (x + x_low))) * ONE as a pair, for sign * x from -VANISHES to -EXP_LOW."""
    u, s = exp_by_fractions(x, x_low, sign, INTEGER_BY_ONE)
    e = fma(u, s, s)
    total = e + ONE
    larger, smaller = e if e > ONE else ONE, e if e < ONE else ONE
    return total, (smaller - (total - larger)) + fma(u, s, s - e)


def inverse_by_one(total, low):
    inverse = reciprocal(total)
    return fma(fma(-inverse, low, fma(-inverse, total, 1.0)), inverse, inverse) * ONE


def logistic_by_fractions(x, x_low):
    total, low = one_plus_exp(not_above(not_below(x, TAIL_END), VANISHES), x_low, -1.0)
    return inverse_by_one(total, low)


def logistic_of_minus_by_fractions(x):
    total, low = one_plus_exp(not_above(not_below(x, -VANISHES), -TAIL_END), -0.0, 1.0)
    return inverse_by_one(total, low)


def logistic_of_minus_whole(x):
    return logistic(-x, -0.0)


def logistic_whole(x, x_low):
    return logistic(x, -copysign(1.0, x) * x_low)


def sigmoid_by_fractions(x):
    return logistic_by_fractions(x, -0.0)


def sigmoid_whole(x):
    return logistic(x, -0.0)


def gated_by_fractions(x, a, z, z_low, back):
    """x / (1 + e**-(z + z_low)), for z from EXP_LOW on, given a with a * back = x * ONE, or where the result vanishes
    anything of that sign."""
    total, low = one_plus_exp(not_above(z, VANISHES), z_low, -1.0)
    inverse = reciprocal(total)
    q = a * inverse
    y = fma(-fma(q, low, fma(q, total, -a)), inverse, q) * back  # of a's sign where it is 0
    return x if z > 64.0 else y


def silu_by_fractions(x):
    a = not_below(x, EXP_LOW)
    return gated_by_fractions(x, a, a, -0.0, ONE)


def silu_whole(x):
    a = fabs(x)
    a = -EXP_LOW if a > -EXP_LOW else a
    return gated(x, a, -a, -0.0, DOWN)


def scaled(x, beta):
    """beta * x, and its low part where that matters."""
    z = beta * x
    z_low = product_error(beta, x, z) if fabs(z) < -EXP_LOW else 0.0
    return z, z_low


def bell_by_fractions(x, scale):
    x = not_below(x, TAIL_END)
    u, s = exp_by_fractions(x, -0.0, 1.0, INTEGER_UP)
    e = fma(u, s, s)
    b, b_low = down_and_add(e, fma(u, s, s - e), 1.0)
    square = b * b
    q, rest, inverse = divide(e, fma(u, s, s - e), square, fma(2.0 * b, b_low, product_error(b, b, square)))
    return fma(rest, inverse, q) * (scale * DOWN)


def swish_by_fractions(x, beta):
    z, z_low = scaled(x, beta)
    far = fabs(x) > HALF_UP  # beside a tiny beta, what is divided by ONE on the way would overflow
    a = x * DOWN if far else x
    y = gated_by_fractions(x, 0.0 if z < EXP_LOW else a, not_below(z, EXP_LOW), z_low, 1.0 if far else ONE)
    return copysign(y, x)


def swish_whole(x, beta):
    z, z_low = scaled(x, beta)
    low = -copysign(1.0, z) * z_low
    a = fabs(x)
    far = a > UP  # beside a tiny beta, what `gated` multiplies with UP on the way would overflow
    minus_z = -fabs(z)
    b = a * DOWN if far else a
    y = gated(copysign(a, z), 0.0 if minus_z < EXP_LOW else b, not_below(minus_z, EXP_LOW), low, 1.0 if far else DOWN)
    return copysign(1.0, beta) * y


def quick_gelu_by_fractions(x):
    a = not_below(x, QUICK_GELU_END)
    return gated_by_fractions(x, a, *multiply(QUICK_GELU, QUICK_GELU_LOW, a, 0.0), ONE)


def quick_gelu_whole(x):
    a = fabs(x)
    z, low = quick_gelu_scaled(x)
    return gated(x, not_above(a, -EXP_LOW), not_below(-fabs(z), EXP_LOW), low, DOWN)


def quick_gelu_scaled(x):
    """1.702 * x, and the low part of -abs(1.702 * x)."""
    z, z_low = multiply(QUICK_GELU, QUICK_GELU_LOW, x, 0.0)
    z_low = -copysign(1.0, z) * z_low if fabs(z) < -EXP_LOW else 0.0
    return z, z_low


def gelu_tanh_by_fractions(x):
    a = not_below(x, -GELU_TANH_END)
    z, z_low, _, _ = gelu_tanh_parts(a)
    return gated_by_fractions(x, a, z, z_low, ONE)


def gelu_tanh_whole(x):
    a = fabs(x)
    a = GELU_TANH_END if a > GELU_TANH_END else a
    z, z_low, _, _ = gelu_tanh_parts(a)
    return gated(x, a, -z, -z_low, DOWN)


def tanh_as_pair(a):
    a = 9.0109 if a > 9.0109 else a  # 1 from here on
    return tanh_pieces(half_octave(fma(a, TANH_SCALE, 1.0)), a)


def tanh_by_pieces(a):
    y, _ = tanh_as_pair(a)
    return y


def tanh_whole(a):
    q, rest, inverse = tanh_parts(a)
    return fma(rest, inverse, q)


def square_by_pieces(a):
    y, y_low = tanh_as_pair(a)
    return 1.0 if a > 9.3574 else fma(y, y, 2.0 * y * y_low)


def square_whole(a):
    q, rest, inverse = tanh_parts(a)
    return square_of_quotient(q, rest, inverse)


def tanhshrink_by_pieces(a):
    b = 9.0109 if a > 9.0109 else a  # tanh(a) is 1 from here on
    y, y_low = tanhshrink_pieces(half_octave(fma(b, TANHSHRINK_SCALE, 1.0)), b)
    third = b * (THIRD * UP)  # far from subnormal numbers
    third_low = fma(b, THIRD_LOW * UP, product_error(b, THIRD * UP, third))
    square = third * b
    square_low = fma(b, third_low, product_error(b, third, square))
    y = fma(y, square, fma(y, square_low, y_low * square))
    return a - 1.0 if a > 9.0109 else y * DOWN


def tanhshrink_by_fractions(a):
    small = tanhshrink_near_zero(a)
    # a - 1 + 2 / (e**2a + 1); as `one_plus_exp`, but that e**2a is known to be the larger one
    u, s = exp_by_fractions(2.0 * not_above(a, 21.0), -0.0, 1.0, INTEGER_BY_ONE)  # tanh(a) is 1 from there on
    e = fma(u, s, s)
    total = e + ONE
    low = (ONE - (total - e)) + fma(u, s, s - e)
    inverse = reciprocal(total)
    q = inverse * (2.0 * ONE)
    minus_tanh = q - 1.0
    q_low = fma(q, fma(-inverse, low, fma(-inverse, total, 1.0)), q - (minus_tanh + 1.0))
    d = a + minus_tanh
    rest = ((a - d) + minus_tanh) + q_low
    big = d + (rest if rest < 1.0 else 1.0)  # it is NaN where a is infinite
    return small if a < 0.625 else big


def tanhshrink_whole(a):
    small = tanhshrink_near_zero(a)
    q, rest, inverse = tanh_parts(a)
    d = a - q
    big = d + fma(-rest, inverse, (a - d) - q)
    big = a if a > LARGE else big
    return small if a < 0.625 else big


def exp_of_minus_half_square(a, magic):
    """u and s, for e**(-a**2 / 2) * UP = s * e**(-u / 2); half of s for MAGIC_UP - 1."""
    t = fma(a * a, -0.5 * LOG2E, magic)
    n = t - magic
    return fma(n, 2.0 * LN2_LOW, fma(a, a, n * (2.0 * LN2_HIGH))), power_of_two(t)


def times_exp(y, y_low, u):
    """(y + y_low) * e**(-u / 2)"""
    change = fma(u * u, half_expm1_curve(u), -0.5 * u)
    return y + fma(y, change, fma(y_low, change, y_low))


def gelu_by_pieces(a):
    u, s = exp_of_minus_half_square(a, MAGIC_UP - 1.0)  # as the pieces are of twice the function
    y, _ = gelu_pieces(half_octave(a + 1.0), a)
    return fma(y * u, half_expm1_slope(u), y), s


def gelu_end_by_pieces(x, y):
    return fma(-y, DOWN, not_below(x, 0.0))  # what is far below 0 keeps its sign, being rounded once


def gelu_end_whole(x, y):
    return fma(-y, DOWN, not_below(x, -0.0))


def gelu_derivative_by_pieces(a):
    u, s = exp_of_minus_half_square(a, MAGIC_UP)
    y, y_low, _ = gelu_slope_pieces(half_octave(a + 1.0), a)
    return times_exp(y, y_low, u), s


def gelu_parts(a):
    """e**(-a**2 / 2) = (high + low) * s * DOWN, a / (a + 4) = q + q_low, and w = (a - 4) / (a + 4):
    (high, low, s, q, q_low, w)."""
    half = -0.5 * a
    x = half * a
    high, low, s = exp_parts(x, product_error(half, a, x))
    b = a + 4.0
    q, rest, inverse = divide(a, 0.0, b, a - (b - 4.0))
    q_low = rest * inverse
    return high, low, s, q, q_low, fma(2.0, q, fma(2.0, q_low, -1.0))


def gelu_whole(a):
    high, low, s, q, q_low, w = gelu_parts(a)
    p, p_low = with_constant(GELU_TAIL, GELU_TAIL_LOW, w, gelu_tail(w))
    p, p_low = multiply(p, p_low, high, low)
    return fma(p, q, fma(p, q_low, p_low * q)), s


def gelu_derivative_whole(a):
    high, low, s, _, _, w = gelu_parts(a)
    p, p_low = with_constant(GELU_SLOPE, GELU_SLOPE_LOW, w, gelu_slope(w))
    p, p_low = multiply(p, p_low, high, low)
    d, d_low = two_sum(a, -GELU_ROOT)
    return fma(d, p, fma(d_low - GELU_ROOT_LOW, p + p_low, d * p_low)), s


def exp_of_minus(a, a_low):
    """u and s, for e**-(a + a_low) * UP = s * e**(-u / 2)."""
    t = fma(a, -LOG2E, MAGIC_UP)
    n = t - MAGIC_UP
    return fma(n, 2.0 * LN2_HIGH, a + a) + fma(n, 2.0 * LN2_LOW, 2.0 * a_low), power_of_two(t)


def silu_index(a):
    return half_octave(fma(not_above(a, 21.0), SILU_SLOPE_SCALE, 1.0))  # from 21 on they are all one piece


def silu_derivative_by_pieces(a):
    u, s = exp_of_minus(a, 0.0)
    y, y_low, _ = silu_slope_pieces(silu_index(a), a)
    return times_exp(y, y_low, u) * s


def silu_derivative_of_pair_by_pieces(a, a_low):
    u, s = exp_of_minus(a, a_low)
    y, y_low, slope = silu_slope_pieces(silu_index(a), a)
    return times_exp(y, fma(slope, a_low, y_low), u) * s


def silu_derivative_whole(a):
    return silu_derivative_of_pair_whole(a, 0.0)


def silu_derivative_of_pair_whole(a, a_low):
    q, s, t, t_low = logistic_parts(-a, -a_low)
    p = a * t
    left = gated_slope(q, s, p, fma(a, t_low, fma(a_low, t, product_error(a, t, p))))
    d = a - SILU_ROOT
    near = through_zero(d, a_low - SILU_ROOT_LOW, SILU_SLOPE, SILU_SLOPE_LOW, silu_slope(d))
    return near * UP if fabs(d) < NEAR_ROOT else left


# x / (1 + e**-z), for four kinds of z
silu_of = ByLookup(silu_whole, silu_by_fractions, silu_by_fractions)
swish_of = ByLookup(swish_whole, swish_by_fractions, swish_by_fractions)
quick_gelu_of = ByLookup(quick_gelu_whole, quick_gelu_by_fractions, quick_gelu_by_fractions)
gelu_tanh_of = ByLookup(gelu_tanh_whole, gelu_tanh_by_fractions, gelu_tanh_by_fractions)
# 1 / (1 + e**-x), of x, a pair and -x
sigmoid_of = ByLookup(sigmoid_whole, sigmoid_by_fractions, sigmoid_by_fractions)
logistic_of_pair = ByLookup(logistic_whole, logistic_by_fractions, logistic_by_fractions)
logistic_of_minus = ByLookup(logistic_of_minus_whole, logistic_of_minus_by_fractions, logistic_of_minus_by_fractions)
bell_of = ByLookup(bell, bell_by_fractions, bell_by_fractions)  # scale * e**x / (1 + e**x)**2
# Of a >= 0: tanh(a) and its square; a - tanh(a); up to GELU_END, -gelu(-a) and gelu'(-a) as (y, s), for y * s * DOWN;
# up to -EXP_LOW, silu'(-a) * UP
tanh_of_positive = ByLookup(tanh_whole, tanh_by_pieces)
tanh_squared = ByLookup(square_whole, square_by_pieces)
tanhshrink_of_positive = ByLookup(tanhshrink_whole, tanhshrink_by_pieces, tanhshrink_by_fractions)
gelu_end = ByLookup(gelu_end_whole, gelu_end_by_pieces)  # gelu, of x and -gelu(-abs(x)) * UP
gelu_left = ByLookup(gelu_whole, gelu_by_pieces)
gelu_derivative_left = ByLookup(gelu_derivative_whole, gelu_derivative_by_pieces)
silu_derivative_left = ByLookup(silu_derivative_whole, silu_derivative_by_pieces)
silu_derivative_of_pair_left = ByLookup(silu_derivative_of_pair_whole, silu_derivative_of_pair_by_pieces)


def silu_derivative_at(z, low_of_abs):
    """The derivative of z / (1 + e**-z), where abs(z) has a low part."""
    a = fabs(z)
    return on_either_side(z, silu_derivative_of_pair_left(not_above(a, -EXP_LOW), low_of_abs))
