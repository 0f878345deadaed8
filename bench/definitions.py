"""Every function by its definition, in mpmath: what the references themselves are checked against."""

import mpmath as mp

ELEMENTWISE = {
    "relu": lambda x: max(0, x),
    "relu6": lambda x: min(max(0, x), 6),
    "elu": lambda x, alpha: x if x > 0 else alpha * mp.expm1(x),
    "prelu": lambda x, weight: x if x > 0 else weight * x,
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "threshold": lambda x, threshold, value: x if x > threshold else value,
    "hardtanh": lambda x, low, high: min(max(x, low), high),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "tanh": mp.tanh,
    "log_sigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    "softplus": lambda x, beta, threshold: x if beta * x > threshold else mp.log1p(mp.exp(beta * x)) / beta,
    "softshrink": lambda x, lambd: x - lambd if x > lambd else x + lambd if x < -lambd else mp.mpf(0),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - mp.tanh(x),
}


def derivative(function, x, arguments):
    """By a central difference, so far apart that mp.prec bits leave a third of them right."""
    h = mp.mpf(2) ** (-mp.mp.prec // 3) * max(abs(x), 1)
    return (function(x + h, *arguments) - function(x - h, *arguments)) / (2 * h)


def softmax(row):
    terms = [mp.exp(x) for x in row]
    total = mp.fsum(terms)
    return [term / total for term in terms]


REDUCTIONS = {
    "softmax": softmax,
    "softmin": lambda row: softmax([-x for x in row]),
    "log_softmax": lambda row: [x - mp.log(mp.fsum(mp.exp(y) for y in row)) for x in row],
}


def exact(x):
    """A NumPy number as one of mpmath's."""
    numerator, denominator = x.as_integer_ratio()
    return mp.mpf(numerator) / denominator
