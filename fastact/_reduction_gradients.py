"""The gradients of softmax, its kin, sparsemax and entmax15, from their results: checked, then to the backend."""

from fastact._documentation import documented
from fastact._over_axes import QUICK, over_axes
from fastact._table import WITH_GRADIENT

NOTES = """At most 1 unit in the last place of the result or, if this is more, 8 of the larger of abs(y gy) and
abs(y) sum(abs(gy y)) (measured): as many as PyTorch's for short rows, down to a fifth of its for long ones.

NaN and infinities go through the formula as IEEE arithmetic has it. An element that `where` left out, whose
y is 0, gets 0. An empty axis gives an empty result."""


@documented(notes=NOTES)
def softmax(gy, y, axis=-1, *, out=None, dtype=None, temperature=1.0):
    """Gradient of softmax, from its result y: y (gy - sum(gy y)) / temperature.

    .. math:: g_i = \\frac{y_i}{T} \\left(gy_i - \\sum_j gy_j y_j\\right)

    {arguments}

    Notes
    -----
    {notes}

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.softmax([1.0, 2.0, 3.0])
    >>> grad.softmax([0.0, 1.0, 0.0], y).round(6)
    array([-0.022033,  0.184836, -0.162803])
    """
    return _apply("softmax", gy, y, axis, out, dtype, temperature)


@documented(notes=NOTES)
def softmin(gy, y, axis=-1, *, out=None, dtype=None, temperature=1.0):
    """Gradient of softmin, from its result y: -y (gy - sum(gy y)) / temperature.

    .. math:: g_i = -\\frac{y_i}{T} \\left(gy_i - \\sum_j gy_j y_j\\right)

    {arguments}

    Notes
    -----
    {notes}

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.softmin([1.0, 2.0, 3.0])
    >>> grad.softmin([0.0, 1.0, 0.0], y).round(6)
    array([ 0.162803, -0.184836,  0.022033])
    """
    return _apply("softmin", gy, y, axis, out, dtype, temperature)


@documented
def log_softmax(gy, y, axis=-1, *, out=None, dtype=None, temperature=1.0):
    """Gradient of log_softmax, from its result y: (gy - exp(y) sum(gy)) / temperature.

    .. math:: g_i = \\frac{1}{T} \\left(gy_i - e^{y_i} \\sum_j gy_j\\right)

    {arguments}

    Notes
    -----
    At most 1 unit in the last place of the result or, if this is more, 7 of the larger of abs(gy) and eʸ sum(abs(gy)),
    in rows of any length (measured). Digits are kept where one element has almost all the weight.

    NaN and infinities go through the formula as IEEE arithmetic has it. An element that `where` left out, whose
    y is -inf, gets its gy, and this counts in the sum: it should be 0. An empty axis gives an empty result.

    Examples
    --------
    >>> import fastact
    >>> from fastact import grad
    >>> y = fastact.log_softmax([1.0, 2.0, 3.0])
    >>> grad.log_softmax([0.0, 1.0, 0.0], y).round(6)
    array([-0.090031,  0.755272, -0.665241])
    """
    return _apply("log_softmax", gy, y, axis, out, dtype, temperature)


@documented
def sparsemax(gy, y, axis=-1, *, out=None, dtype=None):
    """Gradient of sparsemax, from its result y: gy less its mean, both where y > 0; 0 elsewhere.

    .. math:: g_i = gy_i - \\frac{1}{|S|} \\sum_{j \\in S} gy_j \\text{ if } i \\in S, \\text{ else } 0,
        \\quad S = \\{ j : y_j > 0 \\}

    {arguments}

    Notes
    -----
    At most 1 unit in the last place from the exact value of the formula, for rows of any length (measured); where gy
    almost cancels with its mean, that is of 2⁻¹² (float32) or 2⁻⁶ (float64) of the larger of abs(gy) and the mean of
    abs(gy), if this is more.

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


@documented
def entmax15(gy, y, axis=-1, *, out=None, dtype=None):
    """Gradient of entmax15, from its result y: s (gy - sum(s gy) / sum(s)), with s = sqrt(y).

    .. math:: g_i = s_i \\left(gy_i - \\frac{\\sum_j s_j gy_j}{\\sum_j s_j}\\right), \\quad s_i = \\sqrt{y_i}

    {arguments}

    Notes
    -----
    At most 1 unit in the last place from the exact value of the formula, for rows of any length (measured); where gy
    almost cancels with its mean, that is of 2⁻¹² (float32) or 2⁻⁶ (float64) of the larger of abs(gy) and the mean of
    abs(gy), times s, if this is more.

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
    if dtype is None and y is not None:
        result = QUICK[name](name, gy, y, axis, out, temperature)
        if result is not None:
            return result
    return over_axes(name, axis, out, None, dtype, temperature, gy, y)


for _name in WITH_GRADIENT:
    globals()[_name].__module__ = "fastact.grad"
