"""The bounds that bench/accuracy.py proves, on a sample: every exponent, the neighbours of kinks, the worst inputs
known, and random numbers. And what goes with them: monotone, within range, rows that add up to one."""

import json
from pathlib import Path

import numpy as np
import pytest
from cases import (
    ELEMENTWISE,
    FUNCTIONS,
    MAX_ULP,
    MAX_ULP_OF_ROWS,
    PIECES,
    TABLE,
    WITHOUT_FMA,
    beside_borders,
    compiled_only,
    exact,
    exact_reduction,
    function_of,
    gy_for,
    ulps,
)
from definitions import error
from ulp import ulp_errors

import fastact
from fastact._expressions import ARGUMENTS, arguments_of
from fastact._table import GRADIENTS, SOFTMAXES

INF, NAN = np.inf, np.nan
RESULTS = json.loads((Path(__file__).parents[1] / "bench" / "results" / "accuracy.json").read_text())


def bound(name, dtype):
    max_ulp = TABLE[name].max_ulp
    if name in GRADIENTS and dtype == "float64" and max_ulp == 2.0:
        return max(3.0, MAX_ULP)
    return max_ulp if max_ulp == 0.5 or (dtype == "float32" and not WITHOUT_FMA) else max(max_ulp, MAX_ULP)


def worst_inputs(name, dtype):
    records = [saved["record"] for key, saved in RESULTS.items() if key.startswith(f"{dtype} {name} fastact")]
    return [x for record in records for _, x, *_ in record["worst"]]


def inputs(name, dtype):
    info = np.finfo(dtype)
    rng = np.random.default_rng(3)
    powers = 2.0 ** np.arange(info.minexp - info.nmant, info.maxexp)
    mantissas = np.array([1, 1 + info.eps, 1.25, 1.37, 1.75, 2 - info.eps])
    kinks = np.array([0.5, 0.625, 1, 1.5, 6, 9, 17, 20, 37, 64, 88, 104, 131, 512, 709, 746, 1000], dtype)
    near = [kinks]
    for end in (-INF, INF):
        step = kinks
        for _ in range(4):
            step = np.nextafter(step, np.asarray(end, dtype))
            near.append(step)
    positive = np.concatenate([np.outer(powers, mantissas).ravel(), *near, [0.0]])
    if dtype == "float32":
        positive = np.concatenate([positive, *map(beside_borders, PIECES.values())])
    parts = [
        positive,
        -positive,
        worst_inputs(name, dtype),
        rng.normal(scale=3, size=50_000),
        rng.uniform(-110, 110, 50_000),
    ]
    return np.concatenate(parts).astype(dtype)


@compiled_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_bound(name, dtype):
    x = inputs(name, dtype)
    measured = dtype != "float32" or len(worst_inputs(name, dtype)) >= 8
    assert measured, f"first measure it: python bench/accuracy.py float32 --functions {name}"
    got = function_of(name)(x, *arguments_of(name))
    errors = ulp_errors(got, exact(name, x, arguments_of(name)))
    # a long double holds what rounding once is compared with, but for one tie in 2000, and not beside a zero
    limit = bound(name, dtype) + 2**-10
    doubtful = np.flatnonzero(errors > limit)
    assert len(doubtful) < 10
    factors = gy_for(x) if name in GRADIENTS else np.ones_like(x)
    assert all(error(name, x[k], map(float, arguments_of(name)), got[k] / factors[k]) <= limit for k in doubtful)


@pytest.mark.skipif(WITHOUT_FMA, reason="promised only with fused multiply-add")
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if TABLE[name].monotone])
def test_monotone(name):
    """Between neighbours, at each exponent and around 0, where many inputs share a result."""
    function, given = getattr(fastact, name), ARGUMENTS.get(name, ())
    for exponent in range(-149, 128):
        start = np.float32(2.0**exponent).view(np.uint32)
        x = np.arange(start, start + 3000, dtype=np.uint32).view(np.float32)
        for ascending in (x, -x[::-1]):
            y = function(ascending[np.isfinite(ascending)], *given)
            assert np.all(y[1:] >= y[:-1])
    for scale in PIECES.values():
        for border in beside_borders(scale).reshape(7, -1):
            y = function(np.concatenate([-border[::-1], border]), *given)
            assert np.all(y[1:] >= y[:-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_range(dtype):
    x = inputs("sigmoid", dtype)
    for name, low, high in [
        ("sigmoid", 0, 1),
        ("tanh", -1, 1),
        ("softsign", -1, 1),
        ("softplus", 0, INF),
        ("log_sigmoid", -INF, 0),
        ("elu", -1, INF),
    ]:
        y = getattr(fastact, name)(x)
        assert y.min() >= low and y.max() <= high
    if not WITHOUT_FMA:
        assert np.all(np.abs(fastact.tanhshrink(x)) <= np.abs(x))
        assert np.all(np.abs(fastact.tanh(x)) <= np.abs(x))


ROWS = {
    "equal": np.zeros(1000),
    "one far above": np.array([200.0] + [0.0] * 999),
    "subnormal terms": np.array([0.0] + [-95.0] * 9999),
    "terms at the edge of nothing": np.array([0.0] + [-104.2] * 100_000),
    "a million small terms": np.array([0.0] + [-40.0] * 999_999),
    "a slope": -np.arange(3000) / 10.0,
    "near the maximum": np.array([1.0, np.nextafter(np.float32(1), np.float32(0)), 0.5]),
    "large numbers": np.array([16777216.0, 16777214.0, 16777210.0]),
    "exponents apart": np.array([1000.0, 1e-3, 999.5, -1e-30, 990.25]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", SOFTMAXES)
def test_rows(name, row, dtype):
    x = ROWS[row].astype(dtype) * (-1 if name == "softmin" else 1)
    if row.startswith("sub") and dtype == "float64":
        x *= 7.8
    got = getattr(fastact, name)(x)
    assert ulps(got, exact_reduction(name, x, 0)) <= MAX_ULP_OF_ROWS[dtype]
    side_by_side = getattr(fastact, name)(np.repeat(x[:, None], 3, axis=1), axis=0)
    assert np.array_equal(side_by_side, np.repeat(got[:, None], 3, axis=1))


@compiled_only
@pytest.mark.parametrize("scale", [5, 10])
@pytest.mark.parametrize("length", [64, 123])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_rows_where_one_leads(name, length, scale):
    """The others' sum, mostly one of them, is then the logarithm: each addition's rounding error would be seen."""
    rng = np.random.default_rng(5)
    x = rng.normal(scale=scale, size=(10_000, length)).astype("f")
    x[:, 0] = x.max(axis=1) + rng.exponential(3, size=len(x)).astype("f")
    x = -x if name == "softmin" else x
    got = getattr(fastact, name)(x)
    assert ulps(got, exact_reduction(name, x, 1)) <= MAX_ULP_OF_ROWS["float32"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 2, 10, 1000, 100_000])
def test_rows_add_up_to_one(length, dtype):
    x = np.random.default_rng(0).normal(scale=3, size=(max(3, 10_000 // length), length)).astype(dtype)
    total = np.sum(fastact.softmax(x, axis=1), axis=1, dtype=np.longdouble)
    assert np.abs(total - 1).max() <= 2 * np.finfo(dtype).eps * max(1, np.log2(length))


# What parameters do that make little sense: function, x, parameters, result.
ABSURD = [
    ("elu", 2.0, (INF,), 2.0),
    ("elu", -2.0, (INF,), -INF),
    ("elu", -2.0, (-INF,), INF),
    ("elu", -2.0, (NAN,), NAN),
    ("elu", 0.0, (INF,), 0.0),
    ("elu", -2.0, (0.0,), 0.0),
    ("prelu", -2.0, (INF,), -INF),
    ("prelu", 2.0, (NAN,), 2.0),
    ("prelu", -2.0, (NAN,), NAN),
    ("leaky_relu", 0.0, (INF,), NAN),
    ("threshold", 2.0, (NAN, 5.0), 2.0),
    ("threshold", 2.0, (INF, 5.0), 5.0),
    ("threshold", 2.0, (3.0, NAN), NAN),
    ("hardtanh", 0.0, (2.0, 1.0), 1.0),
    ("hardtanh", -3.0, (NAN, 1.0), -3.0),
    ("hardtanh", 3.0, (-1.0, NAN), 3.0),
    ("softplus", 2.0, (0.0,), INF),
    ("softplus", 2.0, (INF,), 2.0),
    ("softplus", -2.0, (INF,), 0.0),
    ("softplus", 2.0, (-INF,), 0.0),
    ("softplus", -2.0, (-INF,), -2.0),
    ("softplus", 0.0, (INF,), NAN),
    ("softplus", 2.0, (NAN,), NAN),
    ("softplus", 90.0, (1.0, NAN), 90.0),
    ("softplus", -90.0, (1.0, -INF), -90.0),
    ("softplus", -INF, (1e-38,), 0.0),
    ("softplus", 1.0, (INF, INF), 1.0),
    ("celu", -1.0, (-0.0,), 0.0),
    ("squareplus", 3.5e34, (NAN,), NAN),
    ("softshrink", 0.0, (-1.0,), 1.0),
    ("softshrink", 5.0, (INF,), 0.0),
    ("softshrink", 5.0, (NAN,), 0.0),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, x, parameters, want", ABSURD)
def test_absurd_parameters(name, x, parameters, want, dtype):
    x = np.full(70, x, dtype)
    got = getattr(fastact, name)(x, *parameters)
    with_arrays = getattr(fastact, name)(x, *(np.full_like(x, p) for p in parameters))
    for y in (got, with_arrays):
        assert np.array_equal(y, np.full_like(x, want), equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_swish_of_huge_numbers(dtype):
    """Beside a tiny beta, whose product with them is moderate."""
    rng = np.random.default_rng(0)
    limits, end = np.finfo(dtype), 100 if dtype == "float32" else 740
    x = (np.exp2(rng.uniform(limits.maxexp / 2 - 2, limits.maxexp, 4000)) * rng.choice([-1, 1], 4000)).astype(dtype)
    beta = (rng.uniform(-end, end, 4000) / x).astype(dtype)
    got, want = fastact.swish(x, beta), exact("swish", x, [beta])
    assert got.dtype == dtype and np.max(ulps(got, want)) <= MAX_ULP


def test_nan_as_a_parameter_of_the_gradient():
    assert np.isnan(fastact.grad.squareplus(np.float32(1), np.float32(3.5e34), np.nan))


# For which inputs and parameters no result is promised.
UNDEFINED = {
    # a product that became 0 or -inf, to be compared with the threshold
    "softplus": lambda x, beta, threshold: np.isin(beta * x, [0, -INF]) & (beta != 0) & (x != 0),
    "celu": lambda x, alpha: np.isinf(x) & np.isinf(alpha),
    "squareplus": lambda x, b: (b != 0) & ~((b >= 2.0**-100) & (b <= 2.0**100)),
    "rrelu": lambda x, lower, upper: (lower + upper != 0) & (abs(lower + upper) < 4 * np.finfo(x.dtype).tiny),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if TABLE[name].parameters])
def test_parameters_beyond_reason(name, dtype):
    """The smallest and the largest numbers give no NaN of their own, nor anything that is far off."""
    limits = np.finfo(dtype)
    some = [0, limits.smallest_subnormal, limits.tiny, 1e-10, 0.5, 1, 2, 30, 1e10, limits.max / 8, limits.max, INF]
    both_signs = np.array([*some, *(-np.array(some))], dtype)
    x, *parameters = (a.ravel() for a in np.meshgrid(*[both_signs] * (1 + len(TABLE[name].parameters))))
    with np.errstate(all="ignore"):
        undefined = UNDEFINED.get(name.removesuffix("_grad"), lambda x, *parameters: np.zeros(x.shape, bool))
        x, *parameters = (a[~undefined(x, *parameters)] for a in (x, *parameters))
    got = function_of(name)(x, *parameters)
    with np.errstate(all="ignore"):
        want = exact(name, x, parameters)
        rounded = want.astype(dtype)
        near = abs(got - want) <= 1e-3 * abs(want) + 1e-30 * abs(x) + limits.tiny
    finite = np.isfinite(rounded)
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True)
    assert np.all(near[finite])
