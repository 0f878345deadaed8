"""The keyword `approximate`, which chooses among functions of the table."""

import inspect

import numpy as np
import pytest
from cases import TABLE, bits, function_of, public, sample

NAMES = [name for name, row in TABLE.items() if row.options]
CHOICES = [(name, option) for name in NAMES for option in TABLE[name].options]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, option", CHOICES)
def test_chooses(name, option, dtype):
    x = sample(dtype)
    chosen = function_of(TABLE[name].options[option])
    want = bits(chosen(x))
    out = np.empty_like(x)
    assert np.array_equal(bits(function_of(name)(x, approximate=option)), want)
    assert function_of(name)(x, approximate=option, out=out) is out
    assert np.array_equal(bits(out), want)


def test_they_differ():
    x = sample("float64")
    for name in NAMES:
        results = [function_of(name)(x, approximate=option) for option in TABLE[name].options]
        assert not np.array_equal(*map(bits, results))
        assert np.array_equal(bits(function_of(name)(x)), bits(results[0]))


@pytest.mark.parametrize("name", NAMES)
def test_signature_and_errors(name):
    function = public(name)
    parameter = inspect.signature(function).parameters["approximate"]
    assert parameter.kind is parameter.KEYWORD_ONLY and parameter.default == next(iter(TABLE[name].options))
    arrays = [[1.0]] * len(TABLE[name].arrays)
    for wrong in ("sigmoid", None, True, ["tanh"], np.array(["tanh", "none"])):
        with pytest.raises(
            ValueError, match=f"{name.removesuffix('_grad')}: approximate must be 'none' or 'tanh', got"
        ):
            function(*arrays, approximate=wrong)
    with pytest.raises(TypeError):
        function()
