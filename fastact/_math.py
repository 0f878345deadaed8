"""Exponential, logarithm and quotient for vector loops: branch-free, no tables, no library calls.

A value that must be known to more than its dtype's precision is a pair (high, low), meaning high + low
with |low| at most about half a unit in the last place of high, unless a bound is given. Every
`a if c else b` here selects between two values that are both computed, so that compilers can turn a loop
over these into vector code.

Sources: P. H. Sterbenz, Floating-Point Computation (1974) and T. J. Dekker, A floating-point technique
for extending the available precision (1971) for the pairs; W. J. Cody and W. Waite, Software Manual for
the Elementary Functions (1980) for the range reduction. The polynomials are made by
bench/coefficients.py.
"""

import numpy as np

from fastact import _coefficients
from fastact._specialise import Constant, Polynomial, Primitive

fma = Primitive("fma", "fma(a, b, c) = a * b + c, rounded once")
fabs = Primitive("fabs", "the absolute value")
sqrt = Primitive("sqrt", "the square root")
root_and_inverse = Primitive("root_and_inverse", "sqrt(u) and 1 / sqrt(u), to a few units in the last place")
copysign = Primitive("copysign", "the magnitude of the first with the sign of the second")
product_error = Primitive("product_error", "product_error(a, b, p) = a * b - p, for p = a * b, nearly")
reciprocal = Primitive("reciprocal", "1 / b, rounded, for abs(b) from 2**-100 to 2**100; a NaN or a wrong number else")
binary_exponent = Primitive("binary_exponent", "n, for x = m * 2**n with m from sqrt(1/2) to below sqrt(2); x normal")
binary_fraction = Primitive("binary_fraction", "that m")
leading_half = Primitive("leading_half", "a number, without the second half of its significand")
half_octave = Primitive("half_octave", "the bits of a positive number, without all but the first of its significand")
power_of_two = Primitive("power_of_two", "the low bits of a number, moved to where its exponent is")
times_power = Primitive(
    "times_power",
    "times_power(a, t): a, with t's low bits added where three bits, in float64 two, are of the significand",
)

exp_remainder = Polynomial(_coefficients.EXP, square=True)
expm1_remainder = Polynomial(_coefficients.EXPM1, square=True)
atanh_remainder = Polynomial(_coefficients.ATANH)
log1p_remainder = Polynomial(_coefficients.LOG1P)
log_cosh_ratio = Polynomial(_coefficients.LOG_COSH)
tanhshrink_remainder = Polynomial(_coefficients.TANHSHRINK)
# (f(u) - f(0)) / u, with f(0) as a constant
gelu_tail = Polynomial(_coefficients.GELU_TAIL)
gelu_slope = Polynomial(_coefficients.GELU_SLOPE)
silu_slope = Polynomial(_coefficients.SILU_SLOPE)
mish_slope = Polynomial(_coefficients.MISH_SLOPE)
gelu_tanh_slope = Polynomial(_coefficients.GELU_TANH_SLOPE)
NEAR_ROOT = 0.0625


def split(value, rest):
    """The constant value + rest, rest being what float64 leaves of it, as a pair."""
    return parts(value, rest, float(np.float32(value)), value)


def parts(value, rest, *high):
    """The same with these first parts, for float32 and float64."""
    return Constant(*high), Constant(*((value - h) + rest for h in high))


# Adding one of these rounds to an integer n and leaves n and the exponent's bias in the low bits, so that
# power_of_two gives 2**n; or 2**n * UP, a detour by which subnormal results are rounded just once.
MAGIC = Constant(1.5 * 2.0**23 + 127, 1.5 * 2.0**52 + 1023)
MAGIC_UP = Constant(1.5 * 2.0**23 + 127 + 64, 1.5 * 2.0**52 + 1023 + 512)
ROUND = Constant(1.5 * 2.0**23, 1.5 * 2.0**52)  # added to a number and taken away again, it leaves an integer
UP = Constant(2.0**64, 2.0**512)
DOWN = Constant(2.0**-64, 2.0**-512)
LOG2E = Constant(1.4426950408889634, 1.4426950408889634)
# ln 2 in two parts; the first is short, so that its products with whole exponents are exact.
LN2_HIGH = Constant(float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.62e42fefa2p-1"))
LN2_LOW = Constant(float.fromhex("0x1.7f7d1cf79abcap-20"), float.fromhex("0x1.9ef35793c7673p-41"))
LN2, LN2_REST = split(np.log(2), float.fromhex("0x1.abc9e3b39803fp-56"))
# e**x vanishes below EXP_LOW, in sums of billions too; e**x - 1 is -1 below EXPM1_LOW, after rounding.
EXP_LOW = Constant(-131.0, -1000.0)
EXPM1_LOW = Constant(-20.0, -42.0)
# x e**x vanishes below it, after rounding. There, what is rounded away of e**x * UP is still a normal number, but e**x
# is so small that CPUs need not find out how it rounds, which takes 150 cycles.
TAIL_END = Constant(-113.0, -765.0)
# e**x * UP is normal and less than 1 from EXP_LOW to TINY_LOG.
TINY_LOG = Constant(-64.0, -512.0)
# What vanishes beside 1, but is no subnormal number, times UP.
TINY_UP = Constant(2.0**4, 2.0**392)
# 1 and less vanish beside it.
LARGE = Constant(2.0**40, 2.0**70)
# The square of its inverse vanishes, in sums of large numbers too; its own square does not overflow in float64.
HUGE = Constant(2.0**80, 2.0**540)
# The square of z up to which `log_cosh_ratio` serves: where both ways of `log1p_exp` are equally accurate.
BEND = Constant(1.04, 1.04)
# (e**x - 1) / x is 1 between it and 0.
LINEAR = Constant(-(2.0**-27), -(2.0**-56))
NAN = Constant(np.nan, np.nan)
INF = Constant(np.inf, np.inf)
# From there on mish is x, and its derivative 1.
MISH_END, MISH_SLOPE_END = Constant(9.1, 19.1), Constant(10.5, 21.0)
# Squares of what is below neither overflow nor make a sum overflow.
SQUARE_HIGH = Constant(2.0**60, 2.0**500)
LARGEST = Constant(float(np.finfo(np.float32).max), float(np.finfo(np.float64).max))
THIRD, THIRD_LOW = split(1 / 3, 2.0**-54 / 3)
SIXTH, SIXTH_LOW = split(1 / 6, 2.0**-55 / 3)


# gelu and its derivative vanish below minus this.
GELU_END = Constant(14.99, 39.0)
# The same of gelu_tanh; and from there on its derivative is 1.
GELU_TANH_END, GELU_TANH_SLOPE_END = Constant(11.15, 22.0), Constant(9.9, 20.5)
ERF_SLOPE, ERF_SLOPE_LOW = split(*_coefficients.ERF_AT_0)  # at 0
GELU_TAIL, GELU_TAIL_LOW = split(*_coefficients.GELU_TAIL_AT_0)
# The first part is short, so that sums of it, up to 16 and 64, less it are exact.
GELU_TANH_LINEAR, GELU_TANH_LINEAR_LOW = parts(
    *_coefficients.GELU_TANH_LINEAR, float.fromhex("0x1.9884p+0"), float.fromhex("0x1.9884533d43p+0")
)
GELU_TANH_CUBIC, GELU_TANH_CUBIC_LOW = split(*_coefficients.GELU_TANH_CUBIC)
GELU_TANH_CUBIC_3, GELU_TANH_CUBIC_3_LOW = split(*_coefficients.GELU_TANH_CUBIC_3)
QUICK_GELU, QUICK_GELU_LOW = split(1.702, float.fromhex("0x1.89374bc6a7efap-55"))
# Where derivatives are 0, with the opposite sign, and their slopes there; for gelu, the factor of `gelu_slope` at 4.
SILU_ROOT, SILU_ROOT_LOW = split(*_coefficients.SILU_ROOT)
SILU_SLOPE, SILU_SLOPE_LOW = split(*_coefficients.SILU_SLOPE_AT_0)
MISH_ROOT, MISH_ROOT_LOW = split(*_coefficients.MISH_ROOT)
MISH_SLOPE, MISH_SLOPE_LOW = split(*_coefficients.MISH_SLOPE_AT_0)
GELU_ROOT, GELU_ROOT_LOW = split(*_coefficients.GELU_ROOT)
GELU_SLOPE, GELU_SLOPE_LOW = split(*_coefficients.GELU_SLOPE_AT_0)
GELU_TANH_ROOT, GELU_TANH_ROOT_LOW = split(*_coefficients.GELU_TANH_ROOT)
GELU_TANH_SLOPE, GELU_TANH_SLOPE_LOW = split(*_coefficients.GELU_TANH_SLOPE_AT_0)
# selu's scale, and scale * alpha
_SCALE, _REST = float.fromhex("0x1.0cfabd6a91132p+0"), float.fromhex("0x1.6fc7d272f2695p-55")
SELU_SCALE, SELU_SCALE_LOW = parts(_SCALE, _REST, float.fromhex("0x1.0cfabcp+0"), _SCALE)  # of one sign, for -0.0
SELU_SCALE_ALPHA, SELU_SCALE_ALPHA_LOW = split(
    float.fromhex("0x1.c212cc640f031p+0"), float.fromhex("0x1.05161b045a1fep-56")
)


def product_error_by_fma(a, b, p):
    return fma(a, b, -p)


def product_error_by_splitting(a, b, p):
    """Without fma: T. J. Dekker's product of halves."""
    a_high, b_high = leading_half(a), leading_half(b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def reciprocal_by_division(b):
    return 1.0 / b


def root_and_inverse_by_division(u):
    root = sqrt(u)
    return root, 1.0 / root


def reduce_exp(x, magic):
    """x = n ln 2 + r + n LN2_LOW with |r| <= ln(2) / 2, r being exact: 2**n, n and r."""
    t = fma(x, LOG2E, magic)
    n = t - magic
    return power_of_two(t), n, fma(-n, LN2_HIGH, x)


def exp_tail(n, r, x_low):
    """e**(r - n LN2_LOW + x_low) - 1 - r, as a share of e**r."""
    small = fma(-n, LN2_LOW, x_low)
    r = r + small
    return fma(r * r, exp_remainder(r), small)


def expm1_tail(n, r, x_low):
    """The same, exact enough for e**r - 1."""
    small = fma(-n, LN2_LOW, x_low)
    r = r + small
    return fma(r * r, expm1_remainder(r), small)


def not_below(x, lowest):
    return lowest if x < lowest else x


def not_above(x, greatest):
    return greatest if x > greatest else x


def exp_parts(x, x_low):
    """e**(x + x_low) * UP = (high + low) * s, for x from EXP_LOW to 0 and x_low below its last place."""
    s, n, r = reduce_exp(x, MAGIC_UP)
    tail = exp_tail(n, r, x_low)
    high = 1.0 + (r + tail)
    return high, ((1.0 - high) + r) + tail, s  # the first sum of these is exact


def expm1_parts(x, x_low):
    """e**(x + x_low) - 1 = high + low, for x <= 0 and x_low below its last place; |low| < 0.2 |high|."""
    s, n, r = reduce_exp(EXPM1_LOW if x < EXPM1_LOW else x, MAGIC)
    a = s - 1.0
    b = s * r
    high = a + b
    return high, fma(s, expm1_tail(n, r, x_low), ((a - high) + b) + (s - (1.0 + a)))


def two_sum(a, b):
    """a + b, rounded, and its rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def normalise(high, low):
    """The pair for high + low, |low| <= |high|."""
    total = high + low
    return total, (high - total) + low


def add(a, a_low, b, b_low):
    """The sum of two pairs."""
    total, rest = two_sum(a, b)
    return total, rest + (a_low + b_low)


def multiply(a, a_low, b, b_low):
    """The product of two pairs."""
    p = a * b
    return p, fma(a, b_low, fma(a_low, b, product_error(a, b, p)))


def with_constant(c, c_low, u, slope):
    """c + c_low + u * slope, as a pair."""
    high = fma(u, slope, c)
    return high, fma(u, slope, c - high) + c_low


def through_zero(d, d_low, c, c_low, slope):
    """d * (c + c_low + d * slope), where d has a low part and the slope is much smaller than c / d."""
    d, d_low = normalise(d, d_low)
    return fma(d * d, slope, fma(d, c, fma(d, c_low, d_low * c)))


def divide(a, a_low, b, b_low):
    """(a + a_low) / (b + b_low) = q + rest * inverse, as (q, rest, inverse), for what `reciprocal` takes."""
    return times_inverse(a, a_low, b, b_low, reciprocal(b))


def divide_by_any(a, a_low, b, b_low):
    """The same for any b; where it is a constant, too."""
    return times_inverse(a, a_low, b, b_low, 1.0 / b)


def times_inverse(a, a_low, b, b_low, inverse):
    q = a * inverse
    return q, fma(-q, b, a) + fma(-q, b_low, a_low), inverse


def exp_over_one_plus_exp(x, x_low):
    """With e = e**(x + x_low), for x <= 0: e / (1 + e) = (q + (rest + low / (1 + e)) * inverse) * power, as
    (q, rest, low, inverse, power, power * UP)."""
    high, low, s = exp_parts(x, x_low)
    power = s * DOWN
    e = high * power
    inverse = reciprocal(1.0 + e)
    q = high * inverse
    return q, fma(-q, e, high - q), low, inverse, power, s


def on_either_side(x, left):
    """left * DOWN where x is negative, otherwise 1 minus that."""
    factor, other = DOWN if x < 0.0 else -DOWN, -0.0 if x < 0.0 else 1.0
    return fma(left, factor, other)


def logistic(x, low_of_minus_abs):
    """1 / (1 + e**-x), where -abs(x) has a low part: on the right 1 minus what it is on the left."""
    q, rest, low, inverse, power, _ = exp_over_one_plus_exp(not_below(-fabs(x), EXP_LOW), low_of_minus_abs)
    y = fma(fma(low, inverse, rest), inverse, q) * power
    return y if x < 0.0 else 1.0 - y


def gated(x, a, z, z_low, back):
    """x / (1 + e**-t) for t of x's sign, given z + z_low = -abs(t), from EXP_LOW on, and a with
    a * back = abs(x) * DOWN, or anything finite where e**z vanishes. On the right x minus what it is on the left."""
    q, rest, low, inverse, _, s = exp_over_one_plus_exp(z, z_low)
    a = a * s
    y = fma(a, q, a * ((rest + low) * inverse))
    right = x if x > 0.0 else 0.0
    return copysign(fma(-y, back, right), x)


def logistic_parts(x, x_low):
    """With e = e**(x + x_low), for x from EXP_LOW to 0: e / (1 + e) = q * s * DOWN and 1 / (1 + e) = t + t_low, as
    (q, s, t, t_low)."""
    q, rest, low, inverse, power, s = exp_over_one_plus_exp(x, x_low)
    q_low = fma(low, inverse, rest) * inverse
    y = q * power
    t = 1.0 - y
    return q + q_low, s, t, fma(-q_low, power, (1.0 - t) - y)


def gated_slope(q, s, p, p_low):
    """q * s * (1 - (p + p_low)): with q and s from `logistic_parts` of z, and p = h / (1 + e**z), UP times what the
    derivative of x / (1 + e**-z) is where x is negative and -h = x dz/dx. At -x it is 1 minus that, for odd z."""
    n = 1.0 - p
    n_low = ((1.0 - n) - p) - p_low
    return fma(q, n, q * n_low) * s


def mish_parts(x):
    """With e = e**x and n = e * (e + 2), of which x * n / (n + 2) is mish: e * UP, n * UP and n + 2, each a pair; for x
    from TAIL_END to MISH_END or MISH_SLOPE_END."""
    s, n, r = reduce_exp(x, MAGIC_UP)
    tail = exp_tail(n, r, -0.0)
    u = r + tail
    e = fma(u, s, s)
    e_low = fma((r - u) + tail, s, fma(u, s, s - e))
    b, b_low = down_and_add(e, e_low, 2.0)
    n, n_low = multiply(e, e_low, b, b_low)
    return e, e_low, n, n_low, *down_and_add(n, n_low, 2.0)


def down_and_add(a, a_low, b):
    """(a + a_low) * DOWN + b as a pair, for such b that a sum with it, less it, is exact; a >= 0."""
    a = not_below(a, TINY_UP)
    total = fma(a, DOWN, b)
    return total, fma(a_low, DOWN, fma(a, DOWN, b - total))


def gelu_tanh_parts(a):
    """c a + d a**3 and c a + 3 d a**3 as (z, z_low, h, h_low), with c = 2 sqrt(2 / pi) and d = 0.044715 c:
    z makes z / 2 what gelu_tanh takes the tanh of. The low parts may be more than a unit of the others."""
    square = a * a
    square_low = product_error(a, a, square)
    linear, low = GELU_TANH_LINEAR, GELU_TANH_LINEAR_LOW
    z, z_low = times_sum(a, linear, low, GELU_TANH_CUBIC, GELU_TANH_CUBIC_LOW, square, square_low)
    h, h_low = times_sum(a, linear, low, GELU_TANH_CUBIC_3, GELU_TANH_CUBIC_3_LOW, square, square_low)
    return z, z_low, h, h_low


def times_sum(a, b, b_low, c, c_low, d, d_low):
    """a * ((b + b_low) + (c + c_low) * (d + d_low)), for such b that a sum with it, less it, is exact."""
    total = fma(c, d, b)
    rest = product_error(c, d, total - b) + fma(c_low, d, fma(c, d_low, b_low))
    p = a * total
    return p, fma(a, rest, product_error(a, total, p))


def bell(x, scale):
    """scale * e**x / (1 + e**x)**2, for x <= 0."""
    high, low, s = exp_parts(not_below(x, TAIL_END), -0.0)
    power = s * DOWN
    b = fma(high, power, 1.0)
    b_low = fma(low, power, fma(high, power, 1.0 - b))
    square = b * b
    q, rest, inverse = divide(high, low, square, fma(2.0 * b, b_low, product_error(b, b, square)))
    return fma(rest, inverse, q) * s * (scale * DOWN)


def square_of_quotient(q, rest, inverse):
    """The square of what `divide` gives."""
    return fma(q, q, 2.0 * q * (rest * inverse))


def tanhshrink_near_zero(a):
    """a - tanh(a), for a from 0 to 0.64."""
    # a**3 / 3 + a**5 R(a**2), with the cube's rounding errors, and far from subnormal numbers
    u = a * a
    up = a * UP
    cube = up * u
    cube_low = fma(up, product_error(a, a, u), product_error(up, u, cube))
    tail = fma(cube, fma(u, tanhshrink_remainder(u), THIRD_LOW), cube_low * THIRD)
    return fma(cube, THIRD, tail) * DOWN


def root_parts(x, b):
    """sqrt(x**2 + b) = (r + r_low) / scale and |x| + sqrt(x**2 + b) = (d + d_low) / scale, with `scale` a power of
    two: (r, r_low, 1 / r nearly, d, d_low, scale)."""
    # far enough down for the halves of product_error, too
    scale = 0.25 * DOWN if fabs(x) + fabs(b) > SQUARE_HIGH else 1.0
    a = fabs(x) * scale
    b = b * scale * scale
    square = a * a
    u, u_low = two_sum(square, b)
    r, inverse = root_and_inverse(u)
    r_low = (fma(-r, r, u) + (u_low + product_error(a, a, square))) * (0.5 * inverse)
    r, r_low = a if b == 0.0 else r, 0.0 if b == 0.0 else r_low
    d, d_low = two_sum(a, r)
    return r, r_low, inverse, d, d_low + r_low, scale


def tanh_parts(a):
    """tanh(a) as by `divide`, for a >= 0: -E / (2 + E) with E = e**(-2a) - 1."""
    high, low = expm1_parts(-2.0 * a, -0.0)
    e, e_low = normalise(high, low)
    b = 2.0 + e
    return divide(-e, -e_low, b, ((2.0 - b) + e) + e_low)


def log1p_exp(z):
    """log(1 + e**z)."""
    # beside 0: z / 2 + log(2 cosh(z / 2)), with an even power series. Its rounding errors, where many z share a result,
    # are so small that it is monotone.
    square = z * z
    near = fma(0.5, z, LN2)
    near = near + fma(square, log_cosh_ratio(square), fma(0.5, z, LN2 - near) + LN2_REST)
    # elsewhere max(z, 0) + log1p(f) with f = e**-|z|, and log1p(f) = (1 + w) f / e**r
    s, n, r = reduce_exp(not_below(-fabs(z), EXP_LOW), MAGIC_UP)
    tail = exp_tail(n, r, -0.0)
    u = r + tail
    f = fma(u, DOWN, DOWN) * not_below(s, 2.0)  # where it is less, f vanishes beside 1; a subnormal one would take long
    slope = f * log1p_remainder(f)
    w = r + (slope + fma(u, slope, tail))
    far = fma(fma(w, s, s), DOWN, z if z > 0.0 else 0.0)
    return near if square < BEND else far


def log1p_exp_parts(z, z_low):
    """log(1 + e**(z + z_low)) = (y + y_low) * back, as (y, y_low, back), where y is not subnormal and
    `back` a power of two; as `log1p_exp`."""
    u = z * z
    near = fma(0.5, z, LN2)
    near_low = fma(z, z * log_cosh_ratio(u), fma(0.5, z, LN2 - near) + fma(0.5, z_low, LN2_REST))
    # f = (high + low) * power
    high, low, s = exp_parts(not_below(-fabs(z), EXP_LOW if z < 0.0 else TINY_LOG), -copysign(1.0, z) * z_low)
    power = s * DOWN
    f = high * DOWN * not_below(s, 2.0)
    slope = f * log1p_remainder(f)
    head, head_low = normalise(high, fma(high, slope, fma(low, 2.0 * slope, low)))
    tiny = z < TINY_LOG
    power = s if tiny else power
    head = head * power
    linear = z if z > 0.0 else 0.0
    far = linear + head
    part = far - linear
    far_low = fma(head_low, power, (linear - (far - part)) + (head - part)) + (z_low if z > 0.0 else 0.0)
    far_low = far_low if z < LARGE else 0.0
    y, y_low = normalise(near if u < 1.0 else far, near_low if u < 1.0 else far_low)
    back = DOWN if tiny else 1.0
    return y, y_low, back
