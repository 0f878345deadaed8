"""CUDA kernels' machine code, kept from one process to the next: to make it takes Numba longer than all other work."""

import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import cuda.bindings
import numba_cuda
from cuda.bindings import nvjitlink, nvvm
from cuda.core.utils import FileStreamProgramCache

MAX_BYTES = 2**28  # a kernel has some 10 to 100 kB


@cache
def programs():
    """Machine code by key: on disk, or where that is impossible in this process alone."""
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return FileStreamProgramCache(Path(root) / "fastact", max_size_bytes=MAX_BYTES)
    except (OSError, RuntimeError):  # not to be written, or no home
        return {}


@cache
def makers():
    """What makes a kernel of its description: this package's sources, and the compilers."""
    sources = (path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    versions = numba_cuda.__version__, cuda.bindings.__version__, nvvm.version(), nvvm.ir_version(), nvjitlink.version()
    return hashlib.sha256(b"".join(sources) + repr(versions).encode()).hexdigest()


def kept(description, make):
    """make(), or what it gave for this description at an earlier time."""
    key = hashlib.sha256(f"{makers()} {description}".encode()).digest()
    code = None
    with suppress(OSError):
        code = programs().get(key)
    if code is None:
        code = make()
        with suppress(OSError):
            programs()[key] = code
    return code
