"""The elementwise functions: the ufunc itself, or, where there are parameters, a function with defaults."""

import inspect

from fastact import ufuncs
from fastact._table import REQUIRED


def public(row, module="fastact"):
    """The public function for a row of the table."""
    if row.options:
        return choice_of(row, {option: getattr(ufuncs, name) for option, name in row.options.items()}, module)
    return function_of(row, getattr(ufuncs, row.name), ufuncs._AT_DEFAULTS.get(row.name), module)


def choice_of(row, options, module):
    """A function whose keyword `approximate` says which of the `options` to call."""
    name = row.name.removesuffix("_grad")
    default, *_ = options

    def function(*given, approximate=default, **keywords):
        if not isinstance(approximate, str) or approximate not in options:
            raise ValueError(f"{name}: approximate must be {' or '.join(map(repr, options))}, got {approximate!r}")
        return options[approximate](*given, **keywords)

    kind = inspect.Parameter
    own = kind("approximate", kind.KEYWORD_ONLY, default=default)
    return documented(function, row, module, [own])


def function_of(row, ufunc, at_defaults=None, module="fastact"):
    """The ufunc, or a function that gives it the parameters; `at_defaults` is its ufunc of the arrays alone."""
    if not row.parameters:
        return ufunc
    name = row.name.removesuffix("_grad")
    arrays, parameters = len(row.arrays), row.parameters

    def function(*given, **keywords):
        count = len(given)
        if count == arrays and at_defaults and (not keywords or parameters.keys().isdisjoint(keywords)):
            return at_defaults(*given, **keywords)
        if count > row.nin:
            raise TypeError(f"{name}() takes {row.nin} positional arguments at most, got {count}")
        if count < arrays:
            raise TypeError(f"{name}() missing required argument: {row.arrays[count]!r}")
        if count == row.nin and not keywords:
            return ufunc(*given)
        values = list(given)
        for k, (parameter, default) in enumerate(parameters.items(), arrays):
            if parameter in keywords:
                value = keywords.pop(parameter)
                if k < count:
                    raise TypeError(f"{name}() got multiple values for argument {parameter!r}")
            elif k < count:
                continue
            elif default is REQUIRED:
                raise TypeError(f"{name}() missing required argument: {parameter!r}")
            else:
                value = default
            values.append(value)
        return ufunc(*values, **keywords)

    kind = inspect.Parameter
    own = [kind(parameter, kind.POSITIONAL_OR_KEYWORD, default=default) for parameter, default in parameters.items()]
    return documented(function, row, module, own)


def documented(function, row, module, own):
    """Give a function the row's name, documentation and signature, with parameters of its `own`."""
    kind = inspect.Parameter
    arrays = [kind(array, kind.POSITIONAL_ONLY) for array in row.arrays]
    function.__name__ = function.__qualname__ = row.name.removesuffix("_grad")
    function.__module__ = module
    function.__doc__ = row.doc
    function.__signature__ = inspect.Signature([*arrays, *own, kind("kwargs", kind.VAR_KEYWORD)])
    return function
