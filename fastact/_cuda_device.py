"""Whether there is a CUDA device that works."""

from functools import cache

OLDEST = (7, 5)  # the compute capability that CUDA 13 compiles for


@cache
def why_not():
    """Why CUDA does not work here.

    Returns
    -------
    str or None
        The reason, in a sentence: no numba-cuda, no driver, one that is too old, no device; None where it works.

    Examples
    --------
    >>> import fastact
    >>> (fastact.cuda.why_not() is None) == fastact.cuda.is_available()
    True
    """
    try:
        from fastact import _cuda_compile, _cuda_launch  # noqa: F401  both must be there
    except ImportError as error:
        return f'numba-cuda is not there ({error}): pip install "fastact[cuda]"'
    return _cuda_launch.why_not()


def is_available():
    """Whether there is a CUDA device that works; `why_not` says what is missing.

    Returns
    -------
    bool

    Examples
    --------
    >>> import fastact
    >>> isinstance(fastact.cuda.is_available(), bool)
    True
    """
    return why_not() is None


def describe():
    """Device, compute capability and driver, or why there are none."""
    if reason := why_not():
        return f"no ({reason})"
    from fastact import _cuda_launch

    return _cuda_launch.describe()
