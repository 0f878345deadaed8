"""Build time only: write `__init__.pyi` and those of the public modules, for type checkers and editors, from the table.

python fastact/_stubs.py OUTPUT_DIRECTORY
"""

import _bootstrap  # noqa: F401  first: it takes math.py, which lies here, out of the way of Python's own

# isort: split
import re
import sys
from pathlib import Path

from fastact import math
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._gates import GATES, UFUNCS
from fastact._specialise import Primitive
from fastact._table import REDUCTIONS, REQUIRED, SOFTMAXES, SPARSE, WITH_GRADIENT, Reduction, module_name

INIT = """from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from fastact import cuda as cuda
from fastact import grad as grad
from fastact import math as math
from fastact import nn as nn
from fastact import ufuncs as ufuncs
from fastact._activation import Activation

__version__: str
backend: str

class _Array(Protocol):
    def __array__(self) -> np.ndarray: ...

# What a parameter may be: npt.ArrayLike would let strings pass.
_Number: TypeAlias = float | _Array
_Numbers: TypeAlias = _Number | Sequence[_Number | Sequence[_Number | Sequence[_Number]]]
_Bool: TypeAlias = bool | np.bool_
_Function: TypeAlias = Callable[..., Any]

class _OnDevice(Protocol):
    @property
    def __cuda_array_interface__(self) -> Any: ...

@overload
def activation(function: _Function, *, derivative: _Function | None = None) -> Activation: ...
@overload
def activation(
    function: None = None, *, derivative: _Function | None = None
) -> Callable[[_Function], Activation]: ...

def set_num_threads(n: SupportsIndex | None) -> None: ...
def get_num_threads() -> int: ...
def show_config() -> None: ...
def plot(
    function: str | Callable[..., Any], /, ax: Any = None, xlim: tuple[float, float] | None = None, **parameters: Any
) -> Any: ...
def rrelu_slopes(
    x: npt.ArrayLike, lower: _Numbers = ..., upper: _Numbers = ..., *, rng: np.random.Generator
) -> Any: ...
def gumbel_softmax(
    logits: npt.ArrayLike,
    tau: SupportsFloat = 1.0,
    hard: _Bool = False,
    axis: SupportsIndex | tuple[SupportsIndex, ...] | None = -1,
    *,
    where: npt.ArrayLike | None = None,
    rng: np.random.Generator,
) -> npt.NDArray[Any]: ...
"""

AXES = "SupportsIndex | tuple[SupportsIndex, ...] | None"
OF_GATES = Reduction()

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


GRAD = """from typing import Any, Literal, SupportsFloat, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from fastact import _Numbers, _OnDevice

def prelu_weight(gy: npt.ArrayLike, x: npt.ArrayLike, weight: _Numbers) -> Any: ...
"""

OTHERS = (
    "rrelu_slopes",
    "gumbel_softmax",
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


def options_of(row):
    """The keyword that chooses among functions, if there is one: name and type -> default."""
    return {f"approximate: Literal{[*row.options]!r}": next(iter(row.options))} if row.options else {}


def elementwise_stub(name, row):
    if not row.parameters and not row.options:
        return f"{name}: np.ufunc\n"
    arrays = "\n".join(f"    {array}: npt.ArrayLike," for array in row.arrays)
    parameters = "\n".join(
        f"    {parameter}: _Numbers{'' if default is REQUIRED else f' = {default!r}'},"
        for parameter, default in row.parameters.items()
    )
    options = "".join(f"    {option} = {default!r},\n" for option, default in options_of(row).items())
    return FUNCTION.format(name=name, arrays=arrays, parameters=parameters, options=options)


def over_axes_stub(name, row, *arrays, axis=AXES, where=False):
    temperature = ["temperature: SupportsFloat = 1.0"] * row.temperature

    def function(kinds, keywords, result):
        lines = [*map("{}: {}".format, arrays, kinds), f"axis: {axis} = -1", "*", *keywords, *temperature]
        return f"def {name}(\n" + "".join(f"    {line},\n" for line in lines) + f") -> {result}: ...\n"

    keywords = ["keepdims: _Bool = False"] * row.single + ["out: np.ndarray | tuple[np.ndarray] | None = None"]
    keywords += ["where: npt.ArrayLike | None = None"] * where + ["dtype: npt.DTypeLike | None = None"]
    hosts = ["npt.ArrayLike"] * len(arrays)
    if row.single:
        return function(hosts, keywords, "Any")
    # First what is in the memory of a device: such arrays are array_like as well, but the result is of their kind.
    on_device = function(["_OnDevice", "Any"], ["out: Any = None"], "Any")
    return f"@overload\n{on_device}@overload\n{function(hosts, keywords, 'npt.NDArray[Any]')}"


def init_stub():
    names = [*ACTIVATIONS, *REDUCTIONS, *GATES, *OTHERS]
    text = INIT.replace("__version__", f"__all__ = {names!r}\n\n__version__")
    text += "".join(elementwise_stub(name, row) for name, row in ACTIVATIONS.items())
    text += "".join(over_axes_stub(name, row, "x", where=True) for name, row in REDUCTIONS.items())
    return text + "".join(over_axes_stub(name, OF_GATES, "x", axis="SupportsIndex") for name in GATES)


def grad_stub():
    names = [*ACTIVATIONS, "prelu_weight", *WITH_GRADIENT, *GATES]
    text = GRAD.replace("def", f"__all__ = {names!r}\n\ndef", 1)
    text += "".join(elementwise_stub(name, GRADIENTS[f"{name}_grad"]) for name in ACTIVATIONS)
    text += "".join(over_axes_stub(name, REDUCTIONS[name], "gy", "y") for name in WITH_GRADIENT)
    return text + "".join(over_axes_stub(name, OF_GATES, "gy", "x", axis="SupportsIndex") for name in GATES)


def math_stub():
    text = f"from collections.abc import Callable\n\n__all__ = {math.__all__!r}\n\n"
    for name in math.__all__:
        numbers = [f"{number}: float" for number in re.search(rf"`{name}\((.*?)\)`", math.__doc__)[1].split(", ")]
        if isinstance(getattr(math, name), Primitive):  # called like a function, which for stubtest it is not
            text += f"{name}: Callable[{['float'] * len(numbers)}, float]\n".replace("'", "")
        else:
            text += f"def {name}({', '.join(numbers)}) -> float: ...\n"
    return text


NN = """from typing import Any, Literal, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

class Module:
    training: bool
    def __call__(self, x: npt.ArrayLike) -> Any: ...
    def forward(self, x: Any) -> Any: ...  # a subclass may take what it likes
    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...
    def backward(self, gy: npt.ArrayLike) -> Any: ...

class PReLU(Module):
    num_parameters: int
    init: float
    weight: np.ndarray
    weight_grad: Any  # None before the first backward
    def __init__(
        self, num_parameters: SupportsIndex = 1, init: SupportsFloat = 0.25, *, dtype: npt.DTypeLike = ...
    ) -> None: ...
"""

MODULE_OVER_AXIS = """
class {name}(Module):
    dim: int
    def __init__(self, dim: {dim}) -> None: ...
"""


def module_stub(row):
    given = options_of(row) | {f"{name}: float": default for name, default in row.parameters.items()}
    given["inplace: bool"] = False
    attributes = "".join(f"    {label}\n" for label in given)
    arguments = ", ".join(f"{label}{'' if d is REQUIRED else f' = {d!r}'}" for label, d in given.items())
    arguments = arguments.replace(": float", ": SupportsFloat").replace(": bool", ": bool | np.bool_")
    if row.name == "rrelu":
        attributes += "    rng: np.random.Generator | None\n"
        arguments += ", *, rng: np.random.Generator | None = None"
    return f"\nclass {row.module}(Module):\n{attributes}    def __init__(self, {arguments}) -> None: ...\n"


def nn_stub():
    rows = [row for row in ACTIVATIONS.values() if row.name != "prelu"]
    over_axis = [*SOFTMAXES, *SPARSE, *GATES]
    names = ["Module", "PReLU", "Softmax2d", *(row.module for row in rows), *map(module_name, over_axis)]
    text = NN.replace("class Module:", f"__all__ = {names!r}\n\nclass Module:")
    text += "".join(map(module_stub, rows))
    for name in over_axis:
        dim = "SupportsIndex" if name in SOFTMAXES else "SupportsIndex = -1"
        text += MODULE_OVER_AXIS.format(name=module_name(name), dim=dim)
    return text + "\nclass Softmax2d(Softmax):\n    def __init__(self) -> None: ...\n"


def cuda_stub():
    text = "from types import SimpleNamespace\nfrom typing import Any, Literal, SupportsFloat, SupportsIndex\n\n"
    names = [*ACTIVATIONS, *GATES, *REDUCTIONS, "grad", "is_available", "why_not"]
    text += f"__all__ = {names!r}\n\n"
    text += "grad: SimpleNamespace\n\ndef is_available() -> bool: ...\ndef why_not() -> str | None: ...\n"
    for name, row in ACTIVATIONS.items():
        parameters = [f"{p}: Any{'' if d is REQUIRED else f' = {d!r}'}" for p, d in row.parameters.items()]
        options = [f"{option} = {default!r}" for option, default in options_of(row).items()]
        given = ", ".join(["x: Any", "/", *parameters, "*", *options, "out: Any = None", "stream: Any = None"])
        text += f"def {name}({given}) -> Any: ...\n"
    for name, row in (dict.fromkeys(GATES, OF_GATES) | REDUCTIONS).items():
        axis, keepdims = AXES if name in REDUCTIONS else "SupportsIndex", "keepdims: bool = False, " * row.single
        temperature = ", temperature: SupportsFloat = 1.0" * row.temperature
        given = f"x: Any, axis: {axis} = -1, *, {keepdims}out: Any = None, stream: Any = None{temperature}"
        text += f"def {name}({given}) -> Any: ...\n"
    return text


def ufuncs_stub():
    names = [*UFUNCS]
    return f"import numpy as np\n\n__all__ = {names!r}\n\n" + "".join(f"{name}: np.ufunc\n" for name in names)


STUBS = {
    "__init__": init_stub,
    "cuda": cuda_stub,
    "grad": grad_stub,
    "math": math_stub,
    "nn": nn_stub,
    "ufuncs": ufuncs_stub,
}

if __name__ == "__main__":
    for module, stub in STUBS.items():
        Path(sys.argv[1], f"{module}.pyi").write_text(stub())
