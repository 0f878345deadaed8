"""A user's function as a formula, and its derivative.

The function's source is followed into a list of single operations on named values: numbers become floats,
branches become selections, helper functions are written out. The derivative is made from that list by the
rules of calculus.
"""

import ast
import builtins
import functools
import inspect
import math
import sys
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from operator import add, mul, sub, truediv
from typing import NamedTuple

import numpy as np

from fastact import math as fast
from fastact._gates import GATES
from fastact._math import ERF_SLOPE, INF, copysign, fma, product_error, sqrt
from fastact._specialise import Primitive
from fastact._table import ACTIVATIONS, GRADIENTS, REDUCTIONS, times
from fastact.math import exp, sin

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.USub: "-", ast.Not: "not ", ast.And: "&", ast.Or: "|",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
# What is done at once with numbers that are known.
OF_KNOWN = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv, ast.Pow: pow}


def square(x):
    return x * x


def sign(x):
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)


def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    """NumPy's parameters; `Reader.clip` does what it does."""


def namesakes(module):
    """What in a module stands for a function of fastact.math."""
    return {getattr(module, name): getattr(fast, name) for name in fast.__all__ if hasattr(module, name)}


# What stands for a function of fastact.math, or one of these, in a user's source.
EQUIVALENTS = {
    **namesakes(np),
    **namesakes(math),
    builtins.abs: fast.fabs,
    builtins.max: fast.maximum,
    builtins.min: fast.minimum,
    builtins.round: fast.rint,
    np.round: fast.rint,
    np.abs: fast.fabs,
    np.sign: sign,
    np.square: square,
    np.clip: clip,
}


def reciprocal(x):
    return 1.0 / x


def reciprocal_of_one_more(x):
    return 1.0 / (1.0 + x)


def derivative_of_sqrt(x):
    return 0.5 / sqrt(x)


def unit(x):
    return copysign(1.0, x)


def root(x):
    """x**0.5, which at -0 and -inf is not what `sqrt` is."""
    return INF if x == -INF else sqrt(x + 0.0)


def slope_of_quotient(y, slope_of_divisor):
    """y times this, and 0 where y is, as it is where the divisor overflows."""
    return 0.0 if y == 0.0 else y * slope_of_divisor


def derivative_of_erf(x):
    u = x * x
    e = exp(-u)
    return ERF_SLOPE * fma(e, -product_error(x, x, u) if e > 0.0 else 0.0, e)


def minus_derivative_of_erf(x):
    return -derivative_of_erf(x)


def minus_sin(x):
    return -sin(x)


def derivative_of_atan(x):
    return 1.0 / fma(x, x, 1.0)


def derivative_of_steps(x):
    return 0.0 if x == x else x


# A function of x and parameters -> that of gy, x and the parameters which is gy times its derivative.
CHAIN: dict[Callable, Callable] = {
    fast.exp: times(fast.exp, "exp"),
    fast.expm1: times(fast.exp, "expm1"),
    fast.log: times(reciprocal, "log"),
    fast.log1p: times(reciprocal_of_one_more, "log1p"),
    fast.sqrt: times(derivative_of_sqrt, "sqrt"),
    fast.fabs: times(sign, "fabs"),
    root: times(derivative_of_sqrt, "root"),
    fast.erf: times(derivative_of_erf, "erf"),
    fast.erfc: times(minus_derivative_of_erf, "erfc"),
    fast.sin: times(fast.cos, "sin"),
    fast.cos: times(minus_sin, "cos"),
    fast.atan: times(derivative_of_atan, "atan"),
    **{step: times(derivative_of_steps, "step") for step in (fast.rint, fast.floor, fast.ceil, fast.trunc)},
    fast.softplus: times(fast.sigmoid, "softplus"),
    fast.sigmoid: GRADIENTS["sigmoid_grad"].formula,
    fast.tanh: GRADIENTS["tanh_grad"].formula,
    **{row.formula: GRADIENTS[f"{name}_grad"].formula for name, row in ACTIVATIONS.items()},
}
HINT = (
    f"an activation is of single numbers; fastact.math has {', '.join(fast.__all__)}; abs, pow, np.clip, np.sign, "
    "np.square, np.where, round, np.logical_and, np.logical_or and np.logical_not are known, too"
)
NO_PLACE = "has no place in an activation's formula: see help(fastact.activation)"
LOGICAL = {np.logical_and: ast.And(), np.logical_or: ast.Or()}
BITWISE = {ast.BitAnd: ast.And(), ast.BitOr: ast.Or()}  # as arrays of conditions are combined
PRIMITIVES = {fast.fabs: "x", fast.sqrt: "x", fast.copysign: "ab", fast.fma: "abc"}  # and the names of their arguments
LEAVES = {*CHAIN, *PRIMITIVES, fast.minimum, fast.maximum}


def with_slope(function, slope):
    """A function that is not followed further, and its derivative for CHAIN's purpose."""
    function.times_slope = times(slope, "slope")
    return function


def is_leaf(callee):
    return callee in LEAVES or hasattr(callee, "times_slope")


@functools.cache
def power(n):
    """x**n, for a whole number n."""
    trace, x = Trace(), Value("x")
    function = trace.function([x], trace.power(x, n))
    return with_slope(function, trace.function([x], trace.emit("*", n, trace.power(x, n - 1))))


class Value(NamedTuple):
    """What an operation gave, or an input; what is known is a plain float or bool instead."""

    name: str
    is_bool: bool = False


def is_condition(value):
    return value.is_bool if isinstance(value, Value) else isinstance(value, bool)


class Operation(NamedTuple):
    result: Value
    operator: str | Callable  # an operator's sign, "if", or a function
    operands: tuple


class Trace:
    """The operations of a function, in order."""

    def __init__(self):
        self.operations = []

    def emit(self, operator, *operands, is_bool=False):
        result = Value(f"v{len(self.operations)}", is_bool)
        self.operations.append(Operation(result, operator, operands))
        return result

    def number(self, value):
        """True and False as 1 and 0."""
        return self.select(value, 1.0, 0.0) if is_condition(value) else value

    def select(self, condition, a, b):
        """One of two; where either is None, it does not matter which."""
        if isinstance(condition, bool):
            return a if condition else b
        if a is None or b is None or repr(a) == repr(b):
            return b if a is None else a
        if is_condition(a) and is_condition(b):
            return condition if (a, b) == (True, False) else self.emit("if", condition, a, b, is_bool=True)
        return self.emit("if", condition, self.number(a), self.number(b))

    def power(self, base, exponent):
        """By squares, for a whole number."""
        if exponent < 0:
            return self.emit("/", 1.0, self.power(base, -exponent))
        result, square = 1.0, base
        for bit in bin(int(exponent))[:1:-1]:
            if bit == "1":
                result = square if result == 1.0 else self.emit("*", result, square)
            square = self.emit("*", square, square)
        return result

    def function(self, arguments, result):
        """A plain function that does these operations; the ones without use fall away when it is compiled."""
        scope, lines = {"inf": math.inf, "nan": math.nan}, []

        def text(operand):
            return operand.name if isinstance(operand, Value) else repr(operand)

        for k, (value, operator, operands) in enumerate(self.operations):
            values = list(map(text, operands))
            if callable(operator):
                scope[f"f{k}"] = operator
                right = f"f{k}({', '.join(values)})"
            elif operator == "if":
                right = f"{values[1]} if {values[0]} else {values[2]}"
            else:
                right = f" {operator} ".join(values) if len(values) == 2 else operator + values[0]
            lines.append(f"    {value.name} = {right}\n")
        exec(f"def formula({', '.join(map(text, arguments))}):\n{''.join(lines)}    return {text(result)}\n", scope)
        return scope["formula"]


class Reader:
    """Follows a function's source into a trace, its parameters being bound to values."""

    def __init__(self, trace, function, arguments, depth=0):
        if depth > 40:
            raise TypeError(f"{function.__name__} calls itself: an activation cannot")
        self.trace, self.function, self.depth = trace, function, depth
        self.outside = {**vars(builtins), **function.__globals__, **closure(function)}
        returns, result = self.run(statements(definition(function)), dict(arguments))
        if returns is not True:
            raise TypeError(f"{function.__name__} must return a number, whatever its arguments are")
        self.result = trace.number(result)

    def fail(self, node, what):
        line = node.lineno - self.function.__code__.co_firstlineno + 1
        raise TypeError(f"{self.function.__name__}, line {line} of its definition: {what}")

    def run(self, statements, names):
        """Whether they return, which may be a condition, and what. `names` holds the local variables if they don't."""
        exits = []  # the same of each statement that may return: the first that does counts
        for statement in statements:
            match statement:
                case ast.Expr(ast.Constant()) | ast.Pass():
                    pass
                case ast.Return(ast.expr() as value):
                    exits.append((True, self.value(value, names)))
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                    names[name] = self.value(value, names)
                case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)) if len(targets) == len(values) and all(
                    isinstance(target, ast.Name) for target in targets
                ):
                    results = [self.value(value, names) for value in values]
                    names.update({target.id: result for target, result in zip(targets, results, strict=True)})
                case ast.AugAssign(ast.Name(name) as target, operator, value):
                    load = ast.copy_location(ast.Name(name, ast.Load()), target)
                    names[name] = self.value(ast.copy_location(ast.BinOp(load, operator, value), statement), names)
                case ast.If(test, body, orelse):
                    condition = self.condition(test, names)
                    if isinstance(condition, bool):
                        exits.append(self.run(body if condition else orelse, names))
                    else:
                        exits.append(self.branch(condition, body, orelse, names))
                case _:
                    line = ast.unparse(statement).partition("\n")[0]
                    self.fail(statement, f"`{line}` {NO_PLACE}")
            if exits and exits[-1][0] is True:
                break
        result = (False, None)
        for returns, value in reversed(exits):
            result = self.either(returns, (True, value), result)
        return result

    def branch(self, condition, body, orelse, names):
        """`run` of one of two blocks."""
        first, second = dict(names), dict(names)
        a, b = self.run(body, first), self.run(orelse, second)
        names.clear()
        if True in (a[0], b[0]):
            names.update(second if a[0] is True else first)
        else:
            names.update({k: self.trace.select(condition, first[k], second[k]) for k in first if k in second})
        return self.either(condition, a, b)

    def either(self, condition, a, b):
        """One of two results of `run`."""
        return tuple(self.trace.select(condition, *pair) for pair in zip(a, b, strict=True))

    def condition(self, node, names):
        value = self.value(node, names)
        if isinstance(value, float):
            return bool(value)
        return value if is_condition(value) else self.trace.emit("!=", value, 0.0, is_bool=True)

    def value(self, node, names):
        """A number or condition, known or not."""
        result = self.thing(node, names)
        if not isinstance(result, Value | float | bool):
            hint = ": a parameter may be an array" if hasattr(result, "__array__") else ""
            if isinstance(result, str) and result == "tanh":
                hint = ": fastact.gelu_tanh has a name of its own"
            self.fail(node, f"{ast.unparse(node)} is not a number, but {type(result).__name__}{hint}")
        return result

    def operand(self, node, names):
        return self.trace.number(self.value(node, names))

    def thing(self, node, names):
        """A number, or what a name of the surroundings stands for."""
        emit = self.trace.emit
        match node:
            case ast.Constant(value):
                return known(value)
            case ast.Name(name):
                if name not in names and (name in self.function.__code__.co_varnames or name not in self.outside):
                    self.fail(node, f"{name} is not defined here, or not on every path")
                return names[name] if name in names else known(self.outside[name])
            case ast.Attribute(base, name):
                owner = self.thing(base, names)
                if isinstance(owner, Value | float | bool) or not hasattr(owner, name):
                    self.fail(node, f"{ast.unparse(node)} {NO_PLACE}")
                return known(getattr(owner, name))
            case ast.UnaryOp(ast.Not(), value):
                return self.negated(self.condition(value, names))
            case ast.UnaryOp(ast.Invert(), value):
                condition = self.value(value, names)
                if not is_condition(condition):
                    self.fail(node, f"{ast.unparse(node)} {NO_PLACE}")
                return self.negated(condition)
            case ast.UnaryOp(ast.USub() | ast.UAdd() as operator, value):
                a = self.operand(value, names)
                if isinstance(operator, ast.UAdd):
                    return a
                return -a if isinstance(a, float) else emit("-", a)
            case ast.BinOp(left, operator, right) if type(operator) in OF_KNOWN:
                a, b = self.operand(left, names), self.operand(right, names)
                if isinstance(a, float) and isinstance(b, float):
                    try:
                        result = OF_KNOWN[type(operator)](a, b)
                    except ArithmeticError:
                        result = None  # inf or NaN, as of arrays
                    if isinstance(result, float):
                        return result
                if not isinstance(operator, ast.Pow):
                    return emit(OPERATORS[type(operator)], a, b)
                if not isinstance(b, float) or not (b.is_integer() or b == 0.5) or abs(b) > 64:
                    others = "others, a parameter among them, are exp(exponent * log(base))"
                    self.fail(node, f"an exponent must be written as a whole number or 0.5; {others}")
                if b in (0.0, 1.0):
                    return a if b else 1.0
                return emit(root if b == 0.5 else power(b), a)
            case ast.Compare(left, operators, comparators) if {*map(type, operators)} <= OPERATORS.keys():
                values = [self.operand(one, names) for one in (left, *comparators)]
                results = [
                    emit(OPERATORS[type(operator)], a, b, is_bool=True)
                    for operator, a, b in zip(operators, values[:-1], values[1:], strict=True)
                ]
                return self.join("&", results)
            case ast.BoolOp(operator, operands):
                return self.combined(operator, operands, names)
            case ast.BinOp(left, operator, right) if type(operator) in BITWISE:
                return self.combined(BITWISE[type(operator)], [left, right], names)
            case ast.IfExp(test, a, b):
                condition = self.condition(test, names)
                if isinstance(condition, bool):
                    return self.value(a if condition else b, names)
                return self.trace.select(condition, self.value(a, names), self.value(b, names))
            case ast.Call():
                return self.call(node, names)
        self.fail(node, f"{ast.unparse(node)} {NO_PLACE}")

    def negated(self, condition):
        return not condition if isinstance(condition, bool) else self.trace.emit("not ", condition, is_bool=True)

    def combined(self, operator, operands, names):
        """By `and` or `or`."""
        decides, values = isinstance(operator, ast.Or), []
        for one in operands:
            value = self.value(one, names)
            if not is_condition(value):
                self.fail(one, f"{ast.unparse(one)} is no condition, which `and` and `or`, & and | need")
            if value is decides:
                return decides
            if not isinstance(value, bool):
                values.append(value)
        return self.join(OPERATORS[type(operator)], values) if values else not decides

    def join(self, operator, values):
        result = values[0]
        for value in values[1:]:
            result = self.trace.emit(operator, result, value, is_bool=True)
        return result

    def call(self, node, names):
        given = self.thing(node.func, names)
        callee = formula_of(given)
        if callee is clip:
            return self.clip(node, names)
        if any(given is one for one in (pow, math.pow, np.power)) and len(node.args) == 2 and not node.keywords:
            return self.value(ast.copy_location(ast.BinOp(node.args[0], ast.Pow(), node.args[1]), node), names)
        if isinstance(callee, np.ufunc) and callee in LOGICAL and len(node.args) == 2 and not node.keywords:
            return self.combined(LOGICAL[callee], node.args, names)
        if callee is np.logical_not and len(node.args) == 1 and not node.keywords:
            return self.negated(self.condition(node.args[0], names))
        if callee is np.where:
            if len(node.args) != 3 or node.keywords:
                self.fail(node, f"{ast.unparse(node.func)} takes a condition and two numbers")
            condition, a, b = node.args
            return self.trace.select(self.condition(condition, names), self.value(a, names), self.value(b, names))
        arguments = [self.operand(argument, names) for argument in node.args]
        keywords = {keyword.arg: self.operand(keyword.value, names) for keyword in node.keywords}
        if callee is float and len(arguments) == 1:
            return arguments[0]
        if callee in (fast.minimum, fast.maximum):
            more = given in (builtins.min, builtins.max)
            if len(arguments) < 2 or keywords or (len(arguments) > 2 and not more):
                self.fail(node, f"{ast.unparse(node.func)} takes two {'or more ' * more}numbers")
            result = arguments[0]
            for argument in arguments[1:]:
                result = self.trace.emit(callee, result, argument)
            return result
        if is_over_an_axis(callee):
            self.fail(node, f"{ast.unparse(node.func)} is over an axis, and an activation a function of single numbers")
        if not isinstance(callee, types.FunctionType | Primitive):
            self.fail(node, f"{ast.unparse(node.func)} cannot be compiled: {HINT}")
        bound = self.bind(node, callee, arguments, keywords)
        bound.apply_defaults()
        values = {name: known(value) for name, value in bound.arguments.items()}
        if is_leaf(callee):
            return self.trace.emit(callee, *values.values())
        return Reader(self.trace, callee, values, self.depth + 1).result

    def bind(self, node, callee, arguments, keywords):
        try:
            return signature(callee).bind(*arguments, **keywords)
        except TypeError as error:
            self.fail(node, f"{ast.unparse(node.func)}: {error}")

    def clip(self, node, names):
        """np.clip, each of whose bounds may be missing or None."""
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        a, *bounds = self.bind(node, clip, node.args, keywords).arguments.items()
        result = self.operand(a[1], names)
        for name, bound in bounds:
            if ast.unparse(bound) != "None":
                operation = fast.maximum if name.endswith("min") else fast.minimum
                result = self.trace.emit(operation, result, self.operand(bound, names))
        return result


def signature(callee):
    if not isinstance(callee, Primitive):
        return inspect.signature(callee)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in PRIMITIVES[callee]])


def closure(function):
    """What it has of the functions around it; not what is not defined there yet."""
    cells = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            cells[name] = cell.cell_contents
    return cells


def known(value):
    """A number of the surroundings as a float, NumPy's True and False as Python's; everything else as it is."""
    if isinstance(value, np.bool_):
        return bool(value)
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:
        return value


def formula_of(callee):
    """What computes a function for one number, if it is one of those that fastact knows."""
    import fastact
    from fastact._activation import Activation

    if isinstance(callee, Activation):
        return callee._leaf if callee._derivative else callee.__wrapped__
    for name, row in ACTIVATIONS.items():
        if callee is getattr(fastact, name) or callee is getattr(fastact.ufuncs, name):
            return row.formula
    try:
        return (EQUIVALENTS | of_scipy()).get(callee, callee)
    except TypeError:  # what cannot be a key is no function
        return callee


def of_scipy():
    """As EQUIVALENTS, if it is there: only who has imported it can call it."""
    special = sys.modules.get("scipy.special")
    if special is None:
        return {}
    return namesakes(special) | {special.expit: fast.sigmoid, special.log_expit: ACTIVATIONS["log_sigmoid"].formula}


def is_over_an_axis(callee):
    import fastact

    return any(callee is getattr(fastact, name) for name in (*REDUCTIONS, *GATES))


def definition(function):
    """The part of a file that defines a function."""
    if hasattr(function, "__wrapped__"):
        raise TypeError(f"{function.__name__} is decorated: what its decorator does cannot be compiled")
    if function.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise TypeError(f"{function.__name__} is a coroutine or a generator, and must be a plain function")
    code = function.__code__
    try:
        tree, compiled = parsed("".join(inspect.findsource(code)[0]))
    except (OSError, SyntaxError):
        raise TypeError(
            f"the source of {function.__name__} cannot be read: Python keeps none of what is typed at its plain prompt "
            "or given to exec or python -c; define it by def in a file, or in IPython or a notebook"
        ) from None
    there = [node for node in ast.walk(tree) if is_definition(node, code)]
    if len(there) > 1:
        raise TypeError("which of the lambdas in its line is meant is not clear: define it by def")
    if not there or not any(is_same(code, other) for one in compiled for other in codes(one)):
        raise TypeError(f"the source of {function.__name__} is not what was imported: was its file changed?")
    return there[0]


def statements(node):
    """Of a definition."""
    body = node.body
    return [ast.copy_location(ast.Return(body), body)] if isinstance(body, ast.expr) else body


@functools.lru_cache(maxsize=4)  # for the helper functions of an activation, which often are in its file
def parsed(text):
    """A file as a tree, and its code: as a whole, and each statement for itself, as notebooks have it, where an import
    beside a function makes a difference to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
        units = [tree, *(ast.Module([statement], []) for statement in tree.body)]
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return tree, [compile(unit, "<source>", "exec", flags, dont_inherit=True) for unit in units]


def is_definition(node, code):
    """Whether a function's code is of this part of its file."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return False
    first = (getattr(node, "decorator_list", None) or [node])[0]
    return first.lineno == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name


def codes(code):
    """A file's code and that of what is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def is_same(code, other):
    def content(code):
        constants = [repr(c) for c in code.co_consts if not isinstance(c, types.CodeType)]
        return code.co_firstlineno, code.co_name, code.co_code, code.co_names, code.co_varnames, constants

    return content(code) == content(other)


class Traced(NamedTuple):
    """A function as it was when it was read: what surrounds it may change later."""

    name: str
    trace: Trace
    arguments: list
    result: Value | float


def traced(function):
    trace = Trace()
    names = list(inspect.signature(function).parameters)
    arguments = [Value(f"a{k}") for k in range(len(names))]  # the user's own names could be those of results
    try:
        result = Reader(trace, function, zip(names, arguments, strict=True)).result
    except RecursionError:
        raise TypeError(f"{function.__name__}: an expression in it has too many parts, name some of them") from None
    return Traced(function.__name__, trace, arguments, result)


def formula(function):
    """Of a `Traced`, the formula."""
    return function.trace.function(function.arguments, function.result)


def derivative(function):
    """Its derivative with respect to its first parameter, as a formula of the same parameters."""
    name, trace, arguments, result = function
    emit = trace.emit
    slopes = {arguments[0].name: 1.0}  # name -> derivative; what is missing has none

    def slope(operand):
        return slopes.get(operand.name, 0.0) if isinstance(operand, Value) else 0.0

    def product(a, b):
        return 0.0 if a == 0.0 or b == 0.0 else b if a == 1.0 else a if b == 1.0 else emit("*", a, b)

    def total(a, b):
        return b if a == 0.0 else a if b == 0.0 else emit("+", a, b)

    for value, operator, operands in list(trace.operations):
        inner = [slope(operand) for operand in operands]
        if value.is_bool or not any(inner):
            continue
        match operator, operands, inner:
            case ("+", _, (da, db)):
                new = total(da, db)
            case ("-", (_,), (da,)):
                new = emit("-", da)
            case ("-", _, (da, db)):
                new = emit("-", da, db) if db != 0.0 else da
            case ("*", (a, b), (da, db)):
                new = total(product(da, b), product(a, db))
            case ("/", (_, b), (da, db)):
                part = product(value, db) if isinstance(db, float) else emit(slope_of_quotient, value, db)
                top = emit("-", da, part) if db != 0.0 else da
                new = emit("/", top, b)
            case ("if", (condition, _, _), (_, da, db)):
                new = trace.select(condition, da, db)
            case (fast.fma, (a, b, _), (da, db, dc)):
                new = total(total(product(da, b), product(a, db)), dc)
            case (fast.copysign, (a, b), (da, _)):
                new = product(product(da, emit(unit, a)), emit(unit, b))
            case (fast.minimum | fast.maximum, (a, b), (da, db)):
                new = trace.select(emit("<" if operator is fast.minimum else ">", b, a, is_bool=True), db, da)
                new = trace.select(emit("!=", value, value, is_bool=True), value, new)  # NaN
            case _ if is_leaf(operator) and not any(inner[1:]):
                new = emit(CHAIN.get(operator) or operator.times_slope, inner[0], *operands)
            case _:
                what = getattr(operator, "__name__", operator)
                raise TypeError(f"{name}: a parameter of {what} depends on x: give a derivative of your own")
        slopes[value.name] = new
    return trace.function(arguments, slope(result))
