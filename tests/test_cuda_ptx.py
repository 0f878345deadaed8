"""What the compiler makes of the CUDA kernels; it needs no GPU."""

import re

import numpy as np
import pytest
from cases import ELEMENTWISE

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from fastact import _cuda_compile as compiler
from fastact import _cuda_rows, cuda
from fastact._cuda_elementwise import CONSTANT, SCALAR, STRIDED, VECTOR
from fastact._formulas import ACTIVATIONS
from fastact._gates import GATED, GATES
from fastact._specialise import specialise
from fastact._table import REDUCTIONS, SPARSE, WITH_GRADIENT

CAPABILITY = (8, 0)


APPROXIMATIONS = {"rcp.approx.ftz.f32", "rcp.approx.ftz.f64", "rsqrt.approx.f32"}
OF_HALVES = {"ex2.approx.ftz.f32", "ex2.approx.f32", "lg2.approx.ftz.f32"}


def elementwise(name, *description, **keywords):
    return compiler.elementwise(name, cuda.FORMULAS[name], *description, **keywords)


def check(kernel, dtype, *, library_log=False, approximations=APPROXIMATIONS):
    """Rounded as written: no contraction, no flushing of subnormal numbers, no approximation but where the formula
    corrects it, no other dtype; and the assembler takes it, without memory for variables that registers should hold."""
    text = kernel.ptx(CAPABILITY)
    instructions = re.findall(r"^\s+(?:@\S+\s+)?([a-z][\w.]*)\s", text, re.MULTILINE)
    arithmetic = [i for i in instructions if i.partition(".")[0] in ("add", "sub", "mul", "fma", "div", "rcp", "sqrt")]
    if not library_log:  # the library's logarithm in float64 starts with an approximate reciprocal, in float32
        approximate = {i for i in instructions if ".approx" in i or ".ftz" in i}
        assert approximate <= approximations
        assert not [i for i in arithmetic if re.search(r"\.f\d+$", i) and not re.search(r"\.rn\.|rcp\.approx\.ftz", i)]
    if dtype == "float32":
        assert ".f64" not in text
    elif dtype == "float64" and not library_log:
        assert ".f32" not in text
    assert ".local" not in text
    assert f".entry {compiler.ENTRY}(" in text
    assert compiler.assembled(text, CAPABILITY)[:4] == b"\x7fELF"
    return instructions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*ELEMENTWISE, *GATED])
def test_elementwise(name, dtype):
    inputs = cuda.FORMULAS[name].__code__.co_argcount
    width = 4 if dtype == "float32" else 2
    modes = (VECTOR,) + (SCALAR,) * (inputs - 1)
    kernel = elementwise(name, (dtype,) * inputs, modes, dtype, dtype, 1, width)
    instructions = check(kernel, dtype)
    letters = f"v{width}.f{8 * 16 // width}"
    assert f"ld.global.{letters}" in instructions and f"st.global.{letters}" in instructions


@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["sigmoid", "tanhshrink", "gelu", "squareplus_grad", "mish_grad"])
def test_halves(name, storage):
    inputs = cuda.FORMULAS[name].__code__.co_argcount
    kernel = elementwise(name, (storage,) * inputs, (VECTOR,) * inputs, storage, "float32", 1, 4)
    instructions = check(kernel, "float32", approximations=APPROXIMATIONS | OF_HALVES)
    if name != "squareplus_grad":
        assert f"ex2.approx{'.ftz' if storage == 'float16' else ''}.f32" in instructions


LAYOUTS = [
    ((STRIDED, STRIDED), 3, 1),
    ((STRIDED, SCALAR), 1, 1),
    ((VECTOR, CONSTANT), 2, 4),
    ((VECTOR, VECTOR), 1, 4),
]


@pytest.mark.parametrize("storages", [("float16", "float16"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")])
@pytest.mark.parametrize("modes, ndim, width", LAYOUTS)
def test_layouts_and_storage(modes, ndim, width, storages):
    check(elementwise("prelu", storages, modes, storages[0], "float32", ndim, width), "float32")


@pytest.mark.parametrize("few", [False, True])
def test_indices(few):
    """Of 32 bits there is no division."""
    kernel = elementwise("prelu", ("float32",) * 2, (STRIDED,) * 2, "float32", "float32", 3, 1, few=few)
    instructions = check(kernel, "float32")
    assert ("div.u64" in instructions) == (not few)


@pytest.mark.parametrize(
    "name, storage",
    [("softmax", "float16"), ("logsumexp", "float16"), ("log_softmax", "float32"), ("softmax", "float64")],
)
def test_rows_in_shared_memory(name, storage):
    dtype = "float64" if storage == "float64" else "float32"
    shared = rows(10, 20_000, False, dtype)._replace(shared=True)
    kernel = compiler.reduction(name, shared, (storage,), storage, dtype)
    instructions = check(kernel, dtype, approximations=APPROXIMATIONS | OF_HALVES)
    loads = [i for i in instructions if i.startswith("ld.shared") and i.endswith(storage.removeprefix("float"))]
    assert len(loads) >= 16 + 5  # what threads tell one another takes up to five


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_integers(dtype):
    kernel = elementwise("relu6", (dtype,), (STRIDED,), dtype, dtype, 1, 1)
    assert not re.search(r"\.f(32|64)", kernel.ptx(CAPABILITY))
    check(kernel, dtype)


# held by one lane, a part of a warp, several warps, too long to be held; and across memory
ROWS = [(1000, 4, False), (1000, 30, False), (1000, 1000, False), (10, 50_257, False), (10**6, 5, True), (99, 99, True)]


def rows(count, length, across, dtype="float32", gradient=False, n_kept=1, n_reduced=1):
    most = _cuda_rows.MOST // (1 + gradient) // (np.dtype(dtype).itemsize // 4)
    return _cuda_rows.arranged(count, length, across, n_reduced == 1 and not across, most, n_kept, n_reduced)


SCALED_AND_SINGLE = [
    ("softmax", False, True, 50_257),
    ("log_softmax", False, True, 30),
    ("softmax", True, True, 30),
    ("log_softmax", True, True, 30),
    ("logsumexp", False, False, 30),
    ("logsumexp", False, False, 50_257),
]
CASES = [("float32", *row) for row in ROWS] + [("float64", *ROWS[1])]


@pytest.mark.parametrize("dtype, count, length, across", CASES)
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])  # softmin is softmax but for a sign
def test_rows(name, gradient, dtype, count, length, across):
    arranged = rows(count, length, across, dtype, gradient)
    kernel = compiler.reduction(name, arranged, (dtype,) * (1 + gradient), dtype, dtype)
    instructions = check(kernel, dtype, library_log=name == "log_softmax" and dtype == "float64" and not gradient)
    assert ("shfl.sync.bfly.b32" in instructions) == (arranged.lanes > 1 and not across)
    assert ("bar.sync" in instructions) == (arranged.slots > 0)


@pytest.mark.parametrize("dtype, length", [("float32", 30), ("float32", 50_257), ("float64", 1000)])
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("name", SPARSE)
def test_sparse(name, gradient, dtype, length):
    if gradient and name == "hardmax":
        pytest.skip("it has none")
    arranged = rows(1000, length, False, dtype, gradient)
    instructions = check(compiler.reduction(name, arranged, (dtype,) * (1 + gradient), dtype, dtype), dtype)
    assert ("vote.sync.any.pred" in instructions) == (not arranged.slots and name != "hardmax" and not gradient)


@pytest.mark.parametrize("name, gradient, scaled, length", SCALED_AND_SINGLE)
def test_temperatures_and_logsumexp(name, gradient, scaled, length):
    kernel = compiler.reduction(
        name, rows(1000, length, False, gradient=gradient), ("float32",) * (1 + gradient), "float32", "float32", scaled
    )
    instructions = check(kernel, "float32")
    assert ("st.global.f32" in instructions or "st.global.b32" in instructions) and "ld.global" in " ".join(
        instructions
    )


@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
def test_rows_of_halves_and_any_axes(storage):
    kernel = compiler.reduction("softmin", rows(9, 99, False, n_kept=3, n_reduced=2), (storage,), storage, "float32")
    check(kernel, "float32", approximations=APPROXIMATIONS | OF_HALVES)


def test_literals_in_tuples_take_the_dtype():
    """A float64 constant hidden in a tuple would make a float32 kernel compute in float64."""

    def formula(x):
        a, b = 0.0, 1.5
        return x + a + b

    function = specialise(formula, "float32", {}, lambda f: f)
    assert type(function(np.float32(1))) is np.float32


def test_the_table_is_whole():
    assert set(cuda.__all__) >= {*ACTIVATIONS, *GATES, *REDUCTIONS}
    assert set(vars(cuda.grad)) == {*ACTIVATIONS, *GATES, *WITH_GRADIENT}
