"""Mathematics for activations of your own (`fastact.activation`), which compiles to vector code as fastact's own does.

These are functions of single numbers for use inside an activation; called outside of one, they raise TypeError. Their
namesakes in `math`, `numpy` and `scipy.special` stand for them there.

========================================== ====================================================
`exp(x)`, `expm1(x)`                       e**x, and e**x - 1 without cancellation
`log(x)`, `log1p(x)`                       the natural logarithm, of x and of 1 + x
`sqrt(x)`, `fabs(x)`                       square root, absolute value
`tanh(x)`, `sigmoid(x)`, `softplus(x)`     as `fastact.tanh` and so on
`erf(x)`, `erfc(x)`                        the error function, and 1 - erf(x) without cancellation
`sin(x)`, `cos(x)`                         of radians, for abs(x) up to 2**18 (float64 2**47)
`atan(x)`                                  arc tangent, in radians
`rint(x)`                                  the nearest whole number, the even one of two
`floor(x)`, `ceil(x)`, `trunc(x)`          rounded down, up, towards 0
`minimum(a, b)`, `maximum(a, b)`           the lesser, the greater, a if they are equal; NaN if either is
`copysign(a, b)`                           the magnitude of a with the sign of b
`fma(a, b, c)`                             a * b + c, rounded once
========================================== ====================================================

>>> import fastact
>>> @fastact.activation
... def swish(x, beta=1.0):
...     return x * fastact.math.sigmoid(beta * x)
"""

import numpy as np

from fastact import _coefficients
from fastact._by_lookup import gelu_left
from fastact._documentation import public_names
from fastact._formulas import sigmoid as sigmoid_formula
from fastact._formulas import softplus as softplus_formula
from fastact._formulas import tanh as tanh_formula
from fastact._math import (
    DOWN,
    ERF_SLOPE,
    ERF_SLOPE_LOW,
    EXP_LOW,
    GELU_END,
    INF,
    LARGEST,
    LN2_HIGH,
    LN2_LOW,
    MAGIC_UP,
    NAN,
    ROUND,
    UP,
    atanh_remainder,
    binary_exponent,
    binary_fraction,
    copysign,
    divide_by_any,
    exp_tail,
    expm1_parts,
    fabs,
    fma,
    multiply,
    product_error,
    reduce_exp,
    split,
    sqrt,
    two_sum,
)
from fastact._specialise import Constant, Polynomial

__all__ = [
    "atan",
    "ceil",
    "copysign",
    "cos",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "fabs",
    "floor",
    "fma",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "rint",
    "sigmoid",
    "sin",
    "softplus",
    "sqrt",
    "tanh",
    "trunc",
]
__dir__ = public_names(globals())

EXP_HIGH = Constant(131.0, 1000.0)
EXPM1_HIGH = Constant(64.0, 512.0)  # e**x - 1 is e**x from here on
MAGIC_DOWN = Constant(1.5 * 2.0**23 + 127 - 64, 1.5 * 2.0**52 + 1023 - 512)
UP_EXPONENT = Constant(64.0, 512.0)
TINY = Constant(2.0**-126, 2.0**-1022)
SQRT2, SQRT2_LOW = split(float.fromhex("0x1.6a09e667f3bcdp+0"), float.fromhex("-0x1.bdd3413b26456p-54"))
# pi / 2, what that leaves, and what that leaves; its inverse; and the most that is a whole number of it and a rest
HALF_PI = Constant(float.fromhex("0x1.921fb6p+0"), float.fromhex("0x1.921fb54442d18p+0"))
HALF_PI_LOW = Constant(float.fromhex("-0x1.777a5cp-25"), float.fromhex("0x1.1a62633145c07p-54"))
HALF_PI_LOWEST = Constant(float.fromhex("-0x1.ee59dap-50"), float.fromhex("-0x1.f1976b7ed8fbcp-110"))
TWO_OVER_PI = Constant(2.0 / np.pi, 2.0 / np.pi)
FAR = Constant(2.0**18, 2.0**47)
WHOLE = Constant(2.0**23, 2.0**52)  # from here on all numbers are

erf_slope = Polynomial(_coefficients.ERF)
sin_remainder = Polynomial(_coefficients.SIN)
cos_remainder = Polynomial(_coefficients.COS)
atan_slope = Polynomial(_coefficients.ATAN)


def exp(x):
    """e**x."""
    clamped = EXP_LOW if x < EXP_LOW else (EXP_HIGH if x > EXP_HIGH else x)
    # 2**n by a detour, downwards for large x and upwards for small: e**x is rounded just once
    s, n, r = reduce_exp(clamped, MAGIC_DOWN if x > 0.0 else MAGIC_UP)
    return (1.0 + (r + exp_tail(n, r, -0.0))) * s * (UP if x > 0.0 else DOWN)


def expm1(x):
    """e**x - 1."""
    high, low = expm1_parts(EXPM1_HIGH if x > EXPM1_HIGH else x, -0.0)
    return exp(x) if x > EXPM1_HIGH else (x if x == 0.0 else high + low)


def log(x):
    """The natural logarithm."""
    tiny = x < TINY
    scaled = x * UP if tiny else x
    n = binary_exponent(scaled) - (UP_EXPONENT if tiny else 0.0)
    f = binary_fraction(scaled) - 1.0
    # log(1 + f) = 2 atanh(s), in the form of K. C. Ng (fdlibm, 1993)
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * f * f
    y = fma(n, LN2_HIGH, f - (half - fma(s, fma(z + z, atanh_remainder(z), half), n * LN2_LOW)))
    y = x if x > LARGEST else y
    return y if x > 0.0 else (-INF if x == 0.0 else NAN)


def log1p(x):
    """log(1 + x)."""
    u = 1.0 + x
    part = u - 1.0
    low = x - part if x < 1.0 else 1.0 - (u - x)
    low = low / u if u < LARGEST else 0.0
    return x if u == 1.0 else log(u) + (low if u > 0.0 else 0.0)


def sigmoid(x):
    """1 / (1 + e**-x)."""
    return sigmoid_formula(x)


def tanh(x):
    """(e**x - e**-x) / (e**x + e**-x)."""
    return tanh_formula(x)


def softplus(x):
    """log(1 + e**x)."""
    return softplus_formula(x, 1.0, LARGEST)


def erf_near_zero(x):
    """The error function as a pair, for abs(x) up to 1."""
    y = ERF_SLOPE * x
    u = x * x
    return y, fma(x * u, erf_slope(u), fma(ERF_SLOPE_LOW, x, product_error(ERF_SLOPE, x, y)))


def erfc_on_the_right(x):
    """1 - erf(x), for x from 0.8 on."""
    a, a_low = multiply(SQRT2, SQRT2_LOW, x, 0.0)
    a, a_low = GELU_END if a > GELU_END else a, 0.0 if a > GELU_END else a_low
    y, s = gelu_left(a)
    # y / a is half of what is wanted at a; and so at a + a_low, by its logarithm's slope, nearly
    change = a_low * (a + (0.3 if a < 6.0 else 0.05))
    q, rest, inverse = divide_by_any(y, 0.0, a, a * change)
    return 2.0 * fma(rest, inverse, q) * s * DOWN


def erf(x):
    """The error function, the integral of 2 / sqrt(pi) * e**(-t * t) from 0 to x."""
    high, low = erf_near_zero(x)
    a = fabs(x)
    return copysign(high + low if a < 1.0 else 1.0 - erfc_on_the_right(a), x)


def erfc(x):
    """1 - erf(x)."""
    high, low = erf_near_zero(x)
    near, rest = two_sum(1.0, -high)
    a = fabs(x)
    right = erfc_on_the_right(a)
    return near + (rest - low) if a < 0.8125 else (right if x > 0.0 else 2.0 - right)


def quarters(x):
    """x less a whole number of quarters of a turn as a pair, the number modulo 4, from -2 to 2, and NaN where x is
    infinite, otherwise 0."""
    nothing = x - x
    x = FAR if x > FAR else (-FAR if x < -FAR else x)
    n = fma(x, TWO_OVER_PI, ROUND) - ROUND
    # W. J. Cody and W. Waite's reduction; the first two differences are exact
    p = n * HALF_PI
    r = (x - p) - product_error(n, HALF_PI, p)
    p = n * HALF_PI_LOW
    r, low = two_sum(r, -p)
    r, low = two_sum(r, fma(-n, HALF_PI_LOWEST, low - product_error(n, HALF_PI_LOW, p)))
    return r, low, fma(-4.0, fma(n, 0.25, ROUND) - ROUND, n), nothing


def of_an_eighth(r, low):
    """The sine and the cosine of r + low, for at most an eighth of a turn."""
    u = r * r
    half = 0.5 * u
    cosine = 1.0 - half
    rest = fma(u * u, cos_remainder(u), fma(-0.5, product_error(r, r, u), -r * low))
    return r + fma(r * u, sin_remainder(u), low), cosine + (((1.0 - cosine) - half) + rest)


def sin(x):
    """The sine of x radians, for abs(x) up to 2**18, float64 2**47; beyond, that of this limit, which is not that of
    x."""
    r, low, n, nothing = quarters(x)
    sine, cosine = of_an_eighth(r, low)
    y = cosine if fabs(n) == 1.0 else sine
    y = -y if fabs(n) == 2.0 or n == -1.0 else y
    return x if x == 0.0 else y + nothing


def cos(x):
    """The cosine of x radians, within the limits of `sin`."""
    r, low, n, nothing = quarters(x)
    sine, cosine = of_an_eighth(r, low)
    y = sine if fabs(n) == 1.0 else cosine
    return (-y if fabs(n) == 2.0 or n == 1.0 else y) + nothing


def atan(x):
    """The angle from -pi / 2 to pi / 2 whose tangent is x."""
    a = fabs(x)
    inverse = 1.0 / a if a > 1.0 else a
    u = inverse * inverse
    rest = inverse * u * atan_slope(u)
    right = HALF_PI - inverse
    y = right + (((HALF_PI - right) - inverse) + (HALF_PI_LOW - rest)) if a > 1.0 else inverse + rest
    return copysign(y, x)


def rint(x):
    """The nearest whole number, of two the even one."""
    a = fabs(x)
    return copysign((a + WHOLE) - WHOLE if a < WHOLE else a, x)


def floor(x):
    """The greatest whole number that is not above x."""
    near = rint(x)
    return near - 1.0 if near > x else near


def ceil(x):
    """The least whole number that is not below x."""
    return -floor(-x)


def trunc(x):
    """x without what is behind the point."""
    return copysign(floor(fabs(x)), x)


def minimum(a, b):
    """The lesser of two numbers; NaN if either is."""
    return a if a != a else (b if b != b else (b if b < a else a))


def maximum(a, b):
    """The greater of two numbers; NaN if either is."""
    return a if a != a else (b if b != b else (b if b > a else a))
