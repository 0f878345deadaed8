"""Every function beside the same in NumPy, SciPy and PyTorch.

    pytest bench --benchmark-only [--size 1000000] [--dtype float32]

One group for each function; softmax and its kin work over rows of up to 1000.
"""

import numpy as np
import pytest
from peers import libraries

import fastact

LIBRARIES = libraries(fastact.get_num_threads())
CASES = [(name, library) for name in LIBRARIES["fastact"] for library, calls in LIBRARIES.items() if name in calls]


@pytest.mark.parametrize("name, library", CASES)
def test_speed(benchmark, request, name, library):
    size = request.config.getoption("--size")
    x = np.random.default_rng(0).normal(scale=3, size=(max(1, size // 1000), min(size, 1000)))
    benchmark.group = name
    benchmark(LIBRARIES[library][name](x.astype(request.config.getoption("--dtype")), None))
