"""The cells of `fastact bench`, through pytest-benchmark: a group for each cell, a line for each library.

    pytest bench --benchmark-only [-k sigmoid] [--sizes 1e3,1e6] [--dtypes float64] [--peers torch]

Libraries follow each other here; in `fastact bench` they take turns, and the ratios are better.
"""

import pytest

from fastact._bench.peers import calls
from fastact._timing import wait_for_idle_threads


def test_speed(benchmark, cell, library):
    call = calls(cell.job(), [library] if library != "fastact" else []).get(library)
    if not call:
        pytest.skip(f"{library} has no {cell}")
    benchmark.group = str(cell)
    benchmark.name = library
    wait_for_idle_threads()
    benchmark(call)
