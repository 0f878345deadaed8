"""The elementwise functions are ufuncs, down to the last keyword."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
from cases import (
    COMPILED,
    DTYPES,
    ELEMENTWISE,
    TABLE,
    bits,
    first_arguments,
    function_of,
    inputs_of,
    public,
    read_only,
    sample,
)

import fastact
from fastact import _at_defaults
from fastact._table import GRADIENTS

X = np.random.default_rng(0).normal(scale=3, size=(6, 50)).astype("f")


def call(name, x=X, **keywords):
    return function_of(name)(x, *first_arguments(name), **keywords)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_is_a_ufunc(name):
    ufunc = getattr(fastact.ufuncs, name)
    assert type(ufunc) is np.ufunc
    assert ufunc.__name__ == name
    row = TABLE[name]
    assert (ufunc.nin, ufunc.nout, ufunc.identity) == (len(row.arrays) + len(row.parameters), 1, None)
    for character in "efd":
        assert f"{character * ufunc.nin}->{character}" in ufunc.types
    if not row.parameters and not row.options:
        assert public(name) is ufunc
    assert np.array_equal(ufunc(*inputs_of(name, X), *first_arguments(name)), call(name))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_out(name):
    want = call(name)
    out = np.full_like(X, 7)
    assert call(name, out=out) is out and np.array_equal(out, want)
    out = np.full_like(X, 7)
    assert call(name, out=(out,)) is out and np.array_equal(out, want)
    if not TABLE[name].parameters:
        out = np.full_like(X, 7)
        assert public(name)(*inputs_of(name, X), out) is out and np.array_equal(out, want)
    for dtype in (">f4", "d", "F"):
        out = np.empty(X.shape, dtype)
        call(name, out=out)
        assert np.array_equal(out, want)
    wide = np.zeros((6, 100), "f")
    call(name, out=wide[:, ::2])
    assert np.array_equal(wide[:, ::2], want) and not wide[:, 1::2].any()
    x = X.copy()
    assert call(name, x, out=x) is x and np.array_equal(x, want)


class Kind(np.ndarray):
    pass


def same(a, b):
    return np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a), np.signbit(b))


# An array each, made of a contiguous one.
ARRAYS = {
    "plain": lambda x: x,
    "one axis": lambda x: x.ravel(),
    "three axes": lambda x: x.reshape(2, 3, 50),
    "one element": lambda x: x[:1, :1],
    "no element": lambda x: x[:, :0],
    "float64": lambda x: x.astype("d"),
    "float16": lambda x: x.astype("e"),
    "integers": lambda x: x.astype("i"),
    "0-d": lambda x: x[0, 0, ...],
    "a scalar": lambda x: x[0, 0],
    "Fortran's order": np.asfortranarray,
    "strided": lambda x: x[:, ::2],
    "reversed": lambda x: x[::-1],
    "other byte order": lambda x: x.astype(">f4"),
    "not aligned": lambda x: np.frombuffer(b"0" + x.tobytes(), "f", offset=1),
    "a subclass": lambda x: x.view(Kind),
    "read-only": read_only,
    "a list": lambda x: x.tolist(),
}
OUTS = {
    "none": lambda y: None,
    "plain": np.empty_like,
    "a tuple": lambda y: (np.empty_like(y),),
    "a subclass": lambda y: np.empty_like(y).view(Kind),
    "strided": lambda y: np.empty((*y.shape, 2), y.dtype)[..., 0],
    "Fortran's order": lambda y: np.empty_like(y, order="F"),
    "other dtype": lambda y: np.empty(y.shape, "d"),
    "larger": lambda y: np.empty((2, *y.shape), y.dtype),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_plain_calls_are_as_by_numpy(name, kind):
    """Those that do without NumPy's machinery, and those that nearly do; `where` needs it."""
    ufunc = getattr(fastact.ufuncs, name)
    x = ARRAYS[kind](X.copy())
    operands = [*inputs_of(name, x), *first_arguments(name)]
    want = ufunc(*operands, where=True)
    for make in OUTS.values():
        out, other = make(np.asarray(want)), make(np.asarray(want))
        got = ufunc(*operands, out=out)
        expected = ufunc(*operands, out=other, where=True)
        assert type(got) is type(expected) and got.dtype == expected.dtype and got.shape == expected.shape
        assert same(got, expected)
        if out is None:
            assert np.asarray(got).strides == np.asarray(expected).strides
        else:
            assert got is (out[0] if isinstance(out, tuple) else out)


@pytest.mark.parametrize(
    "value", [2, True, 2**25, -(2**70), 1e300, 1e-60, np.nan, np.float32(0.3), np.array([0.3, 2.0])]
)
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if len(TABLE[name].parameters) == 1])
def test_parameters_are_as_by_numpy(name, value):
    ufunc = getattr(fastact.ufuncs, name)
    for dtype in "fd":
        operands = [*inputs_of(name, X[:, :2].astype(dtype)), value]
        with np.errstate(all="ignore"):
            want = ufunc(*operands, where=True)
            got = ufunc(*operands)
        assert got.dtype == want.dtype and same(got, want)


def test_what_is_no_plain_call():
    x, out = X.copy(), np.full_like(X, 7)
    for arguments, keywords, exception in [
        ((), {}, TypeError),
        ((x, out, out), {}, TypeError),
        ((x, out), {"out": out}, TypeError),
        ((x,), {"out": out[1:]}, ValueError),
        ((x,), {"out": read_only(out)}, ValueError),
        ((x,), {"out": (out, out)}, ValueError),
        ((x,), {"out": [out]}, TypeError),
        ((x,), {"to": out}, TypeError),
    ]:
        with pytest.raises(exception):
            fastact.relu(*arguments, **keywords)
    assert np.all(out == 7)
    with pytest.raises(TypeError, match="arguments"):
        fastact.ufuncs.elu(x)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_out_that_overlaps(name):
    # enough for threads, which plain NumPy has not: it takes element by element here
    base = np.resize(X, 70_000 if COMPILED else 500)
    want = call(name, base)
    for source, target in [(np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:]), (np.s_[::-1], np.s_[:])]:
        array = base.copy()
        call(name, array[source], out=array[target])
        assert np.array_equal(array[target], want[source])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_where(name):
    mask = X > 0.5
    out = np.full_like(X, 7)
    call(name, out=out, where=mask)
    assert np.array_equal(out, np.where(mask, call(name), np.float32(7)))


def warnings_of(function, *arguments, **keywords):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments, **keywords)
    return [(w.category, str(w.message)) for w in caught]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_where_without_out_warns_as_numpy(name):
    assert warnings_of(call, name, where=X > 0.5) == warnings_of(np.exp, X, where=X > 0.5)


@pytest.mark.parametrize("x", [X[:1], X[:1, ::-1]])
def test_out_that_was_broadcast_warns_as_numpy(x):
    """As far as NumPy tells by its flags alone."""
    first, second = (np.broadcast_arrays(np.zeros(50, "f"), x)[0] for _ in range(2))
    assert warnings_of(fastact.relu, x, out=first) == warnings_of(np.positive, x, out=second) != []


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_dtype_casting_order_subok(name):
    assert call(name, dtype=np.float64).dtype == np.float64
    assert np.array_equal(call(name, dtype="d"), call(name, X.astype("d")))
    assert call(name, X.astype("d"), dtype="f", casting="same_kind").dtype == np.float32
    with pytest.raises(TypeError):
        call(name, X.astype("d"), dtype="f", casting="safe")
    assert call(name, X.T).flags.f_contiguous
    assert call(name, X.T, order="C").flags.c_contiguous
    assert call(name, X, order="F").flags.f_contiguous
    assert type(call(name, X.view(Kind))) is Kind
    assert type(call(name, X.view(Kind), subok=False)) is np.ndarray


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if TABLE[name].nin <= 2])
def test_at(name):
    x = X[0].copy()
    others = [X[0, [3, 1, 7]]] if name in GRADIENTS else map(np.float32, first_arguments(name))
    getattr(fastact.ufuncs, name).at(x, [3, 1, 7], *others)
    want = X[0].copy()
    want[[3, 1, 7]] = public(name)(want, want)[[3, 1, 7]] if name in GRADIENTS else call(name, want)[[3, 1, 7]]
    assert np.array_equal(x, want)


BINARY = [name for name in ELEMENTWISE if TABLE[name].nin == 2]


@pytest.mark.parametrize("name", BINARY)
def test_methods_of_binary_ufuncs(name):
    ufunc = getattr(fastact.ufuncs, name)
    x = X[0, :9]
    running = [x[0]]
    for value in x[1:]:
        running.append(ufunc(running[-1], value))
    assert np.array_equal(bits(ufunc.accumulate(x)), bits(np.array(running)))
    assert np.array_equal(bits(ufunc.reduce(x)), bits(running[-1]))
    assert np.array_equal(ufunc.reduceat(x, [0, 4]), [ufunc.reduce(x[:4]), ufunc.reduce(x[4:])], equal_nan=True)
    assert np.array_equal(ufunc.outer(x, x[:4]), ufunc(x[:, None], x[:4]), equal_nan=True)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_pickle(name):
    ufunc = getattr(fastact.ufuncs, name)
    at_defaults = getattr(_at_defaults, name, ufunc)  # what other libraries are given where parameters are left out
    for one in (ufunc, public(name), at_defaults):
        assert pickle.loads(pickle.dumps(one)) is one


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_array_ufunc_is_honoured(name):
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
            return ufunc, method, inputs, keywords

    other = Other()
    arguments = first_arguments(name)
    arrays = (1.0, other) if name in GRADIENTS else (other,)
    ufunc, method, inputs, keywords = public(name)(*arrays, *arguments, dtype="d")
    assert ufunc is getattr(fastact.ufuncs, name) and method == "__call__"
    assert inputs == (*arrays, *arguments) and keywords == {"dtype": "d"}


def test_masked_arrays():
    x = np.ma.masked_less(X, 0)
    got = fastact.sigmoid(x)
    assert np.array_equal(got.mask, x.mask)
    assert np.array_equal(got.compressed(), fastact.sigmoid(X[X >= 0]))


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if first_arguments(name)])
def test_signature_and_keywords(name):
    function = function_of(name)
    arrays = [*inspect.signature(public(name)).parameters.values()]
    keywords = {p.name: p.default for p in arrays if p.kind is p.KEYWORD_ONLY}
    assert [*keywords] == ["out", "where", "casting", "order", "dtype", "subok"]
    arrays = arrays[: -len(keywords)]
    arrays, parameters = arrays[: len(TABLE[name].arrays)], arrays[len(TABLE[name].arrays) :]
    assert [p.name for p in arrays] == (["gy", "x"] if name in GRADIENTS else ["x"])
    assert {p.name: p.default for p in parameters} == TABLE[name].parameters
    arguments = first_arguments(name)
    names = [p.name for p in parameters]
    want = function(X, *arguments)
    assert np.array_equal(function(X, **dict(zip(names, arguments, strict=True))), want)
    assert np.array_equal(function(X, *arguments[:1], **dict(zip(names[1:], arguments[1:], strict=True))), want)
    assert np.array_equal(function(X, *arguments, **keywords), want)
    if TABLE[name].has_defaults:
        assert np.array_equal(function(X), want)


def test_a_weight_for_each_channel():
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype("f")
    weight = np.array([0.0, 0.5, -1.0], "f")
    got = fastact.prelu(x, weight.reshape(3, 1, 1))
    for channel in range(3):
        part = x[:, channel]
        assert np.array_equal(got[:, channel], np.where(part > 0, part, weight[channel] * part))


@pytest.mark.parametrize("name", [row.name for row in TABLE.values() if row.has_defaults])
def test_defaults_left_out(name):
    """They are compiled in, rounded to the dtype as those that are given are."""
    defaults = list(TABLE[name].parameters.values())
    for dtype in DTYPES:
        x = sample(dtype)
        got, arrays, ufunc = function_of(name)(x), inputs_of(name, x), getattr(fastact.ufuncs, name)
        want = ufunc(*arrays, *defaults)
        assert got.dtype == x.dtype and np.array_equal(bits(got), bits(want))
        assert np.array_equal(bits(ufunc(*arrays, *(np.full_like(x, value) for value in defaults))), bits(want))
        out = np.empty_like(x)
        assert function_of(name)(x, out=out, where=x > 0) is out
        assert np.array_equal(out[x > 0], want[x > 0])
