"""softmax, softmin, log_softmax and logsumexp: their arguments checked, then handed to the backend."""

import math
import operator
from collections import defaultdict
from itertools import product

import numpy as np
from numpy.exceptions import AxisError

from fastact import _backend, _dispatch
from fastact._documentation import documented
from fastact._table import REDUCTIONS

convert = _backend.ufunc_module.convert
MODULES: list = []
if _backend.backend == _backend.PLAIN:
    from fastact._numpy import reduce, select

    REDUCE: dict = defaultdict(lambda: reduce)
else:
    select = _backend.kernels_module.select
    MODULES += [_backend.kernels_module, _backend.simplex_module]
    REDUCE = {name: module.reduce for module in MODULES for name in module.KINDS}
# name -> what gives the result of a simple call, or None: the checks below take longer than a thousand exponentials
QUICK: dict = defaultdict(lambda: lambda *given: None)
if _backend.backend != _backend.CUDA:
    QUICK |= {name: module.reduce_contiguous for module in MODULES for name in module.KINDS}

# As `numpy.exp` promotes; everything else has no real exponential.
RESULT_TYPES = {
    character: np.dtype(result)
    for characters, result in {"?bBe": "e", "hHf": "f", "iIlLqQd": "d"}.items()
    for character in characters
}
COMPUTED_AS = {"e": np.dtype("f"), "f": np.dtype("f"), "d": np.dtype("d")}
COPIED = 2**18  # bytes of operands that have another dtype, at a time


@documented
def softmax(x, axis=-1, *, out=None, where=None, dtype=None, temperature=1.0):
    """Softmax: exp(x) / sum(exp(x)), the sum over one axis, several, or all.

    .. math:: y_i = \\frac{e^{x_i - m}}{\\sum_j e^{x_j - m}}, \\quad m = \\max_j x_j

    {arguments}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 4 in float64, for any length and
    spread (measured).

    {limits}

    References
    ----------
    J. S. Bridle, Probabilistic interpretation of feedforward classification network outputs, in:
    Neurocomputing, Springer, 1990.

    Examples
    --------
    >>> import fastact
    >>> fastact.softmax([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]], axis=1)
    array([[0.09003057, 0.24472847, 0.66524096],
           [0.33333333, 0.33333333, 0.33333333]])
    """
    return _apply("softmax", x, axis, out, where, dtype, temperature)


@documented
def softmin(x, axis=-1, *, out=None, where=None, dtype=None, temperature=1.0):
    """Softmin: softmax(-x), over one axis, several, or all.

    .. math:: y_i = \\frac{e^{m - x_i}}{\\sum_j e^{m - x_j}}, \\quad m = \\min_j x_j

    {arguments}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 4 in float64, for any length and
    spread (measured).

    A NaN makes its row NaN. inf gives 0. A row with exactly one -inf has a limit: 1 there, 0 elsewhere;
    with several, or where all are inf, it is NaN. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> fastact.softmin([1.0, 2.0, 3.0])
    array([0.66524096, 0.24472847, 0.09003057])
    """
    return _apply("softmin", x, axis, out, where, dtype, temperature)


@documented
def log_softmax(x, axis=-1, *, out=None, where=None, dtype=None, temperature=1.0):
    """Logarithm of softmax: x - log(sum(exp(x))), over one axis, several, or all.

    .. math:: y_i = x_i - m - \\log \\sum_j e^{x_j - m}, \\quad m = \\max_j x_j

    {arguments}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 4 in float64, for any length and
    spread (measured).

    Keeps its digits everywhere, also where one element has almost all the weight and its logarithm is
    nearly 0. A NaN makes its row NaN. -inf gives -inf. A row with exactly one inf has a limit: 0 there,
    -inf elsewhere; with several, or where all are -inf, it is NaN. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> fastact.log_softmax([1.0, 2.0, 3.0])
    array([-2.40760596, -1.40760596, -0.40760596])
    """
    return _apply("log_softmax", x, axis, out, where, dtype, temperature)


@documented
def logsumexp(x, axis=-1, *, keepdims=False, out=None, where=None, dtype=None):
    """Logarithm of the sum of exponentials: log(sum(exp(x))), over one axis, several, or all.

    .. math:: y = m + \\log \\sum_j e^{x_j - m}, \\quad m = \\max_j x_j

    Parameters
    ----------
    {x}
    {axis}
    keepdims : bool, default False
        Whether the axes that were summed over stay, with size 1.
    out : ndarray or tuple of one ndarray, optional
        Where the result goes, of its shape.
    where : array_like of bool, optional
        Elements that take part; those that a masked `x` masks do not. Broadcasts to the shape of `x`.
    {dtype}

    Returns
    -------
    ndarray or scalar
        Of the shape of `x` without `axis`.
        {kept}

    {raises}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 3 in float64, for any length and spread
    (measured: 1.6 and 2.2, where m is about 0); where m and the logarithm cancel, in the last place of the larger of
    these.

    A NaN makes its sum NaN. One inf or several give inf; where all are -inf, or there is nothing to sum, it is -inf.

    Examples
    --------
    >>> import fastact
    >>> fastact.logsumexp([[0.0, 0.0], [1000.0, 0.0]])
    array([6.93147181e-01, 1.00000000e+03])
    """
    if keepdims is not False:
        keepdims = bool_of("keepdims", keepdims)
    if where is None and dtype is None and (out is None or not keepdims):
        result = QUICK["logsumexp"]("logsumexp", x, None, axis, out, 1.0)
        if result is not None and keepdims:
            shape = list(x.shape)
            shape[axis] = 1
            return result.reshape(shape)
        if result is not None:
            return returned(result, out)
    if type(x) is not np.ndarray or _backend.backend == _backend.CUDA:
        result = _dispatch.reduction(
            "logsumexp", (x,), axis, out=out, where=where, dtype=dtype, keepdims=keepdims or None
        )
        if result is not NotImplemented:
            return result
    where = unmasked(x, where)
    x = np.asarray(x)
    result_type = result_type_of("logsumexp", "x", x.dtype, dtype)
    axes = axes_of(axis, x.ndim)
    sizes = [1 if k in axes else size for k, size in enumerate(x.shape) if keepdims or k not in axes]
    if where is not None:
        where = _mask(where, x.shape)
    result = output("logsumexp", out, "the result", tuple(sizes), result_type)
    target = result[(*(None if k in axes and not keepdims else slice(None) for k in range(x.ndim)), ...)]  # a view
    if x.size:
        reduce_into("logsumexp", x, where, axes, target, result_type)
    else:
        target[...] = -np.inf
    return returned(result, out)


def _apply(name, x, axis, out, where, dtype, temperature=1.0):
    if where is None and dtype is None:
        result = QUICK[name](name, x, None, axis, out, temperature)
        if result is not None:
            return result
    return over_axes(name, axis, out, where, dtype, temperature, x)


def over_axes(name, axis, out, where, dtype, temperature, x, *y):
    """The result of any call, checked: of x, or, for the gradient, of gy and y."""
    temperature = temperature_of(temperature)
    if type(x) is not np.ndarray or _backend.backend == _backend.CUDA:
        given = temperature if temperature != 1 else None
        result = _dispatch.reduction(name, (x, *y), axis, out=out, where=where, dtype=dtype, temperature=given)
        if result is not NotImplemented:
            return result
    if not y:
        where = unmasked(x, where)
    argument = "gy" if y else "x"
    given = dict(zip((argument, "y"), map(np.asarray, (x, *y)), strict=False))
    x, second = given[argument], given.get("y")
    result_type = wider_result_type(name, dtype, **given)
    axes = axes_of(axis, x.ndim)
    if second is not None and second.shape != x.shape:
        raise ValueError(f"y must have the shape of gy, {x.shape}, got {second.shape}")
    if where is not None:
        second = _mask(where, x.shape)
    result = output(name, out, argument, x.shape, result_type, x)
    reduce_into(f"{name}_gradient" if y else name, x, second, axes, result, result_type, temperature)
    return returned(result, out)


def reduce_into(name, x, second, axes, out, result_type, temperature=1.0):
    """Call the backend's `reduce`, whatever the dtype and layout of these are. What has another dtype than it computes
    in, or is not aligned, is copied: a few rows at a time, so that it takes no memory to speak of."""
    computed_as = COMPUTED_AS[result_type.char]
    x = apart(x, out)
    second = None if second is None else apart(second, out)
    masked = second is not None and not name.endswith("_gradient")
    if fits(x, computed_as) and fits(out, computed_as) and (masked or second is None or fits(second, computed_as)):
        if not masked:
            REDUCE[name](name, x, axes, out, second, temperature)
            return
        if name != "logsumexp":  # which has no room for all elements in `out`
            _reduce_selected(name, x, axes, out, second, temperature, out)
            return
    copies = computed_as.itemsize * (1 if second is None or masked else 2)
    with np.errstate(all="ignore"):
        for piece in pieces(x.shape, axes, COPIED // copies):
            given, there = converted(x[piece], computed_as), out[piece]
            target = there
            if not fits(out, computed_as):
                target = given if given.shape == there.shape else np.empty(there.shape, computed_as)
            if masked:
                _reduce_selected(name, given, axes, given, second[piece], temperature, target)
            else:
                beside = None if second is None else converted(second[piece], computed_as)
                REDUCE[name](name, given, axes, target, beside, temperature)
            if target is not there and not convert(target, there):
                np.copyto(there, target, casting="same_kind")


def _reduce_selected(name, x, axes, between, where, temperature, out):
    """By way of `between`, which may be x or `out`: those that take no part do so as infinities."""
    row = REDUCTIONS[name]
    select(x, where, row.left_out, between)
    REDUCE[name](name, between, axes, out, None, temperature)
    if not row.single:
        select(out, where, row.result_left_out, out)


def converted(x, dtype):
    """A copy in another dtype."""
    if x.dtype.char == "e" and x.flags.c_contiguous:
        result = np.empty(x.shape, dtype)
        if convert(x, result):
            return result
    return x.astype(dtype)


def pieces(shape, axes, elements):
    """Indices that cut an array, but not across `axes`, into pieces of so many elements, or one row where that is
    more."""
    size = math.prod(shape)
    ranges = []
    for k, n in enumerate(shape):
        step = n
        if k not in axes and size > elements:
            step = max(1, elements * n // size)
            size = size // n * step
        ranges.append([slice(start, start + step) for start in range(0, n, step or 1)])
    return ((*piece, ...) for piece in product(*ranges))


def fits(x, dtype):
    return x.dtype == dtype and x.flags.aligned


def apart(x, out):
    """x, or a copy of it where it lies across `out`."""
    if x is not out and np.may_share_memory(x, out) and not same_memory(x, out):
        return x.copy(order="K")
    return x


def new_result(x, dtype):
    """Laid out as x, and as NumPy's ufuncs do it where elements of x share memory."""
    return np.empty_like(x, dtype=dtype, order="C" if 0 in x.strides else "K", subok=False)


def returned(result, out):
    """A new array of no dimensions is a scalar, unless `out` is `...`."""
    return result[()] if out is None and result.ndim == 0 else result


def result_type_of(name, argument, given, dtype):
    if dtype is None:
        if given.char not in RESULT_TYPES:
            raise TypeError(f"{name}: {argument} must be real numbers of at most 64 bits, got dtype {given}")
        return RESULT_TYPES[given.char]
    dtype = np.dtype(dtype)
    if dtype.char not in COMPUTED_AS:
        raise TypeError(f"{name}: dtype must be float16, float32 or float64, got {dtype}")
    if given.kind not in "biuf":
        raise TypeError(f"{name}: {argument} must be real numbers, got dtype {given}")
    return RESULT_TYPES[dtype.char]


def wider_result_type(name, dtype, **arrays):
    """The same for several arguments."""
    return max([result_type_of(name, argument, array.dtype, dtype) for argument, array in arrays.items()])


def temperature_of(temperature, argument="temperature"):
    if type(temperature) is not float:
        number = np.asarray(temperature)
        if number.ndim != 0 or number.dtype.kind not in "iuf":
            raise TypeError(f"{argument} must be a real number, got {brief(temperature)}")
        temperature = float(number)
    if not 0.0 < temperature < math.inf:
        raise ValueError(f"{argument} must be positive and finite, got {temperature!r}")
    return temperature


def bool_of(argument, value):
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False, got {brief(value)}")
    return bool(value)


def int_of(axis):
    """What NumPy takes for an axis: anything that is a whole number, but not True and False."""
    if isinstance(axis, bool):
        raise TypeError
    return operator.index(axis)


def axis_of(axis, ndim):
    """An axis counted from the front."""
    try:
        axis = int_of(axis)
    except TypeError:
        raise TypeError(f"axis must be an int, got {brief(axis)}") from None
    return from_front(axis, ndim)


def from_front(axis, ndim):
    if not -ndim <= axis < ndim:
        raise AxisError(axis, ndim)
    return axis % ndim


def axes_of(axis, ndim):
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for one in axis if isinstance(axis, tuple) else (axis,):
        try:
            one = int_of(one)
        except TypeError:
            raise TypeError(f"axis must be an int, a tuple of ints or None, got {brief(axis)}") from None
        if ndim == 0 and one in (0, -1):  # as for NumPy's reductions
            continue
        axes.append(from_front(one, ndim))
    if len(set(axes)) != len(axes):
        raise ValueError(f"repeated axis in axis={axis!r}")
    return tuple(axes)


def unmasked(x, where):
    """`where`, less what a masked array masks."""
    if not isinstance(x, np.ma.MaskedArray) or x.mask is np.ma.nomask:
        return where
    return ~x.mask if where is None else np.asarray(where) & ~x.mask


def brief(value):
    """For messages, which need no array's elements."""
    shape = getattr(value, "shape", ())
    return f"{type(value).__name__} of shape {shape}" if shape else repr(value)


def _mask(where, shape):
    where = np.asarray(where)
    if where.dtype != bool:
        raise TypeError(f"where must be bool, got dtype {where.dtype}")
    return broadcast(where, "where", shape)


def broadcast(array, argument, shape, of="x"):
    """An argument, broadcast to the shape of others."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{argument} of shape {array.shape} does not broadcast to the shape of {of}, {shape}"
        ) from None


def output(name, out, argument, shape, result_type, like=None):
    """`out`, checked; where it is None, or as NumPy has it `...`, a new array, laid out as `like`."""
    if out is None or out is ...:
        return np.empty(shape, result_type) if like is None else new_result(like, result_type)
    if isinstance(out, tuple) and len(out) == 1:
        (out,) = out
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out must have the shape of {argument}, {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if not np.can_cast(result_type, out.dtype, "same_kind"):
        raise TypeError(f"{name}: a result of {result_type} cannot be cast to out's dtype {out.dtype}")
    return out


def same_memory(a, b):
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides and a.shape == b.shape and a.itemsize == b.itemsize
