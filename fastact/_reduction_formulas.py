"""The elementwise part of softmax and its kin, for the loops of `_kernels.pyx`."""

from fastact._math import EXP_LOW, exp_parts


def exp_difference(x, m):
    """e**(x - m) * UP, for x <= m or x NaN, and m finite; the rounding error of the difference is carried along."""
    d = x - m
    part = d - x
    d_low = (x - (d - part)) - (m + part)
    high, low, s = exp_parts(d, d_low if d > EXP_LOW else 0.0)
    return (high + low) * s


def exp_minus_difference(x, m):
    """The same for softmin: e**(m - x) * UP, for x >= m."""
    return exp_difference(m, x)


REDUCTION_FORMULAS = [exp_difference, exp_minus_difference]
