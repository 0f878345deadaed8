"""Threads: the same bits for any number of them, calls from many at once, and after a fork."""

import ctypes
import os
import platform
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import DTYPES, ELEMENTWISE, bits, compiled_only, first_arguments, function_of, sample
from processes import run

import fastact
from fastact import _at_defaults, _backend, ufuncs
from fastact._table import REDUCTIONS

pytestmark = compiled_only

BYTES_PER_THREAD = 32768  # of rows, as in fastact/_axes.pxi


def on_threads(n, call):
    fastact.set_num_threads(n)
    assert fastact.get_num_threads() == n
    return bits(call())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_bits(name, dtype):
    x = np.resize(sample(dtype), 100_003)
    for view in (x, x[::-1], np.repeat(x, 2)[::2], x[1:]):
        results = [on_threads(n, lambda: function_of(name)(view, *first_arguments(name))) for n in (1, 2, 3, 8)]
        assert all(np.array_equal(result, results[0]) for result in results)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(300_001,), (9000, 10), (1000, 77), (77, 1000), (3, 41, 31, 29), (2, 40_000)])
@pytest.mark.parametrize("name", REDUCTIONS)
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


def teams():
    """How often threads have been called."""
    return sum(module.teams() for module in (_backend.ufunc_module, _backend.kernels_module, _backend.simplex_module))


def calls_of_all_sizes():
    """A function of the number of rows, the number from which on there are threads, and a name."""
    for name in ufuncs.__all__:
        for ufunc in filter(None, (getattr(ufuncs, name), getattr(_at_defaults, name, None))):
            for character, per_thread in _backend.ufunc_module.per_thread(ufunc).items():
                if character in "efd":
                    x, out = np.ones((2, 2 * per_thread), character)
                    yield (
                        lambda n, u=ufunc, x=x, out=out: u(*[x[:n]] * u.nin, out=out[:n]),
                        2 * per_thread,
                        f"{name} of {ufunc.nin} {character}",
                    )
    for name in REDUCTIONS:
        function = getattr(fastact, name)
        for character in "efd":
            rows = 2 * BYTES_PER_THREAD // max(np.dtype(character).itemsize, 4) // 32  # float16 as float32
            x = np.ones((rows, 32), character)
            yield lambda n, f=function, x=x: f(x[:n]), rows, f"{name} of {character}"


def test_small_calls_are_for_one_thread():
    """What is large depends on a function's cost."""
    wrong, count = [], 0
    for call, large, name in calls_of_all_sizes():
        for n, expected in ((large - 1, 0), (large, 1)):
            fastact.set_num_threads(2)  # even if others have had the core
            before = teams()
            call(n)
            count += 1
            if teams() - before != expected:
                wrong.append((name, n))
    assert not wrong
    assert count > 300


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot choose cores here")
def test_threads_without_a_core_are_left_alone():
    """Two threads on one core: a call of both takes a time slice of the system's, a hundred times as long as by one."""
    done = run(
        "-c",
        """
import os, time, numpy as np, fastact
from fastact._backend import kernels_module, ufunc_module
x = np.ones((100, 1000), "f")
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
fastact.set_num_threads(2)
for function, module in (fastact.sigmoid, ufunc_module), (fastact.softmax, kernels_module):
    before, end = module.teams(), time.process_time() + 1
    while time.process_time() < end:
        function(x, out=x)
    print(module.teams() - before)
""",
        OMP_WAIT_POLICY="active",
        OMP_NUM_THREADS="2",
    )
    assert done.returncode == 0, done.stderr
    assert all(0 < int(teams) < 50 for teams in done.stdout.split()), done.stdout


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_that_imports_fastact():
    """If its parent has used OpenMP through another library, threads would hang."""
    code = """
import multiprocessing
def child():
    import fastact
    print(fastact.get_num_threads(), flush=True)
multiprocessing.get_context("fork").Process(target=child).start()
"""
    done = run("-c", code, OMP_NUM_THREADS="2")
    assert done.stdout == "1\n", done.stderr


def test_the_number_of_threads_is_for_all_functions():
    code = """
import numpy as np, fastact
from fastact._backend import kernels_module, simplex_module, ufunc_module
x = np.ones((4000, 1000), "f")
fastact.set_num_threads(1)
calls = [(fastact.tanh, ufunc_module), (fastact.softmax, kernels_module), (fastact.sparsemax, simplex_module)]
for function, module in calls:
    before = module.teams()
    function(x)
    assert module.teams() == before, function
"""
    done = run("-c", code, OMP_NUM_THREADS="4")
    assert done.returncode == 0, done.stderr


def test_limits_of_threadpoolctl():
    pytest.importorskip("threadpoolctl")
    code = """
import threadpoolctl, fastact
fastact.set_num_threads(4)
with threadpoolctl.threadpool_limits(2):
    print(fastact.get_num_threads())
print(fastact.get_num_threads())
"""
    done = run("-c", code, OMP_NUM_THREADS="4")
    assert done.stdout == "2\n4\n", done.stderr


@pytest.mark.parametrize(
    "variables",
    [{"FASTACT_NUM_THREADS": "3"}, {"OMP_NUM_THREADS": "3"}, {"FASTACT_NUM_THREADS": "", "OMP_NUM_THREADS": "3"}],
)
def test_number_of_threads_from_the_environment(variables):
    done = run("-c", "import fastact; print(fastact.get_num_threads())", **variables)
    assert done.stdout == "3\n", done.stderr


@pytest.mark.parametrize("wanted", ["100000", str(2**32 - 1), str(2**32)])  # of which OpenMP makes -1 and 0
def test_more_threads_than_a_system_has(wanted):
    code = "import fastact as f; a = f.get_num_threads(); f.set_num_threads(None); print(a, f.get_num_threads())"
    done = run("-c", code, OMP_NUM_THREADS=wanted)
    assert done.stdout == "4096 4096\n", done.stderr


def test_no_number_of_threads():
    """Once one was set, too: as the environment says, in which it was not set."""
    code = "import fastact as f; f.set_num_threads(2); f.set_num_threads(None); print(f.get_num_threads())"
    assert run("-c", code, OMP_NUM_THREADS="3").stdout == "3\n"


@pytest.mark.parametrize("wrong", ["0", "-2", "many", "1.5"])
def test_wrong_number_of_threads_in_the_environment(wrong):
    done = run("-c", "import fastact", FASTACT_NUM_THREADS=wrong)
    assert "ImportError: FASTACT_NUM_THREADS must be a whole number" in done.stderr


# Where the control register is in glibc's fenv_t, as 32-bit words, and its bits that flush results and operands.
FLUSH = {"x86_64": (7, 0x8040), "aarch64": (0, 1 << 24)}
GLIBC = platform.machine() in FLUSH and platform.libc_ver()[0] == "glibc"


@pytest.mark.skipif(not GLIBC, reason="how the mode is set is known for glibc on x86-64 and 64-bit ARM")
def test_all_threads_flush_subnormal_numbers_or_none():
    libm, modes = ctypes.CDLL("libm.so.6"), (ctypes.c_uint32 * 8)()
    place, flush = FLUSH[platform.machine()]
    x = np.full(2_000_000, -100, "f")
    fastact.set_num_threads(2)
    exact = fastact.sigmoid(x[:1])[0]
    libm.fegetenv(modes)
    try:
        modes[place] |= flush
        libm.fesetenv(modes)
        fastact.set_num_threads(2)  # whatever was waited for before
        flushed = fastact.sigmoid(x)
    finally:
        modes[place] &= ~flush
        libm.fesetenv(modes)
    fastact.set_num_threads(2)
    assert np.all(fastact.sigmoid(x) == exact) and exact > 0
    assert np.all(flushed.view("i") == 0)
