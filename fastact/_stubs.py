"""Build time only: write `__init__.pyi` and `ufuncs.pyi`, for type checkers and editors, from the table.

python fastact/_stubs.py OUTPUT_DIRECTORY
"""

import _bootstrap  # noqa: F401  first: it takes math.py, which lies here, out of the way of Python's own

# isort: split
import sys
from pathlib import Path

from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._gates import GATES, UFUNCS
from fastact._table import REDUCTIONS, REQUIRED, SPARSE, module_name

INIT = """from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastact import cuda as cuda
from fastact import grad as grad
from fastact import math as math
from fastact import nn as nn
from fastact import ufuncs as ufuncs
from fastact._activation import activation as activation

__version__: str
backend: str

def set_num_threads(n: int | None) -> None: ...
def get_num_threads() -> int: ...
def show_config() -> None: ...
def plot(
    function: str | Callable[..., Any], /, ax: Any = None, xlim: tuple[float, float] | None = None, **parameters: Any
) -> Any: ...
def rrelu_slopes(
    x: npt.ArrayLike, lower: npt.ArrayLike = ..., upper: npt.ArrayLike = ..., *, rng: np.random.Generator
) -> npt.NDArray[Any]: ...
def gumbel_softmax(
    logits: npt.ArrayLike,
    tau: float = 1.0,
    hard: bool = False,
    axis: int | tuple[int, ...] | None = -1,
    *,
    rng: np.random.Generator,
) -> Any: ...
"""

REDUCTION = """def {name}(
    x: npt.ArrayLike,
    axis: int | tuple[int, ...] | None = -1,
    *,
    out: np.ndarray | tuple[np.ndarray] | None = None,
    where: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike | None = None,
    temperature: float = 1.0,
) -> Any: ...
"""

SPARSEMAX = REDUCTION.replace("    temperature: float = 1.0,\n", "")
HARDMAX = SPARSEMAX.replace("    where: npt.ArrayLike | None = None,\n", "")
GATED_UNIT = HARDMAX.replace("int | tuple[int, ...] | None", "int")
LOGSUMEXP = SPARSEMAX.replace("    *,\n", "    *,\n    keepdims: bool = False,\n").format(name="logsumexp")

FUNCTION = """def {name}(
{arrays}
    /,
{parameters}
    *,
{options}    out: np.ndarray | tuple[np.ndarray] | None = None,
    where: npt.ArrayLike = True,
    casting: str = "same_kind",
    order: str = "K",
    dtype: npt.DTypeLike | None = None,
    subok: bool = True,
) -> Any: ...
"""


REDUCTION_GRADIENT = """def {name}(
    gy: npt.ArrayLike,
    y: npt.ArrayLike,
    axis: int | tuple[int, ...] | None = -1,
    *,
    out: np.ndarray | tuple[np.ndarray] | None = None,
    dtype: npt.DTypeLike | None = None,
    temperature: float = 1.0,
) -> Any: ...
"""

SPARSE_GRADIENT = REDUCTION_GRADIENT.replace("    temperature: float = 1.0,\n", "")
GATED_GRADIENT = GATED_UNIT.replace("    x:", "    gy: npt.ArrayLike,\n    x:")

OTHERS = (
    "rrelu_slopes",
    "gumbel_softmax",
    "logsumexp",
    "activation",
    "cuda",
    "grad",
    "nn",
    "plot",
    "ufuncs",
    "backend",
    "show_config",
    "set_num_threads",
    "get_num_threads",
)


def elementwise_stub(name, row):
    if not row.parameters and not row.options:
        return f"{name}: np.ufunc\n"
    arrays = "\n".join(f"    {array}: npt.ArrayLike," for array in row.arrays)
    parameters = "\n".join(
        f"    {parameter}: npt.ArrayLike{'' if default is REQUIRED else f' = {default!r}'},"
        for parameter, default in row.parameters.items()
    )
    options = f"    approximate: str = {next(iter(row.options))!r},\n" if row.options else ""
    return FUNCTION.format(name=name, arrays=arrays, parameters=parameters, options=options)


def init_stub():
    names = [*ACTIVATIONS, *REDUCTIONS, *SPARSE, *GATES, *OTHERS]
    text = INIT.replace("__version__", f"__all__ = {names!r}\n\n__version__")
    text += "".join(elementwise_stub(name, row) for name, row in ACTIVATIONS.items())
    text += "".join(REDUCTION.format(name=name) for name in REDUCTIONS)
    text += "".join(SPARSEMAX.format(name=name) for name in SPARSE[1:])
    text += HARDMAX.format(name="hardmax") + LOGSUMEXP
    return text + "".join(GATED_UNIT.format(name=name) for name in GATES)


def grad_stub():
    text = "from typing import Any\n\nimport numpy as np\nimport numpy.typing as npt\n\n"
    text += f"__all__ = {[*ACTIVATIONS, 'prelu_weight', *REDUCTIONS, *SPARSE[1:], *GATES]!r}\n\n"
    text += "def prelu_weight(gy: npt.ArrayLike, x: npt.ArrayLike, weight: npt.ArrayLike) -> Any: ...\n"
    text += "".join(elementwise_stub(name, GRADIENTS[f"{name}_grad"]) for name in ACTIVATIONS)
    text += "".join(REDUCTION_GRADIENT.format(name=name) for name in REDUCTIONS)
    text += "".join(SPARSE_GRADIENT.format(name=name) for name in SPARSE[1:])
    return text + "".join(GATED_GRADIENT.format(name=name) for name in GATES)


NN = """from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

class Module:
    training: bool
    def __call__(self, x: npt.ArrayLike) -> Any: ...
    def forward(self, x: npt.ArrayLike) -> Any: ...
    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...
    def backward(self, gy: npt.ArrayLike) -> Any: ...

class PReLU(Module):
    num_parameters: int
    init: float
    weight: np.ndarray
    weight_grad: np.ndarray | None
    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: npt.DTypeLike = ...) -> None: ...
"""

MODULE_OVER_AXIS = """
class {name}(Module):
    dim: int
    def __init__(self, dim: {dim}) -> None: ...
"""


def module_stub(row):
    given = {"approximate: str": next(iter(row.options))} if row.options else {}
    given |= {f"{name}: float": default for name, default in row.parameters.items()} | {"inplace: bool": False}
    attributes = "".join(f"    {label}\n" for label in given)
    arguments = ", ".join(f"{label}{'' if d is REQUIRED else f' = {d!r}'}" for label, d in given.items())
    if row.name == "rrelu":
        attributes += "    rng: np.random.Generator | None\n"
        arguments += ", *, rng: np.random.Generator | None = None"
    return f"\nclass {row.module}(Module):\n{attributes}    def __init__(self, {arguments}) -> None: ...\n"


def nn_stub():
    rows = [row for row in ACTIVATIONS.values() if row.name != "prelu"]
    over_axis = [*REDUCTIONS, *SPARSE, *GATES]
    names = ["Module", "PReLU", "Softmax2d", *(row.module for row in rows), *map(module_name, over_axis)]
    text = NN.replace("class Module:", f"__all__ = {names!r}\n\nclass Module:")
    text += "".join(map(module_stub, rows))
    for name in over_axis:
        dim = "int | None = None" if name in REDUCTIONS else "int = -1"
        text += MODULE_OVER_AXIS.format(name=module_name(name), dim=dim)
    return text + "\nclass Softmax2d(Softmax):\n    def __init__(self) -> None: ...\n"


def cuda_stub():
    text = "from types import SimpleNamespace\nfrom typing import Any\n\n"
    names = [*ACTIVATIONS, *GATES, *REDUCTIONS, *SPARSE, "logsumexp", "grad", "is_available", "why_not"]
    text += f"__all__ = {names!r}\n\n"
    text += "grad: SimpleNamespace\n\ndef is_available() -> bool: ...\ndef why_not() -> str | None: ...\n"
    for name, row in ACTIVATIONS.items():
        parameters = [f"{p}: Any{'' if d is REQUIRED else f' = {d!r}'}" for p, d in row.parameters.items()]
        options = [f"approximate: str = {option!r}" for option in list(row.options)[:1]]
        given = ", ".join(["x: Any", "/", *parameters, "*", *options, "out: Any = None", "stream: Any = None"])
        text += f"def {name}({given}) -> Any: ...\n"
    given = "x: Any, axis: {} = -1, *, out: Any = None, stream: Any = None"
    gated, reduced = given.format("int"), given.format("int | tuple[int, ...] | None")
    given = dict.fromkeys(GATES, gated) | dict.fromkeys(REDUCTIONS, f"{reduced}, temperature: float = 1.0")
    given |= dict.fromkeys(SPARSE, reduced)
    given["logsumexp"] = reduced.replace("*,", "*, keepdims: bool = False,")
    return text + "".join(f"def {name}({given[name]}) -> Any: ...\n" for name in given)


def ufuncs_stub():
    names = [*UFUNCS]
    return f"import numpy as np\n\n__all__ = {names!r}\n\n" + "".join(f"{name}: np.ufunc\n" for name in names)


STUBS = {"__init__": init_stub, "cuda": cuda_stub, "grad": grad_stub, "nn": nn_stub, "ufuncs": ufuncs_stub}

if __name__ == "__main__":
    for module, stub in STUBS.items():
        Path(sys.argv[1], f"{module}.pyi").write_text(stub())
