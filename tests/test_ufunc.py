"""The elementwise functions are ufuncs, down to the last keyword."""

import inspect
import pickle

import numpy as np
import pytest
from cases import DTYPES, FUNCTIONS, bits, first_arguments, sample

import fastact
from fastact._formulas import ACTIVATIONS

X = np.random.default_rng(0).normal(scale=3, size=(6, 50)).astype("f")


def call(name, x=X, **keywords):
    return getattr(fastact, name)(x, *first_arguments(name), **keywords)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_a_ufunc(name):
    ufunc = getattr(fastact.ufuncs, name)
    assert type(ufunc) is np.ufunc
    assert ufunc.__name__ == name
    assert (ufunc.nin, ufunc.nout, ufunc.identity) == (1 + len(ACTIVATIONS[name].parameters), 1, None)
    for character in "efd":
        assert f"{character * ufunc.nin}->{character}" in ufunc.types
    if not ACTIVATIONS[name].parameters:
        assert getattr(fastact, name) is ufunc
    arguments = first_arguments(name)
    assert np.array_equal(ufunc(X, *arguments), call(name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_out(name):
    want = call(name)
    out = np.full_like(X, 7)
    assert call(name, out=out) is out and np.array_equal(out, want)
    out = np.full_like(X, 7)
    assert call(name, out=(out,)) is out and np.array_equal(out, want)
    if not ACTIVATIONS[name].parameters:
        out = np.full_like(X, 7)
        assert getattr(fastact, name)(X, out) is out and np.array_equal(out, want)
    for dtype in (">f4", "d", "F"):
        out = np.empty(X.shape, dtype)
        call(name, out=out)
        assert np.array_equal(out, want)
    wide = np.zeros((6, 100), "f")
    call(name, out=wide[:, ::2])
    assert np.array_equal(wide[:, ::2], want) and not wide[:, 1::2].any()
    x = X.copy()
    assert call(name, x, out=x) is x and np.array_equal(x, want)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_out_that_overlaps(name):
    base = np.resize(X, 70_000)
    want = call(name, base)
    for source, target in [(np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:]), (np.s_[::-1], np.s_[:])]:
        array = base.copy()
        call(name, array[source], out=array[target])
        assert np.array_equal(array[target], want[source])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_where(name):
    mask = X > 0.5
    out = np.full_like(X, 7)
    call(name, out=out, where=mask)
    assert np.array_equal(out, np.where(mask, call(name), np.float32(7)))


@pytest.mark.parametrize("name", FUNCTIONS)
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


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if len(first_arguments(name)) < 2])
def test_at(name):
    x = X[0].copy()
    getattr(fastact.ufuncs, name).at(x, [3, 1, 7], *map(np.float32, first_arguments(name)))
    want = X[0].copy()
    want[[3, 1, 7]] = call(name, want)[[3, 1, 7]]
    assert np.array_equal(x, want)


BINARY = [name for name in FUNCTIONS if len(first_arguments(name)) == 1]


@pytest.mark.parametrize("name", BINARY)
def test_methods_of_binary_ufuncs(name):
    ufunc = getattr(fastact.ufuncs, name)
    x = X[0, :9]
    running = [x[0]]
    for value in x[1:]:
        running.append(ufunc(running[-1], value))
    assert np.array_equal(bits(ufunc.accumulate(x)), bits(np.array(running)))
    assert np.array_equal(bits(ufunc.reduce(x)), bits(running[-1]))
    assert np.array_equal(ufunc.reduceat(x, [0, 4]), [ufunc.reduce(x[:4]), ufunc.reduce(x[4:])])
    assert np.array_equal(ufunc.outer(x, x[:4]), ufunc(x[:, None], x[:4]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pickle(name):
    ufunc = getattr(fastact.ufuncs, name)
    function = getattr(fastact, name)
    assert pickle.loads(pickle.dumps(function)) is function
    assert np.array_equal(ufunc(X, *first_arguments(name)), call(name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_array_ufunc_is_honoured(name):
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
            return ufunc, method, inputs, keywords

    other = Other()
    arguments = first_arguments(name)
    ufunc, method, inputs, keywords = getattr(fastact, name)(other, *arguments, dtype="d")
    assert ufunc is getattr(fastact.ufuncs, name) and method == "__call__"
    assert inputs == (other, *arguments) and keywords == {"dtype": "d"}


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
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_signature_and_keywords(name):
    function = getattr(fastact, name)
    _, *parameters, _ = inspect.signature(function).parameters.values()
    assert {p.name: p.default for p in parameters} == PARAMETERS[name]
    arguments = first_arguments(name)
    names = [p.name for p in parameters]
    want = function(X, *arguments)
    assert np.array_equal(function(X, **dict(zip(names, arguments, strict=True))), want)
    assert np.array_equal(function(X, *arguments[:1], **dict(zip(names[1:], arguments[1:], strict=True))), want)
    if inspect.Parameter.empty not in PARAMETERS[name].values():
        assert np.array_equal(function(X), want)


def test_a_weight_for_each_channel():
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype("f")
    weight = np.array([0.0, 0.5, -1.0], "f")
    got = fastact.prelu(x, weight.reshape(3, 1, 1))
    for channel in range(3):
        part = x[:, channel]
        assert np.array_equal(got[:, channel], np.where(part > 0, part, weight[channel] * part))


@pytest.mark.parametrize("name", [row.name for row in ACTIVATIONS.values() if row.has_defaults])
def test_defaults_left_out(name):
    """They are compiled in; in float16 they are not rounded to it."""
    defaults = list(ACTIVATIONS[name].parameters.values())
    for dtype in DTYPES:
        x = sample(dtype)
        got, wide = getattr(fastact, name)(x), np.float32 if dtype == "float16" else dtype
        want = getattr(fastact.ufuncs, name)(x.astype(wide), *defaults).astype(dtype)
        assert got.dtype == x.dtype and np.array_equal(bits(got), bits(want))
        out = np.empty_like(x)
        assert getattr(fastact, name)(x, out=out, where=x > 0) is out
        assert np.array_equal(out[x > 0], want[x > 0])
