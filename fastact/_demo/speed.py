"""A table of all functions: some values, and the time beside plain NumPy's."""

import numpy as np

import fastact
from fastact._expressions import ARGUMENTS, EXPRESSIONS
from fastact._timing import shortest

VALUES = np.array([-2, -0.5, 0, 0.5, 2], dtype=np.float32)
SIZE = 1_000_000
SECONDS = 0.25  # for each function


def show():
    # rows of 1000, for softmax; the shape makes no difference to the others
    x = np.random.default_rng(0).normal(scale=3, size=(SIZE // 1000, 1000)).astype(np.float32)
    out = np.empty_like(x)
    threads = fastact.get_num_threads()
    print(f"All functions, backend {fastact.backend}, {threads} thread{'s' * (threads > 1)}: values, nanoseconds")
    print("an element in a float32 array of a million, and the ratio of plain NumPy's time:\n")
    print(f"{'x':<12}" + "".join(f"{value:8g}" for value in VALUES) + f"{'ns':>10}{'NumPy':>12}")
    for name, expression in EXPRESSIONS.items():
        function = getattr(fastact, name)
        arguments = ARGUMENTS.get(name, ())
        values = function(VALUES, *arguments) + 0.0  # no -0.000
        print(f"{name:<12}" + "".join(f"{value:8.3f}" for value in values), end="", flush=True)
        ours, numpys = shortest([lambda: function(x, *arguments, out=out), lambda: expression(x)], SECONDS)
        print(f"{ours / SIZE * 1e9:10.2f}{f'x {numpys / ours:.1f}':>12}", flush=True)
