"""What the compiler makes of the CUDA kernels; it needs no GPU."""

import re

import pytest
from cases import ELEMENTWISE, REDUCTIONS

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from fastact import _cuda_compile as compiler
from fastact import _cuda_kernels as kernels
from fastact import cuda
from fastact._formulas import ACTIVATIONS

CAPABILITY = (8, 0)


def check(kernel, dtype, *, library_log=False):
    """Rounded as written: no contraction, no flushing of subnormal numbers, no approximate division, no other dtype;
    and the assembler takes it, without memory for variables that registers should hold."""
    text, entry = kernel.ptx(CAPABILITY)
    instructions = re.findall(r"^\s+(?:@\S+\s+)?([a-z][\w.]*)\s", text, re.MULTILINE)
    arithmetic = [i for i in instructions if i.partition(".")[0] in ("add", "sub", "mul", "fma", "div", "rcp", "sqrt")]
    if not library_log:  # the library's logarithm in float64 starts with an approximate reciprocal, in float32
        assert not [i for i in instructions if ".approx" in i or ".ftz" in i]
        assert not [i for i in arithmetic if re.search(r"\.f\d+$", i) and ".rn." not in i]
    if dtype == "float32":
        assert ".f64" not in text
    elif dtype == "float64" and not library_log:
        assert ".f32" not in text
    assert ".local" not in text
    assert f".entry {entry}(" in text
    assert kernel.machine_code(CAPABILITY).code[:4] == b"\x7fELF"
    return instructions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name, dtype):
    formula = cuda.FORMULAS[name]
    inputs = formula.__code__.co_argcount
    width = 4 if dtype == "float32" else 2
    modes = (kernels.VECTOR,) + (kernels.SCALAR,) * (inputs - 1)
    kernel = compiler.elementwise(formula, (dtype,) * inputs, modes, dtype, dtype, 1, width)
    instructions = check(kernel, dtype)
    letters = f"v{width}.f{8 * 16 // width}"
    assert f"ld.global.{letters}" in instructions and f"st.global.{letters}" in instructions


LAYOUTS = [
    ((kernels.STRIDED, kernels.STRIDED), 3, 1),
    ((kernels.STRIDED, kernels.SCALAR), 1, 1),
    ((kernels.VECTOR, kernels.CONSTANT), 2, 4),
    ((kernels.VECTOR, kernels.VECTOR), 1, 4),
]


@pytest.mark.parametrize("storages", [("float16", "float16"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")])
@pytest.mark.parametrize("modes, ndim, width", LAYOUTS)
def test_layouts_and_storage(modes, ndim, width, storages):
    check(compiler.elementwise(cuda.FORMULAS["prelu"], storages, modes, storages[0], "float32", ndim, width), "float32")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_integers(dtype):
    kernel = compiler.elementwise(cuda.FORMULAS["relu6"], (dtype,), (kernels.STRIDED,), dtype, dtype, 1, 1)
    assert not re.search(r"\.f(32|64)", kernel.ptx(CAPABILITY)[0])
    check(kernel, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_rows(name, gradient, dtype):
    kernel = compiler.reduction(name, (dtype,) * (1 + gradient), dtype, dtype, 1, 1)
    instructions = check(kernel, dtype, library_log=name == "log_softmax" and dtype == "float64" and not gradient)
    assert "shfl.sync.bfly.b32" in instructions and "bar.sync" in instructions


@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
def test_rows_of_halves_and_any_axes(storage):
    check(compiler.reduction("softmax", (storage,), storage, "float32", 3, 2), "float32")


def test_literals_in_tuples_take_the_dtype():
    """A float64 constant hidden in a tuple would make a float32 kernel compute in float64."""
    import numpy as np

    from fastact._specialise import specialise

    def formula(x):
        a, b = 0.0, 1.5
        return x + a + b

    function = specialise(formula, "float32", {}, lambda f: f)
    assert type(function(np.float32(1))) is np.float32


def test_the_table_is_whole():
    assert set(ELEMENTWISE) < set(cuda.FORMULAS)
    assert set(cuda.__all__) >= {*ACTIVATIONS, *REDUCTIONS}
    assert set(vars(cuda.grad)) == {*ACTIVATIONS, *REDUCTIONS}
