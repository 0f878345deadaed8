"""fastact: the activation functions of neural networks, for NumPy arrays.

Elementwise functions are ufuncs (`fastact.ufuncs`), or functions with defaults around one; softmax, softmin,
log_softmax, logsumexp, hardmax, sparsemax and entmax15 work over any axes, and glu, swiglu, geglu and reglu on the
halves of one. `fastact.backend` names what was chosen for this CPU.
"""

from importlib import import_module

from fastact import _gated, _reductions, _sparse, grad, ufuncs
from fastact._activation import activation
from fastact._backend import backend
from fastact._config import get_num_threads, read_environment, set_num_threads, show_config
from fastact._documentation import public_names
from fastact._formulas import ACTIVATIONS
from fastact._functions import public
from fastact._random import gumbel_softmax, rrelu_slopes
from fastact._table import REDUCTIONS

globals().update({name: public(row) for name, row in ACTIVATIONS.items()})
globals().update({name: getattr(_sparse if row.sparse else _reductions, name) for name, row in REDUCTIONS.items()})
globals().update(_gated.FUNCTIONS)

__all__ = [
    *ACTIVATIONS,
    *REDUCTIONS,
    *_gated.FUNCTIONS,
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
]

# Besides, `math`, which in a `from fastact import *` would hide Python's own.

__dir__ = public_names(globals(), "math", "__version__")

read_environment()
del read_environment, public, public_names


def __getattr__(name):
    """What takes time to import, and is imported only when asked for."""
    if name in ("cuda", "math", "nn"):
        return import_module(f"fastact.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("fastact")
    if name == "plot":
        return import_module("fastact._plot").plot
    raise AttributeError(f"module 'fastact' has no attribute {name!r}")
