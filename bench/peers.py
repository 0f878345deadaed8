"""What fastact is compared with: the same functions in NumPy, SciPy and PyTorch, as far as installed.

`libraries(threads)` maps a library's name to {function name: maker}, where maker(x, out) gives a call without
arguments. With an `out`, libraries that can write their result into it; without, they return a new array.
"""

import importlib
from importlib.util import find_spec

import fastact
from fastact._expressions import ARGUMENTS, EXPRESSIONS

REDUCTIONS = ("softmin", "softmax", "log_softmax")
NOT_IN_TORCH = ("relu_squared", "squareplus", "swish", "quick_gelu", "gelu_tanh")
ABSENT = [name for name in ("scipy", "torch") if not find_spec(name)]


def fastact_call(name, axis):
    function = getattr(fastact, name)
    arguments = ARGUMENTS.get(name, ())
    if name in REDUCTIONS:
        return lambda x, out: lambda: function(x, axis=axis, out=out)
    return lambda x, out: lambda: function(x, *arguments, out=out)


def numpy_call(name, axis):
    expression = EXPRESSIONS[name]
    if name in REDUCTIONS:
        return lambda x, out: lambda: expression(x, axis)
    return lambda x, out: lambda: expression(x)


def scipy_calls(axis):
    special = importlib.import_module("scipy.special")
    return {
        "sigmoid": lambda x, out: lambda: special.expit(x, out=out),
        "log_sigmoid": lambda x, out: lambda: special.log_expit(x, out=out),
        "softmax": lambda x, out: lambda: special.softmax(x, axis),
        "log_softmax": lambda x, out: lambda: special.log_softmax(x, axis),
    }


def torch_calls(axis, threads):
    torch = importlib.import_module("torch")
    functional = torch.nn.functional
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)

    def maker(name):
        function = getattr(functional, {"log_sigmoid": "logsigmoid"}.get(name, name), None) or getattr(torch, name)
        arguments = ARGUMENTS.get(name, ())

        def make(x, out):
            x = torch.from_numpy(x)
            if name in REDUCTIONS:
                return lambda: function(x, axis)
            if name == "prelu":
                weight = torch.tensor(arguments, dtype=x.dtype)
                return lambda: function(x, weight)
            return lambda: function(x, *arguments)

        return make

    return {name: maker(name) for name in EXPRESSIONS if name not in NOT_IN_TORCH}


def libraries(threads, axis=-1):
    found = {
        "fastact": {name: fastact_call(name, axis) for name in EXPRESSIONS},
        "numpy": {name: numpy_call(name, axis) for name in EXPRESSIONS},
    }
    if "scipy" not in ABSENT:
        found["scipy"] = scipy_calls(axis)
    if "torch" not in ABSENT:
        found["torch"] = torch_calls(axis, threads)
    return found
