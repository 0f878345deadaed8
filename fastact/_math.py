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


def reduce_exp(x, x_low):
    """n and r with x + x_low = n ln 2 + r and |r| <= ln(2) / 2: t = n + MAGIC and p = e**r - 1, as
    (t, p, p_low)."""
    t = fma(x, LOG2E, MAGIC)
    n = t - MAGIC
    r_exact = fma(-n, LN2_HIGH, x)
    r = fma(-n, LN2_LOW, r_exact)
    r_low = fma(-n, LN2_LOW, r_exact - r) + x_low
    tail = fma(r * r, exp_remainder(r), r_low)
    p = r + tail
    return t, p, (r - p) + tail


def exp_parts(x, x_low):
    """e**(x + x_low) = (high + low) * 2**n, for x <= 0, as (high, low, t) with t = n + MAGIC."""
    t, p, p_low = reduce_exp(EXP_LOW if x < EXP_LOW else x, x_low)
    high = 1.0 + p
    return high, (1.0 - high) + p + p_low, t


def scale(m, t):
    """m * 2**n, from t = n + MAGIC, rounded once even where the result is subnormal."""
    return (m * power_of_two(t + DETOUR)) * DETOUR_BACK


def expm1_pair(x):
    """e**x - 1 as a pair, for x <= 0."""
    t, p, p_low = reduce_exp(EXPM1_LOW if x < EXPM1_LOW else x, 0.0)
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


def log1p_exp(z, z_low):
    """log(1 + e**(z + z_low)) as max(z, 0) + log1p(e**-|z|)."""
    sign = copysign(1.0, z)
    high, low, t = exp_parts(-fabs(z), -sign * z_low)
    e = scale(high, t)
    # log1p(e) = e + e**2 R(e), with the factor 2**n kept out
    tail = fma(high * e, log1p_remainder(e), fma(-low, 0.5 * e, low))
    m = high + tail
    m_low = (high - m) + tail
    log1p = scale(m, t)
    log1p_low = scale(m_low, t)
    linear = z if z > 0.0 else 0.0
    total = linear + log1p
    part = total - linear
    total_low = (linear - (total - part)) + (log1p - part) + (log1p_low + (z_low if z > 0.0 else 0.0))
    return z if z > -EXP_LOW else total + total_low
