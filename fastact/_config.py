"""Threads, and the configuration that `show_config` prints."""

import operator
import os
import sys

import numpy as np

from fastact import _backend, _cuda_device

OPTIONAL = ("numba", "matplotlib", "torch")
MOST = 4096  # threads: with many more than a system has, OpenMP ends the process


def set_num_threads(n):
    """Set how many threads a large call may use.

    Parameters
    ----------
    n : int or None
        From 1 to 4096. None leaves it to OpenMP, as if nothing had been set, but at most 4096.

    Raises
    ------
    TypeError
        If `n` is neither an int nor None.
    ValueError
        If `n` is less than 1 or more than 4096.

    Examples
    --------
    >>> import fastact
    >>> before = fastact.get_num_threads()
    >>> fastact.set_num_threads(1)
    >>> fastact.get_num_threads()
    1
    >>> fastact.set_num_threads(before)
    """
    if n is not None:
        try:
            n = operator.index(n)
        except TypeError:
            raise TypeError(f"n must be an int or None, got {type(n).__name__}") from None
        if not 1 <= n <= MOST:
            raise ValueError(f"n must be from 1 to {MOST}, got {n}")
    for module in (_backend.ufunc_module, _backend.kernels_module, _backend.simplex_module):
        module.set_num_threads(n or 0)
    if not 1 <= get_num_threads() <= MOST:  # as OMP_NUM_THREADS may say, of which OpenMP keeps 32 bits
        set_num_threads(MOST)


def get_num_threads():
    """How many threads a large call may use: what was set, or else what OpenMP says; 1 after a fork, and within
    threadpoolctl's limits.

    Returns
    -------
    int

    Examples
    --------
    >>> import fastact
    >>> fastact.get_num_threads() >= 1
    True
    """
    return _backend.kernels_module.get_num_threads()


def version_of(package):
    """None where it is not installed: a folder of that name, which Python could import, is not enough."""
    from importlib.metadata import PackageNotFoundError, version  # which takes longer than all of fastact's import

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show_config():
    """Print version, backend, CPU features, threads and the optional packages found.

    Examples
    --------
    >>> import fastact
    >>> fastact.show_config()  # doctest: +ELLIPSIS
    fastact ...
    """
    others = ", ".join(name for name in _backend.available() if name != _backend.backend)
    found = ", ".join(f"{name} {version_of(name)}" for name in OPTIONAL if version_of(name))
    device = _cuda_device.describe() if version_of("numba-cuda") else "numba-cuda is not installed"
    rows = {
        "backend": f"{_backend.backend} (also here: {others})",
        "CPU features": ", ".join(_backend.cpu_features) or "not looked at on this architecture",
        "threads": get_num_threads(),
        "CUDA": device,
        "NumPy": np.__version__,
        "Python": sys.version.split()[0],
        "optional": found or "none found",
    }
    print(f"fastact {version_of('fastact')}")
    for name, value in rows.items():
        print(f"  {name + ':':<14}{value}")


def read_environment():
    """Take FASTACT_NUM_THREADS over, or else what OpenMP says."""
    wanted = os.environ.get("FASTACT_NUM_THREADS")
    try:
        set_num_threads(int(wanted) if wanted else None)
    except ValueError:
        raise ImportError(f"FASTACT_NUM_THREADS must be a whole number from 1 to {MOST}, got {wanted!r}") from None
