"""Which calls go to `fastact.cuda`: those with an array on a GPU, and with FASTACT_BACKEND=cuda those with NumPy's."""

import numpy as np

from fastact import _backend
from fastact._cuda_arrays import is_on_device
from fastact._gates import UFUNCS

PLAIN = (np.ndarray, float, int, list, tuple)
ON_DEVICE = {"out", "stream", "temperature", "keepdims"}  # what is done there; `where`, `dtype` and the like are not


def _goes_there(arguments, keywords):
    if any(map(is_on_device, arguments)):
        return True
    everything = _backend.backend == _backend.CUDA
    return (
        everything
        and all(type(x) in PLAIN or isinstance(x, np.generic) for x in arguments)
        and not ({name for name, value in keywords.items() if value is not None} - ON_DEVICE)
    )


def refuse_keywords(name, keywords):
    """What is not there on a device."""
    if keywords:
        raise TypeError(f"{name}: {' and '.join(sorted(keywords))} cannot be given for arrays on a device")


def elementwise(name, arguments, keywords):
    """The result of a ufunc, or NotImplemented where it is NumPy's business, or not there on a device."""
    if not _goes_there(arguments, keywords):
        return NotImplemented
    from fastact import cuda

    function = cuda._ufunc(name)
    if len(arguments) == UFUNCS[name].nin + 1 and "out" not in keywords:  # by position, as NumPy's ufuncs take it
        *arguments, keywords["out"] = arguments
    return function(*arguments, **keywords) if function else NotImplemented


def reduction(name, arguments, axis, **keywords):
    """The same for softmax and its kin and gated units, and for their gradients, which have two arguments."""
    if not _goes_there(arguments, keywords):
        return NotImplemented
    from fastact import cuda

    keywords = {name: value for name, value in keywords.items() if value is not None}
    refuse_keywords(name, keywords.keys() - ON_DEVICE)
    return getattr(cuda.grad if len(arguments) == 2 else cuda, name)(*arguments, axis, **keywords)


_backend.ufunc_module.set_dispatcher(elementwise, _backend.backend == _backend.CUDA)
