"""Activations of the user's own: from a scalar Python function to ufuncs, compiled when first called."""

import functools
import inspect
from keyword import iskeyword
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from fastact import _backend
from fastact._functions import function_of
from fastact._table import FLOAT_TYPES, Elementwise, no_kinks, times

MISSING = "compiling an activation needs numba: pip install 'fastact[numba]'"
TAKEN = {"out", "where", "dtype", "casting", "order", "subok", "signature", "kwargs", "gy"}  # by ufuncs and gradients
MOST_PARAMETERS = 5  # a ufunc has at most seven inputs, and two of the gradient's are gy and x
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def activation(function=None, *, derivative=None):
    """Make an activation of a scalar Python function: the same kind of ufunc as fastact's own, with its gradient.

    It is compiled by Numba when first called (a few seconds), to vector code that runs through fastact's driver:
    any memory layout, on several threads.

    Parameters
    ----------
    function : callable
        A function of one number x and of parameters, which may have defaults. It consists of assignments, `if` and
        `return`, and of arithmetic, comparisons, helper functions of the same kind, activations, and the functions
        of `fastact.math` or their namesakes in `math`, `numpy` and `scipy.special`. An exponent is a whole number or
        0.5. Numbers in it are of the array's dtype; what stands outside of it, as global variables do, is what it
        is at the first call. Its source is read: it has to stand in a file, or in IPython or Jupyter, not at Python's
        plain prompt or in `python -c`.
    derivative : callable, optional
        Its derivative for x, a function of the same parameters. Without, it is derived from the source of `function`.

    Returns
    -------
    Activation
        Called with x and the parameters, it does what `fastact.elu` and the like do. Its attribute `ufunc` is the
        `numpy.ufunc`, with parameters as further inputs; `grad(gy, x, ...)` is gy times the derivative, and
        `grad_ufunc` the ufunc of that.

    Raises
    ------
    TypeError
        Where `function` does not have the form above, or its source cannot be read; when first called, or at once
        for its parameters.
    ImportError
        When first called, without numba: pip install 'fastact[numba]'.

    Notes
    -----
    float16 is computed in float32; integers are promoted as by `numpy.exp`. The accuracy is that of your formula.

    Examples
    --------
    >>> import numpy as np, fastact
    >>> @fastact.activation
    ... def swish(x, beta=1.0):
    ...     return x * fastact.math.sigmoid(beta * x)
    >>> swish(np.array([-1.0, 0.0, 2.0]))
    array([-0.26894142,  0.        ,  1.76159416])
    >>> swish.grad(1.0, np.array([-1.0, 0.0, 2.0]), beta=2.0)
    array([-0.09078425,  0.5       ,  1.05266461])
    """
    if function is None:
        return lambda function: activation(function, derivative=derivative)
    return Activation(function, derivative)


def parameters_of(function):
    """The parameters of a function, all of which can be given by position."""
    if not inspect.isfunction(function):
        raise TypeError(f"an activation must be a function defined by def, got {type(function).__name__}")
    parameters = inspect.signature(function).parameters
    if not parameters or any(p.kind not in POSITIONAL for p in parameters.values()):
        raise TypeError(f"{function.__name__} must take x and parameters that can be given by position")
    if reserved := TAKEN & set(parameters):
        name = reserved.pop()
        raise TypeError(f"{function.__name__}: {name} is taken by ufuncs and gradients, and no parameter's name")
    for name, p in parameters.items():
        if not (p.default is p.empty or isinstance(p.default, Real)):
            raise TypeError(f"{function.__name__}: the default of {name} must be a real number, got {p.default!r}")
    if len(parameters) > 1 + MOST_PARAMETERS:
        raise TypeError(f"{function.__name__} may have {MOST_PARAMETERS} parameters after x, got {len(parameters) - 1}")
    # a NumPy scalar would have a say in the result's dtype
    return {
        name: p.default if p.default is p.empty or type(p.default) in (int, float) else float(p.default)
        for name, p in parameters.items()
    }


class once(functools.cached_property):
    """What is computed when it is first wanted, by one thread at a time."""

    def __get__(self, instance, owner=None):
        with instance._lock:
            return super().__get__(instance, owner)


class Activation:
    """An activation of the user's own; see `fastact.activation`."""

    __name__: str  # for type checkers: update_wrapper sets it

    def __init__(self, function, derivative):
        from fastact._lock import LOCK

        (self._x, _), *parameters = parameters_of(function).items()
        if derivative is not None and [*parameters_of(derivative)] != [*parameters_of(function)]:
            raise TypeError(f"derivative must take the parameters of {function.__name__}")
        functools.update_wrapper(self, function)
        self._parameters = dict(parameters)
        named = self.__name__.isidentifier() and not iskeyword(self.__name__)
        self._name = self.__name__ if named else "activation"  # of a lambda
        self._derivative = derivative
        self._lock = LOCK

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward[0](*args, **kwargs)

    def grad(self, *args: Any, **kwargs: Any) -> Any:
        """gy times the derivative at x, given gy, x and the parameters."""
        return self._backward[0](*args, **kwargs)

    @property
    def ufunc(self) -> np.ufunc:
        """The `numpy.ufunc` of x and the parameters."""
        return self._forward[1]

    @property
    def grad_ufunc(self) -> np.ufunc:
        """The `numpy.ufunc` of gy, x and the parameters."""
        return self._backward[1]

    def __repr__(self):
        return f"<fastact.activation {self.__name__}>"

    def __reduce__(self):
        """By reference, where other processes can import it; otherwise by value."""
        from fastact._by_value import reduced

        return reduced(self)

    @once
    def _traced(self):
        """The function and the derivative, if that is given, read at the same time."""
        from fastact import _source

        return _source.traced(self.__wrapped__), self._derivative and _source.traced(self._derivative)

    @once
    def _leaf(self):
        """The formula, with a derivative that is given, for other activations."""
        from fastact import _source

        function, given = self._traced
        leaf = _source.with_slope(_source.formula(function), _source.formula(given))
        leaf.__name__, leaf.__signature__ = self._name, inspect.signature(self.__wrapped__)
        return leaf

    @once
    def _forward(self):
        from fastact import _source

        return self._compile(self._name, _source.formula(self._traced[0]), (self._x,))

    @once
    def _backward(self):
        from fastact import _source

        function, given = self._traced
        derived = _source.formula(given) if given else _source.derivative(function)
        name = f"{self._name}_grad"
        return self._compile(name, times(derived, name), ("gy", self._x))

    def _compile(self, name, formula, arrays):
        """The public function, and the ufunc."""
        doc = inspect.getdoc(self) or ""
        row = Elementwise(name, formula, arrays, self._parameters, FLOAT_TYPES, float("nan"), False, no_kinks, doc, {})
        ufunc = ufunc_of(row)

        def at_defaults(*arrays, **kwargs):
            return ufunc(*map(promoted, arrays), *self._parameters.values(), **kwargs)

        function = function_of(row, ufunc, row.has_defaults and at_defaults, self.__module__)
        if row.parameters:  # else it is the ufunc itself
            function.__qualname__ = name if arrays == (self._x,) else f"{self._name}.grad"  # in messages
        return function, ufunc


def promoted(x):
    """Integers as `numpy.exp` takes them, in which parameters that are left out have no say."""
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biu":
        return x.astype(np.exp.resolve_dtypes((x.dtype, None))[1])
    return x


class CompiledLoop(NamedTuple):
    """For `make_ufunc`."""

    arrays: int  # the operands before the parameters
    address: int
    address_with_numbers: int  # of the loop for parameters that are numbers; 0 where there is none
    cycle: int  # how many elements a cycle of the loop works on,
    epilogue: int  # are done together of what it leaves,
    per_thread: int  # are worth a thread


def ufunc_of(row):
    """The ufunc of a row of the table, its loops being compiled now; not of integers."""
    return _backend.ufunc_module.make_ufunc(row.name, row.doc, row.nin, FLOAT_TYPES, compiled=compile_loops(row))


ENGINES: list = []  # which hold the loops, and live as long as the ufuncs: as the process


def compile_loops(row):
    """What `make_ufunc` wants to know of a row's loops, for each type."""
    try:
        from fastact import _compile, _machine_code
    except ModuleNotFoundError as error:
        raise ImportError(MISSING) from error
    makers = {"loop": _compile.compile_loop}
    if row.parameters:
        makers["scalar"] = _compile.compile_scalar_loop
    arrays, dtypes = len(row.arrays), {"f": "float32", "d": "float64"}
    text = _compile.link(
        (f"{kind}_{character}", *make(row.formula, arrays, row.nin, dtype))
        for character, dtype in dtypes.items()
        for kind, make in makers.items()
    )
    engine, elements = _machine_code.execute(text, _backend.level)
    ENGINES.append(engine)
    compiled = {
        character: CompiledLoop(
            arrays,
            *(engine.get_function_address(f"{kind}_{character}") for kind in ("loop", "scalar")),
            *elements[f"loop_{character}"],
        )
        for character in dtypes
    }
    return {**compiled, "e": compiled["f"]}
