"""The elementwise functions are ufuncs, down to the last keyword."""

import inspect
import pickle

import numpy as np
import pytest
from cases import DTYPES, ELEMENTWISE, TABLE, bits, first_arguments, function_of, gy_for, public, sample

import fastact
from fastact._table import GRADIENTS

X = np.random.default_rng(0).normal(scale=3, size=(6, 50)).astype("f")


def call(name, x=X, **keywords):
    return function_of(name)(x, *first_arguments(name), **keywords)


def arrays_for(name, x=X):
    return [gy_for(x), x] if name in GRADIENTS else [x]


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
    assert np.array_equal(ufunc(*arrays_for(name), *first_arguments(name)), call(name))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_out(name):
    want = call(name)
    out = np.full_like(X, 7)
    assert call(name, out=out) is out and np.array_equal(out, want)
    out = np.full_like(X, 7)
    assert call(name, out=(out,)) is out and np.array_equal(out, want)
    if not TABLE[name].parameters:
        out = np.full_like(X, 7)
        assert public(name)(*arrays_for(name), out) is out and np.array_equal(out, want)
    for dtype in (">f4", "d", "F"):
        out = np.empty(X.shape, dtype)
        call(name, out=out)
        assert np.array_equal(out, want)
    wide = np.zeros((6, 100), "f")
    call(name, out=wide[:, ::2])
    assert np.array_equal(wide[:, ::2], want) and not wide[:, 1::2].any()
    x = X.copy()
    assert call(name, x, out=x) is x and np.array_equal(x, want)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_out_that_overlaps(name):
    # enough for threads, which plain NumPy has not: it takes element by element here
    base = np.resize(X, 5_000 if fastact.backend == "numpy" else 70_000)
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

    class Sub(np.ndarray):
        pass

    assert type(call(name, X.view(Sub))) is Sub
    assert type(call(name, X.view(Sub), subok=False)) is np.ndarray


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
    for one in (ufunc, public(name)):
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


PARAMETERS = {
    "elu": {"alpha": 1.0},
    "prelu": {"weight": inspect.Parameter.empty},
    "leaky_relu": {"negative_slope": 0.01},
    "threshold": {"threshold": inspect.Parameter.empty, "value": inspect.Parameter.empty},
    "hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "softplus": {"beta": 1.0, "threshold": 20.0},
    "softshrink": {"lambd": 0.5},
    "celu": {"alpha": 1.0},
    "hardshrink": {"lambd": 0.5},
    "squareplus": {"b": 4.0},
    "swish": {"beta": 1.0},
    "rrelu": {"lower": 1 / 8, "upper": 1 / 3},
}


@pytest.mark.parametrize("name", [*PARAMETERS, *(f"{name}_grad" for name in PARAMETERS)])
def test_signature_and_keywords(name):
    function = function_of(name)
    *arrays, _ = inspect.signature(public(name)).parameters.values()
    arrays, parameters = arrays[: len(TABLE[name].arrays)], arrays[len(TABLE[name].arrays) :]
    assert [p.name for p in arrays] == (["gy", "x"] if name in GRADIENTS else ["x"])
    assert {p.name: p.default for p in parameters} == PARAMETERS[name.removesuffix("_grad")]
    arguments = first_arguments(name)
    names = [p.name for p in parameters]
    want = function(X, *arguments)
    assert np.array_equal(function(X, **dict(zip(names, arguments, strict=True))), want)
    assert np.array_equal(function(X, *arguments[:1], **dict(zip(names[1:], arguments[1:], strict=True))), want)
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
    """They are compiled in; in float16 they are not rounded to it."""
    defaults = list(TABLE[name].parameters.values())
    for dtype in DTYPES:
        x = sample(dtype)
        got, wide = function_of(name)(x), np.float32 if dtype == "float16" else dtype
        arrays = arrays_for(name, x.astype(wide))
        want = getattr(fastact.ufuncs, name)(*arrays, *defaults).astype(dtype)
        assert got.dtype == x.dtype and np.array_equal(bits(got), bits(want))
        out = np.empty_like(x)
        assert function_of(name)(x, out=out, where=x > 0) is out
        assert np.array_equal(out[x > 0], want[x > 0])
