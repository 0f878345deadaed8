"""Exponential, logarithm and quotient for vector loops: branch-free, no tables, no library calls.

A value that must be known to more than its dtype's precision is a pair (high, low), meaning high + low
with |low| at most about half a unit in the last place of high. Every `a if c else b` here selects between
two values that are both computed, so that compilers can turn a loop over these into vector code.

Sources: P. H. Sterbenz, Floating-Point Computation (1974) and T. J. Dekker, A floating-point technique
for extending the available precision (1971) for the pairs; W. J. Cody and W. Waite, Software Manual for
the Elementary Functions (1980) for the range reduction. The polynomials are made by
bench/coefficients.py.
"""

from fastact import _coefficients
from fastact._specialise import Constant, Polynomial, Primitive

fma = Primitive("fma", "fma(a, b, c) = a * b + c, rounded once")
fabs = Primitive("fabs", "the absolute value")
copysign = Primitive("copysign", "the magnitude of the first with the sign of the second")
product_error = Primitive("product_error", "product_error(a, b, p) = a * b - p, for p = a * b rounded")
power_of_two = Primitive("power_of_two", "2**n from t = n + MAGIC, for n within the normal exponents")

exp_remainder = Polynomial(_coefficients.EXP)
log1p_remainder = Polynomial(_coefficients.LOG1P)
tanhshrink_remainder = Polynomial(_coefficients.TANHSHRINK)

# Adding MAGIC rounds to an integer and leaves that integer in the low bits.
MAGIC = Constant(1.5 * 2.0**23, 1.5 * 2.0**52)
LOG2E = Constant(1.4426950408889634, 1.4426950408889634)
# ln 2 in two parts; the first is short, so that its products with whole exponents are exact.
LN2_HIGH = Constant(float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.62e42fefa2p-1"))
LN2_LOW = Constant(float.fromhex("0x1.7f7d1cf79abcap-20"), float.fromhex("0x1.9ef35793c7673p-41"))
# e**x is 0 below EXP_LOW after rounding, and e**x - 1 is -1 below EXPM1_LOW.
EXP_LOW = Constant(-104.5, -746.0)
EXPM1_LOW = Constant(-20.0, -42.0)
# A detour of the exponent, so that subnormal results are rounded just once.
DETOUR = Constant(64.0, 512.0)
DETOUR_BACK = Constant(2.0**-64, 2.0**-512)
# 1 and less vanish beside it.
LARGE = Constant(2.0**40, 2.0**70)

# Half of the bits of a significand.
SPLITTER = Constant(2.0**12 + 1.0, 2.0**27 + 1.0)


def product_error_by_fma(a, b, p):
    return fma(a, b, -p)


def product_error_by_splitting(a, b, p):
    """Without fma: T. J. Dekker's product of halves."""
    a_high = a * SPLITTER - (a * SPLITTER - a)
    b_high = b * SPLITTER - (b * SPLITTER - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def reduce_exp(x):
    """n and r with x = n ln 2 + r and |r| <= ln(2) / 2, as (t, n, r + n LN2_LOW) with t = n + MAGIC."""
    t = fma(x, LOG2E, MAGIC)
    n = t - MAGIC
    return t, n, fma(-n, LN2_HIGH, x)


def expm1_reduced(n, r_exact, rest):
    """e**(r_exact - n LN2_LOW + rest) - 1 as a pair, for a `rest` below half a unit in the last place."""
    r = fma(-n, LN2_LOW, r_exact)
    r_low = fma(-n, LN2_LOW, r_exact - r) + rest
    tail = fma(r * r, exp_remainder(r), r_low)
    p = r + tail
    return p, (r - p) + tail


def exp_parts(x):
    """e**x = (high + low) * 2**n, for x <= 0, as (high, low, t) with t = n + MAGIC."""
    t, n, r_exact = reduce_exp(EXP_LOW if x < EXP_LOW else x)
    p, p_low = expm1_reduced(n, r_exact, -0.0)  # what compilers know to add nothing
    high = 1.0 + p
    return high, (1.0 - high) + p + p_low, t


def exp_parts_of_pair(x, x_low):
    """The same for x + x_low."""
    t, n, r_exact = reduce_exp(EXP_LOW if x < EXP_LOW else x)
    total = r_exact + x_low
    p, p_low = expm1_reduced(n, total, x_low - (total - r_exact))
    high = 1.0 + p
    return high, (1.0 - high) + p + p_low, t


def scale(m, t):
    """m * 2**n, from t = n + MAGIC, rounded once even where the result is subnormal."""
    return (m * power_of_two(t + DETOUR)) * DETOUR_BACK


def expm1_pair(x):
    """e**x - 1 as a pair, for x <= 0."""
    t, n, r_exact = reduce_exp(EXPM1_LOW if x < EXPM1_LOW else x)
    p, p_low = expm1_reduced(n, r_exact, -0.0)
    s = power_of_two(t)
    a = s - 1.0
    b = s * p
    high = a + b
    return high, (a - high) + b + fma(s, p_low, s - (1.0 + a))


def divide_pair(a, a_low, b, b_low):
    """(a + a_low) / (b + b_low) as a pair."""
    inverse = 1.0 / b
    q = a * inverse
    rest = fma(-q, b, a) + (a_low - q * b_low)
    return q, rest * inverse


def tanh_pair(a):
    """tanh(a) as a pair, for a >= 0: -E / (2 + E) with E = e**(-2a) - 1."""
    e, e_low = expm1_pair(-2.0 * a)
    b = 2.0 + e
    return divide_pair(-e, -e_low, b, (2.0 - b) + e + e_low)


def log1p_exp(z):
    """log(1 + e**z), as max(z, 0) + log1p(e**-|z|)."""
    high, low, t = exp_parts(-fabs(z))
    log1p, log1p_low = log1p_of_parts(high, low, t)
    return add_linear(z, 0.0, log1p, log1p_low)


def log1p_exp_of_pair(z, z_low):
    """The same for z + z_low."""
    high, low, t = exp_parts_of_pair(-fabs(z), -copysign(1.0, z) * z_low)
    log1p, log1p_low = log1p_of_parts(high, low, t)
    return add_linear(z, z_low if z > 0.0 else 0.0, log1p, log1p_low)


def log1p_of_parts(high, low, t):
    """log(1 + e) as a pair, with e = (high + low) * 2**n in [0, 1]."""
    e = scale(high, t)
    # e + e**2 R(e), with the factor 2**n kept out
    tail = fma(high * e, log1p_remainder(e), fma(-low, 0.5 * e, low))
    m = high + tail
    return scale(m, t), scale((high - m) + tail, t)


def add_linear(z, z_low, log1p, log1p_low):
    """max(z, 0) + z_low + log1p + log1p_low, and z alone beyond the reach of the logarithm."""
    linear = z if z > 0.0 else 0.0
    total = linear + log1p
    part = total - linear
    total_low = (linear - (total - part)) + (log1p - part) + (log1p_low + z_low)
    return z if z > -EXP_LOW else total + total_low
