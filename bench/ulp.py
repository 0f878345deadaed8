"""The measure of error: units in the last place."""

import numpy as np


def unit(x, dtype):
    """In the last place of x as a number of the dtype, which may be narrower; the smallest numbers share theirs."""
    info = np.finfo(dtype)
    return np.ldexp(x.dtype.type(1), np.maximum(np.frexp(x)[1], info.minexp + 1) - 1 - info.nmant)


def ulp_errors(got, want):
    """The distance of each of `got` from `want`, in units in the last place of `want` in got's dtype.

    `want` is of a wider dtype, and may lie between two numbers of got's. Where a NaN or an infinity
    stands on one side alone, the distance is inf.
    """
    with np.errstate(all="ignore"):
        nearest = want.astype(got.dtype)
        error = np.abs(got.astype(want.dtype) - want) / unit(want, got.dtype)
        same = (got == nearest) | ((got != got) & (want != want))
        return np.where(np.isfinite(got) & np.isfinite(nearest), error, np.where(same, 0, np.inf))
