"""Gradients of the activations: from gy, the gradient with respect to the result, to that with respect to x.

`fastact.grad.NAME(gy, x, *parameters)` is gy times the derivative at x, a ufunc or a function with defaults
around one; its values at the kinks are PyTorch's. `prelu_weight` is the gradient for the weight of `prelu`.
`softmax`, `softmin`, `log_softmax`, `sparsemax` and `entmax15` take y, what the function of that name returned, in
place of x. The gated units `glu`, `swiglu`, `geglu` and `reglu` take an axis after x.

>>> import fastact
>>> fastact.grad.tanh([1.0, 10.0], [0.5, 0.5])
array([0.78644773, 7.86447733])
"""

import numpy as np

from fastact import _gated, _reduction_gradients, ufuncs
from fastact._arguments import broadcast, result_type_of, without_mask
from fastact._documentation import public_names
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._functions import public
from fastact._over_axes import COPIED, blocks_of, converted
from fastact._table import WITH_GRADIENT

__all__ = [*ACTIVATIONS, "prelu_weight", *WITH_GRADIENT, *_gated.GRADIENTS]
__dir__ = public_names(globals())

globals().update({name: public(GRADIENTS[f"{name}_grad"], __name__) for name in ACTIVATIONS})
globals().update({name: getattr(_reduction_gradients, name) for name in WITH_GRADIENT})
globals().update(_gated.GRADIENTS)


def prelu_weight(gy, x, weight):
    """The gradient of `fastact.prelu` for its weight: the sum of gy * min(x, 0) over the axes along which
    the weight was broadcast.

    Parameters
    ----------
    gy : array_like
        The gradient with respect to the result of `fastact.prelu`.
    x : array_like
        What `fastact.prelu` was given.
    weight : array_like
        The weight that it was given; only its shape and dtype matter.

    Returns
    -------
    ndarray or scalar
        Of the shape of `weight`, and of the dtype of `gy * fastact.prelu(x, weight)`.

    Raises
    ------
    TypeError
        For complex and long double numbers, objects, strings and dates, and for masked arrays.
    ValueError
        Where the shapes do not broadcast, or that of `weight` does not fit in that of `x` and `gy`.

    Notes
    -----
    Summed in float64 by `numpy.sum`. NaN in `gy` or `x` gives NaN, and so does infinite `gy` where x >= 0.

    Examples
    --------
    >>> import numpy as np, fastact
    >>> x = np.array([[-1.0, 2.0, -3.0], [-0.5, -4.0, 5.0]])
    >>> fastact.grad.prelu_weight(np.ones((2, 3)), x, weight=[[0.25], [0.25]])
    array([[-4. ],
           [-4.5]])
    """
    given = {"gy": gy, "x": x, "weight": weight}
    gy, x, weight = arrays = [without_mask(name, a) for name, a in given.items()]
    for argument, a in zip(given, arrays, strict=True):
        result_type_of("prelu_weight", argument, a.dtype, None)  # or a TypeError
    # a Python number is of no particular dtype
    kinds = [type(a) if type(a) in (int, float) else b.dtype for a, b in zip(given.values(), arrays, strict=True)]
    dtype = ufuncs.prelu_grad.resolve_dtypes((*kinds, None))[-1]
    try:  # numpy.broadcast_arrays has at most 32 dimensions
        gy, x = np.nditer((gy, x), ("multi_index", "zerosize_ok"), order="C").itviews
    except ValueError:
        raise ValueError(f"gy and x must broadcast, got the shapes {gy.shape} and {x.shape}") from None
    shape = weight.shape
    broadcast(weight, "weight", x.shape, "x and gy")
    missing = x.ndim - len(shape)
    axes = tuple(k for k in range(x.ndim) if k < missing or shape[k - missing] == 1)
    wide = np.promote_types(dtype, np.float32)
    total = np.zeros([1 if k in axes else n for k, n in enumerate(x.shape)])
    halves = "e" in (gy.dtype.char, x.dtype.char)
    with np.errstate(all="ignore"):
        for block in blocks_of(x.shape, (), COPIED // wide.itemsize // (1 + halves)):
            factors = [converted(a[block], wide) if a.dtype.char == "e" else a[block] for a in (gy, x)]
            products = np.multiply(factors[0], np.minimum(factors[1], 0), dtype=wide)
            part = tuple(slice(None) if k in axes else block[k] for k in range(x.ndim))
            total[part] += np.sum(products, axis=axes, dtype=np.float64, keepdims=True)
        return total.reshape(shape).astype(dtype)[()]
