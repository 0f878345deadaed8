"""What this machine can run, and the choice at import.

A backend is three compiled modules for one CPU level, or `numpy`, which is the same functions in
plain NumPy behind the same ufunc driver.
"""

import importlib
import os

try:
    from fastact._cpu import features
except ModuleNotFoundError as error:
    if error.name != "fastact._cpu":
        raise
    raise ImportError(
        "this is fastact's source tree, which is not built: import the installed one from another directory, "
        "or install it with --editable"
    ) from None

from fastact._levels import LEVELS

PLAIN = "numpy"
CUDA = "cuda"  # with the best level, for what is not done on a device

cpu_features = features()
RUNNABLE = [name for name, level in LEVELS.items() if level.features <= set(cpu_features)]  # if they were built


def _try(level):
    """The compiled modules for a level, or None where they were not built."""
    names = (f"fastact.{part}_{level.replace('-', '_')}" for part in ("_ufunc", "_kernels", "_simplex"))
    try:
        return [*map(importlib.import_module, names)]
    except ModuleNotFoundError:
        return None


def available():
    """The backends that can run here, the best first."""
    return [*filter(_try, RUNNABLE), PLAIN]


def choose(wanted):
    """The backend's name, its level and its compiled modules; for `numpy`, those of the lowest level."""
    if wanted == CUDA:
        from fastact._cuda_device import why_not

        if reason := why_not():
            raise ImportError(f"FASTACT_BACKEND='cuda' does not work here: {reason}")
    candidates = RUNNABLE[::-1] if wanted == PLAIN else RUNNABLE if wanted in (None, CUDA) else [wanted]
    for level in candidates:
        if level in RUNNABLE and (modules := _try(level)):
            return wanted or level, level, *modules
    raise ImportError(f"FASTACT_BACKEND={wanted!r} is not a backend that runs here; these do: {', '.join(available())}")


backend, level, ufunc_module, kernels_module, simplex_module = choose(os.environ.get("FASTACT_BACKEND") or None)
