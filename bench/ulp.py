"""The measure of error: units in the last place."""

import numpy as np


def ulp_errors(got, want):
    """The distance of each of `got` from `want`, in units in the last place of `want` in got's dtype.

    `want` is of a wider dtype, and may lie between two numbers of got's. Where a NaN or an infinity
    stands on one side alone, the distance is inf.
    """
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        nearest = want.astype(got.dtype)
        exponent = np.maximum(np.frexp(want)[1], info.minexp + 1)
        error = np.abs(np.ldexp(got.astype(want.dtype) - want, info.nmant + 1 - exponent))
        same = (got == nearest) | ((got != got) & (want != want))
        return np.where(np.isfinite(got) & np.isfinite(nearest), error, np.where(same, 0, np.inf))
