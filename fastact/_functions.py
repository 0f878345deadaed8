"""The elementwise functions: the ufunc itself, or, where there are parameters, a function with defaults."""

import inspect

import numpy as np

from fastact import _at_defaults, ufuncs
from fastact._arguments import not_real
from fastact._documentation import dressed
from fastact._table import REQUIRED

OF_UFUNCS = [
    inspect.Parameter(keyword, inspect.Parameter.KEYWORD_ONLY, default=default)
    for keyword, default in dict(out=None, where=True, casting="same_kind", order="K", dtype=None, subok=True).items()
]


def public(row, module="fastact"):
    """The public function for a row of the table."""
    if row.options:
        return choice_of(row, {option: getattr(ufuncs, name) for option, name in row.options.items()}, module)
    return function_of(row, getattr(ufuncs, row.name), getattr(_at_defaults, row.name, None), module)


def choice_of(row, options, module):
    """A function whose keyword `approximate` says which of the `options` to call."""
    name = row.name.removesuffix("_grad")
    default, *_ = options
    at_default = options[default]

    def function(*given, approximate=default, **keywords):
        if given and isinstance(given[-1], str):
            raise TypeError(f"{name}: approximate must be given by keyword")
        if approximate is default:
            return at_default(*given, **keywords) if keywords else at_default(*given)
        if not isinstance(approximate, str) or approximate not in options:
            raise ValueError(f"{name}: approximate must be {' or '.join(map(repr, options))}, got {approximate!r}")
        return options[approximate](*given, **keywords)

    kind = inspect.Parameter
    own = kind("approximate", kind.KEYWORD_ONLY, default=default)
    return as_row_says(function, row, module, [own])


# {_} is longer than any name of the row
SOURCE = """def {name}({arrays}, /, {parameters}, *, out=None, **kwargs):
    if kwargs and out is not None:
        kwargs["out"] = out
    try:
        if {all_at_defaults}:
            return {_}at_defaults({arrays}, **kwargs) if kwargs else {_}at_defaults({arrays}, out=out)
        return {_}ufunc({arrays}, {parameters}, **kwargs) if kwargs else {_}ufunc({arrays}, {parameters}, out=out)
    except {_}TypeError as {_}error:
        {_}refuse({_}error, {names!r}, ({arrays}, {parameters}))
        raise
"""


def refuse(cause, names, values):
    """Raise a TypeError that says which of the arguments is none that a ufunc takes, if one is; NumPy's does not."""
    function, *names = names
    for name, value in zip(names, values, strict=True):
        dtype = getattr(value, "dtype", None)
        if not any(hasattr(value, method) for method in ("__array__", "__dlpack__")):  # others' arrays may be on a GPU
            dtype = np.asarray(value).dtype
        if isinstance(dtype, np.dtype) and (dtype.kind not in "biuf" or dtype.itemsize > 8):
            raise not_real(function, name, dtype) from cause


def function_of(row, ufunc, at_defaults=None, module="fastact"):
    """The ufunc, or a function that gives it the parameters; `at_defaults` is its ufunc of the arrays alone."""
    if not row.parameters:
        return ufunc
    # numbers that are nobody else's, so that it can be seen whether a parameter was given
    defaults = {
        p: d if d is REQUIRED or type(d) is not float else float.fromhex(d.hex()) for p, d in row.parameters.items()
    }
    name = row.name.removesuffix("_grad")
    names = (name, *row.arrays, *defaults)
    prefix = "_" * (1 + max(map(len, names)))
    source = SOURCE.format(
        _=prefix,
        name=name,
        arrays=", ".join(row.arrays),
        parameters=", ".join(defaults),
        names=names,
        all_at_defaults=" and ".join(f"{p} is {prefix}default_{p}" for p in defaults) if at_defaults else "False",
    )
    scope = {"ufunc": ufunc, "at_defaults": at_defaults, "refuse": refuse, "TypeError": TypeError}
    scope |= {f"default_{p}": d for p, d in defaults.items()}
    scope = {prefix + key: value for key, value in scope.items()}
    exec(source, scope)  # Python itself sorts arguments out faster than code in it could
    function = scope[name]
    function.__defaults__ = tuple(d for d in defaults.values() if d is not REQUIRED)
    kind = inspect.Parameter
    own = [kind(parameter, kind.POSITIONAL_OR_KEYWORD, default=default) for parameter, default in defaults.items()]
    return as_row_says(function, row, module, own)


def as_row_says(function, row, module, own):
    """A function with the row's name, documentation and signature, with parameters of its `own`."""
    kind = inspect.Parameter
    arrays = [kind(array, kind.POSITIONAL_ONLY) for array in row.arrays]
    return dressed(function, row.name.removesuffix("_grad"), module, row.doc, [*arrays, *own, *OF_UFUNCS])
