"""No call takes more memory than its result and a megabyte."""

import os
from pathlib import Path

import pytest
from processes import run

import fastact

HERE = Path(__file__).parent
BOUND = 2**20


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="not Linux, which keeps the peak")
@pytest.mark.skipif(fastact.backend == "numpy", reason="the fallback computes in long double")
def test_peak_memory():
    done = run(
        str(HERE / "peak_memory.py"),
        PYTHONPATH=os.pathsep.join(filter(None, [str(HERE.parent / "bench"), os.environ.get("PYTHONPATH")])),
        MALLOC_MMAP_THRESHOLD_="65536",  # whatever is freed goes back, so that nothing hides in what was taken before
        OMP_WAIT_POLICY="passive",
        OMP_NUM_THREADS="2",
    )
    assert done.returncode == 0, done.stderr
    calls = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert len(calls) > 1000
    beyond = {name: int(size) for size, name in calls if not -BOUND < int(size) <= BOUND}
    assert not beyond
