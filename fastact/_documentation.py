"""What `help` and completion show: docstrings of softmax, its kin and their gradients, by the {fields} that they
have in common, and the names and signatures of functions and modules that are made."""

import inspect
from functools import partial

from fastact._table import REDUCTIONS, documentation

PARAMETERS = {
    "x": """x : array_like
    Real numbers, of any shape.""",
    "axis": """axis : int, tuple of ints or None, default -1
    What each row runs over; None is everything.""",
    "out": """out : ndarray or tuple of one ndarray, optional
    Where the result goes, of the shape of `x`; may be `x` itself.""",
    "where": """where : array_like of bool, optional
    Elements that take part; the result of the others, and of those that a masked `x` masks, is {left_out}.
    Broadcasts to the shape of `x`.""",
    "dtype": """dtype : dtype, optional
    float16, float32 or float64: what to compute in and to return.""",
    "temperature": """temperature : float, default 1
    A positive number that `x` is divided by: above 1 the results are more even, below 1 more peaked. No digits are
    lost, as they are if `x` is divided before the call. 1 / temperature is kept within the dtype's range.""",
}
PARAMETERS_OF_GRADIENT = PARAMETERS | {
    "gy": """gy : array_like
    The gradient for y: real numbers, of any shape.""",
    "y": """y : array_like
    What `fastact.{name}` returned, of the shape of `gy`.""",
    "axis": """axis : int, tuple of ints or None, default -1
    What each row runs over, as for `fastact.{name}`; None is everything.""",
    "out": """out : ndarray or tuple of one ndarray, optional
    Where the result goes, of the shape of `gy`; may be `gy` or `y` itself.""",
    "temperature": """temperature : float, default 1
    The one that `fastact.{name}` was given.""",
}

# Parameters, Returns and Raises of a function whose result has the shape of its argument
SECTIONS = """Parameters
----------
{parameters}

Returns
-------
ndarray or scalar
    {shape}
    {kept}

{raises}"""

FIELDS = {
    "kept": """float16, float32 and float64 are kept{wider}; integers are promoted as by `numpy.exp`,
    int64 to float64.""",
    "raises": """Raises
------
numpy.exceptions.AxisError
    Where there is no such axis.
TypeError
    For complex and long double numbers, objects, strings and dates, arguments of a wrong type{masked},
    and where `out` cannot hold the result.
ValueError
    Where a shape does not fit, `out` is read-only or an axis is repeated{temperature_too}.""",
    "limits": """A NaN makes its row NaN. -inf gives 0. A row with exactly one inf has a limit: 1 there, 0 elsewhere;
with several, or where all are -inf, it is NaN. An empty axis gives an empty result.""",
}
TEMPERATURE = """,
    and where the temperature is not positive and finite"""


def documented(function=None, **fields):
    """Fill the fields of a docstring in, `{arguments}` as the signature has them; `fields` are its own."""
    if function is None:
        return partial(documented, **fields)
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    gradient = "gy" in names
    parameters = PARAMETERS_OF_GRADIENT if gradient else PARAMETERS
    fields = {
        "arguments": SECTIONS,
        "parameters": "\n".join(parameters.get(name, "") for name in names),
        "shape": "The gradient for x, of the shape of `gy`." if gradient else "Of the shape of `x`.",
        **parameters,
        "left_out": f"{REDUCTIONS[function.__name__].result_left_out:g}",
        **FIELDS,
        **fields,
        "wider": ", the wider of two" if gradient else "",
        "masked": " or with a mask" if gradient else "",
        "temperature_too": TEMPERATURE if "temperature" in names else "",
        "name": function.__name__,
    }
    doc = documentation(function)
    for field, text in fields.items():
        doc = doc.replace(f"{{{field}}}", text)
    function.__doc__ = doc
    return function


def public_names(module, *others):
    """A `__dir__` for the module with these globals, so that completion offers what is public and nothing else."""
    return lambda: [*module["__all__"], *others, *(name for name in module if name.startswith("__"))]


def dressed(function, name, module, doc, parameters=None):
    """A function with a name, documentation and maybe a signature of these, that it was not written with."""
    function.__name__ = function.__qualname__ = name
    function.__module__, function.__doc__ = module, doc
    if parameters is not None:
        function.__signature__ = inspect.Signature(parameters)
    return function
