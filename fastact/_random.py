"""What is random: the slopes of rrelu, and softmax with Gumbel noise."""

import numpy as np

from fastact._arguments import (
    axes_of,
    bool_of,
    broadcast,
    mask_of,
    result_type_of,
    returned,
    temperature_of,
    unmasked,
)
from fastact._reductions import softmax
from fastact._sparse import hardmax

TINY = 1e-37  # temperature


def check_generator(rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, as numpy.random.default_rng() makes one, got {type(rng).__name__}"
        )


def rrelu_slopes(x, lower=1 / 8, upper=1 / 3, *, rng):
    """Slopes for training with `fastact.rrelu`: uniform from [lower, upper], one for each element of `x`.

    `fastact.prelu(x, slopes)` is the activation with these slopes and `fastact.grad.prelu(gy, x, slopes)` its gradient.

    Parameters
    ----------
    x : array_like
        Real numbers; only the shape and dtype matter.
    lower, upper : array_like, default 1/8 and 1/3
        The range. Broadcast against `x`.
    rng : numpy.random.Generator
        Where the randomness comes from: the same generator in the same state gives the same slopes.

    Returns
    -------
    ndarray or scalar
        Of the shape of `x`, and of the dtype of `fastact.rrelu(x)`.

    Raises
    ------
    TypeError
        Where `rng` is not a Generator, and for complex and long double numbers, objects, strings and dates.
    ValueError
        Where `lower` or `upper` does not broadcast to the shape of `x`.

    Notes
    -----
    Few are `upper` itself, by rounding; float16 slopes are drawn in float32. NaN or inf in `x` makes no difference.

    References
    ----------
    B. Xu, N. Wang, T. Chen and M. Li, Empirical evaluation of rectified activations in convolutional network,
    arXiv:1505.00853, 2015.

    Examples
    --------
    >>> import numpy as np, fastact
    >>> fastact.rrelu_slopes(np.zeros(3), rng=np.random.default_rng(0))
    array([0.25770035, 0.18120557, 0.13353615])
    """
    check_generator(rng)
    x = np.asarray(x)
    dtype = result_type_of("rrelu_slopes", "x", x.dtype, None)
    drawn = np.promote_types(dtype, np.float32)
    lower, upper = np.asarray(lower), np.asarray(upper)
    for name, bound in (("lower", lower), ("upper", upper)):  # before anything is drawn
        if bound.dtype.kind not in "biuf":
            raise TypeError(f"rrelu_slopes: {name} must be real numbers, got dtype {bound.dtype}")
        broadcast(bound, name, x.shape)
    slopes = np.asarray(rng.random(x.shape, drawn))
    with np.errstate(all="ignore"):
        lower, upper = lower.astype(drawn) / 2, upper.astype(drawn) / 2  # whose difference is within the range
        slopes *= upper - lower
        slopes += lower
        slopes *= 2
        return returned(slopes.astype(dtype, copy=False), None)


def gumbel_softmax(logits, tau=1.0, hard=False, axis=-1, *, where=None, rng):
    """Gumbel-softmax: softmax((logits + g) / tau) with Gumbel noise g, a differentiable draw from softmax(logits).

    .. math:: y_i = \\frac{e^{(x_i + g_i) / \\tau}}{\\sum_j e^{(x_j + g_j) / \\tau}}, \\quad g_i = -\\log(-\\log u_i)

    Parameters
    ----------
    logits : array_like
        Real numbers: logarithms of probabilities, up to a constant; of any shape.
    tau : float, default 1.0
        The temperature: the smaller, the nearer to one-hot. It does not change where the maximum is, and so not what
        `hard` gives: to draw from softmax(logits / T), divide `logits`.
    hard : bool, default False
        Whether the result is one-hot: 1 at the maximum, 0 elsewhere.
    axis : int, tuple of ints or None, default -1
        What each sum runs over; None is everything.
    where : array_like of bool, optional
        Elements that take part; those that masked `logits` mask do not. Broadcasts to the shape of `logits`.
    rng : numpy.random.Generator
        Where the randomness comes from: the same generator in the same state gives the same result.

    Returns
    -------
    ndarray or scalar
        Of the shape of `logits`, and of the dtype of `fastact.softmax(logits)`.

    Raises
    ------
    numpy.exceptions.AxisError
        Where `logits` has no such axis.
    TypeError
        Where `rng` is not a Generator, `tau` not a number, `hard` not a bool or `where` not of bools, and for complex
        and long double numbers, objects, strings and dates.
    ValueError
        Where `tau` is not positive and finite, an axis is repeated, or `where` does not broadcast.

    Notes
    -----
    The gradient for the logits is `fastact.grad.softmax(gy, y, axis, temperature=tau)`, with y the soft result. For the
    straight-through estimator draw y without `hard`, go on with `fastact.hardmax(y, axis)`, and use y in the gradient:
    that is what `hard` gives, unless rounding made ties in y.

    float16 is drawn and computed in float32. Noise is never infinite: at most 17.4 in float32, 37.5 in float64. NaN and
    infinities are as for `fastact.softmax`: a NaN makes its row NaN, -inf gives 0, one inf 1. What `where` leaves out
    gives 0, whatever it is, also where it is all of a row.

    References
    ----------
    E. Jang, S. Gu and B. Poole, Categorical reparameterization with Gumbel-softmax, ICLR 2017.

    C. J. Maddison, A. Mnih and Y. W. Teh, The concrete distribution: a continuous relaxation of discrete random
    variables, ICLR 2017.

    Examples
    --------
    >>> import numpy as np, fastact
    >>> logits = np.log([0.1, 0.2, 0.7])
    >>> rng = np.random.default_rng(0)
    >>> fastact.gumbel_softmax(logits, rng=rng).round(4)
    array([0.0041, 0.0055, 0.9904])
    >>> draws = fastact.gumbel_softmax(np.tile(logits, (100_000, 1)), hard=True, rng=rng)
    >>> draws.mean(axis=0).round(2)
    array([0.1, 0.2, 0.7])
    """
    check_generator(rng)
    tau, hard = temperature_of(tau, "tau"), bool_of("hard", hard)
    where = unmasked(logits, where)
    logits = np.asarray(logits)
    dtype = result_type_of("gumbel_softmax", "logits", logits.dtype, None)
    axes_of(axis, logits.ndim)  # or an error, before anything is drawn
    where = mask_of(where, logits.shape)
    drawn = np.promote_types(dtype, np.float32).type
    # -log(u) is exponentially distributed; 0, which may come out, stands for what is less than the next number
    y = np.asarray(rng.standard_exponential(logits.shape, drawn))
    np.log(np.maximum(y, np.finfo(drawn).eps / 4, out=y), out=y)
    with np.errstate(all="ignore"):
        np.subtract(logits, y, out=y, dtype=drawn)
    # the place of the maximum does not depend on tau: the smaller, the less makes rounding ties
    softmax(y, axis, out=y, where=where, temperature=TINY if hard else tau)
    if hard:
        hardmax(y, axis, out=y, where=where)
    with np.errstate(all="ignore"):
        return returned(y.astype(dtype, copy=False), None)
