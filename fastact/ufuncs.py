"""The elementwise activations as `numpy.ufunc` objects; parameters are further inputs.

>>> import fastact
>>> fastact.ufuncs.leaky_relu([-1.0, 2.0], 0.1)
array([-0.1,  2. ])
"""

from fastact import _backend
from fastact._formulas import ACTIVATIONS

__all__ = list(ACTIVATIONS)


def _make(row, nin, defaults=()):
    callback = None
    if _backend.backend == _backend.PLAIN:
        from fastact import _numpy

        callback = _numpy.callback(row.name, defaults)
    return _backend.ufunc_module.make_ufunc(row.name, row.doc, nin, row.types, callback)


globals().update({row.name: _make(row, 1 + len(row.parameters)) for row in ACTIVATIONS.values()})

# The functions of x alone, their parameters compiled in.
_AT_DEFAULTS = {
    row.name: _make(row, 1, tuple(row.parameters.values())) for row in ACTIVATIONS.values() if row.has_defaults
}
