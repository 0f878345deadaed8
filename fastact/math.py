"""Mathematics for activations of your own (`fastact.activation`), which compiles to vector code as fastact's own does.

These are functions of single numbers for use inside an activation; called outside of one, they raise TypeError.

========================================== ====================================================
`exp(x)`, `expm1(x)`                       e**x, and e**x - 1 without cancellation
`log(x)`, `log1p(x)`                       the natural logarithm, of x and of 1 + x
`sqrt(x)`, `fabs(x)`                       square root, absolute value
`tanh(x)`, `sigmoid(x)`, `softplus(x)`     as `fastact.tanh` and so on
`minimum(a, b)`, `maximum(a, b)`           the lesser, the greater; NaN if either is
`copysign(a, b)`                           the magnitude of a with the sign of b
`fma(a, b, c)`                             a * b + c, rounded once
========================================== ====================================================

>>> import fastact
>>> @fastact.activation
... def swish(x, beta=1.0):
...     return x / (1.0 + fastact.math.exp(-beta * x))
"""

from fastact._documentation import public_names
from fastact._formulas import sigmoid as sigmoid_formula
from fastact._formulas import softplus as softplus_formula
from fastact._formulas import tanh as tanh_formula
from fastact._math import (
    DOWN,
    EXP_LOW,
    INF,
    LARGEST,
    LN2_HIGH,
    LN2_LOW,
    MAGIC_UP,
    NAN,
    UP,
    atanh_remainder,
    binary_exponent,
    binary_fraction,
    copysign,
    exp_tail,
    expm1_parts,
    fabs,
    fma,
    reduce_exp,
    sqrt,
)
from fastact._specialise import Constant

__all__ = [
    "copysign",
    "exp",
    "expm1",
    "fabs",
    "fma",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "sigmoid",
    "softplus",
    "sqrt",
    "tanh",
]
__dir__ = public_names(globals())

EXP_HIGH = Constant(131.0, 1000.0)
EXPM1_HIGH = Constant(64.0, 512.0)  # e**x - 1 is e**x from here on
MAGIC_DOWN = Constant(1.5 * 2.0**23 + 127 - 64, 1.5 * 2.0**52 + 1023 - 512)
UP_EXPONENT = Constant(64.0, 512.0)
TINY = Constant(2.0**-126, 2.0**-1022)


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


def minimum(a, b):
    """The lesser of two numbers; NaN if either is."""
    return a if a != a else (b if b != b else (b if b < a else a))


def maximum(a, b):
    """The greater of two numbers; NaN if either is."""
    return a if a != a else (b if b != b else (b if b > a else a))
