"""The elementwise activations and their gradients as `numpy.ufunc` objects; parameters are further inputs.

The gradient of NAME is NAME_grad, a function of gy, x and the parameters. The gated units `glu`, `swiglu`, `geglu` and
`reglu` take two arrays, a and b, and their gradients for b take gy, a and b.

>>> import fastact
>>> fastact.ufuncs.leaky_relu([-1.0, 2.0], 0.1)
array([-0.1,  2. ])
>>> fastact.ufuncs.leaky_relu_grad(10.0, [-1.0, 2.0], 0.1)
array([ 1., 10.])
"""

from fastact import _backend
from fastact._documentation import public_names
from fastact._gates import UFUNCS

__all__ = [*UFUNCS]
__dir__ = public_names(globals())


def _make(row, nin, defaults=()):
    callback = None
    if _backend.backend == _backend.PLAIN:
        from fastact import _numpy

        callback = _numpy.callback(row.name, defaults)
    return _backend.ufunc_module.make_ufunc(row.name, row.doc, nin, row.types, callback)


globals().update({name: _make(row, row.nin) for name, row in UFUNCS.items()})
