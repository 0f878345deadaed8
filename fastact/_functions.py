"""The elementwise functions: the ufunc itself, or, where there are parameters, a function with defaults."""

import inspect

REQUIRED = inspect.Parameter.empty


def function_of(row, ufunc, at_defaults=None, module="fastact"):
    """The public function for a row of the table; `at_defaults` is its ufunc of the arrays alone."""
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

    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__doc__ = row.doc
    function.__signature__ = inspect.Signature(
        [
            *(inspect.Parameter(array, inspect.Parameter.POSITIONAL_ONLY) for array in row.arrays),
            *(
                inspect.Parameter(parameter, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
                for parameter, default in parameters.items()
            ),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
    )
    return function
