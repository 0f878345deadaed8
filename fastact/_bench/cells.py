"""What is measured: the cells, and the arrays of each."""

import math
import re
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

import fastact
from fastact._bench import cuda
from fastact._expressions import ARGUMENTS, EXPRESSIONS
from fastact._formulas import ACTIVATIONS
from fastact._gates import GATES
from fastact._table import REDUCTIONS, SPARSE

FAMILIES = {
    "elementwise": [name for name in EXPRESSIONS if name in ACTIVATIONS],
    "softmax family": [name for name, row in REDUCTIONS.items() if not row.sparse],
    "sparse": SPARSE,
    "gated units": [*GATES],  # of the halves of rows
}
ELEMENTWISE = FAMILIES["elementwise"]
ROWS = [name for name in EXPRESSIONS if name not in ACTIVATIONS]
DTYPES = ["float32", "float64", "float16"]

# name -> from a function that makes arrays, one of that shape in that layout
LAYOUTS = {
    "contiguous": lambda make, shape: make(shape),
    "strided": lambda make, shape: make((*shape[:-1], 2 * shape[-1]))[..., ::2],
    "transposed": lambda make, shape: make(shape[::-1]).T,
    "sliced": lambda make, shape: make((*shape[:-1], 2 * shape[-1]))[..., : shape[-1]],
}


class Rows(NamedTuple):
    """An array for the softmax family, and the axis that its rows lie along: "32x21x128x128@1"."""

    shape: tuple[int, ...]
    axis: int

    @classmethod
    def parse(cls, text):
        found = re.fullmatch(r"(\d+(?:x\d+)*)(?:@(\d+))?", text)
        if not found:
            raise ValueError("expected lengths and perhaps an axis, as in 1000x1000 or 32x21x128x128@1")
        shape = tuple(map(int, found[1].split("x")))
        axis = int(found[2]) if found[2] else len(shape) - 1
        if 0 in shape or axis >= len(shape):
            raise ValueError("no elements" if 0 in shape else f"no axis {axis}")
        return cls(shape, axis)

    def __str__(self):
        text = "x".join(map(str, self.shape))
        return text if self.axis == len(self.shape) - 1 else f"{text}@{self.axis}"


class Cell(NamedTuple):
    """One line of the table."""

    function: str
    dtype: str
    size: int | Rows
    layout: str
    threads: int | None  # of the CPU
    preallocated: bool = False
    backward: bool = False
    device: str = "cpu"  # or cuda

    @property
    def elements(self):
        return self.size if isinstance(self.size, int) else math.prod(self.size.shape)

    @property
    def shape_and_axis(self):
        return (self.size.shape, self.size.axis) if isinstance(self.size, Rows) else (matrix_of(self.size), -1)

    @property
    def shape_of_result(self):
        """In the forward direction."""
        shape, axis = self.shape_and_axis
        if self.function == "logsumexp":
            return shape[:axis] + shape[axis + 1 :]
        if self.function in GATES:
            return (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])
        return shape

    @property
    def bytes_moved(self):
        """To and from memory: each array once."""
        elements = self.elements * (2 if self.backward else 1) + math.prod(self.shape_of_result)
        return elements * np.dtype(self.dtype).itemsize

    @property
    def size_text(self):
        """As the command line takes it: 1e6 for a million."""
        if not isinstance(self.size, int):
            return str(self.size)
        short = f"{self.size:.1e}".replace("e+0", "e").replace("e+", "e")
        mantissa, _, exponent = short.partition("e")
        short = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
        return short if self.size >= 1000 and float(short) == self.size else str(self.size)

    def __str__(self):
        direction = ["backward"] if self.backward else []
        target = ["preallocated"] if self.preallocated else []
        where = self.device if self.threads is None else f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return " ".join([self.function, *direction, self.dtype, self.size_text, self.layout, where, *target])

    def job(self):
        shape, axis = self.shape_and_axis
        there = cuda.array if self.device == "cuda" else np.asarray

        def array(seed, shape):
            return LAYOUTS[self.layout](lambda shape: normal(shape, self.dtype, seed), shape)

        x = array(0, shape)
        return Job(
            self.function,
            there(x),
            axis,
            gradient=there(array(1, self.shape_of_result)) if self.backward else None,
            out=there(self.empty_result(x)) if self.preallocated else None,
            threads=self.threads,
            device=self.device,
            bytes_moved=self.bytes_moved,
        )

    def empty_result(self, x):
        same = self.backward or self.shape_of_result == x.shape
        return np.empty_like(x) if same else np.empty(self.shape_of_result, x.dtype)


class Job:
    """A function and its arrays, for fastact and the peers to make a call of.

    With `gradient` it is the backward direction: from the gradient of the output to that of `x`. With `out` the
    result goes there, without into a new array. All arrays are on the `device`.
    """

    def __init__(self, function, x, axis=-1, *, gradient=None, out=None, threads=1, device="cpu", bytes_moved=None):
        self.function = function
        self.x = x
        self.axis = axis
        self.gradient = gradient
        self.out = out
        self.threads = threads
        self.device = device
        self.bytes_moved = bytes_moved

    @property
    def arguments(self):
        """What follows `x`."""
        return (self.axis,) if self.function in ROWS else ARGUMENTS.get(self.function, ())

    @cached_property
    def y(self):
        """The forward result, which backward functions may start from."""
        return getattr(library_of(self.device), self.function)(self.x, *self.arguments)

    @property
    def contiguous(self):
        return self.x.flags.c_contiguous


def library_of(device):
    """What has the functions for arrays there."""
    return fastact.cuda if device == "cuda" else fastact


def matrix_of(size):
    """The shape nearest to a square."""
    rows = next(n for n in range(math.isqrt(size), 0, -1) if size % n == 0)
    return rows, size // rows


def normal(shape, dtype, seed):
    """Normal numbers of standard deviation 3, the same ones again after each million."""
    size = math.prod(shape)
    drawn = np.promote_types(dtype, np.float32)  # not in float16
    block = np.random.default_rng(seed).standard_normal(min(size, 2**20), drawn) * drawn.type(3)
    return np.resize(block.astype(dtype), shape)


def cells(functions, dtypes, sizes, rows, layouts, threads, preallocated=False, backward=False, device="cpu"):
    """All combinations; all but elementwise functions have `rows` instead of `sizes`, and gates no odd ones."""
    every = [
        Cell(function, dtype, size, layout, n, preallocated, backward, device)
        for function in functions
        for dtype, size, layout, n in product(dtypes, sizes if function in ELEMENTWISE else rows, layouts, threads)
    ]
    return [cell for cell in every if cell.function not in GATES or cell.size.shape[cell.size.axis] % 2 == 0]
