"""Every function by its definition, in mpmath: what the references themselves are checked against."""

import mpmath as mp
import numpy as np

with mp.workdps(50):
    SELU_SCALE = mp.mpf("1.0507009873554804934193349852946")
    SELU_ALPHA = mp.mpf("1.6732632423543772848170429916717")

DEFINITIONS = {
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
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
    "celu": lambda x, alpha: x if x > 0 else alpha * mp.expm1(x / alpha),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "hardsigmoid": lambda x: min(max(x + 3, 0), mp.mpf(6)) / 6,
    "hardshrink": lambda x, lambd: x if abs(x) > lambd else mp.mpf(0),
    "relu_squared": lambda x: max(0, x) ** 2,
    "squareplus": lambda x, b: (x + mp.sqrt(x * x + b)) / 2,
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "swish": lambda x, beta: x / (1 + mp.exp(-beta * x)),
    "quick_gelu": lambda x: x / (1 + mp.exp(-x * 1702 / 1000)),
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + x**3 * 44715 / 1000000))),
    "rrelu": lambda x, lower, upper: x if x > 0 else (lower + upper) / 2 * x,
}


def derivative(function, x, arguments):
    """By a central difference, so far apart that mp.prec bits leave a third of them right."""
    h = mp.mpf(2) ** (-mp.mp.prec // 3) * max(abs(x), 1)
    return (function(x + h, *arguments) - function(x - h, *arguments)) / (2 * h)


def softmax(row):
    terms = [mp.exp(x) for x in row]
    total = mp.fsum(terms)
    return [term / total for term in terms]


def projection(row, power):
    """max(z - tau, 0)**power, of sum 1: tau from the largest elements, of which there are as many as lie above it."""
    m = max(row)
    z = [(x - m) / power for x in row]
    first = second = mp.mpf(0)
    tau = -mp.inf
    for k, largest in enumerate(sorted(z, reverse=True), 1):
        if largest <= tau:
            break
        first, second = first + largest, second + largest**2
        tau = (first - 1) / k if power == 1 else first / k - mp.sqrt((1 - (second - first**2 / k)) / k)
    return [max(x - tau, mp.mpf(0)) ** power for x in z]


ROWS = {
    "softmax": softmax,
    "softmin": lambda row: softmax([-x for x in row]),
    "log_softmax": lambda row: [x - mp.log(mp.fsum(mp.exp(y) for y in row)) for x in row],
    "hardmax": lambda row: [mp.mpf(k == row.index(max(row))) for k in range(len(row))],
    "sparsemax": lambda row: projection(row, 1),
    "entmax15": lambda row: projection(row, 2),
}


def to_mpmath(x):
    """A NumPy number as one of mpmath's."""
    numerator, denominator = x.as_integer_ratio()
    return mp.mpf(numerator) / denominator


def error(name, x, arguments, got):
    """Of a function's value, or its derivative's for NAME_grad, in units in the last place."""
    function = DEFINITIONS[name.removesuffix("_grad")]
    with mp.workprec(2500):
        arguments = [to_mpmath(a) for a in arguments]
        slope = name.endswith("_grad")
        want = derivative(function, to_mpmath(x), arguments) if slope else function(to_mpmath(x), *arguments)
        return float(abs(to_mpmath(got) - want) / to_mpmath(np.spacing(abs(got))))
