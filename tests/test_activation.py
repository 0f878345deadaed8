"""Activations of the user's own: compiled, derived, and driven like fastact's."""

import ast
import copy
import functools
import importlib
import linecache
import math
import os
import pickle
import threading
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from cases import COMPILED, DTYPES, LAYOUTS, TABLE, WITHOUT_FMA, bits, compiled_only, inputs_of, sample, ulps
from definitions import derivative, to_mpmath
from processes import run

import fastact
from fastact import _source
from fastact import math as fast
from fastact._activation import ufunc_of

INF, NAN = np.inf, np.nan


def test_without_numba():
    code = (
        "import sys; sys.modules['numba'] = None; import fastact\n"
        "from test_activation import swish\n"
        "try: swish(1.0)\n"
        "except ImportError as error: print(error)"
    )
    done = run("-c", code)
    assert done.stdout == "compiling an activation needs numba: pip install 'fastact[numba]'\n", done.stderr


@fastact.activation
def swish(x, beta=1.0):
    """x times sigmoid."""
    return x / (1 + fastact.math.exp(-beta * x))


@fastact.activation(derivative=lambda x: 2.0 * x)
def square(x):
    return x**2


def helper(z, scale):
    return math.exp(z) * scale


LIMIT = 3


@fastact.activation
def branches(x, a, b=0.5):
    y = 2 * x
    if x > LIMIT:
        y -= 1
    elif -LIMIT > x:
        return a * max(x, -100, b)
    low, high = y, min(y, 1e3)
    return low * high + helper(-abs(x), scale=b)


@fastact.activation
def borrowed(x, alpha=0.3):
    return np.where(x < 1, fastact.elu(x, alpha), 0.5 * np.log1p(x) + square(x)) - np.tanh(x) ** -2 * (x > 0)


@fastact.activation
def everything(x):
    y = fast.copysign(fast.sqrt(fast.fabs(x)), x) + fast.fma(x, 0.5, fast.expm1(-x * x))
    z = fast.sigmoid(x) - fast.softplus(x) if 0 < x <= 2 or not x < 5 else fast.tanh(x) * fast.log(x * x + 1)
    return y * z + 1 / (x**4 + 2) - x**0


@fastact.activation
def identity(x):
    return x


@fastact.activation
def constant(x):
    return 2


def mp_square(x):
    return x**2


def mp_branches(x, a, b):
    y = 2 * x
    if x > 3:
        y -= 1
    elif x < -3:
        return a * max(x, -100, b)
    return y * min(y, 1000) + mp.exp(-abs(x)) * b


def mp_borrowed(x, alpha):
    first = (x if x > 0 else alpha * mp.expm1(x)) if x < 1 else mp.log1p(x) / 2 + x**2
    return first - (mp.tanh(x) ** -2 if x > 0 else 0)


def mp_everything(x):
    y = mp.sqrt(abs(x)) * mp.sign(x) + x / 2 + mp.expm1(-x * x)
    inside = 0 < x <= 2 or x >= 5
    z = 1 / (1 + mp.exp(-x)) - mp.log1p(mp.exp(x)) if inside else mp.tanh(x) * mp.log1p(x * x)
    return y * z + 1 / (x**4 + 2) - 1


# activation, the same in mpmath, parameters
CASES = [
    (swish, lambda x, beta: x / (1 + mp.exp(-beta * x)), (1.0,)),
    (swish, lambda x, beta: x / (1 + mp.exp(-beta * x)), (0.25,)),
    (square, mp_square, ()),
    (branches, mp_branches, (0.75, 0.5)),
    (borrowed, mp_borrowed, (0.3,)),
    (everything, mp_everything, ()),
    (identity, lambda x: x, ()),
    (constant, lambda x: mp.mpf(2), ()),
]


@pytest.fixture(scope="module", autouse=True)
def needs_numba():
    pytest.importorskip("numba")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function, definition, parameters", CASES)
def test_values_and_derivatives(function, definition, parameters, dtype):
    x = np.random.default_rng(0).normal(scale=3, size=40).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    with np.errstate(all="raise"):
        y, slope = function(x, *parameters), function.grad(np.ones_like(x), x, *parameters)
    assert y.dtype == slope.dtype == dtype
    given = [to_mpmath(float(np.dtype(dtype).type(p))) for p in parameters]
    with mp.workdps(60):
        for value, *got in zip(x, y, slope, strict=True):
            value = to_mpmath(value)
            for result, want in zip(
                got, (definition(value, *given), derivative(definition, value, given)), strict=True
            ):
                # rounding errors of the user's own formula may cancel
                assert abs(to_mpmath(result) - want) <= 40 * eps * (abs(want) + abs(value) + 1) + 1e-30


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(layout, dtype):
    x = LAYOUTS[layout](sample(dtype))
    plain = np.array(x, dtype=dtype, order="C")
    assert np.array_equal(bits(swish(x)), bits(swish(plain)))
    assert np.array_equal(bits(branches(x, plain)), bits(branches(plain, plain.copy())))
    assert np.array_equal(bits(swish.grad(x, x)), bits(swish.grad(plain, plain.copy())))
    assert swish(x).dtype == dtype and swish(x).shape == x.shape


def test_pickles_by_reference():
    for one in (swish, swish.grad, *(getattr(fastact.math, name) for name in fastact.math.__all__)):
        for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):
            assert again == one


SCRIPT = """
import math, pickle, sys
import numpy as np
import fastact
from fastact import math as fast
from fastact.math import sqrt

SCALE, far = 2.0, float("inf")

# namesakes of parameters and variables, which are no part of a function
x = z = far_off = sys.stdout

def helper(z: float, *, n=SCALE):
    far_off = n * z
    return math.sqrt(far_off)

@fastact.activation
def inner(x):
    return sqrt(x * x)

@fastact.activation
def outer(x: np.ndarray, a=SCALE / 2) -> float:
    return SCALE * helper(x) * inner(a * x) + min(x, far)

def local(shift):
    slope = lambda x: shift + 0 * x
    return fastact.activation(lambda x: x * shift, derivative=slope)

things = [outer, outer.grad, local(3.0), local(4.0)]
assert [pickle.loads(pickle.dumps(one)) for one in things[:2]] == things[:2]
pickle.dump(things, open(sys.argv[1], "wb"))
np.save(sys.argv[2], [outer(0.5), outer.grad(1.0, 0.5), things[2](0.5), things[3](0.5)])
"""


def test_pickles_of_main_and_of_local_ones_by_value(tmp_path):
    """In other processes, which know nothing of the script that made them; and if its numbers change."""
    script, pickled, values = (tmp_path / name for name in ("script.py", "pickled", "values.npy"))
    script.write_text(SCRIPT)
    done = run(str(script), str(pickled), str(values))
    assert done.returncode == 0, done.stderr
    script.unlink()
    outer, gradient, *lambdas = pickle.loads(pickled.read_bytes())
    assert gradient == outer.grad and outer.__name__ == "outer" and outer.__module__ == "__main__"
    assert outer.__wrapped__.__qualname__ == "outer"
    assert np.array_equal([outer(0.5), gradient(1.0, 0.5), *(one(0.5) for one in lambdas)], np.load(values))
    assert [one.grad(1.0, 9.0) for one in lambdas] == [3.0, 4.0]
    again = pickle.loads(pickle.dumps([outer, *lambdas]))
    assert [one(0.5) for one in again] == [outer(0.5), 1.5, 2.0]


NAMESAKE = """
import pathlib, pickle, sys, fastact

@fastact.activation
def f(x):
    return x * {factor}

pickled = pathlib.Path(sys.argv[1])
if pickled.exists():
    print(pickle.loads(pickled.read_bytes()).__wrapped__(1.0))
pickled.write_bytes(pickle.dumps(f))
"""


def test_pickles_beside_a_namesake(tmp_path):
    """Each script has an f, and is given the one of the script before it."""
    script, printed = tmp_path / "script.py", []
    for factor in (2.0, 3.0, 3.0):
        script.write_text(NAMESAKE.format(factor=factor))
        printed.append(run(str(script), str(tmp_path / "pickled")).stdout)
    assert printed == ["", "2.0\n", "3.0\n"]


def test_pickles_nothing_whose_text_is_not_there():
    with pytest.raises(TypeError, match="the source of <lambda> cannot be read"):
        pickle.dumps(fastact.activation(eval("lambda x: x")))


def test_is_a_ufunc():
    x = np.random.default_rng(0).normal(size=(200, 300)).astype("f")
    assert type(swish.ufunc) is type(swish.grad_ufunc) is np.ufunc
    assert (swish.ufunc.nin, swish.grad_ufunc.nin) == (2, 3)
    want = swish(x, 2.0)
    assert np.array_equal(swish.ufunc(x, np.full((200, 1), 2, "f")), want)
    assert np.array_equal(swish(x, beta=2.0, out=np.empty_like(x), where=True), want)
    assert np.array_equal(swish(x.T, np.float32(2)).T, want)
    fastact.set_num_threads(3)
    assert np.array_equal(swish(x, 2.0), want)
    assert swish(3).dtype == np.float64
    assert repr(swish) == "<fastact.activation swish>" and swish.__doc__ == "x times sigmoid."
    for bad in (1j, "a", None):
        with pytest.raises(TypeError):
            swish(bad)
    with pytest.raises(TypeError, match="swish"):
        swish(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        branches(1.0)


def test_first_call_from_many_threads():
    @fastact.activation
    def fresh(x):
        return x * x

    results = []
    threads = [threading.Thread(target=lambda: results.append(fresh(3.0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [9.0] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("delay", [0.0, 0.7])  # while Numba is being imported, and after
def test_fork_while_another_thread_compiles(delay):
    code = """
import os, sys, threading, time
from test_activation import square, swish
threading.Thread(target=swish, args=(1.0,)).start()
time.sleep(float(sys.argv[1]))
if (child := os.fork()) == 0:  # the lock is this thread's: only another one sees whether it was released
    threading.Thread(target=lambda: os._exit(int(square(0.0)))).start()
    time.sleep(100)
threading.Timer(60, os.kill, (child, 9)).start()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""
    done = run("-W", "ignore::DeprecationWarning", "-c", code, str(delay))  # of a fork beside threads
    assert (done.stdout, done.stderr) == ("0\n", "")


def in_mpmath(function):
    """For arrays, in extended precision."""

    def reference(x):
        with mp.workdps(40):
            values = [function(to_mpmath(one)) for one in x]
            high = np.array(values, float)
            return high.astype(np.longdouble) + np.array(
                [v - mp.mpf(h) for v, h in zip(values, high, strict=True)], float
            )

    return reference


# function, its reference, inputs where it is a number, values at -inf, -0.0, 0.0, inf
MATHEMATICS = {
    "exp": (np.exp, (-INF, INF), (0, 1, 1, INF)),
    "expm1": (np.expm1, (-INF, INF), (-1, -0.0, 0.0, INF)),
    "log": (np.log, (0, INF), (NAN, -INF, -INF, INF)),
    "log1p": (np.log1p, (-1, INF), (NAN, -0.0, 0.0, INF)),
    "sqrt": (np.sqrt, (0, INF), (NAN, -0.0, 0.0, INF)),
    "fabs": (np.abs, (-INF, INF), (INF, 0.0, 0.0, INF)),
    "tanh": (np.tanh, (-INF, INF), (-1, -0.0, 0.0, 1)),
    "sin": (np.sin, (-(2**18), 2**18), (NAN, -0.0, 0.0, NAN)),
    "cos": (np.cos, (-(2**18), 2**18), (NAN, 1, 1, NAN)),
    "atan": (np.arctan, (-INF, INF), (-math.pi / 2, -0.0, 0.0, math.pi / 2)),
    "rint": (np.rint, (-INF, INF), (-INF, -0.0, 0.0, INF)),
    "floor": (np.floor, (-INF, INF), (-INF, -0.0, 0.0, INF)),
    "ceil": (np.ceil, (-INF, INF), (-INF, -0.0, 0.0, INF)),
    "trunc": (np.trunc, (-INF, INF), (-INF, -0.0, 0.0, INF)),
    "erf": (in_mpmath(mp.erf), (-30, 30), (-1, -0.0, 0.0, 1)),
    "erfc": (in_mpmath(mp.erfc), (-30, 30), (2, 1, 1, 0.0)),
}


@functools.cache
def of_mathematics(name):
    function = getattr(fast, name)

    @fastact.activation
    def activation(x):
        return function(x)

    return activation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MATHEMATICS)
def test_mathematics(name, dtype):
    reference, (low, high), at_special = MATHEMATICS[name]
    function = of_mathematics(name)
    x = np.concatenate([sample(dtype, 20_000), 1 + np.logspace(-7, -0.5, 500), 1 - np.logspace(-7, -0.5, 500)])
    x = x.astype(dtype)
    x = x[(x > low) & (x < high)][:: 10 if name in ("erf", "erfc") else 1]  # their reference is slow
    with np.errstate(all="ignore"):
        want = reference(x.astype(np.longdouble))
    bound = (3 if name == "erfc" else 2) if COMPILED and not WITHOUT_FMA else 4
    assert ulps(function(x), want) <= bound
    special = function(np.array([-INF, -0.0, 0.0, INF, NAN], dtype))
    assert np.array_equal(bits(special), bits(np.array([*at_special, NAN], dtype)))
    assert np.array_equal(np.signbit(special[1:3]), np.signbit(np.array(at_special[1:3], dtype)))


def loops(x):
    for _ in range(3):
        x = x * x
    return x


def over_an_axis(x):
    return fastact.softmax(x)


def wrong_keyword(x):
    return fastact.elu(x, out=x)


def signs(x):
    return np.sign(x) * x + 2 * np.sign(x)


def squared_and_clipped(x):
    y = np.clip(np.square(x), 0.5, 2.0)
    y = np.clip(np.clip(a=y, a_max=1.75, a_min=0.625), min=0.75, max=1.5)
    return np.clip(np.clip(np.clip(y, 0.875, None), a_min=None, a_max=1.25), max=1.125)


def not_everywhere(x):
    if x > 0:
        return x


def unknown_name(x):
    return x + nothing_of_this_name  # noqa: F821


def sometimes_defined(x):
    if x > 0:
        y = x
    return y


def library_call(x):
    return math.gamma(x)


def text(x):
    return "x"


def indexing(x):
    return x[0]


def attribute(x):
    return x.real


def attribute_of_a_value(x):
    return (x + 1).name


def missing(x):
    return math.sigmoid(x)


def odd_power(x):
    return x**0.3


def no_condition(x):
    return x or 1.0


TOO_LARGE = 10**400


def too_large(x):
    return x * TOO_LARGE


def twice(function):
    @functools.wraps(function)
    def double(x):
        return 2 * function(x)

    return double


@twice
def decorated(x):
    return x + 1


@fastact.activation
def itself(x):
    return itself(x)


def endless(x):
    return endless(x)


def too_few(x):
    return max(x)


def with_keyword(x):
    return np.abs(x, where=x > 0)


def too_many(x):
    return np.sqrt(x, 2.0)


def with_out(x):
    return np.maximum(x, 0, 1)


def not_yet():
    def function(x):
        return x * later

    return function
    later = 1


def long_sum():
    names = {}
    lines = ["def long(x):", f"    return {' + '.join(['x'] * 2000)}"]
    linecache.cache["<long>"] = (None, None, [f"{line}\n" for line in lines], "<long>")
    exec(compile("\n".join(lines), "<long>", "exec"), names)
    return names["long"]


def target(x):
    a, c.q = x, x  # noqa: F821
    return a


async def asynchronous(x):
    return x


def generator(x):
    return x
    yield


def of_generator(x):
    return generator(x)


def local_on_one_path(x):
    if x > 0:
        LIMIT = 1.0
    return x + LIMIT


SLOPES = np.array([0.1, 0.2])


def array_outside(x):
    return SLOPES * x


def clipped_elsewhere(x):
    return np.clip(x, 0, 1, out=x)


BAD = [
    (array_outside, "line 2 of its definition: SLOPES is not a number, but ndarray: a parameter may be an array"),
    (clipped_elsewhere, "line 2 of its definition: np.clip: got an unexpected keyword argument 'out'"),
    (with_keyword, "line 2 of its definition: np.abs: got an unexpected keyword argument 'where'"),
    (too_many, "line 2 of its definition: np.sqrt: too many positional arguments"),
    (with_out, "line 2 of its definition: np.maximum takes two numbers"),
    (not_yet(), "later is not defined here"),
    (long_sum(), "long: an expression in it has too many parts"),
    (target, r"line 2 of its definition: `.*c\.q.*` has no place"),
    (asynchronous, "asynchronous is a coroutine or a generator"),
    (generator, "generator is a coroutine or a generator"),
    (of_generator, "generator is a coroutine or a generator"),
    (local_on_one_path, "LIMIT is not defined here, or not on every path"),
    (loops, r"line 2 of its definition: `for _ in range\(3\):` has no place"),
    (over_an_axis, "fastact.softmax is over an axis"),
    (wrong_keyword, "line 2 of its definition: fastact.elu: got an unexpected keyword argument 'out'"),
    (not_everywhere, "must return a number"),
    (unknown_name, "nothing_of_this_name is not defined"),
    (sometimes_defined, "y is not defined here, or not on every path"),
    (library_call, "math.gamma cannot be compiled: .* single numbers; fastact.math has .*; abs, pow, np.clip"),
    (text, "'x' is not a number, but str"),
    (indexing, r"x\[0\] has no place"),
    (attribute, r"x\.real has no place"),
    (attribute_of_a_value, r"\(x \+ 1\)\.name has no place"),
    (missing, r"math\.sigmoid has no place"),
    (odd_power, "an exponent must be written as a whole number or 0.5"),
    (no_condition, "x is no condition"),
    (too_large, "is not a number, but int"),
    (decorated, "decorated is decorated"),
    (endless, "calls itself"),
    (lambda x: itself(x), "calls itself"),
    (too_few, "max takes two or more numbers"),
    (lambda x: np.where(x > 0, x), "np.where takes a condition and two numbers"),
    (lambda x: ~x, "~x has no place"),
    (lambda x: x & 1, "x is no condition"),
    (eval("lambda x: x"), "the source of <lambda> cannot be read"),
]


@pytest.mark.parametrize("function, message", BAD)
def test_what_cannot_be_compiled(function, message):
    with pytest.raises(TypeError, match=message):
        fastact.activation(function)(1.0)


def many_returns(x, a=0.5):
    """What a function goes on with after an `if` within which it may have returned, it reads once."""
    y = a * x
    if x > 0:
        if x > 0.5:
            return y
        y = y + 1
    if x > 1:
        if x > 1.5:
            return y + 1
        y = y + 1
    if x > 2:
        if x > 2.5:
            return y + 2
    else:
        if x < -2:
            if x < -3:
                return -y
        elif x < -1:
            return y - 1
        y = y * 2
    if x > 3:
        if x > 3.5:
            return y + 3
        y = y + 1
    return y


def test_many_returns():
    x = np.linspace(-5, 10, 500)
    assert np.array_equal(fastact.activation(many_returns)(x), [many_returns(one) for one in x])
    assert len(_source.traced(many_returns).trace.operations) < 50


LEAKY = True


def inverse_or_not(x, inverse=False, factor=0):
    if inverse:
        return 1 / x
    if factor:
        return nothing_of_this_name  # noqa: F821
    return x


@fastact.activation
def flags(x):
    low = 0.5 * x if LEAKY and x < 1 else not LEAKY
    if not LEAKY or x > 2:
        low += LEAKY
    if LEAKY or nothing_of_this_name:  # noqa: F821
        low *= 1.0 if np.True_ and not (not LEAKY and nothing_of_this_name) else nothing_of_this_name  # noqa: F821
        return low + inverse_or_not(x) - inverse_or_not(x, inverse=True)
    return nothing_of_this_name  # noqa: F821


def test_known_conditions():
    assert np.array_equal(flags([0.5, 2.0, 4.0]), [0.25 + 0.5 - 2, 2 - 0.5, 1 + 4 - 0.25])
    assert np.array_equal(flags.grad(1.0, [0.5, 2.0, 4.0]), [0.5 + 1 + 4, 1 + 0.25, 1 + 0.0625])


@fastact.activation
def bent(x):
    inside = (x > -1) & (x < 1) | np.logical_and(x > 2, np.logical_or(x < 3, x > 8))
    return np.where(inside & ~(x == 0) & np.logical_not(x == 0.5), x * x, -x)


def test_conditions_as_arrays_are_combined():
    x = np.linspace(-4, 9, 131)
    assert np.array_equal(bent(x), bent.__wrapped__(x))
    assert np.array_equal(bent.grad(1.0, x), np.where(bent(x) == -x, -1, 2 * x))


CELL = """
import math
import numpy as np
import fastact

@fastact.activation
def snake(x, a=1.0):
    return x + np.sin(a * x) ** 2 / a + 0 * math.exp(-fastact.sigmoid(x))

double = fastact.activation(lambda x: x + np.abs(x))
"""


def test_a_notebooks_first_cell(monkeypatch):
    """Notebooks compile each statement of a cell for itself: there, a function does not know what is imported."""
    monkeypatch.setitem(linecache.cache, "<cell>", (None, None, CELL.splitlines(keepends=True), "<cell>"))
    names = {"__name__": "__main__"}
    for statement in ast.parse(CELL).body:
        exec(compile(ast.Module([statement], []), "<cell>", "exec"), names)
    x = np.linspace(-2, 2, 9)
    assert np.allclose(names["snake"](x), x + np.sin(x) ** 2, rtol=1e-15)
    assert np.array_equal(names["double"](x), x + np.abs(x))


def test_equivalents_of_numpys():
    f, x = fastact.activation(squared_and_clipped), np.array([-3.0, -1.0, 0.1, NAN])
    assert np.array_equal(f(x), squared_and_clipped(x), equal_nan=True)
    assert np.array_equal(f.grad(1.0, x), [0.0, -2.0, 0.0, NAN], equal_nan=True)
    f, x = fastact.activation(signs), np.array([-3.0, -0.0, 0.5, NAN])
    assert np.array_equal(f(x), signs(x), equal_nan=True)
    assert np.array_equal(f.grad(1.0, x[[0, 2]]), [-1.0, 1.0])


@fastact.activation
def stairs(x):
    return np.where(x > 6, 6.5, np.where(x > 5, 5.5, np.where(x > 4, 4.5, np.where(x > 3, 3.5, np.where(x > 2, 2.5,
        np.where(x > 1, 1.5, np.where(x > 0.5, 0.75, np.where(x > 0, 0.25, np.where(x, x, 1)))))))))  # fmt: skip


def test_nested_selections_are_read_once():
    x = np.linspace(-2, 8, 101)
    assert np.array_equal(stairs(x), [stairs.__wrapped__(one) for one in x])
    assert len(_source.traced(stairs.__wrapped__).trace.operations) < 20


@fastact.activation(derivative=lambda x, at: 3.0)
def step(x, at=0.0):
    return 1.0 if x > at else 0.0


@fastact.activation
def steps(x):
    return 2 * step(x) + step(-x, at=1)


def test_a_derivative_that_is_given_goes_along():
    assert np.array_equal(steps([-2.0, 0.5]), [1.0, 2.0])
    assert np.array_equal(steps.grad(1.0, [-2.0, 0.5]), [3.0, 3.0])


OF_TWO_LINES = fastact.activation(
    lambda x: x
    + 100.0
)  # fmt: skip
AMONG_OTHERS = [3, fastact.activation(lambda x: x + 3.0),
                fastact.activation(derivative=
                    lambda x: 2 * x
                    + 1)(lambda x: x * x + x)]  # fmt: skip


def oddly_indented():
    def function(x):
        y = 2 * x
        #       y = 3 * x
        return y  # fmt: skip

    return function


def test_functions_wherever_they_stand():
    assert OF_TWO_LINES(1.0) == 101.0 and AMONG_OTHERS[1](1.0) == 4.0
    assert AMONG_OTHERS[2](2.0) == 6.0 and AMONG_OTHERS[2].grad(1.0, 2.0) == 5.0
    assert fastact.activation(oddly_indented())(1.0) == 2.0


def test_a_file_that_has_changed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "that_changes.py"
    file.write_text("def f(x):\n    return x + 1\n\ndef g(x):\n    return x * 100\n")
    module = importlib.import_module("that_changes")
    assert fastact.activation(module.g)(2.0) == 200.0
    for text in ("# moved\n\n\ndef g(x):\n    return x * 100\n", "def f(x):\n    return x + 2\n"):
        file.write_text(text)
        with pytest.raises(TypeError, match="the source of f is not what was imported"):
            fastact.activation(module.f)(1.0)


@fastact.activation
def inverse_cube(x):
    return (x + 20) ** -3


@fastact.activation
def roots(x):
    return x**0.5


@fastact.activation
def kinks(x):
    return max(0, x) + abs(x)


def test_derivatives_far_out_and_at_kinks():
    x = np.array([-89, -1e30, -INF], "f")
    assert np.array_equal(swish.grad(np.float32(1), x[:2]), [0, 0])
    assert inverse_cube.grad(1.0, 1e200) == 0.0 and inverse_cube.grad(1.0, -19.0) == -3.0
    assert np.array_equal(roots([-0.0, -INF, 4.0]), [0.0, INF, 2.0]) and not np.signbit(roots(-0.0))
    assert np.array_equal(roots.grad(1.0, [0.25, 4.0]), [1.0, 0.25])
    assert np.array_equal(kinks.grad(1.0, [-2.0, 0.0, 2.0, NAN]), [-1.0, 0.0, 2.0, NAN], equal_nan=True)


EXPONENT = 2


@fastact.activation
def known_numbers(x):
    return 2**-0.5 * x + pow(math.pi, 1.5) + np.power(x, 3) + x ** (4 / 2) + x ** (EXPONENT + 1)


def test_known_numbers():
    assert np.allclose(known_numbers([0.5, 2.0]), known_numbers.__wrapped__(np.array([0.5, 2.0])), rtol=1e-15)


def test_integers_with_defaults():
    for dtype in ("i1", "?", "u2", "i4"):
        x = np.ones(3, dtype)
        assert swish(x).dtype == swish.grad(x, x).dtype == fastact.elu(x).dtype == np.exp(x).dtype
        assert np.array_equal(swish(x), swish(x.astype(swish(x).dtype)))


def test_wrong_functions():
    for wrong in (3, np.exp, len):
        with pytest.raises(TypeError, match="must be a function defined by def"):
            fastact.activation(wrong)
    for wrong in (lambda: 1.0, lambda *x: 1.0, lambda x, *, a: 1.0):
        with pytest.raises(TypeError, match="given by position"):
            fastact.activation(wrong)
    with pytest.raises(TypeError, match="may have 5 parameters after x, got 6"):
        fastact.activation(lambda x, a, b, c, d, e, f: x)
    with pytest.raises(TypeError, match="out is taken by ufuncs and gradients"):
        fastact.activation(lambda x, out=1.0: x)
    with pytest.raises(TypeError, match="the default of a must be a real number, got 's'"):
        fastact.activation(lambda x, a="s": x)
    for wrong in (lambda x: 1.0, lambda beta, x: 1.0):
        with pytest.raises(TypeError, match="derivative must take the parameters of swish"):
            fastact.activation(swish.__wrapped__, derivative=wrong)


def test_messages_say_what_was_called():
    with pytest.raises(TypeError, match=r"^swish\(\) missing 1 required positional argument: 'x'"):
        swish()
    with pytest.raises(TypeError, match=r"^swish\.grad\(\) missing 1 required positional argument: 'x'"):
        swish.grad(1.0)


def test_no_derivative_for_a_parameter_that_moves():
    @fastact.activation
    def moving(x):
        return fastact.elu(x, x)

    assert moving(-1.0) == -fastact.elu(-1.0)
    with pytest.raises(TypeError, match="a parameter of elu depends on x: give a derivative of your own"):
        moving.grad(1.0, 1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sin", "cos", "atan", "erf", "erfc"])
def test_slopes_of_mathematics(name, dtype):
    x = np.linspace(-9, 9, 400).astype(dtype)
    with np.errstate(all="raise"):
        got = of_mathematics(name).grad(np.ones_like(x), x)
    assert ulps(got, in_mpmath(functools.partial(mp.diff, getattr(mp, name)))(x)) <= (4 if WITHOUT_FMA else 3)
    ends = of_mathematics(name).grad(1.0, np.array([-INF, INF, NAN]))
    assert np.array_equal(ends, [NAN] * 3 if name in ("sin", "cos") else [0.0, 0.0, NAN], equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["rint", "floor", "ceil", "trunc"])
def test_whole_numbers(name, dtype):
    quarters, ends = np.arange(-2, 2, 0.25), 2.0 ** (np.finfo(dtype).nmant - np.arange(3))
    x = np.concatenate([quarters, *np.add.outer(ends, quarters), np.nextafter(0.5, [0, 1], dtype=dtype)])
    x = np.concatenate([x, -x]).astype(dtype)
    function, want = of_mathematics(name), getattr(np, name)(x)
    assert np.array_equal(bits(function(x)), bits(want))
    assert np.array_equal(function.grad(1.0, np.array([1.5, -INF, INF, NAN], dtype)), [0, 0, 0, NAN], equal_nan=True)


def test_straight_through():
    @fastact.activation(derivative=lambda x, steps: 1.0)
    def quantised(x, steps=8):
        return round(x * steps) / steps

    x = np.linspace(-1, 1, 40)
    assert np.array_equal(quantised(x), np.round(x * 8) / 8) and np.array_equal(quantised.grad(x, x), x)


def test_sine_of_huge_numbers():
    """They have no digits behind the point, and are taken for the largest that have."""
    sine, x = of_mathematics("sin"), np.array([1e10, 1e38, -1e38], "f")
    assert np.array_equal(sine(x), sine(np.array([2**18, 2**18, -(2**18)], "f")))
    x = np.array([1e5, -1e10, 1e14])
    assert np.allclose(sine(x), np.sin(x), rtol=1e-15, atol=0)


def test_scipys_functions():
    special = pytest.importorskip("scipy.special")

    @fastact.activation
    def by_scipy(x):
        return x * special.expit(x) + special.erf(x) * special.log_expit(x)

    @fastact.activation
    def by_fastact(x):
        return x * fast.sigmoid(x) + fast.erf(x) * fastact.log_sigmoid(x)

    x = sample("float32")
    assert np.array_equal(bits(by_scipy(x)), bits(by_fastact(x)))


@pytest.mark.parametrize("function", [fast.exp, TABLE["tanh"].formula, TABLE["sigmoid"].formula])
def test_mathematics_outside_of_an_activation(function):
    with pytest.raises(TypeError, match="works only inside"):
        function(1.0)


@compiled_only
@pytest.mark.parametrize("name", ["tanhshrink", "elu_grad"])
def test_a_formula_of_the_table_is_compiled_alone(name):
    """Without a build, to the bits of the build's."""
    row = TABLE[name]
    inputs = *inputs_of(name, sample("float32")), *row.parameters.values()
    assert np.array_equal(bits(ufunc_of(row)(*inputs)), bits(getattr(fastact.ufuncs, name)(*inputs)))


FACTOR = 3.0
LARGE = np.longdouble(2e300)


def test_surroundings_are_read_once(monkeypatch):
    @fastact.activation
    def scaled(x):
        return FACTOR * x

    assert scaled(1.0) == 3.0
    monkeypatch.setitem(globals(), "FACTOR", 4.0)
    assert scaled(1.0) == 3.0 and scaled.grad(1.0, 1.0) == 3.0


def test_names_of_parameters():
    """Any, and those of a formula's results, too."""

    @fastact.activation
    def cubic(inf, v0=2.0, v1=1.0, f2=1.0, a0=1.0):
        return f2 * fastact.math.tanh(inf * inf * 3 * a0 + v1 - v0) + (math.inf if inf > 1e30 else 0.0)

    x = np.array([-0.5, 0.25])
    inner = x * x * 3 + 1.0 - 2.0
    assert np.allclose(cubic(x, v1=1.0), np.tanh(inner), rtol=1e-15)
    assert np.allclose(cubic.grad(1.0, x), 6 * x * (1 - np.tanh(inner) ** 2), rtol=1e-15)

    @fastact.activation
    def _ufunc(_blame, error=1.0, TypeError=2.0, _default_error=3.0, _at_defaults=4.0):
        return _blame * error + TypeError + _default_error + _at_defaults

    assert _ufunc(1.0) == 10.0 and _ufunc.grad(2.0, 1.0, 3.0) == 6.0
    with pytest.raises(TypeError, match="error must be real numbers"):
        _ufunc(1.0, "a")
    for taken in ("out", "where", "dtype", "casting", "order", "subok", "signature", "kwargs", "gy"):
        with pytest.raises(TypeError, match=f"{taken} is taken by ufuncs"):
            fastact.activation(eval(f"lambda x, {taken}=1.0: x"))


def test_a_name_that_is_a_keyword():
    def product(x, a):
        return x * a

    product.__name__ = "class"
    assert fastact.activation(product)(3.0, 2.0) == 6.0


def test_constants_beyond_float32():
    @fastact.activation
    def beyond(x, a=1e-300):
        return x * 1e300 + LARGE * x if x > 1e-300 else x - a + 1e-310

    with np.errstate(all="raise"):
        assert np.array_equal(beyond(np.array([1, -1], "f")), np.array([INF, -1], "f"))
        assert np.array_equal(beyond(np.array([1.0, -1.0])), [1e300 + LARGE, -1.0])


def test_signs_of_zero():
    @fastact.activation
    def zero(x):
        return 0.0 if x > 0 else -0.0

    assert np.array_equal(np.signbit(zero([-1.0, 1.0])), [True, False])


@pytest.mark.parametrize("default", [np.float64(0.5), np.float32(0.5), np.int64(2), Fraction(1, 2), 2, True])
def test_defaults_do_not_change_the_dtype(default):
    def shifted(x, by=1.0):
        return x + by

    shifted.__defaults__ = (default,)
    result = fastact.activation(shifted)(np.ones(2, "f"))
    assert result.dtype == "f" and np.array_equal(result, [1 + float(default)] * 2)
