"""hardmax, sparsemax and entmax15: softmax's kin whose results are 0 for most elements."""

from fastact._documentation import documented
from fastact._over_axes import apply


@documented
def hardmax(x, axis=-1, *, out=None, where=None, dtype=None):
    """Hardmax: 1 at the maximum, 0 elsewhere, over one axis, several, or all.

    .. math:: y_i = 1 \\text{ if } i = \\min \\{ j : x_j = m \\}, \\text{ else } 0, \\quad m = \\max_j x_j

    {arguments}

    Notes
    -----
    Of several maxima the first counts, in C order where there are several axes. Where integers are promoted, so are
    ties.

    A NaN makes its row NaN. inf and -inf are numbers like others, but beside what `where` leaves out, -inf need not be
    1 where it is all that is left. An empty axis gives an empty result.

    References
    ----------
    Open Neural Network Exchange (ONNX), operators, Hardmax: https://onnx.ai/onnx/operators/onnx__Hardmax.html.

    Examples
    --------
    >>> import fastact
    >>> fastact.hardmax([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]], axis=1)
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    return apply("hardmax", x, axis, out, where, dtype)


@documented
def sparsemax(x, axis=-1, *, out=None, where=None, dtype=None):
    """Sparsemax: the nearest point to x among the probabilities, over one axis, several, or all.

    .. math:: y_i = \\max(x_i - \\tau, 0), \\quad \\tau \\text{ such that } \\sum_j y_j = 1

    {arguments}

    Notes
    -----
    At most 1 unit in the last place from the exact result, for any length and spread, or 1e-15 (float32) and 1e-22
    (float64) where that is more, as for an x very near to the threshold (measured).

    {limits}

    References
    ----------
    A. F. T. Martins and R. F. Astudillo, From softmax to sparsemax: a sparse model of attention and multi-label
    classification, ICML 2016.

    Examples
    --------
    >>> import fastact
    >>> fastact.sparsemax([[0.25, 1.0, 0.5], [5.0, 5.0, 1.0]], axis=1)
    array([[0.  , 0.75, 0.25],
           [0.5 , 0.5 , 0.  ]])
    """
    return apply("sparsemax", x, axis, out, where, dtype)


@documented
def entmax15(x, axis=-1, *, out=None, where=None, dtype=None):
    """1.5-entmax: between softmax and sparsemax, smooth and yet with zeros, over one axis, several, or all.

    .. math:: y_i = \\max(x_i / 2 - \\tau, 0)^2, \\quad \\tau \\text{ such that } \\sum_j y_j = 1

    {arguments}

    Notes
    -----
    At most 1 unit in the last place from the exact result, for any length and spread, or 1e-15 (float32) and 1e-22
    (float64) where that is more, as for an x very near to the threshold (measured).

    {limits}

    References
    ----------
    B. Peters, V. Niculae and A. F. T. Martins, Sparse sequence-to-sequence models, ACL 2019.

    Examples
    --------
    >>> import fastact
    >>> fastact.entmax15([[1.0, 2.0, 3.0], [5.0, 5.0, 0.0]], axis=1)
    array([[0.        , 0.16928109, 0.83071891],
           [0.5       , 0.5       , 0.        ]])
    """
    return apply("entmax15", x, axis, out, where, dtype)
