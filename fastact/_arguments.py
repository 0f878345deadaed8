"""Arguments of functions over axes, of gated units and modules: checked, with errors that name them."""

import math
import operator
import sys

import numpy as np
from numpy.exceptions import AxisError

# As `numpy.exp` promotes; everything else has no real exponential.
RESULT_TYPES = {
    character: np.dtype(result)
    for characters, result in {"?bBe": "e", "hHf": "f", "iIlLqQd": "d"}.items()
    for character in characters
}
COMPUTED_AS = {"e": np.dtype("f"), "f": np.dtype("f"), "d": np.dtype("d")}


def result_type_of(name, argument, given, dtype):
    if dtype is None:
        if given.char in RESULT_TYPES:
            return RESULT_TYPES[given.char]
        if fits_float32(given):
            return RESULT_TYPES["f"]
        raise not_real(name, argument, given)
    dtype = np.dtype(dtype)
    if dtype.char not in COMPUTED_AS:
        raise TypeError(f"{name}: dtype must be float16, float32 or float64, got {dtype}")
    if given.kind not in "biuf" and not fits_float32(given):
        raise not_real(name, argument, given, of="")
    return RESULT_TYPES[dtype.char]


def not_real(name, argument, dtype, of=" of at most 64 bits"):
    """What is raised for other dtypes. Objects may be numbers, as in a DataFrame with columns of float and bool."""
    advice = f"; if they are numbers, give np.asarray({argument}, float)" if dtype.hasobject else ""
    return TypeError(f"{name}: {argument} must be real numbers{of}, got dtype {dtype}{advice}")


def fits_float32(dtype):
    """Of dtypes that are not NumPy's own, as ml_dtypes' bfloat16."""
    return dtype.kind == "V" and dtype.names is None and np.can_cast(dtype, np.float32)


def wider_result_type(name, dtype, **arrays):
    """The same for several arguments."""
    return max([result_type_of(name, argument, array.dtype, dtype) for argument, array in arrays.items()])


def temperature_of(temperature, argument="temperature"):
    if type(temperature) is not float:
        number = np.asarray(temperature)
        if number.ndim != 0 or not (number.dtype.kind in "iuf" or type(temperature) is int):
            raise TypeError(f"{argument} must be a real number, got {brief(temperature)}")
        try:
            temperature = float(number)
        except OverflowError:  # of an int
            temperature = math.inf
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


def is_masked_array(x):
    """None is where nobody has imported numpy.ma, which takes 10 ms."""
    return type(x) is not np.ndarray and "numpy.ma" in sys.modules and isinstance(x, np.ma.MaskedArray)


def unmasked(x, where):
    """`where`, less what a masked array masks."""
    if not is_masked_array(x) or x.mask is np.ma.nomask:
        return where
    return ~x.mask if where is None else np.asarray(where) & ~x.mask


def without_mask(argument, x):
    """An array, of one that masks nothing: a gradient, or what is split in halves, has no place for masks."""
    if is_masked_array(x) and np.ma.is_masked(x):
        raise TypeError(f"{argument} must not be a masked array: its mask would be lost; give its filled(0), say")
    return np.asarray(x)


def mask_of(where, shape):
    """`where` of that shape, or None for all."""
    if where is None:
        return None
    where = np.asarray(where)
    if where.dtype != bool:
        raise TypeError(f"where must be bool, got dtype {where.dtype}")
    return where if where.shape == shape else broadcast(where, "where", shape)


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


def new_result(x, dtype):
    """Laid out as x, and as NumPy's ufuncs do it where elements of x share memory."""
    return np.empty_like(x, dtype=dtype, order="C" if 0 in x.strides else "K", subok=False)


def returned(result, out):
    """A new array of no dimensions is a scalar, unless `out` is `...`."""
    return result[()] if out is None and result.ndim == 0 else result


def brief(value):
    """For messages, which need no array's elements."""
    shape = getattr(value, "shape", ())
    return f"{type(value).__name__} of shape {shape}" if shape else repr(value)
