"""Random parameters: the slopes of rrelu."""

import numpy as np

from fastact import ufuncs


def rrelu_slopes(x, lower=1 / 8, upper=1 / 3, *, rng):
    """Slopes for training with `fastact.rrelu`: uniform from [lower, upper), one for each element of `x`.

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
    ndarray
        Of the shape of `x`, and of the dtype of `fastact.rrelu(x)`.

    Raises
    ------
    TypeError
        Where `rng` is not a Generator, and for complex numbers, objects, strings and dates.
    ValueError
        Where `lower` or `upper` does not broadcast to the shape of `x`.

    Notes
    -----
    float16 slopes are drawn in float32. NaN or inf in `x` makes no difference.

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
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {type(rng).__name__}")
    x = np.asarray(x)
    dtype = ufuncs.relu_squared.resolve_dtypes((x.dtype, None))[-1]
    drawn = np.promote_types(dtype, np.float32)
    lower, upper = (np.broadcast_to(np.asarray(bound, drawn), x.shape) for bound in (lower, upper))
    slopes = rng.random(x.shape, drawn)
    return np.asarray(slopes * (upper - lower) + lower, dtype)
