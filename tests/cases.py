"""What the tables of tests run over: functions, parameters, dtypes, inputs, layouts; and the measure of error."""

from types import FunctionType

import numpy as np
import pytest
from ulp import ulp_errors

import fastact
from fastact import _backend, _coefficients, _numpy
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._levels import LEVELS
from fastact._specialise import ByLookup
from fastact._table import REDUCTIONS, SOFTMAXES, SPARSE

FUNCTIONS = list(ACTIVATIONS)
ELEMENTWISE = [*ACTIVATIONS, *GRADIENTS]  # the gradient of NAME is NAME_grad
TABLE = ACTIVATIONS | GRADIENTS
KEEPING_SHAPE = [name for name, row in REDUCTIONS.items() if not row.single]  # of the functions over axes
DTYPES = ["float32", "float64", "float16"]

# The fallback computes in long double, one element like another, with loops and memory of NumPy's, on one thread.
COMPILED = fastact.backend != "numpy"
compiled_only = pytest.mark.skipif(not COMPILED, reason="the fallback has nothing of this")
# Without fused multiply-add, the bounds of the error are wider. See test_accuracy.py.
WITHOUT_FMA = COMPILED and not LEVELS[_backend.level].fma
AS_ON_A_GPU = COMPILED and not WITHOUT_FMA  # the same operations, and so the same bits
MAX_ULP = 4 if WITHOUT_FMA else 1.5
MAX_ULP_OF_HALVES = 0.53  # on a GPU, where float16 and bfloat16 are computed with few more digits than they have
MAX_ULP_OF_ROWS = {"float16": 1, "float32": 3 if WITHOUT_FMA else 2, "float64": 4}

INF, NAN = np.inf, np.nan
# Rows of which softmax, sparsemax and entmax15 are the same, to the bit; None: NaN throughout.
EDGES_OF_ALL = [
    ([INF, 1.0, 2.0], [1.0, 0.0, 0.0]),
    ([1.0, 2.0, INF], [0.0, 0.0, 1.0]),
    ([INF, -INF], [1.0, 0.0]),
    ([INF], [1.0]),
    ([INF, INF, 0.0], None),
    ([-INF, -INF], None),
    ([-INF], None),
    ([NAN, 1.0], None),
    ([INF, NAN, 1.0], None),
    ([1.0, -INF, 1.0], [0.5, 0.0, 0.5]),
    ([5.0], [1.0]),
    ([0.0, -0.0], [0.5, 0.5]),
]

# (dtype, x, temperature, its log_softmax): a difference of these numbers, or its quotient by the temperature, is
# beyond the range.
BEYOND_THE_RANGE = [
    ("float32", [-3 * 2.0**126, -INF, 3 * 2.0**126], 2.0**127, [-3.0485873, -INF, -0.048587352]),
    ("float64", [-3 * 2.0**1022, -INF, 3 * 2.0**1022], 2.0**1023, [-3.048587351573742, -INF, -0.04858735157374206]),
    ("float16", [-6e4, -INF, 6e4], 4e4, [-3.0485873, -INF, -0.048587352]),
    ("float32", [0, 1e30, -1e30], 1e-20, [-INF, 0, -INF]),
    ("float64", [0, 1e300, -1e300], 7e-30, [-INF, 0, -INF]),
    ("float16", [0, 6e4, -6e4], 1e-38, [-INF, 0, -INF]),
]

# Every function with each of these; where it has defaults, they come first.
ALL_ARGUMENTS = {
    "elu": [(1.0,), (0.3,), (-2.5,)],
    "prelu": [(0.25,), (-0.5,)],
    "leaky_relu": [(0.01,), (3.0,)],
    "threshold": [(0.5, -7.0), (-1.0, 20.0)],
    "hardtanh": [(-1.0, 1.0), (-2.0, 5.5)],
    "softplus": [(1.0, 20.0), (0.3, 5.0), (2.0, np.inf)],
    "softshrink": [(0.5,), (0.0,)],
    "celu": [(1.0,), (0.3,), (20.0,)],
    "hardshrink": [(0.5,), (0.0,)],
    "squareplus": [(4.0,), (0.0,), (1.3,)],
    "swish": [(1.0,), (1.702,), (-0.5,)],
    "rrelu": [(1 / 8, 1 / 3), (0.25, 0.3)],
}


def is_by_lookup(value, dtype):
    """Whether that is a `ByLookup` which has a way of the dtype's, or a function that uses one."""
    if isinstance(value, FunctionType):
        return any(is_by_lookup(value.__globals__.get(name), dtype) for name in value.__code__.co_names)
    return isinstance(value, ByLookup) and value.by_lookup[dtype] is not None


# What is by lookup on a CPU, and so has bits of its own there, with the dtype; the tables of pieces, which are half
# octaves of 1 + scale * abs(x), and that scale.
BY_LOOKUP = {
    (name, dtype) for name, row in TABLE.items() for dtype in ("float32", "float64") if is_by_lookup(row.formula, dtype)
}
PIECES = {
    "tanh_pieces": _coefficients.TANH_SCALE,
    "tanhshrink_pieces": _coefficients.TANHSHRINK_SCALE,
    "gelu_pieces": _coefficients.GELU_SCALE,
    "gelu_slope_pieces": _coefficients.GELU_SLOPE_SCALE,
    "silu_slope_pieces": _coefficients.SILU_SLOPE_SCALE,
}


def beside_borders(scale):
    """For each of the seven borders between pieces, the 401 float32 numbers around it."""
    borders = (np.array([1.5, 2, 3, 4, 6, 8, 12]) - 1) / scale
    bits = borders.astype(np.float32).view(np.int32)[:, None] + np.arange(-200, 201, dtype=np.int32)
    return bits.view(np.float32).ravel()


def all_arguments(name):
    return ALL_ARGUMENTS.get(name.removesuffix("_grad"), [()])


def first_arguments(name):
    return all_arguments(name)[0]


CALLS = [(name, arguments) for name in ELEMENTWISE for arguments in all_arguments(name)]


def public(name, module=fastact):
    return getattr(module.grad, name.removesuffix("_grad")) if name in GRADIENTS else getattr(module, name)


def gy_for(x):
    """Something for a gradient to be multiplied with, which depends on x. It neither rounds, being a power of two, nor
    makes the error of a subnormal derivative count as several units of a larger number."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return np.ones_like(x)
    return np.where(np.abs(x) > 1, x.dtype.type(-1), x.dtype.type(0.5))


def inputs_of(name, x):
    return [gy_for(x), x] if name in GRADIENTS else [x]


def function_of(name):
    """The public function as a function of x and the parameters; a gradient is given `gy_for(x)`."""
    if name not in GRADIENTS:
        return public(name)
    return lambda x, *arguments, **keywords: public(name)(gy_for(x), x, *arguments, **keywords)


def sample(dtype, size=3000, seed=0):
    """Normal, uniform and log-uniform numbers of both signs, and each special value."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    exponents = rng.uniform(info.minexp - info.nmant, info.maxexp - 1, size)
    signs = rng.choice([-1.0, 1.0], size)
    parts = [rng.normal(scale=3, size=size), rng.uniform(-20, 20, size), signs * 2.0**exponents, special(dtype)]
    return rng.permutation(np.concatenate([part.astype(dtype) for part in parts]))


def special(dtype):
    """Infinities, zeros, NaN, kinks, the smallest and largest numbers, and neighbours of them."""
    info = np.finfo(dtype)
    positive = [0.0, 0.5, 1.0, 3.0, 6.0, 20.0, 88.0, info.tiny, info.smallest_subnormal, info.max, np.inf]
    values = np.array(positive, dtype)
    neighbours = [np.nextafter(values[:-2], np.inf, dtype=dtype), np.nextafter(values[1:], 0, dtype=dtype)]
    values = np.concatenate([values, *neighbours])
    return np.concatenate([values, -values, [np.nan]]).astype(dtype)


def exact(name, x, arguments):
    """`function_of(name)` in extended precision; `arguments` are first rounded to the dtype, as NumPy does."""
    x = np.asarray(x)
    arguments = [np.asarray(a).astype(x.dtype).astype(np.longdouble) for a in arguments]
    with np.errstate(all="ignore"):
        return getattr(_numpy, name)(*(a.astype(np.longdouble) for a in inputs_of(name, x)), *arguments)


def axes_of(axis, ndim):
    """The axes as a tuple of numbers from 0 on; an array of no dimensions has none."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)) if ndim)


def exact_reduction(name, x, axis, where=None, **temperature):
    x = np.asarray(x).astype(np.longdouble)
    temperature = {key: np.longdouble(value) for key, value in temperature.items()}
    with np.errstate(all="ignore"):
        return getattr(_numpy, name)(x, axes_of(axis, x.ndim), where, **temperature)


def max_ulp(name):
    """For any floating-point dtype, and parameters within reason."""
    return max(MAX_ULP, TABLE[name].max_ulp)


def ulps(got, want):
    return float(np.max(ulp_errors(np.asarray(got), np.asarray(want)), initial=0))


# What sparse results may be off by at the edge of the support, where they are as small as that.
AT_THE_EDGE = {"float16": 0.0, "float32": 1e-15, "float64": 1e-17}


def is_sparse_result(y, x, name, axis):
    """Whether y is x's sparsemax, entmax15 or hardmax, as near as promised."""
    want, limits = exact_reduction(name, x, axis), np.finfo(y.dtype)
    edge = AT_THE_EDGE[y.dtype.name] + float(limits.smallest_subnormal)
    return np.all(np.abs(y - want) <= np.maximum(want * limits.eps, edge))


def exact_gradient(name, gy, y, axis, temperature=1):
    """The gradient of a function over axes, whose result was y, in extended precision."""
    gy, y = gy.astype(np.longdouble), y.astype(np.longdouble)
    options = {"temperature": np.longdouble(temperature)} if name in SOFTMAXES else {}
    with np.errstate(all="ignore"):
        return getattr(_numpy, f"{name}_gradient")(gy, axes_of(axis, gy.ndim), y, **options)


def is_row_gradient(got, gy, y, name, axis, temperature=1):
    """Whether that is the gradient, as near as a GPU's is; differences may cancel, so in units of their terms, too."""
    want, limits = exact_gradient(name, gy, y, axis, temperature), np.finfo(got.dtype)
    gy, y = gy.astype(np.longdouble), y.astype(np.longdouble)
    if name in SPARSE:
        bound = limits.eps * (np.abs(want) + np.abs(gy) / 64)
    else:
        terms = np.abs(gy) * (1 if name == "log_softmax" else np.abs(y)) / temperature
        bound = 2 * limits.eps * (terms + np.abs(want)) + limits.smallest_subnormal
    return np.all(np.abs(got - want) <= bound)


def row_ulps(name, got, want):
    """As `ulps`, for a function over axes."""
    with np.errstate(all="ignore"):
        near = np.abs(got.astype(want.dtype) - want) <= (AT_THE_EDGE[got.dtype.name] if name in SPARSE else 0)
    return float(np.max(np.where(near, 0, ulp_errors(got, want)), initial=0))


def bits(x):
    """An array as integers, all NaN the same."""
    x = np.array(x, order="C")
    x = x.astype(x.dtype.newbyteorder("="))
    x[np.isnan(x)] = np.nan
    return x.view(f"u{x.itemsize}")


def unaligned(x):
    buffer = np.empty(x.nbytes + 1, np.uint8)[1:]
    y = buffer.view(x.dtype).reshape(x.shape)
    y[...] = x
    assert not y.flags.aligned or x.nbytes == 0
    return y


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


# name -> from an array of one dimension, one in that layout
LAYOUTS = {
    "C": lambda x: x[: x.size // 7 * 7].reshape(7, -1),
    "F": lambda x: np.asfortranarray(x[: x.size // 7 * 7].reshape(7, -1)),
    "transposed": lambda x: x[: x.size // 15 * 15].reshape(3, 5, -1).transpose(2, 0, 1),
    "reversed": lambda x: x[::-1],
    "reversed axes": lambda x: x[: x.size // 7 * 7].reshape(7, -1)[::-1, ::-1],
    "every other": lambda x: np.repeat(x, 2)[::2],
    "sliced": lambda x: x[: x.size // 7 * 7].reshape(7, -1)[1:6, 3:-2],
    "broadcast": lambda x: np.broadcast_to(x[:100, None], (100, 5)),
    "one value": lambda x: np.broadcast_to(x[:1], (300,)),
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "unaligned": unaligned,
    "read-only": read_only,
    "0-d": lambda x: x[5].reshape(()),
    "empty": lambda x: x[:0],
    "empty rows": lambda x: x[:0].reshape(3, 0, 2),
}
