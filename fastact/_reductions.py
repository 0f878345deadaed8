"""softmax, softmin, log_softmax and logsumexp."""

import numpy as np

from fastact import _backend, _dispatch
from fastact._arguments import axes_of, bool_of, mask_of, output, result_type_of, returned, unmasked
from fastact._documentation import documented
from fastact._over_axes import QUICK, apply, reduce_into


@documented
def softmax(x, axis=-1, *, out=None, where=None, dtype=None, temperature=1.0):
    """Softmax: exp(x) / sum(exp(x)), the sum over one axis, several, or all.

    .. math:: y_i = \\frac{e^{x_i - m}}{\\sum_j e^{x_j - m}}, \\quad m = \\max_j x_j

    {arguments}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 4 in float64, for any length and
    spread (measured; without fused multiply-add 3 and 4).

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
    return apply("softmax", x, axis, out, where, dtype, temperature)


@documented
def softmin(x, axis=-1, *, out=None, where=None, dtype=None, temperature=1.0):
    """Softmin: softmax(-x), over one axis, several, or all.

    .. math:: y_i = \\frac{e^{m - x_i}}{\\sum_j e^{m - x_j}}, \\quad m = \\min_j x_j

    {arguments}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 4 in float64, for any length and
    spread (measured; without fused multiply-add 3 and 4).

    A NaN makes its row NaN. inf gives 0. A row with exactly one -inf has a limit: 1 there, 0 elsewhere;
    with several, or where all are inf, it is NaN. An empty axis gives an empty result.

    References
    ----------
    Y. LeCun, S. Chopra, R. Hadsell, M. Ranzato and F. J. Huang, A tutorial on energy-based learning, in: Predicting
    Structured Data, MIT Press, 2006; as the Gibbs distribution of the energies x.

    Examples
    --------
    >>> import fastact
    >>> fastact.softmin([1.0, 2.0, 3.0])
    array([0.66524096, 0.24472847, 0.09003057])
    """
    return apply("softmin", x, axis, out, where, dtype, temperature)


@documented
def log_softmax(x, axis=-1, *, out=None, where=None, dtype=None, temperature=1.0):
    """Logarithm of softmax: x - log(sum(exp(x))), over one axis, several, or all.

    .. math:: y_i = x_i - m - \\log \\sum_j e^{x_j - m}, \\quad m = \\max_j x_j

    {arguments}

    Notes
    -----
    At most 2 units in the last place from the exact result in float32, 4 in float64, for any length and
    spread (measured; without fused multiply-add 3 and 4).

    Keeps its digits everywhere, also where one element has almost all the weight and its logarithm is
    nearly 0. A NaN makes its row NaN. -inf gives -inf. A row with exactly one inf has a limit: 0 there,
    -inf elsewhere; with several, or where all are -inf, it is NaN. An empty axis gives an empty result.

    References
    ----------
    I. Goodfellow, Y. Bengio and A. Courville, Deep Learning, MIT Press, 2016, section 6.2.2.3.

    Examples
    --------
    >>> import fastact
    >>> fastact.log_softmax([1.0, 2.0, 3.0])
    array([-2.40760596, -1.40760596, -0.40760596])
    """
    return apply("log_softmax", x, axis, out, where, dtype, temperature)


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
    (measured: 1.6 and 2.3, where m is about 0; without fused multiply-add 3 in both); where m and the logarithm
    cancel, in the last place of the larger of these.

    A NaN makes its sum NaN. One inf or several give inf; where all are -inf, or there is nothing to sum, it is -inf.

    References
    ----------
    P. Blanchard, D. J. Higham and N. J. Higham, Accurately computing the log-sum-exp and softmax functions,
    IMA Journal of Numerical Analysis 41(4), 2021.

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
    where = mask_of(where, x.shape)
    result = output("logsumexp", out, "the result", tuple(sizes), result_type)
    kept = (None if k in axes and not keepdims else slice(None) for k in range(x.ndim))
    target = np.asarray(result)[(*kept, ...)]  # a view
    if x.size:
        reduce_into("logsumexp", x, where, axes, target, result_type)
    else:
        target[...] = -np.inf
    return returned(result, out)
