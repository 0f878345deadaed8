"""Build time only: write `__init__.pyi` and `ufuncs.pyi`, for type checkers and editors, from the table.

python fastact/_stubs.py OUTPUT_DIRECTORY
"""

import sys
from pathlib import Path
from types import ModuleType

# The package's own __init__ needs what is built: import its modules without it.
sys.modules["fastact"] = ModuleType("fastact")
sys.modules["fastact"].__path__ = [str(Path(__file__).parent)]

from fastact._formulas import ACTIVATIONS  # noqa: E402
from fastact._functions import REQUIRED  # noqa: E402

INIT = """from typing import Any

import numpy as np
import numpy.typing as npt

from fastact import ufuncs as ufuncs

__version__: str
backend: str

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def show_config() -> None: ...
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

LOGSUMEXP = REDUCTION.replace("    *,\n", "    *,\n    keepdims: bool = False,\n").format(name="logsumexp")

FUNCTION = """def {name}(
    x: npt.ArrayLike,
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
OTHERS = ("logsumexp", "ufuncs", "backend", "show_config", "set_num_threads", "get_num_threads")


def init_stub():
    text = INIT.replace("__version__", f"__all__ = {[*ACTIVATIONS, *REDUCTIONS, *OTHERS]!r}\n\n__version__")
    for row in ACTIVATIONS.values():
        parameters = "\n".join(
            f"    {name}: npt.ArrayLike{'' if default is REQUIRED else f' = {default!r}'},"
            for name, default in row.parameters.items()
        )
        text += FUNCTION.format(name=row.name, parameters=parameters) if parameters else f"{row.name}: np.ufunc\n"
    return text + "".join(REDUCTION.format(name=name) for name in REDUCTIONS) + LOGSUMEXP


def ufuncs_stub():
    return f"import numpy as np\n\n__all__ = {list(ACTIVATIONS)!r}\n\n" + "".join(
        f"{name}: np.ufunc\n" for name in ACTIVATIONS
    )


if __name__ == "__main__":
    Path(sys.argv[1], "__init__.pyi").write_text(init_stub())
    Path(sys.argv[1], "ufuncs.pyi").write_text(ufuncs_stub())
