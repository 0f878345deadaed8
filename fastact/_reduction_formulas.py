"""The elementwise part of softmax and its kin, for the loops of `_kernels.pyx`."""

from fastact._math import EXP_LOW, exp_parts


def exp_difference(x, m):
    """e**(x - m) * UP, for x <= m or one of them NaN; the rounding error of the difference is carried along,
    and where x = m the result is UP, at inf too."""
    d = 0.0 if x == m else x - m
    part = d - x
    d_low = (x - (d - part)) - (m + part)
    d_low = d_low if d < 0.0 else 0.0
    d_low = d_low if d > EXP_LOW else 0.0
    high, low, s = exp_parts(d, d_low)
    return (high + low) * s


# name -> formula, number of inputs
REDUCTION_FORMULAS = {"exp_difference": (exp_difference, 2)}
