"""The elementwise functions: the ufunc itself, or, where there are parameters, a function with defaults."""

import inspect

REQUIRED = inspect.Parameter.empty


def function_of(row, ufunc, at_defaults=None):
    """The public function for a row of the table of activations; `at_defaults` is its ufunc of x alone."""
    if not row.parameters:
        return ufunc
    parameters = row.parameters
    count = len(parameters)

    def function(x, *given, **keywords):
        if not given and at_defaults and (not keywords or parameters.keys().isdisjoint(keywords)):
            return at_defaults(x, **keywords)
        if len(given) > count:
            raise TypeError(f"{row.name}() takes {1 + count} positional arguments at most, got {1 + len(given)}")
        if not keywords and len(given) == count:
            return ufunc(x, *given)
        values = list(given)
        for k, (name, default) in enumerate(parameters.items()):
            if name in keywords:
                value = keywords.pop(name)
                if k < len(given):
                    raise TypeError(f"{row.name}() got multiple values for argument {name!r}")
            elif k < len(given):
                continue
            elif default is REQUIRED:
                raise TypeError(f"{row.name}() missing required argument: {name!r}")
            else:
                value = default
            values.append(value)
        return ufunc(x, *values, **keywords)

    function.__name__ = function.__qualname__ = row.name
    function.__module__ = "fastact"
    function.__doc__ = row.doc
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY),
            *(
                inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
                for name, default in parameters.items()
            ),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
    )
    return function
