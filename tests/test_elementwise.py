"""Every elementwise function against the oracle: dtypes, layouts, lengths, special values."""

import numpy as np
import pytest
from cases import (
    CALLS,
    COMPILED,
    DTYPES,
    ELEMENTWISE,
    LAYOUTS,
    TABLE,
    bits,
    compiled_only,
    exact,
    first_arguments,
    function_of,
    gy_for,
    inputs_of,
    max_ulp,
    public,
    sample,
    special,
    ulps,
)

import fastact
from fastact._table import GRADIENTS, INTEGER_TYPES

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, arguments", CALLS)
def test_accuracy(name, arguments, dtype):
    x = sample(dtype, size=10_000)
    with np.errstate(all="raise"):
        got = function_of(name)(x, *arguments)
    assert got.dtype == x.dtype and got.shape == x.shape
    assert ulps(got, exact(name, x, arguments)) <= max_ulp(name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_layout(name, layout, dtype):
    function, arguments = function_of(name), first_arguments(name)
    x = LAYOUTS[layout](sample(dtype))
    before = x.copy()
    with np.errstate(all="raise"):
        got = function(x, *arguments)
    plain = np.array(x, dtype=dtype, order="C")
    assert got.dtype == dtype and got.shape == x.shape
    assert np.array_equal(bits(x), bits(before))
    assert isinstance(got, np.generic if x.ndim == 0 else np.ndarray)
    assert np.array_equal(bits(got), bits(function(plain.ravel(), *arguments).reshape(x.shape)))


@compiled_only
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_length_and_position(name, dtype):
    """Vector bodies, tails and threads agree: an element's result does not depend on its neighbours."""
    function, arguments = function_of(name), first_arguments(name)
    x = np.resize(np.concatenate([special(dtype), sample(dtype, 60)]), 100_001)
    whole = bits(function(x, *arguments))
    for n in [*range(71), 4097, 33_000]:
        for start in (0, 1, 13):
            part = slice(start, start + n)
            assert np.array_equal(bits(function(x[part], *arguments)), whole[part]), (n, start)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_in_place(name, dtype):
    """Into either operand, or a little before it, where each element is read before it is overwritten."""
    function, arguments = public(name), first_arguments(name)
    for n in (1, 7, 97, 191, 193, 391, 1003, 5001, 70_007) if COMPILED else (1, 97):
        operands = inputs_of(name, np.resize(sample(dtype, 60), n))
        want = bits(function(*operands, *arguments))
        for k in range(len(operands)):
            for before in (0, 1, 20):
                memory = np.concatenate([np.zeros(before, dtype), operands[k]])
                given = [memory[before:] if k == each else operand for each, operand in enumerate(operands)]
                assert np.array_equal(bits(function(*given, *arguments, out=memory[:n])), want), (n, k, before)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if first_arguments(name)])
def test_parameters_broadcast(name):
    """Each operand an array, a scalar, strided, or all the same along an axis."""
    arguments = first_arguments(name)
    rng = np.random.default_rng(1)
    x = rng.normal(scale=3, size=(4, 6, 50)).astype("f")
    shapes = [(), (1,), (50,), (6, 1), (4, 1, 50), (4, 6, 50)]
    for shift in range(len(shapes)):
        values = [
            np.float32(a) + rng.uniform(0, 0.25, shapes[(k + shift) % len(shapes)]).astype("f")
            for k, a in enumerate(arguments)
        ]
        for view in (x, x[:, :, ::-1], x.transpose(1, 0, 2), x[:, 2:3]):
            try:
                np.broadcast(view, *values)
            except ValueError:
                continue
            got = function_of(name)(view, *values)
            assert ulps(got, exact(name, view, values)) <= max_ulp(name)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if first_arguments(name)])
def test_large_calls_with_array_parameters(name):
    x = sample("float32", 30_000)
    values = [np.full(x.shape, a, "f") for a in first_arguments(name)]
    assert ulps(function_of(name)(x, *values), exact(name, x, values)) <= max_ulp(name)
    strided = [np.repeat(v, 3)[::3] for v in values]
    assert np.array_equal(bits(function_of(name)(x, *strided)), bits(function_of(name)(x, *first_arguments(name))))


# x -> result, exactly; with the default parameters or those of cases.ALL_ARGUMENTS.
VALUES = {
    "relu": [(-INF, 0.0), (-1.0, 0.0), (-0.0, 0.0), (0.0, 0.0), (2.5, 2.5), (INF, INF)],
    "relu6": [(-INF, 0.0), (-1.0, 0.0), (-0.0, 0.0), (2.5, 2.5), (6.0, 6.0), (6.5, 6.0), (INF, 6.0)],
    "elu": [(-INF, -1.0), (-200.0, -1.0), (-0.0, -0.0), (0.0, 0.0), (2.0, 2.0), (INF, INF)],
    "prelu": [(-INF, -INF), (-2.0, -0.5), (-0.0, -0.0), (0.0, 0.0), (2.0, 2.0), (INF, INF)],
    "leaky_relu": [(-INF, -INF), (-0.0, -0.0), (0.0, 0.0), (2.0, 2.0), (INF, INF)],
    "threshold": [(-INF, -7.0), (0.0, -7.0), (0.5, -7.0), (0.75, 0.75), (INF, INF)],
    "hardtanh": [(-INF, -1.0), (-1.0, -1.0), (-0.5, -0.5), (0.0, 0.0), (1.0, 1.0), (1.5, 1.0), (INF, 1.0)],
    "sigmoid": [(-INF, 0.0), (-1000.0, 0.0), (0.0, 0.5), (1000.0, 1.0), (INF, 1.0)],
    "tanh": [(-INF, -1.0), (-50.0, -1.0), (-0.0, -0.0), (0.0, 0.0), (50.0, 1.0), (INF, 1.0)],
    "log_sigmoid": [(-INF, -INF), (-1000.0, -1000.0), (1000.0, -0.0), (INF, -0.0)],
    "softplus": [(-INF, 0.0), (-1000.0, 0.0), (21.0, 21.0), (1000.0, 1000.0), (INF, INF)],
    "softshrink": [(-INF, -INF), (-1.5, -1.0), (-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.75, 0.25), (INF, INF)],
    "softsign": [(-INF, -1.0), (-1.0, -0.5), (-0.0, -0.0), (0.0, 0.0), (3.0, 0.75), (INF, 1.0)],
    "tanhshrink": [(-INF, -INF), (-50.0, -49.0), (-0.0, -0.0), (0.0, 0.0), (50.0, 49.0), (INF, INF)],
    "selu": [(-INF, -1.7580993408473769), (-200.0, -1.7580993408473769), (-0.0, -0.0), (0.0, 0.0), (INF, INF)],
    "celu": [(-INF, -1.0), (-200.0, -1.0), (-0.0, -0.0), (0.0, 0.0), (2.0, 2.0), (INF, INF)],
    "hardswish": [(-INF, 0.0), (-3.0, 0.0), (-1.5, -0.375), (0.0, 0.0), (1.5, 1.125), (3.0, 3.0), (INF, INF)],
    "hardsigmoid": [(-INF, 0.0), (-3.0, 0.0), (-1.5, 0.25), (0.0, 0.5), (1.5, 0.75), (3.0, 1.0), (INF, 1.0)],
    "hardshrink": [(-INF, -INF), (-1.5, -1.5), (-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.75, 0.75), (INF, INF)],
    "relu_squared": [(-INF, 0.0), (-1.0, 0.0), (-0.0, 0.0), (0.0, 0.0), (2.5, 6.25), (INF, INF)],
    "squareplus": [(-INF, 0.0), (-3.75, 0.25), (-1.5, 0.5), (0.0, 1.0), (1.5, 2.0), (3.75, 4.0), (INF, INF)],
    "silu": [(-INF, -0.0), (-1000.0, -0.0), (-0.0, -0.0), (0.0, 0.0), (1000.0, 1000.0), (INF, INF)],
    "swish": [(-INF, -0.0), (-1000.0, -0.0), (-0.0, -0.0), (0.0, 0.0), (1000.0, 1000.0), (INF, INF)],
    "quick_gelu": [(-INF, -0.0), (-1000.0, -0.0), (-0.0, -0.0), (0.0, 0.0), (1000.0, 1000.0), (INF, INF)],
    "mish": [(-INF, -0.0), (-1000.0, -0.0), (-0.0, -0.0), (0.0, 0.0), (1000.0, 1000.0), (INF, INF)],
    "gelu": [(-INF, -0.0), (-50.0, -0.0), (-0.0, -0.0), (0.0, 0.0), (50.0, 50.0), (INF, INF)],
    "gelu_tanh": [(-INF, -0.0), (-50.0, -0.0), (-0.0, -0.0), (0.0, 0.0), (50.0, 50.0), (INF, INF)],
    "rrelu": [(-INF, -INF), (-0.0, -0.0), (0.0, 0.0), (2.0, 2.0), (INF, INF)],
}


# x -> derivative, exactly, with the same parameters; where it jumps, what it is taken as: PyTorch's conventions.
DERIVATIVES = {
    "relu": [(-INF, 0.0), (-1.0, 0.0), (0.0, 0.0), (1e-4, 1.0), (2.5, 1.0), (INF, 1.0)],
    "relu6": [(-INF, 0.0), (-1.0, 0.0), (0.0, 0.0), (2.5, 1.0), (6.0, 0.0), (6.5, 0.0), (INF, 0.0)],
    "elu": [(-INF, 0.0), (-1000.0, 0.0), (-0.0, 1.0), (0.0, 1.0), (2.0, 1.0), (INF, 1.0)],
    "prelu": [(-INF, 0.25), (-2.0, 0.25), (0.0, 0.25), (2.0, 1.0), (INF, 1.0)],
    "leaky_relu": [(0.0, 0.01), (2.0, 1.0), (INF, 1.0)],
    "threshold": [(-INF, 0.0), (0.0, 0.0), (0.5, 0.0), (0.75, 1.0), (INF, 1.0)],
    "hardtanh": [(-INF, 0.0), (-1.0, 0.0), (-0.5, 1.0), (0.0, 1.0), (1.0, 0.0), (1.5, 0.0), (INF, 0.0)],
    "sigmoid": [(-INF, 0.0), (-1000.0, 0.0), (0.0, 0.25), (1000.0, 0.0), (INF, 0.0)],
    "tanh": [(-INF, 0.0), (-1000.0, 0.0), (0.0, 1.0), (1000.0, 0.0), (INF, 0.0)],
    "log_sigmoid": [(-INF, 1.0), (-1000.0, 1.0), (0.0, 0.5), (1000.0, 0.0), (INF, 0.0)],
    "softplus": [(-INF, 0.0), (-1000.0, 0.0), (0.0, 0.5), (21.0, 1.0), (INF, 1.0)],
    "softshrink": [(-INF, 1.0), (-1.5, 1.0), (-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.75, 1.0), (INF, 1.0)],
    "softsign": [(-INF, 0.0), (-1.0, 0.25), (0.0, 1.0), (3.0, 0.0625), (INF, 0.0)],
    "tanhshrink": [(-INF, 1.0), (-50.0, 1.0), (0.0, 0.0), (50.0, 1.0), (INF, 1.0)],
    "selu": [(-INF, 0.0), (-1000.0, 0.0), (0.0, 1.7580993408473769), (2.0, 1.0507009873554805)],
    "celu": [(-INF, 0.0), (-1000.0, 0.0), (-0.0, 1.0), (0.0, 1.0), (2.0, 1.0), (INF, 1.0)],
    "hardswish": [(-INF, 0.0), (-3.0, 0.0), (-1.5, 0.0), (0.0, 0.5), (0.75, 0.75), (3.0, 1.0), (INF, 1.0)],
    "hardsigmoid": [(-INF, 0.0), (-3.0, 0.0), (0.0, 1 / 6), (3.0, 0.0), (INF, 0.0)],
    "hardshrink": [(-INF, 1.0), (-1.5, 1.0), (-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.75, 1.0), (INF, 1.0)],
    "relu_squared": [(-INF, 0.0), (-1.0, 0.0), (0.0, 0.0), (2.5, 5.0), (INF, INF)],
    "squareplus": [(-INF, 0.0), (-1.5, 0.2), (0.0, 0.5), (1.5, 0.8), (INF, 1.0)],
    "silu": [(-INF, -0.0), (-1000.0, -0.0), (0.0, 0.5), (100.0, 1.0), (1000.0, 1.0), (INF, 1.0)],
    "swish": [(-INF, -0.0), (-1000.0, -0.0), (0.0, 0.5), (100.0, 1.0), (1000.0, 1.0), (INF, 1.0)],
    "quick_gelu": [(-INF, -0.0), (-1000.0, -0.0), (0.0, 0.5), (100.0, 1.0), (1000.0, 1.0), (INF, 1.0)],
    "mish": [(-INF, -0.0), (-1000.0, -0.0), (0.0, 0.6), (100.0, 1.0), (1000.0, 1.0), (INF, 1.0)],
    "gelu": [(-INF, -0.0), (-50.0, -0.0), (0.0, 0.5), (50.0, 1.0), (INF, 1.0)],
    "gelu_tanh": [(-INF, -0.0), (-50.0, -0.0), (0.0, 0.5), (50.0, 1.0), (INF, 1.0)],
    "rrelu": [(0.0, 11 / 48), (2.0, 1.0), (INF, 1.0)],
}
for name, pairs in DERIVATIVES.items():
    VALUES[f"{name}_grad"] = [(x, float(gy_for(x)) * derivative) for x, derivative in pairs]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values(name, dtype):
    x, want = np.array([*VALUES[name], (NAN, NAN)], dtype).T.copy()
    for n in (1, 9, 65):  # first, last and middle of short and long vectors
        got = function_of(name)(np.repeat(x[:, None], n, axis=1), *first_arguments(name))
        assert np.array_equal(bits(got), np.repeat(bits(want)[:, None], n, axis=1))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_kinks_are_among_them(name):
    assert {*TABLE[name].kinks(*first_arguments(name))} <= {x for x, _ in DERIVATIVES[name]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_keeps_its_sign(dtype):
    """Where it is let through, beside a bound that is equal, too."""
    x = np.full(65, -0.0, dtype)
    assert np.signbit([fastact.threshold(x, -1.0, 5.0), fastact.hardtanh(x, 0.0, 1.0)]).all()


ODD = ["tanh", "softsign", "tanhshrink", "softshrink", "hardtanh"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ODD)
def test_odd(name, dtype):
    x = sample(dtype)
    function = function_of(name)
    assert np.array_equal(function(-x), -function(x), equal_nan=True)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if first_arguments(name)])
def test_nan_in_any_operand(name):
    arguments = first_arguments(name)
    for k in range(len(arguments)):
        values = [np.float32(a) for a in arguments]
        values[k] = np.float32(NAN)
        got = function_of(name)(np.float32(-3.0), *values)
        want = exact(name, np.float32(-3.0), values)
        assert np.isnan(got) == np.isnan(want)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("given", ["?", *INTEGER_TYPES])
def test_integers(name, given):
    """relu and relu6 keep integers; all else is promoted as by numpy.exp."""
    x = np.array([0, 1, 3, 7, 120], given)
    keeps = name in ("relu", "relu6") and given != "?"
    got = function_of(name)(x, *(np.dtype(given).type(1) for _ in first_arguments(name)))
    if keeps:
        assert got.dtype == x.dtype
        assert got.tolist() == [min(v, 6) if name == "relu6" else v for v in x.tolist()]
    elif name in ("relu", "relu6"):
        assert got.tolist() == [0, 1, 1, 1, 1]
    else:
        assert got.dtype == np.exp(np.zeros_like(x)).dtype
        values = x.astype(got.dtype)
        want = exact(name, values, [1] * len(first_arguments(name)))
        if name in GRADIENTS:
            want = want * gy_for(x) / gy_for(values)
        assert ulps(got, want) <= max_ulp(name)


@pytest.mark.parametrize("given", [c for c in INTEGER_TYPES if c.islower()])
def test_negative_integers(given):
    lowest = int(np.iinfo(given).min)
    x = np.array([lowest, -1, 0, 5, 6, 7] * 30, given)
    assert fastact.relu(x).tolist() == [0, 0, 0, 5, 6, 7] * 30
    assert fastact.relu6(x).tolist() == [0, 0, 0, 5, 6, 6] * 30


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_lists_and_scalars(name):
    function, arguments = function_of(name), first_arguments(name)
    want = function(np.array([-1.5, 0.0, 2.0]), *arguments)
    assert np.array_equal(function([-1.5, 0.0, 2.0], *arguments), want)
    assert np.array_equal(function((-1.5, 0.0, 2.0), *arguments), want)
    got = function(-1.5, *arguments)
    assert isinstance(got, np.float64) and got == want[0]
    assert isinstance(function(np.float32(-1.5), *map(np.float32, arguments)), np.float32)
