"""The gradients of softmax, its kin, sparsemax and entmax15, from their results: checked, then to the backend."""

import numpy as np

from fastact import _backend, _dispatch
from fastact._reductions import (
    axes_of,
    checked_out,
    reduce_contiguous,
    reduce_into,
    result_type_of,
    returned,
    temperature_of,
)


def softmax(gy, y, axis=-1, *, out=None, dtype=None, temperature=1.0):
    """Gradient of softmax, from its result y: y (gy - sum(gy y)) / temperature.

    .. math:: g_i = \\frac{y_i}{T} \\left(gy_i - \\sum_j gy_j y_j\\right)

    Parameters
    ----------
    gy : array_like
        The gradient for y: real numbers, of any shape.
    y : array_like
        What `fastact.softmax` returned, of the shape of `gy`.
    axis : int, tuple of ints or None, default -1
        What each sum runs over, as for `fastact.softmax`; None is everything.
    out : ndarray or tuple of one ndarray, optional
        Where the result goes, of the shape of `gy`; may be `gy` or `y` itself.
    dtype : dtype, optional
        float16, float32 or float64: what to compute in and to return.
    temperature : float, default 1
        The one that `fastact.softmax` was given.

    Returns
    -------
    ndarray or scalar
        The gradient for x, of the shape of `gy`. float16, float32 and float64 are kept, the wider of two;
        integers are promoted as by `numpy.exp`, int64 to float64.

    Raises
    ------
    numpy.exceptions.AxisError
        Where `gy` has no such axis.
    TypeError
        For complex numbers, objects, strings and dates, and where `out` cannot hold the result.
    ValueError
        Where `y` or `out` has another shape than `gy`, `out` is read-only, an axis is repeated, or the temperature is
        not positive and finite.

    Notes
    -----
    At most 1 unit in the last place from the exact value of the formula, for rows of any length (measured);
    where gy almost cancels with the sum, that is of four times the larger of |gy| and sum(|gy y|), times y (float64: of
    2⁻⁶ of that), if this is more. As much comes from y, which is rounded itself.

    NaN and infinities go through the formula as IEEE arithmetic has it. An element that `where` left out, whose
    y is 0, gets 0. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.softmax([1.0, 2.0, 3.0])
    >>> grad.softmax([0.0, 1.0, 0.0], y).round(6)
    array([-0.022033,  0.184836, -0.162803])
    """
    return _apply("softmax", gy, y, axis, out, dtype, temperature)


def softmin(gy, y, axis=-1, *, out=None, dtype=None, temperature=1.0):
    """Gradient of softmin, from its result y: -y (gy - sum(gy y)) / temperature.

    .. math:: g_i = -\\frac{y_i}{T} \\left(gy_i - \\sum_j gy_j y_j\\right)

    Parameters
    ----------
    gy : array_like
        The gradient for y: real numbers, of any shape.
    y : array_like
        What `fastact.softmin` returned, of the shape of `gy`.
    axis : int, tuple of ints or None, default -1
        What each sum runs over, as for `fastact.softmin`; None is everything.
    out : ndarray or tuple of one ndarray, optional
        Where the result goes, of the shape of `gy`; may be `gy` or `y` itself.
    dtype : dtype, optional
        float16, float32 or float64: what to compute in and to return.
    temperature : float, default 1
        The one that `fastact.softmin` was given.

    Returns
    -------
    ndarray or scalar
        The gradient for x, of the shape of `gy`. float16, float32 and float64 are kept, the wider of two;
        integers are promoted as by `numpy.exp`, int64 to float64.

    Raises
    ------
    numpy.exceptions.AxisError
        Where `gy` has no such axis.
    TypeError
        For complex numbers, objects, strings and dates, and where `out` cannot hold the result.
    ValueError
        Where `y` or `out` has another shape than `gy`, `out` is read-only, an axis is repeated, or the temperature is
        not positive and finite.

    Notes
    -----
    At most 1 unit in the last place from the exact value of the formula, for rows of any length (measured);
    where gy almost cancels with the sum, that is of four times the larger of |gy| and sum(|gy y|), times y (float64: of
    2⁻⁶ of that), if this is more. As much comes from y, which is rounded itself.

    NaN and infinities go through the formula as IEEE arithmetic has it. An element that `where` left out, whose
    y is 0, gets 0. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.softmin([1.0, 2.0, 3.0])
    >>> grad.softmin([0.0, 1.0, 0.0], y).round(6)
    array([ 0.162803, -0.184836,  0.022033])
    """
    return _apply("softmin", gy, y, axis, out, dtype, temperature)


def log_softmax(gy, y, axis=-1, *, out=None, dtype=None, temperature=1.0):
    """Gradient of log_softmax, from its result y: (gy - exp(y) sum(gy)) / temperature.

    .. math:: g_i = \\frac{1}{T} \\left(gy_i - e^{y_i} \\sum_j gy_j\\right)

    Parameters
    ----------
    gy : array_like
        The gradient for y: real numbers, of any shape.
    y : array_like
        What `fastact.log_softmax` returned, of the shape of `gy`.
    axis : int, tuple of ints or None, default -1
        What each sum runs over, as for `fastact.log_softmax`; None is everything.
    out : ndarray or tuple of one ndarray, optional
        Where the result goes, of the shape of `gy`; may be `gy` or `y` itself.
    dtype : dtype, optional
        float16, float32 or float64: what to compute in and to return.
    temperature : float, default 1
        The one that `fastact.log_softmax` was given.

    Returns
    -------
    ndarray or scalar
        The gradient for x, of the shape of `gy`. float16, float32 and float64 are kept, the wider of two;
        integers are promoted as by `numpy.exp`, int64 to float64.

    Raises
    ------
    numpy.exceptions.AxisError
        Where `gy` has no such axis.
    TypeError
        For complex numbers, objects, strings and dates, and where `out` cannot hold the result.
    ValueError
        Where `y` or `out` has another shape than `gy`, `out` is read-only, an axis is repeated, or the temperature is
        not positive and finite.

    Notes
    -----
    At most 1 unit in the last place of the result or, if this is more, a quarter of one of the larger of |gy| and
    eʸ sum(|gy|): rows of any length (measured). Digits are kept where one element has almost all the weight.

    NaN and infinities go through the formula as IEEE arithmetic has it. An element that `where` left out, whose y is
    -inf, gets its gy. An empty axis gives an
    empty result.

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.log_softmax([1.0, 2.0, 3.0])
    >>> grad.log_softmax([0.0, 1.0, 0.0], y).round(6)
    array([-0.090031,  0.755272, -0.665241])
    """
    return _apply("log_softmax", gy, y, axis, out, dtype, temperature)


def sparsemax(gy, y, axis=-1, *, out=None, dtype=None):
    """Gradient of sparsemax, from its result y: gy less its mean, both where y > 0; 0 elsewhere.

    .. math:: g_i = gy_i - \\frac{1}{|S|} \\sum_{j \\in S} gy_j \\text{ if } i \\in S, \\text{ else } 0,
        \\quad S = \\{ j : y_j > 0 \\}

    Parameters
    ----------
    gy : array_like
        The gradient for y: real numbers, of any shape.
    y : array_like
        What `fastact.sparsemax` returned, of the shape of `gy`.
    axis : int, tuple of ints or None, default -1
        What each sum runs over, as for `fastact.sparsemax`; None is everything.
    out : ndarray or tuple of one ndarray, optional
        Where the result goes, of the shape of `gy`; may be `gy` or `y` itself.
    dtype : dtype, optional
        float16, float32 or float64: what to compute in and to return.

    Returns
    -------
    ndarray or scalar
        The gradient for x, of the shape of `gy`. float16, float32 and float64 are kept, the wider of two;
        integers are promoted as by `numpy.exp`, int64 to float64.

    Raises
    ------
    numpy.exceptions.AxisError
        Where `gy` has no such axis.
    TypeError
        For complex numbers, objects, strings and dates, and where `out` cannot hold the result.
    ValueError
        Where `y` or `out` has another shape than `gy`, `out` is read-only, or an axis is repeated.

    Notes
    -----
    At most 1 unit in the last place from the exact value of the formula, for rows of any length (measured); where gy
    almost cancels with its mean, that is of 2⁻¹² (float32) or 2⁻⁶ (float64) of the larger of |gy| and the mean of |gy|,
    if this is more.

    Where y is 0, so is the result, whatever gy is there: at the edge of the support this is one of the two one-sided
    derivatives. A NaN in y makes its row NaN; NaN and infinities of gy on the support go through the formula as IEEE
    arithmetic has it. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.sparsemax([0.25, 1.0, 0.5])
    >>> grad.sparsemax([0.0, 1.0, 0.0], y)
    array([ 0. ,  0.5, -0.5])
    """
    return _apply("sparsemax", gy, y, axis, out, dtype)


def entmax15(gy, y, axis=-1, *, out=None, dtype=None):
    """Gradient of entmax15, from its result y: s (gy - sum(s gy) / sum(s)), with s = sqrt(y).

    .. math:: g_i = s_i \\left(gy_i - \\frac{\\sum_j s_j gy_j}{\\sum_j s_j}\\right), \\quad s_i = \\sqrt{y_i}

    Parameters
    ----------
    gy : array_like
        The gradient for y: real numbers, of any shape.
    y : array_like
        What `fastact.entmax15` returned, of the shape of `gy`.
    axis : int, tuple of ints or None, default -1
        What each sum runs over, as for `fastact.entmax15`; None is everything.
    out : ndarray or tuple of one ndarray, optional
        Where the result goes, of the shape of `gy`; may be `gy` or `y` itself.
    dtype : dtype, optional
        float16, float32 or float64: what to compute in and to return.

    Returns
    -------
    ndarray or scalar
        The gradient for x, of the shape of `gy`. float16, float32 and float64 are kept, the wider of two;
        integers are promoted as by `numpy.exp`, int64 to float64.

    Raises
    ------
    numpy.exceptions.AxisError
        Where `gy` has no such axis.
    TypeError
        For complex numbers, objects, strings and dates, and where `out` cannot hold the result.
    ValueError
        Where `y` or `out` has another shape than `gy`, `out` is read-only, or an axis is repeated.

    Notes
    -----
    At most 1 unit in the last place from the exact value of the formula, for rows of any length (measured); where gy
    almost cancels with its mean, that is of 2⁻¹² (float32) or 2⁻⁶ (float64) of the larger of |gy| and the mean of |gy|,
    times s, if this is more.

    Where y is 0, so is the result, whatever gy is there: at the edge of the support this is one of the two one-sided
    derivatives. A NaN in y makes its row NaN; NaN and infinities of gy on the support go through the formula as IEEE
    arithmetic has it. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.entmax15([0.25, 1.0, 0.5])
    >>> grad.entmax15([0.0, 1.0, 0.0], y).round(6)
    array([-0.178369,  0.414021, -0.235651])
    """
    return _apply("entmax15", gy, y, axis, out, dtype)


def _apply(name, gy, y, axis, out, dtype, temperature=1.0):
    if dtype is None:
        result = reduce_contiguous(name, gy, y, axis, out, temperature)
        if result is not None:
            return result
    temperature = temperature_of(temperature)
    if type(gy) is not np.ndarray or _backend.backend == _backend.CUDA:
        given = temperature if temperature != 1 else None
        result = _dispatch.reduction(name, (gy, y), axis, out=out, dtype=dtype, temperature=given)
        if result is not NotImplemented:
            return result
    gy, y = np.asarray(gy), np.asarray(y)
    result_type = max(
        result_type_of(name, "gy", gy.dtype, dtype), result_type_of(name, "y", y.dtype, dtype), key=lambda t: t.itemsize
    )
    axes = axes_of(axis, gy.ndim)
    if y.shape != gy.shape:
        raise ValueError(f"y must have the shape of gy, {gy.shape}, got {y.shape}")
    if out is not None:
        out = checked_out(name, out, "gy", gy.shape, result_type)
    result = np.empty_like(gy, dtype=result_type, subok=False) if out is None else out
    reduce_into(f"{name}_gradient", gy, y, axes, result, result_type, temperature)
    return returned(result, out)


for _function in (softmax, softmin, log_softmax, sparsemax, entmax15):
    _function.__module__ = "fastact.grad"
