"""Build time only: write `__init__.pyi` and `ufuncs.pyi`, for type checkers and editors, from the table.

python fastact/_stubs.py OUTPUT_DIRECTORY
"""

import sys
from pathlib import Path
from types import ModuleType

# The package's own __init__ needs what is built: import its modules without it.
sys.modules["fastact"] = ModuleType("fastact")
sys.modules["fastact"].__path__ = [str(Path(__file__).parent)]

from fastact._formulas import ACTIVATIONS, GRADIENTS  # noqa: E402
from fastact._functions import REQUIRED  # noqa: E402

INIT = """from typing import Any

import numpy as np
import numpy.typing as npt

from fastact import grad as grad
from fastact import ufuncs as ufuncs

__version__: str
backend: str

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def show_config() -> None: ...
def rrelu_slopes(
    x: npt.ArrayLike, lower: npt.ArrayLike = ..., upper: npt.ArrayLike = ..., *, rng: np.random.Generator
) -> npt.NDArray[Any]: ...
"""

REDUCTION = """def {name}(
    x: npt.ArrayLike,
    axis: int | tuple[int, ...] | None = -1,
    *,
    out: np.ndarray | tuple[np.ndarray] | None = None,
    where: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Any: ...
"""

FUNCTION = """def {name}(
{arrays}
    /,
{parameters}
    *,
    out: np.ndarray | tuple[np.ndarray] | None = None,
    where: npt.ArrayLike = True,
    casting: str = "same_kind",
    order: str = "K",
    dtype: npt.DTypeLike | None = None,
    subok: bool = True,
) -> Any: ...
"""


REDUCTIONS = ("softmin", "softmax", "log_softmax")
OTHERS = ("rrelu_slopes", "grad", "ufuncs", "backend", "show_config", "set_num_threads", "get_num_threads")


def elementwise_stub(name, row):
    if not row.parameters:
        return f"{name}: np.ufunc\n"
    arrays = "\n".join(f"    {array}: npt.ArrayLike," for array in row.arrays)
    parameters = "\n".join(
        f"    {parameter}: npt.ArrayLike{'' if default is REQUIRED else f' = {default!r}'},"
        for parameter, default in row.parameters.items()
    )
    return FUNCTION.format(name=name, arrays=arrays, parameters=parameters)


def init_stub():
    text = INIT.replace("__version__", f"__all__ = {[*ACTIVATIONS, *REDUCTIONS, *OTHERS]!r}\n\n__version__")
    text += "".join(elementwise_stub(name, row) for name, row in ACTIVATIONS.items())
    return text + "".join(REDUCTION.format(name=name) for name in REDUCTIONS)


def grad_stub():
    text = "from typing import Any\n\nimport numpy as np\nimport numpy.typing as npt\n\n"
    text += f"__all__ = {[*ACTIVATIONS, 'prelu_weight']!r}\n\n"
    text += "def prelu_weight(gy: npt.ArrayLike, x: npt.ArrayLike, weight: npt.ArrayLike) -> Any: ...\n"
    return text + "".join(elementwise_stub(name, GRADIENTS[f"{name}_grad"]) for name in ACTIVATIONS)


def ufuncs_stub():
    names = [*ACTIVATIONS, *GRADIENTS]
    return f"import numpy as np\n\n__all__ = {names!r}\n\n" + "".join(f"{name}: np.ufunc\n" for name in names)


if __name__ == "__main__":
    for module, stub in {"__init__": init_stub, "grad": grad_stub, "ufuncs": ufuncs_stub}.items():
        Path(sys.argv[1], f"{module}.pyi").write_text(stub())
