"""Turn a formula that is generic over dtype into plain functions for one dtype and one compiler.

Formulas (`_formulas.py`) and the mathematics under them (`_math.py`) are ordinary scalar Python
functions. A compiler (Numba's CPU or CUDA target) needs every literal, constant and polynomial in the
dtype of the kernel, because one float64 literal would make a float32 kernel compute in float64.
"""

import sys
import types
from itertools import zip_longest

import numpy as np


def outside(self, *others):
    raise TypeError(f"{getattr(self, 'name', 'this function')} works only inside a compiled formula")


class Constant:
    """A number whose value depends on the dtype."""

    def __init__(self, float32, float64):
        self.values = {"float32": float32, "float64": float64}

    def at(self, dtype):
        return dtype.type(self.values[dtype.name])

    __lt__ = __gt__ = outside


class Polynomial:
    """A polynomial, given by its coefficients for each dtype, lowest power first.

    With `square`, for where x * x is at hand, the chain of its operations is half as long."""

    def __init__(self, coefficients, square=False):
        self.coefficients, self.square = coefficients, square

    def at(self, dtype, fma):
        """Horner's scheme, written out: in x, or in x * x with coefficients that are linear in x."""
        values = [dtype.type(c) for c in self.coefficients[dtype.name]]
        terms = [f"c{k}" for k in range(len(values))]
        if self.square:
            terms = [f"fma(x, {odd}, {even})" if odd else even for even, odd in zip_longest(terms[::2], terms[1::2])]
        text = terms.pop()
        for term in reversed(terms):
            text = f"fma({'x * x' if self.square else 'x'}, {text}, {term})"
        return eval(f"lambda x: {text}", {"fma": fma} | {f"c{k}": v for k, v in enumerate(values)})

    __call__ = outside


class Pieces:
    """A function of positive float32 numbers by eight pieces, each value + d * slope(d) with d = x - centre. Given by
    rows of eight numbers: the centres, the values there, and the coefficients of the slopes, lowest power first. Where
    x is less than the value, as in the first piece, it takes its place. The result is rounded, and what that leaves.

    The piece is what the low three bits of `index` say, so that a vector's elements look theirs up in a register."""

    lines: tuple[str, ...] = (
        "def pieces(index, x):",
        "    d, value = x - c0(index), c1(index)",
        "    slope, value = {0}, value if value < x else x",
        "    y = fma(d, slope, value)",
        "    return y, fma(d, slope, value - y)",
    )
    start = 2  # the row of the first coefficient that {0} has

    def __init__(self, rows):
        self.rows = rows

    def at(self, fma, lookup):
        *terms, polynomial = (f"c{k}(index)" for k in range(self.start, len(self.rows)))
        for term in reversed(terms):
            polynomial = f"fma(d, {polynomial}, {term})"
        scope = {"fma": fma} | {f"c{k}": lookup(self.rows, k) for k in range(len(self.rows))}
        exec("\n".join(self.lines).format(polynomial), scope)
        return scope["pieces"]

    __call__ = outside


class PiecesAsPairs(Pieces):
    """The result is a pair, what is linear in d and the rest, and nearly the derivative. The values are pairs, too, in
    two rows."""

    lines = (
        "def pieces(index, x):",
        "    d, value, slope = x - c0(index), c1(index), c3(index)",
        "    curve = {0}",
        "    y = fma(d, slope, value)",
        "    return y, fma(d * d, curve, fma(d, slope, value - y) + c2(index)), fma(d + d, curve, slope)",
    )
    start = 4


class Row:
    """Eight float32 or four float64 numbers, as a function of an index whose low bits say which of them it is."""

    def __init__(self, float32, float64):
        self.rows = {"float32": (tuple(float32),), "float64": (tuple(float64),)}

    def at(self, dtype, lookup):
        return lookup(self.rows[dtype.name], 0)

    __call__ = outside


class ByLookup:
    """One of several functions of the same arguments: where `Pieces` and `Row` can be looked up, the dtype's; `whole`
    otherwise, or where it has none."""

    def __init__(self, whole, float32=None, float64=None):
        self.whole, self.by_lookup = whole, {"float32": float32, "float64": float64}

    __call__ = outside


class Primitive:
    """An operation that every compiler has to provide, being no Python operator."""

    def __init__(self, name, doc):
        self.name, self.__doc__ = name, doc
        self.__module__ = sys._getframe(1).f_globals["__name__"]

    def __reduce__(self):
        return self.name  # by reference, as functions are

    __call__ = outside


@np.errstate(all="ignore")  # numbers beyond the dtype become infinite or 0
def specialise(function, dtype, primitives, jit, done=None, prepare=lambda function: function):
    """Return `function` for `dtype`, its helpers compiled by `jit` and its primitives replaced.

    Float literals take the kernel's dtype, integer kernels included; integer literals stay as they are.
    `primitives` maps the name of each `Primitive` to the compiler's own, or to a function like `function`; maybe also
    functions and constants to what shall be in their place. A compiler with lookups has `lookup`, too, which makes a
    function of an index from a row of eight float32 or four float64 numbers, and `either`, which makes one function of
    the dtype's and the `whole` of a `ByLookup`, and of what specialises them.
    `prepare` may rewrite each function beforehand.
    """
    dtype = np.dtype(dtype)
    done = {} if done is None else done

    def resolve(value):
        if isinstance(value, (Constant, types.FunctionType)) and value in primitives:
            value = primitives[value]
            if isinstance(value, float):
                return dtype.type(value)
        if isinstance(value, Constant):
            return value.at(dtype)
        if isinstance(value, Primitive):
            return resolve(primitives[value.name])
        if isinstance(value, Polynomial):
            if value not in done:
                done[value] = jit(value.at(dtype, primitives["fma"]))
            return done[value]
        if isinstance(value, Pieces):
            if value not in done:
                done[value] = jit(value.at(primitives["fma"], primitives["lookup"]))
            return done[value]
        if isinstance(value, Row):
            return value.at(dtype, primitives["lookup"])
        if isinstance(value, ByLookup):
            by_lookup = value.by_lookup.get(dtype.name)
            if "either" not in primitives or by_lookup is None:
                return resolve(value.whole)
            if value not in done:
                done[value] = jit(primitives["either"](by_lookup, value.whole, resolve))
            return done[value]
        if isinstance(value, types.FunctionType):
            if value not in done:
                done[value] = jit(specialise(value, dtype, primitives, jit, done, prepare))
            return done[value]
        return value

    def literal(value):
        if isinstance(value, tuple):
            return tuple(map(literal, value))
        return dtype.type(value) if isinstance(value, float) else value

    prepared = prepare(function)
    scope, code = prepared.__globals__, prepared.__code__
    code = code.replace(co_consts=literal(code.co_consts))
    used = {name: resolve(scope[name]) for name in code.co_names if name in scope}
    return types.FunctionType(code, used, function.__name__)
