"""Threads: the same bits for any number of them, calls from many at once, and after a fork."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases import ELEMENTWISE, REDUCTIONS, SPARSE, bits, first_arguments, function_of, sample
from processes import run

import fastact

pytestmark = pytest.mark.skipif(fastact.backend == "numpy", reason="the fallback works on one thread")


@pytest.fixture(autouse=True)
def threads_as_before():
    before = fastact.get_num_threads()
    yield
    fastact.set_num_threads(before)


def on_threads(n, call):
    fastact.set_num_threads(n)
    assert fastact.get_num_threads() == n
    return bits(call())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_bits(name, dtype):
    x = np.resize(sample(dtype), 100_003)
    for view in (x, x[::-1], np.repeat(x, 2)[::2], x[1:]):
        results = [on_threads(n, lambda: function_of(name)(view, *first_arguments(name))) for n in (1, 2, 3, 8)]
        assert all(np.array_equal(result, results[0]) for result in results)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(300_001,), (9000, 10), (1000, 77), (77, 1000), (3, 41, 31, 29), (2, 40_000)])
@pytest.mark.parametrize("name", REDUCTIONS + SPARSE)
def test_reduction_bits(name, shape, dtype):
    x = np.random.default_rng(0).normal(scale=4, size=shape).astype(dtype)
    for axis in (0, -1, None):
        results = [on_threads(n, lambda: getattr(fastact, name)(x, axis=axis)) for n in (1, 2, 3, 8)]
        assert all(np.array_equal(result, results[0]) for result in results)


def test_many_python_threads():
    x = np.random.default_rng(1).normal(size=(300, 400)).astype("f")
    want = [bits(fastact.tanh(x)), bits(fastact.softmax(x, axis=1)), bits(fastact.softmax(x, axis=0))]

    def work(_):
        got = [bits(fastact.tanh(x)), bits(fastact.softmax(x, axis=1)), bits(fastact.softmax(x, axis=0))]
        return all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(80)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts how often a thread sleeps")
def test_small_calls_wake_no_thread():
    """What is large depends on a function's cost."""
    script = str(Path(__file__).with_name("wakes.py"))
    done = run(script, OMP_NUM_THREADS="2", GOMP_SPINCOUNT="0", FASTACT_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    calls = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert len(calls) > 300
    assert [name for should, did, name in calls if should != did] == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot choose cores here")
def test_threads_without_a_core_are_left_alone():
    """Two threads on one core: every call of both would take a time slice of the system's, a hundred times as long."""
    done = run(
        "-c",
        """
import os, time, numpy as np, fastact
x = np.ones((100, 1000), "f")
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
for function in fastact.sigmoid, fastact.softmax:
    counts = []
    for threads in 1, 2:
        fastact.set_num_threads(threads)
        count, end = 0, time.process_time() + 1
        while time.process_time() < end:
            function(x, out=x)
            count += 1
        counts.append(count)
    print(counts[1] / counts[0])
""",
        OMP_NUM_THREADS="2",
    )
    assert done.returncode == 0, done.stderr
    assert all(float(share) > 0.5 for share in done.stdout.split()), done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_works():
    done = run(
        "-c",
        """
import os, numpy as np, fastact
x = np.random.default_rng(0).normal(size=400_000).astype("f")
before = fastact.sigmoid(x), fastact.softmax(x)
child = os.fork()
if child == 0:
    same = np.array_equal(fastact.sigmoid(x), before[0]) and np.array_equal(fastact.softmax(x), before[1])
    os._exit(0 if same and fastact.get_num_threads() == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
    )
    assert done.stdout == "0\n", done.stderr


@pytest.mark.parametrize("variable", ["FASTACT_NUM_THREADS", "OMP_NUM_THREADS"])
def test_number_of_threads_from_the_environment(variable):
    done = run("-c", "import fastact; print(fastact.get_num_threads())", **{variable: "3"})
    assert done.stdout == "3\n", done.stderr


@pytest.mark.parametrize("wrong", ["0", "-2", "many", "1.5"])
def test_wrong_number_of_threads_in_the_environment(wrong):
    done = run("-c", "import fastact", FASTACT_NUM_THREADS=wrong)
    assert "ImportError: FASTACT_NUM_THREADS must be a whole number" in done.stderr
