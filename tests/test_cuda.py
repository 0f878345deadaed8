"""`fastact.cuda` as a module: what it says where there is no GPU. The kernels have tests of their own."""

import inspect

import numpy as np
import pytest
from processes import run

import fastact
from fastact import _by_lookup, _cuda_arrays, _cuda_halves, _cuda_rows, _math, cuda

NO_DEVICE = cuda.why_not()
without_device = pytest.mark.skipif(NO_DEVICE is None, reason="there is a device")


class OfJax:
    """An array on the CPU whose class has the interface of those on a GPU, as jax's has."""

    @property
    def __cuda_array_interface__(self):
        raise AttributeError("not on a GPU")

    def __dlpack_device__(self):
        return 1, 0

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, -2.0])


def test_arrays_on_the_cpu_that_could_be_elsewhere():
    x = np.asarray(OfJax())
    assert np.array_equal(fastact.relu(OfJax()), fastact.relu(x))
    assert np.array_equal(fastact.elu(OfJax(), 0.5), fastact.elu(x, 0.5))
    assert np.array_equal(fastact.softmax(OfJax()), fastact.softmax(x))
    assert np.array_equal(fastact.grad.glu([1.0], OfJax()), fastact.grad.glu([1.0], x))


class Managed:
    def __dlpack_device__(self):
        return 13, 0


def test_managed_memory_is_on_a_device():
    assert _cuda_arrays.is_on_device(Managed()) and not _cuda_arrays.is_on_device(OfJax())


def test_each_function_for_halves_stands_for_one():
    """Otherwise only others there call it; by a wrong name it would be left out, and nothing but slow."""
    functions = filter(inspect.isfunction, vars(_cuda_halves).values())
    here = [function for function in functions if function.__module__ == _cuda_halves.__name__]
    called = {name for function in here for name in function.__code__.co_names}
    for function in here:
        name = function.__name__
        of_others = [getattr(module, name) for module in (_math, _by_lookup, _cuda_rows) if hasattr(module, name)]
        assert of_others or name in called or name == "primitives_for"
        assert all(inspect.signature(other) == inspect.signature(function) for other in of_others)


@without_device
def test_the_reason_is_given():
    for function in (cuda.sigmoid, cuda.softmax):
        with pytest.raises(RuntimeError, match="CUDA does not work here: ") as caught:
            function(np.ones(3))
        assert str(caught.value).endswith(NO_DEVICE)
    done = run("-c", "import fastact", FASTACT_BACKEND="cuda")
    assert done.returncode == 1
    assert "ImportError: FASTACT_BACKEND='cuda' does not work here: " + NO_DEVICE in done.stderr


def test_without_the_package():
    code = "import sys; sys.modules['cuda.core'] = None; import fastact; print(fastact.cuda.why_not())"
    done = run("-W", "error", "-c", code)
    assert done.stdout.startswith("numba-cuda is not there (") and done.stdout.endswith('pip install "fastact[cuda]"\n')


def test_import_is_light():
    code = "import sys, fastact.cuda; print(*{name.partition('.')[0] for name in sys.modules})"
    done = run("-W", "error", "-c", code)
    assert done.returncode == 0, done.stderr
    assert not {"numba", "numba_cuda", "llvmlite", "torch", "cupy"} & set(done.stdout.split())


def test_negated_views_of_torch():
    """Their memory holds the other sign."""
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="resolve_neg"):
        _cuda_arrays._of_torch(torch.tensor([1 + 2j, 3 - 1j]).conj().imag, "x")


def test_configuration(capsys):
    fastact.show_config()
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("CUDA:")]
    assert NO_DEVICE is None or NO_DEVICE in row or "not installed" in row
