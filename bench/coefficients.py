"""Make fastact/_coefficients.py: the polynomials of fastact/_math.py, and the zeros of derivatives.

Each approximates, by mpmath at 60 digits, a smooth remainder whose leading terms the kernels carry exactly, so
that the largest error, as a share of the whole function, is the least; the degree is the smallest for which it stays
below 2**-(p + 4) for a dtype with p bits, and 2**-18 for results of 16 bits. Run it again after changing a line of
TABLE:

    python bench/coefficients.py
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import mpmath as mp
import numpy as np

mp.mp.dps = 60
PRECISION = {"float32": 24, "float64": 53}
FOR_HALVES = ["TANHSHRINK", "GELU_TAIL", "GELU_SLOPE"]  # once more, for results of 16 bits that are computed in float32
FLOAT32_ONLY = {"HALF_EXPM1", *(f"{name}_FOR_HALVES" for name in FOR_HALVES)}
HALF_LN2 = mp.log(2) / 2


def exp_remainder(r):
    """(e^r - 1 - r) / r^2"""
    if abs(r) < mp.mpf(10) ** -12:
        return mp.mpf(1) / 2 + r / 6
    return (mp.expm1(r) - r) / r**2


def within_fraction(dtype):
    """Of an octave: an eighth, a quarter."""
    half = HALF_LN2 * 1.01 / {"float32": 8, "float64": 4}[dtype]
    return -half, half


def half_expm1_slope(u):
    """(e^(-u / 2) - 1) / u"""
    return mp.expm1(-u / 2) / u if u else -mp.mpf(1) / 2


def log1p_remainder(f):
    """(log(1 + f) - f) / f^2"""
    if abs(f) < mp.mpf(10) ** -12:
        return -mp.mpf(1) / 2 + f / 3
    return (mp.log1p(f) - f) / f**2


def log_cosh_ratio(u):
    """log(cosh(z / 2)) / z^2, u = z^2,"""
    if u < mp.mpf(10) ** -12:
        return mp.mpf(1) / 8 - u / 192
    return mp.log(mp.cosh(mp.sqrt(u) / 2)) / u


def tanhshrink_remainder(u):
    """(x - tanh x - x^3 / 3) / x^5, u = x^2,"""
    if u < mp.mpf(10) ** -12:
        return -mp.mpf(2) / 15 + 17 * u / 315
    x = mp.sqrt(u)
    return (x - mp.tanh(x) - x**3 / 3) / x**5


def odd_remainder(name, first, second):
    """(f(x) - x) / x^3 as a function of x^2, for an odd f of mpmath, by its name and the first terms of that."""
    function = getattr(mp, name)

    def remainder(u):
        if u < mp.mpf(10) ** -12:
            return first + second * u
        x = mp.sqrt(u)
        return (function(x) - x) / x**3

    remainder.__doc__ = f"({name} x - x) / x^3, u = x^2,"
    return remainder


def cos_remainder(u):
    """(cos r - 1 + r^2 / 2) / r^4, u = r^2,"""
    if u < mp.mpf(10) ** -12:
        return mp.mpf(1) / 24 - u / 720
    return (mp.cos(mp.sqrt(u)) - 1 + u / 2) / u**2


atanh_remainder = odd_remainder("atanh", mp.mpf(1) / 3, mp.mpf(1) / 5)
sin_remainder = odd_remainder("sin", -mp.mpf(1) / 6, mp.mpf(1) / 120)
atan_remainder = odd_remainder("atan", -mp.mpf(1) / 3, mp.mpf(1) / 5)


def erf_ratio(u):
    """erf(x) / x, u = x^2,"""
    return 2 / mp.sqrt(mp.pi) * mp.hyp1f1(mp.mpf(1) / 2, mp.mpf(3) / 2, -u)


def upper_tail(a):
    """The upper tail of the normal distribution, times e^(a^2 / 2)."""
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


def silu_left(a):
    """The derivative of silu at -a."""
    e = mp.exp(-a)
    return e * (1 + e - a) / (1 + e) ** 2


def mish_left(a):
    """The derivative of mish at -a."""
    e = mp.exp(-a)
    d = e**2 + 2 * e + 2
    return e * ((e + 2) * d - 4 * a * (1 + e)) / d**2


def gelu_left(a):
    """The derivative of gelu at -a, times e^(a^2 / 2)."""
    return upper_tail(a) - a / mp.sqrt(2 * mp.pi)


def gelu_tanh_left(a):
    """The derivative of gelu_tanh at -a."""
    linear, cubic = CONSTANTS["GELU_TANH_LINEAR"] * a, CONSTANTS["GELU_TANH_CUBIC"] * a**3
    e = mp.exp(-(linear + cubic))
    return e * (1 + e - linear - 3 * cubic) / (1 + e) ** 2


# Kept as float64 and what that leaves: of gelu_tanh, and the zeros of derivatives.
CONSTANTS = {"GELU_TANH_LINEAR": 2 * mp.sqrt(2 / mp.pi)}
CONSTANTS["GELU_TANH_CUBIC"] = CONSTANTS["GELU_TANH_LINEAR"] * mp.mpf("0.044715")
CONSTANTS["GELU_TANH_CUBIC_3"] = 3 * CONSTANTS["GELU_TANH_CUBIC"]
CONSTANTS["SILU_ROOT"] = mp.findroot(silu_left, 1.28)
CONSTANTS["MISH_ROOT"] = mp.findroot(mish_left, 1.19)
CONSTANTS["GELU_ROOT"] = mp.findroot(gelu_left, 0.75)
CONSTANTS["GELU_TANH_ROOT"] = mp.findroot(gelu_tanh_left, 0.75)

SHIFT = 4  # a -> (a - 4) / (a + 4) makes a short interval of the positive numbers
END = {"float32": 16, "float64": 39}  # gelu vanishes beyond


def unshifted(w):
    return SHIFT * (1 + w) / (1 - w)


def shifted_interval(dtype):
    return mp.mpf(-1), mp.mpf(END[dtype] - SHIFT) / (END[dtype] + SHIFT)


def near_root(dtype):
    return -mp.mpf(1) / 16, mp.mpf(1) / 16


def over_distance(function, root):
    """function(root + d) / d, where `root` is one of its zeros."""
    slope = mp.diff(function, root)
    return lambda d: function(root + d) / d if abs(d) > mp.mpf(10) ** -25 else slope


def shifted_slope(w):
    root = CONSTANTS["GELU_ROOT"]
    return over_distance(gelu_left, root)(unshifted(w) - root)


def without_constant(name, doc, whole, interval):
    """A row of TABLE for (whole(u) - whole(0)) / u; whole(0) becomes the constant NAME_AT_0."""
    constant = CONSTANTS[f"{name}_AT_0"] = whole(mp.mpf(0))
    slope = mp.diff(whole, 0)

    def function(u):
        return (whole(u) - constant) / u if abs(u) > mp.mpf(10) ** -25 else slope

    function.__doc__ = f"(f(u) - f(0)) / u, f(u) being {doc},"
    return name, function, interval, lambda u: abs(u / whole(u))


# name, function, interval (or one for each dtype), and the largest weight of the function in the result: as a
# remainder's term / whole function
TABLE = [
    ("EXP", exp_remainder, (-HALF_LN2 * 1.01, HALF_LN2 * 1.01), lambda r: r**2 / mp.exp(r)),
    ("EXP_BY_FRACTIONS", exp_remainder, within_fraction, lambda r: r**2 / mp.exp(r)),
    ("EXPM1", exp_remainder, (-HALF_LN2 * 1.01, HALF_LN2 * 1.01), lambda r: abs(r**2 / mp.expm1(r)) if r else r),
    ("HALF_EXPM1", half_expm1_slope, (-2 * HALF_LN2 * 1.01, 2 * HALF_LN2 * 1.01), lambda u: abs(u) / mp.exp(-u / 2)),
    ("LOG1P", log1p_remainder, (mp.mpf(0), mp.exp(-1) * 1.01), lambda f: f**2 / mp.log1p(f) if f else mp.mpf(0)),
    ("LOG_COSH", log_cosh_ratio, (mp.mpf(0), mp.mpf("1.082")), lambda u: u / mp.log1p(mp.exp(-mp.sqrt(u)))),
    ("ATANH", atanh_remainder, (mp.mpf(0), ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * 1.01), lambda v: v),
    (
        "TANHSHRINK",
        tanhshrink_remainder,
        (mp.mpf(0), mp.mpf("0.64") ** 2),
        lambda u: u / (mp.mpf(1) / 3 + u * tanhshrink_remainder(u)),
    ),
    (
        "SIN",
        sin_remainder,
        (mp.mpf(0), (mp.pi / 4 * mp.mpf("1.01")) ** 2),
        lambda u: u / (1 + u * sin_remainder(u)),
    ),
    ("COS", cos_remainder, (mp.mpf(0), (mp.pi / 4 * mp.mpf("1.01")) ** 2), lambda u: u**2 / mp.cos(mp.sqrt(u))),
    ("ATAN", atan_remainder, (mp.mpf(0), mp.mpf(1)), lambda u: u / (1 + u * atan_remainder(u))),
    without_constant("ERF", "erf(x) / x, u = x^2", erf_ratio, (mp.mpf(0), mp.mpf(1))),
    without_constant(
        "GELU_TAIL",
        "(a + 4) e^(a^2 / 2) times the tail beyond a = 4 (1 + u) / (1 - u)",
        lambda w: upper_tail(unshifted(w)) * (unshifted(w) + SHIFT),
        shifted_interval,
    ),
    without_constant(
        "GELU_SLOPE", "e^(a^2 / 2) gelu'(-a) / (a - root), a = 4 (1 + u) / (1 - u)", shifted_slope, shifted_interval
    ),
    *(
        without_constant(
            f"{name}_SLOPE",
            f"{name.lower()}'(-(root + u)) / u",
            over_distance(function, CONSTANTS[f"{name}_ROOT"]),
            near_root,
        )
        for name, function in [("SILU", silu_left), ("MISH", mish_left), ("GELU_TANH", gelu_tanh_left)]
    ),
]
TABLE += [(f"{row[0]}_FOR_HALVES", *row[1:]) for row in TABLE if row[0] in FOR_HALVES]


def tanhshrink_over_square(a):
    if abs(a) > mp.mpf(10) ** -10:
        return 3 * (a - mp.tanh(a)) / a**2
    return a - a**3 * mp.mpf(2) / 5


class Pieces(NamedTuple):
    """A row of PIECES: eight pieces of a function of a >= 0, each half an octave of 1 + scale * a."""

    name: str
    doc: str
    function: Callable
    scale: float
    end: float
    root: mp.mpf | None = None  # those without one are a at first, and less from there on


PIECES = [
    Pieces("TANH_PIECES", "tanh(a)", mp.tanh, 1.664, 9.0109),
    Pieces("TANHSHRINK_PIECES", "3 (a - tanh(a)) / a^2", tanhshrink_over_square, 1.664, 9.0109),
    Pieces("GELU_PIECES", "-2 e^(a^2 / 2) gelu(-a)", lambda a: 2 * a * upper_tail(a), 1.0, 14.9),
    Pieces("GELU_SLOPE_PIECES", "e^(a^2 / 2) gelu'(-a)", gelu_left, 1.0, 14.9, CONSTANTS["GELU_ROOT"]),
    Pieces(
        "SILU_SLOPE_PIECES", "e^a silu'(-a)", lambda a: mp.exp(a) * silu_left(a), 0.53, 131.0, CONSTANTS["SILU_ROOT"]
    ),
]
ABOVE_A = 16.0  # more than any number of a first piece


def half_octave(x):
    return int(np.float32(x).view(np.uint32)) >> 22


def borders(row):
    """Where its pieces begin, and where the last one ends."""
    starts = [float(np.uint32((half_octave(1.0) + k) << 22).view(np.float32)) for k in range(8)]
    return [*((start - 1) / row.scale for start in starts), row.end]


def centre_within(row, low, high):
    """Distances from it are float32 numbers. Of values as pairs: the root, or a short number near the middle, but where
    the value is at most twice that at `low`. Of others: where it is at most `low` and nearly a float32 number."""
    if row.root:
        if low <= row.root < high:
            return mp.mpf(float(np.float32(float(row.root))))
        middle = (low + high) / 2 if high < 3 * low or not low else mp.mpf(low)
        while abs(row.function(middle)) > 1.9 * abs(row.function(mp.mpf(low))):
            middle -= (high - low) / 64
        return mp.mpf(float(np.float16(float(middle))))
    if low == 0:
        return mp.mpf(0)
    middle = (low + high) / 2
    if row.function(middle) > low:
        middle = mp.findroot(lambda a: row.function(a) - low, (low, middle), solver="anderson")

    def distance(c):
        value = row.function(c)
        return abs(value / mp.mpf(float(np.float32(float(value)))) - 1)

    step = (high - low) / 2**14
    return min((mp.mpf(float(np.float32(float(middle - k * step)))) for k in range(512)), key=distance)


def fit_piece(row, low, high, least):
    """Its centre, the value there, and the coefficients of the slope, so many at least; and its error."""
    c = centre_within(row, low, high)
    value, slope = row.function(c), mp.diff(row.function, c)
    beside = not row.root and low == 0
    main = 0.0 if row.root and low <= row.root < high else float(np.float32(float(value)))
    values = [main, float(np.float32(float(value - main)))] if row.root else [ABOVE_A if beside else main]

    def function(d):
        return ((row.function(c + d) - value) / d if abs(d) > mp.mpf(10) ** -25 else slope) - beside

    def weight(d):
        return abs(d / row.function(c + d)) if d else abs(1 / slope) if abs(value) < mp.mpf(10) ** -6 else mp.mpf(0)

    margin = (high - low) / 1000 if low else 0
    interval = low - margin - c, high + (high - low) / 1000 - c
    coefficients, error, rounded = fit(function, interval, weight, mp.mpf(2) ** -26, "float32", least - 1)
    print(f"{row.name} [{low:.4f}, {high:.4f}]: degree {len(coefficients)}, {report(error, rounded)}", flush=True)
    return [float(c), *values, *map(float, coefficients)], rounded


def fit_pieces(row):
    """Rows of eight, in the order of the half octaves' low bits, as `_specialise.Pieces` takes them."""
    places = list(pairwise(borders(row)))
    pieces = [fit_piece(row, low, high, 3) for low, high in places]
    most = max(len(numbers) for numbers, _ in pieces)
    for k, (low, high) in enumerate(places):  # more coefficients are at no cost, but for rounding not always better
        while len(pieces[k][0]) < most:
            numbers, error = fit_piece(row, low, high, len(pieces[k][0]) - (3 if row.root else 2) + 1)
            pieces[k] = (numbers, error) if error < pieces[k][1] else ([*pieces[k][0], 0.0], pieces[k][1])
    first = half_octave(1.0)
    return list(zip(*(pieces[(k - first) % 8][0] for k in range(8)), strict=True))


def report(error, rounded):
    return f"error 2^{mp.nstr(mp.log(error, 2), 5)}, 2^{mp.nstr(mp.log(rounded, 2), 5)} with rounded coefficients"


def least_squares(nodes, values, weights, fixed, degree):
    """The coefficients after the `fixed` ones."""
    basis = mp.matrix([[w * p**k for k in range(len(fixed), degree + 1)] for p, w in zip(nodes, weights, strict=True)])
    rest = [w * (v - mp.polyval(fixed[::-1] or [0], p)) for p, v, w in zip(nodes, values, weights, strict=True)]
    return list(mp.lu_solve(basis, mp.matrix(rest)))


def fit(function, interval, weight, wanted, dtype, least=2):
    """The lowest degree, from `least` on, whose largest error is below `wanted`: the rounded coefficients, and its
    errors without and with rounding."""
    low, high = interval

    def at(points):
        return points, [function(p) for p in points], [weight(p) for p in points]

    def errors(coefficients, points, values, weights):
        return [abs(mp.polyval(coefficients[::-1], p) - v) * w for p, v, w in zip(points, values, weights, strict=True)]

    for degree in range(least, 40):
        count = 8 * (degree + 2)  # even: 0, where some functions are not known, is not among the nodes
        middle, half = (low + high) / 2, (high - low) / 2
        nodes = at([middle + half * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)])
        # C. L. Lawson's way to the least largest error: weigh more, again and again, where the error is large
        shares, best, attention = [mp.mpf(1)] * count, mp.inf, None
        for turn in range(40):
            seen = [mp.sqrt(share) * w for share, w in zip(shares, nodes[2], strict=True)]
            there = errors(least_squares(*nodes[:2], seen, [], degree), *nodes)
            if max(there) < best:
                best, attention = max(there), seen
            if turn == 0 and best > 8 * wanted:
                break
            shares = [share * error for share, error in zip(shares, there, strict=True)]
            whole = sum(shares)
            shares = [max(share / whole, mp.mpf(10) ** -30) for share in shares]
        if best < wanted:
            break
    # round one after another, lowest power first; the later ones make up for what the rounding of the earlier cost
    coefficients = []
    for _ in range(degree + 1):
        following = least_squares(*nodes[:2], attention, coefficients, degree)[0]
        coefficients.append(mp.mpf(float(np.dtype(dtype).type(float(following)))))
    return coefficients, best, max(errors(coefficients, *at([low + (high - low) * k / 400 for k in range(401)])))


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    lines = ['"""Polynomial coefficients, lowest power first, and other numbers; made by bench/coefficients.py."""', ""]
    for name, function, interval, weight in TABLE:
        intervals = {dtype: interval(dtype) if callable(interval) else interval for dtype in PRECISION}
        places = dict.fromkeys(f"[{mp.nstr(low, 6)}, {mp.nstr(high, 6)}]" for low, high in intervals.values())
        lines += [f"# {function.__doc__}", f"# on {' and '.join(places)}"]
        lines.append(f"{name} = {{")
        for dtype, bits in PRECISION.items():
            if dtype == "float64" and name in FLOAT32_ONLY:
                continue
            wanted = mp.mpf(2) ** -(18 if name.endswith("FOR_HALVES") else bits + 4)
            coefficients, error, rounded = fit(function, intervals[dtype], weight, wanted, dtype)
            print(f"{name} {dtype}: degree {len(coefficients) - 1}, {report(error, rounded)}", flush=True)
            lines.append(f'    "{dtype}": (')
            lines += [f"        {float(c)!r}," for c in coefficients]
            lines.append("    ),")
        lines += ["}", ""]
    for row in PIECES:
        lines.append(f"# {row.doc}, by pieces: their centres, values there, and coefficients of slopes;")
        lines += ["# each is half an octave of 1 + SCALE * a", f"{row.name} = ("]
        for numbers in fit_pieces(row):
            lines += ["    (", *(f"        {number!r}," for number in numbers), "    ),"]
        lines += [")", f"{row.name.removesuffix('PIECES')}SCALE = {row.scale!r}", ""]
    lines.append("# numbers as float64 and what that leaves")
    for name, value in CONSTANTS.items():
        lines.append(f"{name} = ({float(value)!r}, {float(value - float(value))!r})")
    target = Path(__file__).parents[1] / "fastact" / "_coefficients.py"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
