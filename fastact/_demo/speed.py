"""A table of all functions: some values, and the time beside plain NumPy's."""

import numpy as np

import fastact
from fastact._bench.cells import Job, matrix_of, normal
from fastact._bench.peers import calls
from fastact._expressions import EXPRESSIONS
from fastact._gates import GATES
from fastact._table import REDUCTIONS
from fastact._timing import shortest

VALUES = np.array([-2, -0.5, 0, 0.5, 2], dtype=np.float32)
SIZE = 1_000_000
SECONDS = 0.25  # for each function


def show():
    x = normal(matrix_of(SIZE), "float32", seed=0)
    threads = fastact.get_num_threads()
    print(f"Backend {fastact.backend}, {threads} thread{'s' * (threads > 1)}: values, nanoseconds")
    print("an element in a float32 array of a million, and the ratio of plain NumPy's time:\n")
    print(f"{'x':<12}" + "".join(f"{value:8g}" for value in VALUES) + f"{'ns':>10}{'NumPy':>12}")
    for name in EXPRESSIONS:
        if name in GATES or (name in REDUCTIONS and REDUCTIONS[name].single):
            continue  # which give half as many numbers, or one
        values = calls(Job(name, VALUES, threads=threads), [])["fastact"]() + 0.0  # no -0.000
        print(f"{name:<12}" + "".join(f"{value:8.3f}" for value in values), end="", flush=True)
        ours, numpys = shortest(calls(Job(name, x, threads=threads), ["numpy"]).values(), SECONDS)
        print(f"{ours / SIZE * 1e9:10.2f}{f'x {numpys / ours:.1f}':>12}", flush=True)
    print("\nMore, and beside others: fastact bench")
