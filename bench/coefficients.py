"""Make fastact/_coefficients.py: the polynomials that exp, log1p, atanh and tanhshrink rest on.

Each is a Chebyshev fit, by mpmath at 60 digits, of a smooth remainder whose leading terms the kernels
carry exactly; the degree is the smallest whose error, as a share of the whole function, stays below
2**-(p + 4) for a dtype with p bits. Run it again after changing a line of TABLE:

    python bench/coefficients.py
"""

from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 60
PRECISION = {"float32": 24, "float64": 53}
HALF_LN2 = mp.log(2) / 2


def exp_remainder(r):
    """(e^r - 1 - r) / r^2"""
    if abs(r) < mp.mpf(10) ** -12:
        return mp.mpf(1) / 2 + r / 6
    return (mp.expm1(r) - r) / r**2


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


def atanh_remainder(v):
    """(atanh u - u) / u^3, v = u^2,"""
    if v < mp.mpf(10) ** -12:
        return mp.mpf(1) / 3 + v / 5
    u = mp.sqrt(v)
    return (mp.atanh(u) - u) / u**3


# name, function, interval, its largest weight in the result (remainder's term / whole function)
TABLE = [
    ("EXP", exp_remainder, (-HALF_LN2 * 1.01, HALF_LN2 * 1.01), lambda r: r**2 / mp.exp(r)),
    ("LOG1P", log1p_remainder, (mp.mpf(0), mp.exp(-1) * 1.01), lambda f: f**2 / mp.log1p(f) if f else mp.mpf(0)),
    ("LOG_COSH", log_cosh_ratio, (mp.mpf(0), mp.mpf(1)), lambda u: u / mp.log1p(mp.exp(-mp.sqrt(u)))),
    ("ATANH", atanh_remainder, (mp.mpf(0), ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * 1.01), lambda v: v),
    (
        "TANHSHRINK",
        tanhshrink_remainder,
        (mp.mpf(0), mp.mpf("0.64") ** 2),
        lambda u: u / (mp.mpf(1) / 3 + u * tanhshrink_remainder(u)),
    ),
]


def fit(function, interval, weight, bits, dtype):
    """The lowest degree that is exact enough; then round its coefficients one after another,
    lowest power first, and let the later ones make up for what the rounding of the earlier cost."""
    low, high = interval
    points = [low + (high - low) * k / 400 for k in range(401)]
    wanted = mp.mpf(2) ** -(bits + 4)

    def error(coefficients):
        return max(abs(mp.polyval(coefficients[::-1], p) - function(p)) * weight(p) for p in points)

    for degree in range(2, 40):
        ideal = mp.chebyfit(function, [low, high], degree + 1)[::-1]
        if error(ideal) < wanted:
            break
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (6 * degree)) for k in range(3 * degree)
    ]
    weights = [mp.sqrt(weight(p)) + mp.mpf(10) ** -3 for p in nodes]
    coefficients = list(ideal)
    for fixed in range(1, degree + 2):
        coefficients[fixed - 1] = mp.mpf(float(np.dtype(dtype).type(float(coefficients[fixed - 1]))))
        if fixed > degree:
            break
        basis = mp.matrix([[w * p**k for k in range(fixed, degree + 1)] for p, w in zip(nodes, weights, strict=True)])
        rest = mp.matrix(
            [w * (function(p) - mp.polyval(coefficients[:fixed][::-1], p)) for p, w in zip(nodes, weights, strict=True)]
        )
        coefficients[fixed:] = list(mp.lu_solve(basis, rest))
    return coefficients, error(ideal), error(coefficients)


def main():
    lines = ['"""Polynomial coefficients, lowest power first; made by bench/coefficients.py."""', ""]
    for name, function, interval, weight in TABLE:
        lines.append(f"# {function.__doc__} on [{mp.nstr(interval[0], 6)}, {mp.nstr(interval[1], 6)}]")
        lines.append(f"{name} = {{")
        for dtype, bits in PRECISION.items():
            coefficients, error, rounded = fit(function, interval, weight, bits, dtype)
            print(
                f"{name} {dtype}: degree {len(coefficients) - 1}, error 2^{mp.nstr(mp.log(error, 2), 5)}, "
                f"2^{mp.nstr(mp.log(rounded, 2), 5)} with rounded coefficients"
            )
            lines.append(f'    "{dtype}": (')
            lines += [f"        {float(c)!r}," for c in coefficients]
            lines.append("    ),")
        lines += ["}", ""]
    target = Path(__file__).parents[1] / "fastact" / "_coefficients.py"
    target.write_text("\n".join(lines[:-1]) + "\n")


if __name__ == "__main__":
    main()
