"""No call takes more memory than its result and a megabyte."""

import os

import pytest
from cases import compiled_only
from processes import run

BOUND = 2**20


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="not Linux, which keeps the peak")
@compiled_only
def test_peak_memory():
    done = run(
        "-m",
        "peak_memory",
        MALLOC_MMAP_THRESHOLD_="65536",  # whatever is freed goes back, so that nothing hides in what was taken before
        OMP_WAIT_POLICY="passive",
        OMP_NUM_THREADS="2",
    )
    assert done.returncode == 0, done.stderr
    calls = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert len(calls) > 1000
    beyond = {name: int(size) for size, name in calls if not -BOUND < int(size) <= BOUND}
    assert not beyond


NO_MEMORY = """
import resource, sys, numpy as np, fastact
fastact.set_num_threads(1)
x = np.ones(8_000_000, "f")[::2]  # a row that is packed as a whole
out = np.full_like(x, 7)
fastact.softmax(x[:10])
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**22,) * 2)
for function in (fastact.softmax, fastact.sparsemax):
    try:
        function(x, out=out)
    except MemoryError:
        print("none", (out == 7).sum())
"""


@pytest.mark.skipif(not os.access("/proc/self/statm", os.R_OK), reason="not Linux")
@compiled_only
def test_no_memory():
    done = run("-c", NO_MEMORY)
    assert done.stdout == "none 4000000\n" * 2, done.stderr
