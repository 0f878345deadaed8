"""Every elementwise activation and its derivative: one scalar formula each, and the table of them.

A formula is written once, for one element, in terms of `_math.py`; `_table.py` says what is made from it. To
add one, write the function and decorate it: parameters and their defaults are its signature's. Use float
literals (0.0, not 0), and let both sides of every `a if c else b` be cheap and free of side effects: they
are both computed, in vector registers.
"""

from fastact._by_lookup import (
    bell_of,
    gelu_derivative_left,
    gelu_end,
    gelu_left,
    gelu_tanh_of,
    logistic_of_minus,
    logistic_of_pair,
    quick_gelu_of,
    quick_gelu_scaled,
    scaled,
    sigmoid_of,
    silu_derivative_at,
    silu_derivative_left,
    silu_of,
    swish_of,
    tanh_of_positive,
    tanh_squared,
    tanhshrink_of_positive,
)
from fastact._math import (
    DOWN,
    EXP_LOW,
    GELU_END,
    GELU_TANH_END,
    GELU_TANH_ROOT,
    GELU_TANH_ROOT_LOW,
    GELU_TANH_SLOPE,
    GELU_TANH_SLOPE_END,
    GELU_TANH_SLOPE_LOW,
    HUGE,
    LARGE,
    LARGEST,
    LINEAR,
    MISH_END,
    MISH_ROOT,
    MISH_ROOT_LOW,
    MISH_SLOPE,
    MISH_SLOPE_END,
    MISH_SLOPE_LOW,
    NEAR_ROOT,
    SELU_SCALE,
    SELU_SCALE_ALPHA,
    SELU_SCALE_ALPHA_LOW,
    SELU_SCALE_LOW,
    SIXTH,
    SIXTH_LOW,
    TAIL_END,
    TINY_LOG,
    UP,
    add,
    copysign,
    divide,
    divide_by_any,
    down_and_add,
    exp_parts,
    expm1_parts,
    fabs,
    fma,
    gated_slope,
    gelu_tanh_parts,
    gelu_tanh_slope,
    log1p_exp,
    log1p_exp_parts,
    logistic_parts,
    mish_parts,
    mish_slope,
    multiply,
    not_above,
    not_below,
    on_either_side,
    product_error,
    root_parts,
    sqrt,
    square_of_quotient,
    through_zero,
    times_inverse,
    two_sum,
)
from fastact._table import ACTIVATIONS, GRADIENTS, activation, derivative

__all__ = ["ACTIVATIONS", "GRADIENTS"]


@activation(integers=True, max_ulp=0.5, kinks=lambda: (0.0,))
def relu(x):
    """Rectified linear unit: max(0, x).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; -0.0 becomes 0.0; relu(inf) = inf and relu(-inf) = 0.

    References
    ----------
    V. Nair and G. E. Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010.

    Examples
    --------
    >>> import fastact
    >>> fastact.relu([-1.5, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return 0.0 if x <= 0.0 else x


@derivative(relu, max_ulp=0.5)
def relu_derivative(x):
    """(1 if x > 0, else 0)

    At 0 the derivative is taken as 0. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.relu(2.0, [-1.5, 0.0, 3.0])
    array([0., 0., 2.])
    """
    return 1.0 if x > 0.0 else (0.0 if x <= 0.0 else x)


@activation(integers=True, max_ulp=0.5, kinks=lambda: (0.0, 6.0))
def relu6(x):
    """Rectified linear unit, cut at 6: min(max(0, x), 6).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; -0.0 becomes 0.0; relu6(inf) = 6 and relu6(-inf) = 0.

    References
    ----------
    A. G. Howard et al., MobileNets: efficient convolutional neural networks for mobile vision
    applications, arXiv:1704.04861, 2017.

    Examples
    --------
    >>> import fastact
    >>> fastact.relu6([-1.5, 2.0, 9.0])
    array([0., 2., 6.])
    """
    return 6.0 if x > 6.0 else (0.0 if x <= 0.0 else x)


@derivative(relu6, max_ulp=0.5)
def relu6_derivative(x):
    """(1 if 0 < x < 6, else 0)

    At 0 and 6 the derivative is taken as 0. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.relu6(2.0, [-1.5, 3.0, 6.0])
    array([0., 2., 0.])
    """
    inside = 1.0 if x > 0.0 else (0.0 if x <= 0.0 else x)
    return 0.0 if x >= 6.0 else inside


@activation(kinks=lambda alpha: (0.0,))
def elu(x, alpha=1.0):
    """Exponential linear unit: x if x > 0, else alpha * (exp(x) - 1).

    {x}
    alpha : array_like, default 1.0
        The limit at -inf is -alpha. Broadcasts against `x`. Where it is infinite or NaN, so is the result for
        negative `x`, and only for these.
    {out}

    Notes
    -----
    NaN stays NaN; elu(0) = 0, elu(inf) = inf and elu(-inf) = -alpha.

    References
    ----------
    D.-A. Clevert, T. Unterthiner and S. Hochreiter, Fast and accurate deep network learning by
    exponential linear units (ELUs), ICLR 2016.

    Examples
    --------
    >>> import fastact
    >>> fastact.elu([-1.0, 0.0, 2.0])
    array([-0.63212056,  0.        ,  2.        ])
    """
    high, low = expm1_parts(0.0 if x > 0.0 else x, -0.0)
    rest = alpha * low
    rest = rest if rest - rest == 0.0 else 0.0  # where alpha is infinite, high says it all
    return fma(alpha, high, rest) if x < 0.0 else x


def elu_derivative_at_defaults(x):
    high, _, s = exp_parts(not_below(0.0 if x > 0.0 else x, EXP_LOW), -0.0)
    return 1.0 if x > 0.0 else high * s * DOWN


@derivative(elu, special_case=elu_derivative_at_defaults)
def elu_derivative(x, alpha=1.0):
    """(1 if x > 0, else alpha * exp(x))

    At 0 the derivative is taken as `alpha`; it is 1 at inf and 0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.elu(1.0, [-1.0, 0.0, 2.0], alpha=2.0)
    array([0.73575888, 2.        , 1.        ])
    """
    high, _, s = exp_parts(not_below(0.0 if x > 0.0 else x, EXP_LOW), -0.0)
    high = 0.0 if x < EXP_LOW else high  # beside a large alpha it would not vanish
    tiny = x < TINY_LOG
    e = high * (s if tiny else s * DOWN)
    back = DOWN if tiny else 1.0
    return 1.0 if x > 0.0 else alpha * e * back


@activation(max_ulp=0.5, kinks=lambda weight: (0.0,))
def prelu(x, weight):
    """Parametric rectified linear unit: x if x > 0, else weight * x.

    {x}
    weight : array_like
        The learned slope for negative `x`. Broadcasts against `x`: for one weight a channel of images
        of shape (N, C, H, W), give it the shape (C, 1, 1).
    {out}

    Notes
    -----
    NaN stays NaN; prelu(inf) = inf and prelu(-inf) = -inf * weight.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers: surpassing human-level performance
    on ImageNet classification, ICCV 2015.

    Examples
    --------
    >>> import fastact
    >>> fastact.prelu([[-1.0, 2.0], [-1.0, 2.0]], [[0.25], [0.5]])
    array([[-0.25,  2.  ],
           [-0.5 ,  2.  ]])
    """
    return x if x > 0.0 else weight * x


@derivative(prelu, max_ulp=0.5)
def prelu_derivative(x, weight):
    """(1 if x > 0, else weight)

    With respect to `x`; `fastact.grad.prelu_weight` is the gradient for the weight. At 0 the derivative is
    taken as `weight`. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.prelu(2.0, [[-1.0, 2.0], [-1.0, 2.0]], [[0.25], [0.5]])
    array([[0.5, 2. ],
           [1. , 2. ]])
    """
    return 1.0 if x > 0.0 else (weight if x <= 0.0 else x)


@activation(max_ulp=0.5, kinks=lambda negative_slope: (0.0,))
def leaky_relu(x, negative_slope=0.01):
    """Leaky rectified linear unit: x if x > 0, else negative_slope * x.

    {x}
    negative_slope : array_like, default 0.01
        The slope for negative `x`. Broadcasts against `x`.
    {out}

    Notes
    -----
    NaN stays NaN; leaky_relu(inf) = inf and leaky_relu(-inf) = -inf * negative_slope.

    References
    ----------
    A. L. Maas, A. Y. Hannun and A. Y. Ng, Rectifier nonlinearities improve neural network acoustic
    models, ICML 2013.

    Examples
    --------
    >>> import fastact
    >>> fastact.leaky_relu([-2.0, 0.0, 3.0])
    array([-0.02,  0.  ,  3.  ])
    """
    return x if x > 0.0 else negative_slope * x


@derivative(leaky_relu, max_ulp=0.5)
def leaky_relu_derivative(x, negative_slope=0.01):
    """(1 if x > 0, else negative_slope)

    At 0 the derivative is taken as `negative_slope`. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.leaky_relu(2.0, [-2.0, 0.0, 3.0])
    array([0.02, 0.02, 2.  ])
    """
    return 1.0 if x > 0.0 else (negative_slope if x <= 0.0 else x)


@activation(max_ulp=0.5, kinks=lambda threshold, value: (threshold,))
def threshold(x, threshold, value):
    """Threshold unit: x if x > threshold, else value.

    {x}
    threshold : array_like
        Where it switches; a NaN replaces nothing. Broadcasts against `x`.
    value : array_like
        What replaces an `x` that does not exceed the threshold. Broadcasts against `x`.
    {out}

    Notes
    -----
    NaN stays NaN; at x = threshold the result is `value`; threshold(inf) = inf and threshold(-inf) = value.

    References
    ----------
    K. Konda, R. Memisevic and D. Krueger, Zero-bias autoencoders and the benefits of co-adapting features, ICLR 2015;
    with value = 0.

    Examples
    --------
    >>> import fastact
    >>> fastact.threshold([-1.0, 0.5, 2.0], 0.5, -7.0)
    array([-7., -7.,  2.])
    """
    return value if x <= threshold else x


@derivative(threshold, max_ulp=0.5)
def threshold_derivative(x, threshold, value):
    """(1 if x > threshold, else 0)

    At x = threshold the derivative is taken as 0; it does not depend on `value`. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.threshold(2.0, [-1.0, 0.5, 2.0], 0.5, -7.0)
    array([0., 0., 2.])
    """
    return 0.0 if x <= threshold else (1.0 if x == x else x)


@activation(max_ulp=0.5, kinks=lambda min_val, max_val: (min_val, max_val))
def hardtanh(x, min_val=-1.0, max_val=1.0):
    """Piecewise linear tanh: min(max(x, min_val), max_val).

    {x}
    min_val, max_val : array_like, default -1.0 and 1.0
        The range of the result. Where min_val > max_val the result is max_val, as in `numpy.clip`; a NaN
        bounds nothing. Broadcast against `x`.
    {out}

    Notes
    -----
    NaN stays NaN; hardtanh(inf) = max_val and hardtanh(-inf) = min_val.

    References
    ----------
    R. Collobert, Large scale machine learning, PhD thesis, Université Paris VI, 2004.

    Examples
    --------
    >>> import fastact
    >>> fastact.hardtanh([-3.0, 0.25, 3.0])
    array([-1.  ,  0.25,  1.  ])
    """
    above = min_val if x < min_val else x
    return max_val if above > max_val else above


@derivative(hardtanh, max_ulp=0.5)
def hardtanh_derivative(x, min_val=-1.0, max_val=1.0):
    """(1 if min_val < x < max_val, else 0)

    At min_val and max_val the derivative is taken as 0. NaN stays NaN; a bound that is NaN bounds nothing.

    >>> import fastact
    >>> fastact.grad.hardtanh(2.0, [-3.0, 0.25, 1.0])
    array([0., 2., 0.])
    """
    above = 0.0 if x <= min_val else (1.0 if x == x else x)
    return 0.0 if x >= max_val else above


@activation
def sigmoid(x):
    """Logistic sigmoid: 1 / (1 + exp(-x)).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; sigmoid(0) = 0.5, sigmoid(inf) = 1 and sigmoid(-inf) = 0. The left tail is exact
    down to the smallest subnormal number.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating errors,
    Nature 323, 1986.

    Examples
    --------
    >>> import fastact
    >>> fastact.sigmoid([-2.0, 0.0, 2.0])
    array([0.11920292, 0.5       , 0.88079708])
    """
    return sigmoid_of(x)


@derivative(sigmoid)
def sigmoid_derivative(x):
    """exp(-x) / (1 + exp(-x))**2

    0.25 at 0; both tails are exact down to the smallest subnormal number, and 0 at -inf and inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.sigmoid(1.0, [-2.0, 0.0, 2.0])
    array([0.10499359, 0.25      , 0.10499359])
    """
    return bell_of(-fabs(x), 1.0)


@activation
def tanh(x):
    """Hyperbolic tangent.

    .. math:: \\tanh x = \\frac{e^x - e^{-x}}{e^x + e^{-x}}

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; tanh(-0.0) = -0.0, tanh(inf) = 1 and tanh(-inf) = -1. Odd to the last bit.

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, Efficient BackProp, in: Neural Networks: Tricks of the Trade,
    Springer, 1998.

    Examples
    --------
    >>> import fastact
    >>> fastact.tanh([-1.0, 0.0, 1.0])
    array([-0.76159416,  0.        ,  0.76159416])
    """
    return copysign(tanh_of_positive(fabs(x)), x)


@derivative(tanh)
def tanh_derivative(x):
    """4 * exp(-2 * x) / (1 + exp(-2 * x))**2

    That is 1 - tanh(x)**2 without its cancellation: 1 at 0; both tails are exact down to the smallest
    subnormal number, and 0 at -inf and inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.tanh(1.0, [-2.0, 0.0, 2.0])
    array([0.07065082, 1.        , 0.07065082])
    """
    return bell_of(-2.0 * fabs(x), 4.0)


@activation
def log_sigmoid(x):
    """Logarithm of the logistic sigmoid: log(1 / (1 + exp(-x))) = min(x, 0) - log(1 + exp(-abs(x))).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; log_sigmoid(inf) = -0.0 and log_sigmoid(-inf) = -inf. The right tail is exact down to
    the smallest subnormal number.

    References
    ----------
    M. Mächler, Accurately computing log(1 - exp(-abs(a))), vignette of the R package Rmpfr, 2012.

    Examples
    --------
    >>> import fastact
    >>> fastact.log_sigmoid([-2.0, 0.0, 2.0])
    array([-2.12692801, -0.69314718, -0.12692801])
    """
    return -log1p_exp(-x)


@derivative(log_sigmoid)
def log_sigmoid_derivative(x):
    """1 / (1 + exp(x))

    1 at -inf; the right tail is exact down to the smallest subnormal number, and 0 at inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.log_sigmoid(1.0, [-2.0, 0.0, 2.0])
    array([0.88079708, 0.5       , 0.11920292])
    """
    return logistic_of_minus(x)


def softplus_at_defaults(x):
    y = log1p_exp(x)
    return x if x > 20.0 else y


@activation(special_case=softplus_at_defaults)
def softplus(x, beta=1.0, threshold=20.0):
    """Smooth rectifier: log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold.

    {x}
    beta : array_like, default 1.0
        Sharpness of the bend. Broadcasts against `x`. 0 gives inf where `x` is finite; -inf and inf give the
        limits min(x, 0) and max(x, 0) where `x` is not 0.
    threshold : array_like, default 20.0
        Where beta * x, in the dtype of the result, exceeds it, the result is `x`; NaN stands for inf. The default
        costs float32 nothing (the exact result rounds to `x` there); in float64 it cuts off up to 2e-9, and inf
        gives the unabridged function.
    {out}

    Notes
    -----
    NaN stays NaN; softplus(inf) = inf and softplus(-inf) = 0 for positive `beta`. The left tail is exact
    down to the smallest subnormal number.

    References
    ----------
    C. Dugas, Y. Bengio, F. Bélisle, C. Nadeau and R. Garcia, Incorporating second-order functional
    knowledge for better option pricing, NIPS 2000.

    Examples
    --------
    >>> import fastact
    >>> fastact.softplus([-2.0, 0.0, 2.0])
    array([0.12692801, 0.69314718, 2.12692801])
    """
    plain = log1p_exp(x)  # the bits are those of the defaults left out
    z = beta * x
    z_low = product_error(beta, x, z)
    z_low = z_low if fabs(z) < -EXP_LOW else 0.0
    # beyond LARGE the result is x for any threshold, also where z overflows
    limit = threshold if threshold < LARGE else LARGE
    y, y_low, back = log1p_exp_parts(z, z_low)
    q, rest, inverse = divide_by_any(y, y_low, beta, 0.0)
    bent = fma(rest, inverse, q) if fabs(rest) < LARGE else q
    bent = 0.0 if z < EXP_LOW else bent * back  # beside a small beta it would not vanish
    bent = plain if beta + 0.0 * x == 1.0 else bent  # a comparison of vectors, not of a number
    return x if (z - limit) + z_low > 0.0 else bent


def softplus_derivative_at_defaults(x):
    return 1.0 if x > 20.0 else sigmoid(x)


@derivative(softplus, special_case=softplus_derivative_at_defaults)
def softplus_derivative(x, beta=1.0, threshold=20.0):
    """(1 if beta * x > threshold, else 1 / (1 + exp(-beta * x)))

    1 at inf; the left tail is exact down to the smallest subnormal number, and 0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.softplus(1.0, [-2.0, 0.0, 2.0])
    array([0.11920292, 0.5       , 0.88079708])
    """
    z = beta * x
    z_low = product_error(beta, x, z)
    z_low = z_low if fabs(z) < -EXP_LOW else 0.0
    return 1.0 if (z - threshold) + z_low > 0.0 else logistic_of_pair(z, z_low)


@activation(max_ulp=0.5, kinks=lambda lambd: (-lambd, lambd))
def softshrink(x, lambd=0.5):
    """Soft shrinkage: x - lambd if x > lambd, x + lambd if x < -lambd, else 0.

    {x}
    lambd : array_like, default 0.5
        Half the width of the zone that becomes 0. Broadcasts against `x`. Where it is negative there is no
        such zone, and `x` > lambd goes first.
    {out}

    Notes
    -----
    NaN stays NaN; at x = lambd and x = -lambd the result is 0; softshrink(inf) = inf and
    softshrink(-inf) = -inf.

    References
    ----------
    D. L. Donoho, De-noising by soft-thresholding, IEEE Transactions on Information Theory 41(3), 1995.

    Examples
    --------
    >>> import fastact
    >>> fastact.softshrink([-2.0, 0.25, 0.75])
    array([-1.5 ,  0.  ,  0.25])
    """
    middle = x if x != x else 0.0
    return x - lambd if x > lambd else (x + lambd if x < -lambd else middle)


@derivative(softshrink, max_ulp=0.5)
def softshrink_derivative(x, lambd=0.5):
    """(1 if abs(x) > lambd, else 0)

    At lambd and -lambd the derivative is taken as 0. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.softshrink(2.0, [-2.0, 0.25, 0.5])
    array([2., 0., 0.])
    """
    middle = x if x != x else 0.0
    return 1.0 if x > lambd else (1.0 if x < -lambd else middle)


@activation
def softsign(x):
    """Soft sign: x / (1 + abs(x)).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; softsign(-0.0) = -0.0, softsign(inf) = 1 and softsign(-inf) = -1. Odd to the last bit.

    References
    ----------
    J. Turian, J. Bergstra and Y. Bengio, Quadratic features and deep architectures for chunking,
    NAACL 2009.

    Examples
    --------
    >>> import fastact
    >>> fastact.softsign([-3.0, 0.0, 1.0])
    array([-0.75,  0.  ,  0.5 ])
    """
    a = fabs(x)
    a = LARGE if a > LARGE else a
    b, b_low = two_sum(a, 1.0)
    q, rest, inverse = divide(a, 0.0, b, b_low)
    return copysign(fma(rest, inverse, q), x)


@derivative(softsign)
def softsign_derivative(x):
    """1 / (1 + abs(x))**2

    1 at 0, and 0 at -inf and inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.softsign(1.0, [-3.0, 0.0, 1.0])
    array([0.0625, 1.    , 0.25  ])
    """
    a = fabs(x)
    a = HUGE if a > HUGE else a
    b, b_low = two_sum(a, 1.0)
    q, rest, inverse = divide(1.0, 0.0, b, b_low)
    return square_of_quotient(q, rest, inverse)


@activation
def tanhshrink(x):
    """x - tanh(x).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; tanhshrink(-0.0) = -0.0, tanhshrink(inf) = inf and tanhshrink(-inf) = -inf. Near 0,
    where the difference would cancel, a polynomial keeps every digit: it is x**3 / 3 there. Odd to the
    last bit.

    References
    ----------
    T.-W. Lee, M. Girolami and T. J. Sejnowski, Independent component analysis using an extended infomax algorithm for
    mixed subgaussian and supergaussian sources, Neural Computation 11(2), 1999; for the subgaussian ones.

    Examples
    --------
    >>> import fastact
    >>> fastact.tanhshrink([-2.0, 0.001, 2.0])
    array([-1.03597242e+00,  3.33333200e-10,  1.03597242e+00])
    """
    return copysign(tanhshrink_of_positive(fabs(x)), x)


@derivative(tanhshrink)
def tanhshrink_derivative(x):
    """tanh(x)**2

    0 at 0, x**2 near it, and 1 at -inf and inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.tanhshrink(1.0, [-2.0, 0.0, 1.0])
    array([0.92934918, 0.        , 0.58002566])
    """
    return tanh_squared(fabs(x))


@activation(kinks=lambda: (0.0,))
def selu(x):
    """Scaled exponential linear unit: scale * x if x > 0, else scale * alpha * (exp(x) - 1).

    scale = 1.0507009873554804934193349852946 and alpha = 1.6732632423543772848170429916717 keep mean 0 and
    variance 1 from layer to layer.

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; selu(0) = 0, selu(inf) = inf and selu(-inf) = -scale * alpha = -1.758...

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-normalizing neural networks, NIPS 2017.

    Examples
    --------
    >>> import fastact
    >>> fastact.selu([-1.0, 0.0, 2.0])
    array([-1.11133074,  0.        ,  2.10140197])
    """
    high, low = expm1_parts(0.0 if x > 0.0 else x, -0.0)
    below = fma(SELU_SCALE_ALPHA, high, fma(SELU_SCALE_ALPHA_LOW, high, SELU_SCALE_ALPHA * low))
    rest = x * SELU_SCALE_LOW
    above = fma(x, SELU_SCALE, rest if rest - rest == 0.0 else 0.0)
    return below if x < 0.0 else above


@derivative(selu)
def selu_derivative(x):
    """(scale if x > 0, else scale * alpha * exp(x))

    At 0 the derivative is taken as scale * alpha; it is `scale` at inf and 0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.selu(1.0, [-1.0, 0.0, 2.0])
    array([0.6467686 , 1.75809934, 1.05070099])
    """
    high, _, s = exp_parts(not_below(0.0 if x > 0.0 else x, EXP_LOW), -0.0)
    below = fma(SELU_SCALE_ALPHA, high, SELU_SCALE_ALPHA_LOW * high) * s * DOWN
    return SELU_SCALE + SELU_SCALE_LOW if x > 0.0 else below


def celu_quotient(x, alpha):
    """x / abs(alpha) and its rounding error, 0 where it is positive or does not matter."""
    x = 0.0 if x > 0.0 else x
    a = fabs(alpha)  # a negative one gives NaN anyway, but for -0.0
    z = x / a
    p = z * a
    z_low = ((x - p) - product_error(z, a, p)) * (1.0 / a)
    z_low = z_low if fabs(z_low) < 1.0 else 0.0
    return z, z_low


def nan_below_zero(alpha):
    """To be added: -0.0, and NaN where alpha is negative, without a condition that would become a branch."""
    root = sqrt(alpha if alpha < 1.0 else 1.0)
    return -(root - root)


def celu_at_defaults(x):
    return elu(x, 1.0)


@activation(special_case=celu_at_defaults)
def celu(x, alpha=1.0):
    """Continuously differentiable exponential linear unit: x if x > 0, else alpha * (exp(x / alpha) - 1).

    {x}
    alpha : array_like, default 1.0
        A positive number; the limit at -inf is -alpha. Broadcasts against `x`. 0 and inf give the limits max(x, 0)
        and x, of finite `x`; a negative number gives NaN for negative `x`.
    {out}

    Notes
    -----
    NaN stays NaN; celu(0) = 0, celu(inf) = inf and celu(-inf) = -alpha.

    References
    ----------
    J. T. Barron, Continuously differentiable exponential linear units, arXiv:1704.07483, 2017.

    Examples
    --------
    >>> import fastact
    >>> fastact.celu([-1.0, 0.0, 2.0], alpha=0.5)
    array([-0.43233236,  0.        ,  2.        ])
    """
    z, z_low = celu_quotient(x, alpha)
    high, low = expm1_parts(z, z_low)
    bent = fma(alpha, high, alpha * low)
    bent = x if z > LINEAR else bent
    bent = bent + nan_below_zero(alpha)
    return bent if x < 0.0 else x


@derivative(celu, special_case=elu_derivative_at_defaults)
def celu_derivative(x, alpha=1.0):
    """(1 if x > 0, else exp(x / alpha))

    1 at 0 and inf, and 0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.celu(1.0, [-1.0, 0.0, 2.0], alpha=0.5)
    array([0.13533528, 1.        , 1.        ])
    """
    z, z_low = celu_quotient(x, alpha)
    high, _, s = exp_parts(not_below(z, EXP_LOW), z_low)
    below = high * s * DOWN + nan_below_zero(alpha)
    return 1.0 if x >= 0.0 else below


def plus_three(x):
    """x + 3 as a pair, for |x| <= 3."""
    b = x + 3.0
    return b, x - (b - 3.0)


@activation(monotone=False, kinks=lambda: (-3.0, 3.0))
def hardswish(x):
    """Piecewise quadratic `silu`: 0 if x <= -3, x if x >= 3, else x * (x + 3) / 6.

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; -0.0 becomes 0.0; hardswish(inf) = inf and hardswish(-inf) = 0.

    References
    ----------
    A. Howard et al., Searching for MobileNetV3, ICCV 2019.

    Examples
    --------
    >>> import fastact
    >>> fastact.hardswish([-4.0, -1.5, 0.0, 2.0])
    array([ 0.        , -0.375     ,  0.        ,  1.66666667])
    """
    a = -3.0 if x < -3.0 else x
    b, b_low = plus_three(a)
    c, c_low = multiply(SIXTH, SIXTH_LOW, b, b_low)
    return x if x >= 3.0 else fma(a, c, a * c_low) + 0.0


@derivative(hardswish)
def hardswish_derivative(x):
    """(0 if x <= -3, 1 if x >= 3, else (2 * x + 3) / 6)

    At -3 the derivative is taken as 0 and at 3 as 1. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.hardswish(3.0, [-4.0, -1.5, 0.0, 2.5])
    array([0. , 0. , 1.5, 4. ])
    """
    inside = fma(2.0, x, 3.0) / 6.0
    return 1.0 if x >= 3.0 else (0.0 if x <= -3.0 else inside)


@activation(kinks=lambda: (-3.0, 3.0))
def hardsigmoid(x):
    """Piecewise linear sigmoid: 0 if x <= -3, 1 if x >= 3, else (x + 3) / 6.

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; hardsigmoid(inf) = 1 and hardsigmoid(-inf) = 0.

    References
    ----------
    M. Courbariaux, Y. Bengio and J.-P. David, BinaryConnect: training deep neural networks with binary weights
    during propagations, NIPS 2015; with the slope of PyTorch's, 1 / 6.

    Examples
    --------
    >>> import fastact
    >>> fastact.hardsigmoid([-4.0, -1.5, 0.0, 4.0])
    array([0.  , 0.25, 0.5 , 1.  ])
    """
    b, b_low = plus_three(x)
    q, rest, inverse = divide_by_any(b, b_low, 6.0, 0.0)
    return 1.0 if x >= 3.0 else (0.0 if x <= -3.0 else fma(rest, inverse, q))


@derivative(hardsigmoid, max_ulp=0.5)
def hardsigmoid_derivative(x):
    """(1 / 6 if -3 < x < 3, else 0)

    At -3 and 3 the derivative is taken as 0. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.hardsigmoid(3.0, [-4.0, -1.5, 0.0, 3.0])
    array([0. , 0.5, 0.5, 0. ])
    """
    inside = 1.0 / 6.0 if x < 3.0 else (0.0 if x >= 3.0 else x)
    return 0.0 if x <= -3.0 else inside


@activation(max_ulp=0.5, kinks=lambda lambd: (-lambd, lambd))
def hardshrink(x, lambd=0.5):
    """Hard shrinkage: x if abs(x) > lambd, else 0.

    {x}
    lambd : array_like, default 0.5
        Half the width of the zone that becomes 0. Broadcasts against `x`. Where it is negative or NaN there is
        no such zone.
    {out}

    Notes
    -----
    NaN stays NaN; at x = lambd and x = -lambd the result is 0; hardshrink(inf) = inf and
    hardshrink(-inf) = -inf.

    References
    ----------
    D. L. Donoho and I. M. Johnstone, Ideal spatial adaptation by wavelet shrinkage, Biometrika 81(3), 1994.

    Examples
    --------
    >>> import fastact
    >>> fastact.hardshrink([-2.0, 0.25, 0.75])
    array([-2.  ,  0.  ,  0.75])
    """
    return 0.0 if fabs(x) <= lambd else x


@derivative(hardshrink, max_ulp=0.5)
def hardshrink_derivative(x, lambd=0.5):
    """(1 if abs(x) > lambd, else 0)

    At lambd and -lambd the derivative is taken as 0. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.hardshrink(2.0, [-2.0, 0.25, 0.5])
    array([2., 0., 0.])
    """
    return 0.0 if fabs(x) <= lambd else (1.0 if x == x else x)


@activation(max_ulp=0.5)
def relu_squared(x):
    """Squared rectified linear unit, or squared ReLU: max(0, x)**2.

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; relu_squared(inf) = inf and relu_squared(-inf) = 0.

    References
    ----------
    D. R. So et al., Primer: searching for efficient transformers for language modeling, NeurIPS 2021.

    Examples
    --------
    >>> import fastact
    >>> fastact.relu_squared([-1.5, 0.0, 3.0])
    array([0., 0., 9.])
    """
    y = relu(x)
    return y * y


@derivative(relu_squared, max_ulp=0.5)
def relu_squared_derivative(x):
    """(2 * x if x > 0, else 0)

    0 at 0, and inf at inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.relu_squared(1.0, [-1.5, 0.0, 3.0])
    array([0., 0., 6.])
    """
    return 2.0 * relu(x)


@activation
def squareplus(x, b=4.0):
    """Algebraic `softplus`: (x + sqrt(x**2 + b)) / 2.

    {x}
    b : array_like, default 4.0
        How wide the bend is: sqrt(b) / 2 is the result at 0. Broadcasts against `x`. 0 gives max(x, 0);
        others should be from 2**-100 to 2**100. Where x**2 + b is negative, or 0 beside a negative b, the result is
        NaN.
    {out}

    Notes
    -----
    NaN stays NaN; squareplus(inf) = inf and squareplus(-inf) = 0. The left tail, b / (4 * abs(x)), is exact down
    to the smallest subnormal number.

    References
    ----------
    J. T. Barron, Squareplus: a softplus-like algebraic rectifier, arXiv:2112.11687, 2021.

    Examples
    --------
    >>> import fastact
    >>> fastact.squareplus([-3.75, 0.0, 3.75])
    array([0.25, 1.  , 4.  ])
    """
    _, _, _, d, d_low, scale = root_parts(x, b)
    # on the left without cancellation: b / (2 (|x| + sqrt(x**2 + b)))
    q, rest, inverse = divide(b, 0.0, d, d_low)
    left = fma(rest, inverse, q) * (0.5 * scale)
    left = 0.0 if x < -LARGEST or b == 0.0 else left
    right = (0.5 * d + 0.5 * d_low) * (4.0 * UP if scale < 1.0 else 1.0)
    return left if x < 0.0 else (fma(0.0, b, x) if x > HUGE else right)


@derivative(squareplus)
def squareplus_derivative(x, b=4.0):
    """(1 + x / sqrt(x**2 + b)) / 2

    0.5 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and 0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.squareplus(1.0, [-1.5, 0.0, 1.5])
    array([0.2, 0.5, 0.8])
    """
    r, r_low, inverse_of_root, d, d_low, scale = root_parts(x, b)
    # on the left without cancellation: b / (2 sqrt(x**2 + b) (|x| + sqrt(x**2 + b)))
    q, rest, inverse = divide(b * scale, 0.0, d, d_low)
    q, rest, inverse = times_inverse(q, rest * inverse, r, r_low, inverse_of_root)
    left = fma(rest, inverse, q) * (0.5 * scale)
    left = 0.0 if x < -LARGEST or b == 0.0 else left
    q, rest, inverse = times_inverse(d, d_low, r, r_low, inverse_of_root)
    right = 0.5 * fma(rest, inverse, q)
    right = fma(0.0, b, 1.0) if x > (0.0 if b == 0.0 else HUGE) else right
    right = 0.5 if x == 0.0 else right
    return left if x < 0.0 else right


@activation(monotone=False)
def silu(x):
    """Sigmoid linear unit: x / (1 + exp(-x)).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; silu(inf) = inf and silu(-inf) = -0.0. The left tail is exact down to the smallest subnormal
    number. The minimum is -0.2785 at -1.2785.

    References
    ----------
    S. Elfwing, E. Uchibe and K. Doya, Sigmoid-weighted linear units for neural network function approximation
    in reinforcement learning, Neural Networks 107, 2018.

    Examples
    --------
    >>> import fastact
    >>> fastact.silu([-2.0, 0.0, 2.0])
    array([-0.23840584,  0.        ,  1.76159416])
    """
    return silu_of(x)


@derivative(silu)
def silu_derivative(x):
    """(1 + exp(-x) * (1 + x)) / (1 + exp(-x))**2

    0.5 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and -0.0 at -inf. Near its zero,
    -1.2785, a polynomial keeps every digit. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.silu(1.0, [-2.0, 0.0, 2.0])
    array([-0.09078425,  0.5       ,  1.09078425])
    """
    a = fabs(x)
    return on_either_side(x, silu_derivative_left(not_above(a, -EXP_LOW)))


@activation(monotone=False, special_case=silu)
def swish(x, beta=1.0):
    """Swish: x / (1 + exp(-beta * x)); at beta = 1 it is `silu`.

    {x}
    beta : array_like, default 1.0
        Sharpness of the bend. Broadcasts against `x`. 0 gives x / 2 where `x` is finite; -inf and inf give
        the limits min(x, 0) and max(x, 0) where `x` is not 0.
    {out}

    Notes
    -----
    NaN stays NaN; swish(inf) = inf and swish(-inf) = -0.0 for positive `beta`. The left tail is exact down to the
    smallest subnormal number.

    References
    ----------
    P. Ramachandran, B. Zoph and Q. V. Le, Searching for activation functions, arXiv:1710.05941, 2017.

    Examples
    --------
    >>> import fastact
    >>> fastact.swish([-2.0, 0.0, 2.0], beta=0.5)
    array([-0.53788284,  0.        ,  1.46211716])
    """
    return swish_of(x, beta)


@derivative(swish, special_case=silu_derivative)
def swish_derivative(x, beta=1.0):
    """(1 + exp(-beta * x) * (1 + beta * x)) / (1 + exp(-beta * x))**2

    0.5 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and -0.0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.swish(1.0, [-2.0, 0.0, 2.0], beta=0.5)
    array([0.07232949, 0.5       , 0.92767051])
    """
    z, z_low = scaled(x, beta)
    return silu_derivative_at(z, copysign(1.0, z) * z_low)


@activation(monotone=False)
def quick_gelu(x):
    """Sigmoid approximation of `gelu`: x / (1 + exp(-1.702 * x)).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; quick_gelu(inf) = inf and quick_gelu(-inf) = -0.0. The left tail is exact down to the smallest
    subnormal number.

    References
    ----------
    D. Hendrycks and K. Gimpel, Gaussian error linear units (GELUs), arXiv:1606.08415, 2016.

    Examples
    --------
    >>> import fastact
    >>> fastact.quick_gelu([-2.0, 0.0, 2.0])
    array([-0.06434138,  0.        ,  1.93565862])
    """
    return quick_gelu_of(x)


@derivative(quick_gelu)
def quick_gelu_derivative(x):
    """(1 + exp(-1.702 * x) * (1 + 1.702 * x)) / (1 + exp(-1.702 * x))**2

    0.5 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and -0.0 at -inf. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.quick_gelu(1.0, [-2.0, 0.0, 2.0])
    array([-0.07381535,  0.5       ,  1.07381535])
    """
    z, low = quick_gelu_scaled(x)
    return silu_derivative_at(z, -low)


@activation(monotone=False)
def mish(x):
    """Mish: x * tanh(log(1 + exp(x))).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; mish(inf) = inf and mish(-inf) = -0.0. The left tail is exact down to the smallest subnormal
    number. The minimum is -0.3088 at -1.1924.

    References
    ----------
    D. Misra, Mish: a self regularized non-monotonic activation function, BMVC 2020.

    Examples
    --------
    >>> import fastact
    >>> fastact.mish([-2.0, 0.0, 2.0])
    array([-0.25250148,  0.        ,  1.94395896])
    """
    # tanh(log(1 + e)) = n / (n + 2) with n = e * (e + 2)
    a = not_below(MISH_END if x > MISH_END else x, TAIL_END)
    _, _, n, n_low, d, d_low = mish_parts(a)
    p = a * n
    q, rest, inverse = divide(p, fma(a, n_low, product_error(a, n, p)), d, d_low)
    y = fma(rest, inverse, q) * DOWN
    return x if x > MISH_END else copysign(y, x)


@derivative(mish)
def mish_derivative(x):
    """(n / (n + 2) + 4 * x * e * (e + 1) / (n + 2)**2), e = exp(x), n = e * (e + 2)

    0.6 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and -0.0 at -inf. Near its zero,
    -1.1924, a polynomial keeps every digit. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.mish(1.0, [-2.0, 0.0, 2.0])
    array([-0.10835509,  0.6       ,  1.06931793])
    """
    x = not_below(MISH_SLOPE_END if x > MISH_SLOPE_END else x, TAIL_END)
    e, e_low, n, n_low, d, d_low = mish_parts(x)
    g, g_low = multiply(e, e_low, *down_and_add(e, e_low, 1.0))
    four = 4.0 * x
    p = four * g
    g, g_low = add(*multiply(n, n_low, d, d_low), p, fma(four, g_low, product_error(four, g, p)))
    q, rest, inverse = divide(g, g_low, *multiply(d, d_low, d, d_low))
    y = fma(rest, inverse, q) * DOWN
    distance = -x - MISH_ROOT
    near = through_zero(distance, -MISH_ROOT_LOW, MISH_SLOPE, MISH_SLOPE_LOW, mish_slope(distance))
    y = near if fabs(distance) < NEAR_ROOT else y
    return 1.0 if x >= MISH_SLOPE_END else y


@activation(max_ulp=2.0, monotone=False, options={"none": "gelu", "tanh": "gelu_tanh"})
def gelu(x):
    """Gaussian error linear unit: x * Phi(x), with the standard normal distribution function Phi.

    .. math:: x \\Phi(x) = \\frac{1}{2} x \\operatorname{erfc}\\left(\\frac{-x}{\\sqrt{2}}\\right)

    {x}
    approximate : {"none", "tanh"}, default "none"
        "tanh" for `gelu_tanh`, which many models were trained with.
    {out}

    Notes
    -----
    NaN stays NaN; gelu(inf) = inf and gelu(-inf) = -0.0. The left tail is exact down to the smallest subnormal
    number. The minimum is -0.17 at -0.7518.

    References
    ----------
    D. Hendrycks and K. Gimpel, Gaussian error linear units (GELUs), arXiv:1606.08415, 2016.

    Examples
    --------
    >>> import fastact
    >>> fastact.gelu([-2.0, 0.0, 2.0])
    array([-0.04550026,  0.        ,  1.95449974])
    """
    a = fabs(x)
    left, s = gelu_left(GELU_END if a > GELU_END else a)
    return gelu_end(x, left * s)


@derivative(gelu)
def gelu_derivative(x):
    """(Phi(x) + x * exp(-x**2 / 2) / sqrt(2 * pi))

    0.5 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and -0.0 at -inf; near its zero,
    -0.7518, too, every digit is right. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.gelu(1.0, [-2.0, 0.0, 2.0])
    array([-0.0852318,  0.5      ,  1.0852318])
    """
    a = fabs(x)
    left, s = gelu_derivative_left(GELU_END if a > GELU_END else a)
    return on_either_side(x, left * s)


@activation(monotone=False)
def gelu_tanh(x):
    """The tanh approximation of `gelu`: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))).

    {x}
    {out}

    Notes
    -----
    NaN stays NaN; gelu_tanh(inf) = inf and gelu_tanh(-inf) = -0.0. The left tail is exact down to the smallest
    subnormal number.

    References
    ----------
    D. Hendrycks and K. Gimpel, Gaussian error linear units (GELUs), arXiv:1606.08415, 2016.

    Examples
    --------
    >>> import fastact
    >>> fastact.gelu_tanh([-2.0, 0.0, 2.0])
    array([-0.04540231,  0.        ,  1.95459769])
    """
    return gelu_tanh_of(x)


@derivative(gelu_tanh)
def gelu_tanh_derivative(x):
    """(1 + t + x * (1 - t**2) * (0.797885 + 0.107032 * x**2)) / 2, t the tanh

    0.5 at 0, 1 at inf; the left tail is exact down to the smallest subnormal number, and -0.0 at -inf. Near its zero,
    -0.7525, a polynomial keeps every digit. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.gelu_tanh(1.0, [-2.0, 0.0, 2.0])
    array([-0.08609926,  0.5       ,  1.08609926])
    """
    a, end = fabs(x), GELU_TANH_END if x < 0.0 else GELU_TANH_SLOPE_END
    a = end if a > end else a
    z, z_low, h, h_low = gelu_tanh_parts(a)
    q, s, t, t_low = logistic_parts(-z, -z_low)
    left = gated_slope(q, s, *multiply(h, h_low, t, t_low))
    d = a - GELU_TANH_ROOT
    near = through_zero(d, -GELU_TANH_ROOT_LOW, GELU_TANH_SLOPE, GELU_TANH_SLOPE_LOW, gelu_tanh_slope(d))
    left = near * UP if fabs(d) < NEAR_ROOT else left
    return on_either_side(x, left)


@activation(kinks=lambda lower, upper: (0.0,))
def rrelu(x, lower=1 / 8, upper=1 / 3):
    """Randomised leaky rectified linear unit at evaluation: x if x > 0, else (lower + upper) / 2 * x.

    {x}
    lower, upper : array_like, default 1/8 and 1/3
        The range from which training draws the slope for negative `x`; evaluation takes its middle. Broadcast
        against `x`.
    {out}

    Notes
    -----
    NaN stays NaN; rrelu(inf) = inf and rrelu(-inf) = -inf * (lower + upper) / 2.

    For training, draw slopes, and use them in `prelu` and its gradient, as in the example;
    `fastact.nn.RReLU(rng=...)` does that.

    References
    ----------
    B. Xu, N. Wang, T. Chen and M. Li, Empirical evaluation of rectified activations in convolutional network,
    arXiv:1505.00853, 2015.

    Examples
    --------
    >>> import numpy as np, fastact
    >>> fastact.rrelu([-24.0, 0.0, 3.0])
    array([-5.5,  0. ,  3. ])
    >>> x = np.array([-24.0, 0.0, 3.0])
    >>> slopes = fastact.rrelu_slopes(x, rng=np.random.default_rng(0))  # one for each element
    >>> fastact.prelu(x, slopes).round(3)
    array([-6.185,  0.   ,  3.   ])
    >>> fastact.grad.prelu(1.0, x, slopes).round(3)
    array([0.258, 0.181, 1.   ])
    """
    slope, low = two_sum(0.5 * lower, 0.5 * upper)
    rest = low * x
    rest = rest if rest - rest == 0.0 else 0.0
    return x if x > 0.0 else fma(slope, x, rest)


@derivative(rrelu, max_ulp=0.5)
def rrelu_derivative(x, lower=1 / 8, upper=1 / 3):
    """(1 if x > 0, else (lower + upper) / 2)

    At 0 the derivative is taken as (lower + upper) / 2. NaN stays NaN.

    >>> import fastact
    >>> fastact.grad.rrelu(2.0, [-2.0, 0.0, 3.0], 0.25, 0.75)
    array([1., 1., 2.])
    """
    return 1.0 if x > 0.0 else (0.5 * lower + 0.5 * upper if x <= 0.0 else x)
