"""What tests of functions over axes share."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
from cases import COMPILED, EDGES_OF_ALL, WITHOUT_FMA, axes_of, exact_gradient, exact_reduction
from hypothesis import strategies as st
from ulp import unit

import fastact
from fastact._table import SPARSE

INF, NAN = np.inf, np.nan

# Each takes another path: rows, columns, tiles of packed rows, single packed rows, threads on one row.
SHAPES = [
    ((1000, 10), 1),
    ((1000, 10), 0),
    ((37, 49), 1),
    ((300, 300), 1),
    ((300, 300), 0),
    ((2, 21, 40, 50), 1),
    ((5, 3, 2), 1),
    ((3, 50_257), 1),
    ((100_001,), 0),
    ((1, 4096), 1),
    ((1, 4097), 0),
    ((6, 5000, 2), 1),
    ((20, 30, 40), (0, 2)),
    ((20, 30, 40), (2, 0)),
    ((20, 30, 40), (1, 2)),
    ((20, 30, 40), None),
    ((20, 30, 40), ()),
    ((7, 1, 9), 1),
    ((2, 3, 4, 5, 6, 7), (1, 3, 5)),
    ((1,) * 20 + (3, 4), -1),
    ((1,) * 61 + (3, 4, 5), -2),
]
if not COMPILED:  # there is one path, and it is slow
    SHAPES = [(shape, axis) for shape, axis in SHAPES if math.prod(shape) <= 30_000]

# rows with their softmax, to the bit; None: NaN throughout. log_softmax: its logarithm, softmin: of -row.
EDGES = [
    *EDGES_OF_ALL,
    ([3e4, 3e4, 3e4, 3e4], [0.25] * 4),
    ([6e4, -6e4], [1.0, 0.0]),
]

LIMITS_OF_LOGSUMEXP = [
    ([INF, 1.0], INF),
    ([INF, INF, -INF], INF),
    ([-INF, -INF], -INF),
    ([-INF, 2.0], 2.0),
    ([-INF], -INF),
    ([NAN, INF], NAN),
    ([NAN, -INF], NAN),
    ([NAN, 1.0], NAN),
    ([], -INF),
    ([5.0], 5.0),
    ([6e4, -6e4], 6e4),
]

# Where terms cancel: units in the last place of the larger of them.
OF_TERMS = {
    "softmax": {"float16": 2.0**-10, "float32": 8.0, "float64": 8.0},
    "log_softmax": {"float16": 2.0**-11, "float32": 7.0, "float64": 7.0},
    "sparsemax": {"float32": 2.0**-12, "float64": 2.0**-6},
    "entmax15": {"float32": 2.0**-12, "float64": 2.0**-6},
}


@st.composite
def arrays_and_axes(draw):
    dtype = np.dtype(draw(st.sampled_from(["f", "d", "e", "i4", "i8"])))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9))
    width = 8 * min(dtype.itemsize, 4)
    elements = st.floats(-60, 60, width=width) | st.sampled_from([0.0, INF, -INF, NAN, 1e4])
    if dtype.kind == "i":
        elements = st.integers(-100, 100)
    x = draw(hnp.arrays(dtype, shape, elements=elements))
    steps = draw(st.tuples(*[st.sampled_from([1, -1, 2, -2])] * x.ndim))
    x = x[tuple(slice(None, None, step) for step in steps)].transpose(draw(st.permutations(range(x.ndim))))
    axes = st.lists(st.integers(-x.ndim, x.ndim - 1), unique_by=lambda a: a % x.ndim).map(tuple)
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | axes)
    return x, axis


def spreads(shape, axis, scales):
    """Standard deviations of normal numbers: an array for all rows, in whose order the scales follow each other; or
    where these are few, one scale after another."""
    axes = axes_of(axis, len(shape))
    kept = [1 if k in axes else n for k, n in enumerate(shape)]
    count = math.prod(kept)
    if count < 2 * len(scales):
        return scales
    return [np.repeat(scales, -(-count // len(scales)))[:count].reshape(kept)]


def case(name, shape, axis, dtype, scale, seed=0):
    rng = np.random.default_rng(seed)
    y = getattr(fastact, name)((rng.normal(size=shape) * scale).astype(dtype), axis=axis)
    return rng.normal(scale=2, size=shape).astype(dtype), y


def gradient_error(name, got, gy, y, axis, dtype=None):
    """In units in the last place of the result, or of OF_TERMS of the terms."""
    axes = axes_of(axis, gy.ndim)
    want = exact_gradient(name, gy, y, axis)
    dtype = dtype or got.dtype.name
    gy, y = gy.astype(np.longdouble), y.astype(np.longdouble)
    with np.errstate(all="ignore"):
        if name in SPARSE:
            s = np.sqrt(y) if name == "entmax15" else y > 0
            mean = np.sum(s * np.abs(gy), axes, keepdims=True) / np.sum(s, axes, keepdims=True)
            terms = np.where(s > 0, s * np.maximum(np.abs(gy), mean), 0)
        elif name == "log_softmax":
            terms = np.maximum(np.abs(gy), np.exp(y) * np.sum(np.abs(gy), axes, keepdims=True))
        else:
            terms = np.abs(y) * np.maximum(np.abs(gy), np.sum(np.abs(gy * y), axes, keepdims=True))
        part = OF_TERMS["softmax" if name == "softmin" else name].get(dtype, 0)
        part = max(part, 4.0) if WITHOUT_FMA else part
        units = np.maximum(unit(want, dtype), part * unit(terms, dtype))
        errors = np.abs(got.astype(np.longdouble) - want) / units
    agree = (got == want) | (np.isnan(got) & np.isnan(want))
    return float(np.max(np.where(agree, 0, errors), initial=0))


def logsumexp_error(got, x, axis, where=None):
    """In units in the last place of the largest of the result, the maximum and their difference."""
    want = exact_reduction("logsumexp", x, axis, where)
    assert got.shape == want.shape
    where = np.isfinite(x) & (True if where is None else where)
    m = np.max(np.asarray(x, np.longdouble), axis=axis, keepdims=True, initial=-np.inf, where=where)
    with np.errstate(all="ignore"):
        scale = np.fmax(np.abs(want), np.fmax(np.abs(m), np.abs(want - m)))
        errors = np.abs(got.astype(np.longdouble) - want) / unit(scale, got.dtype)
        agree = (got == want) | (np.isnan(got) & np.isnan(want)) | (np.abs(want) > np.finfo(got.dtype).max)
    return np.max(np.where(agree, 0, errors), initial=0)
