"""`fastact.cuda` as a module: what it says where there is no GPU. The kernels have tests of their own."""

import doctest
import inspect

import numpy as np
import pytest
from cases import FUNCTIONS, REDUCTIONS
from processes import run

import fastact
from fastact import _cuda_device, cuda

NO_DEVICE = cuda.why_not()
without_device = pytest.mark.skipif(NO_DEVICE is None, reason="there is a device")


def test_availability():
    assert NO_DEVICE is None or (isinstance(NO_DEVICE, str) and NO_DEVICE)
    assert fastact.cuda is cuda


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


def test_configuration(capsys):
    fastact.show_config()
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("CUDA:")]
    assert NO_DEVICE is None or NO_DEVICE in row or "not installed" in row


@pytest.mark.parametrize(
    "name", [*FUNCTIONS, *REDUCTIONS, "logsumexp", *(f"grad.{name}" for name in FUNCTIONS + REDUCTIONS)]
)
def test_docstring(name):
    function = getattr(cuda.grad, name[5:]) if name.startswith("grad.") else getattr(cuda, name)
    text = inspect.cleandoc(function.__doc__)
    assert function.__name__ == name.removeprefix("grad.") and "{" not in text
    sections = ["Parameters", "Returns", "Raises", "Notes", "Examples"]
    places = [text.index(f"{section}\n{'-' * len(section)}") for section in sections]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("function", [_cuda_device.why_not, _cuda_device.is_available])
def test_examples(function):
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(function), {}, function.__name__, None, None)
    assert test.examples and doctest.DocTestRunner(verbose=False).run(test).failed == 0
