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

# Level -> the features that it needs; the best first. Those that were built are the choice.
V3 = {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
LEVELS = {
    "x86-64-v4": V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": V3,
    "x86-64": set(),
    "native": set(),
}
PLAIN = "numpy"
CUDA = "cuda"  # with the best level, for what is not done on a device

cpu_features = features()


def load(level, part):
    """The compiled module `part` for a level."""
    return importlib.import_module(f"fastact.{part}_{level.replace('-', '_')}")


def _try(level):
    try:
        return load(level, "_ufunc"), load(level, "_kernels"), load(level, "_simplex")
    except ModuleNotFoundError:
        return None


def available():
    """The backends that can run here, the best first."""
    return [*(level for level, needed in LEVELS.items() if needed <= set(cpu_features) and _try(level)), PLAIN]


def choose(wanted):
    """The backend's name, its level and its compiled modules; for `numpy`, those of the lowest level."""
    runnable = [level for level, needed in LEVELS.items() if needed <= set(cpu_features)]
    if wanted == CUDA:
        from fastact._cuda_device import why_not

        if reason := why_not():
            raise ImportError(f"FASTACT_BACKEND='cuda' does not work here: {reason}")
    candidates = runnable[::-1] if wanted == PLAIN else runnable if wanted in (None, CUDA) else [wanted]
    for level in candidates:
        if level in runnable and (modules := _try(level)):
            return wanted or level, level, *modules
    raise ImportError(f"FASTACT_BACKEND={wanted!r} is not a backend that runs here; these do: {', '.join(available())}")


backend, level, ufunc_module, kernels_module, simplex_module = choose(os.environ.get("FASTACT_BACKEND") or None)
