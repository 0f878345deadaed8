"""The package as a whole: imports, backends, command line, documentation."""

import ast
import doctest
import inspect
import linecache
import operator
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cases import FUNCTIONS, TABLE
from processes import run

import fastact
from fastact import _backend, _config
from fastact._gates import GATED, GATES
from fastact._table import ACTIVATIONS, REDUCTIONS, SOFTMAXES, WITH_GRADIENT

BACKENDS = _backend.available()
ROOT = Path(__file__).parents[1]
EVERY_ACTIVATION = {*ACTIVATIONS, *REDUCTIONS, *GATES, "gumbel_softmax"}


def test_import_is_light():
    code = "import sys, numpy; before = set(sys.modules); import fastact; print(*set(sys.modules) - before)"
    done = run("-W", "error", "-c", code)
    assert done.returncode == 0, done.stderr
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "fastact" in imported
    assert not imported & {"numba", "llvmlite", "scipy", "Cython", "importlib.metadata", "argparse", "matplotlib"}


def test_calls_import_nothing():
    """numpy.ma, say, which takes longer than the first call."""
    code = (
        "import sys, numpy as np, fastact; x = np.ones((4, 6)); fastact.silu([1]); before = set(sys.modules)\n"
        "for f in (fastact.softmax, fastact.logsumexp, fastact.glu, fastact.sparsemax): f(x.T, 0), f([[1, 2]])\n"
        "fastact.grad.softmax(x[::2], x[::2]), fastact.grad.glu(x[:, :3], x), fastact.grad.prelu_weight(x, x, 0.5)\n"
        "print(set(sys.modules) - before)"
    )
    done = run("-c", code)
    assert done.stdout == "set()\n", done.stderr


def test_import_without_docstrings():
    done = run("-OO", "-c", "import fastact; print(fastact.softmax([1.0, 1.0]), fastact.nn.ReLU(), fastact.glu)")
    assert done.returncode == 0 and done.stdout.startswith("[0.5 0.5]"), done.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_forced_backend(backend):
    code = (
        "import fastact, numpy as np; x = np.array([-1.0, 0.5, 3.0]);"
        "print(fastact.backend); print(fastact.sigmoid(x), fastact.softmax(x), fastact.relu(np.array([-3, 4])))"
    )
    done = run("-W", "error", "-c", code, FASTACT_BACKEND=backend)
    assert done.stdout == (
        f"{backend}\n[0.26894142 0.62245933 0.95257413] [0.01664452 0.07459556 0.90875992] [0 4]\n"
    ), done.stderr


def test_the_best_backend_is_the_default():
    done = run("-c", "import fastact; print(fastact.backend)", FASTACT_BACKEND="")
    assert done.stdout == f"{BACKENDS[0]}\n"
    assert fastact.backend in BACKENDS and BACKENDS[-1] == "numpy"


def test_unknown_backend():
    done = run("-c", "import fastact", FASTACT_BACKEND="abacus")
    assert done.returncode == 1
    assert (
        f"ImportError: FASTACT_BACKEND='abacus' is not a backend that runs here; these do: {', '.join(BACKENDS)}"
        in (done.stderr)
    )


def test_config_on_the_command_line():
    done = run("-W", "error", "-m", "fastact")
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith(f"fastact {fastact.__version__}\n")
    for name in ("backend:", "CPU features:", "threads:", "NumPy:", "Python:", "optional:"):
        assert name in done.stdout


def test_config_names_optional_packages(monkeypatch, capsys):
    monkeypatch.setattr(_config, "version_of", lambda name: None if name == "numba-cuda" else "1.2")
    fastact.show_config()
    assert capsys.readouterr().out.endswith("numba 1.2, matplotlib 1.2, torch 1.2\n")


def test_config_beside_a_folder_of_an_optional_packages_name(tmp_path):
    for name in ("torch", "numba", "matplotlib", "numba_cuda"):
        (tmp_path / name).mkdir()
    done = run("-c", "import fastact; fastact.show_config()", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0 and not done.stderr


def test_demo():
    done = run("-W", "error", "-m", "fastact", "demo")
    assert done.returncode == 0, done.stderr
    accuracy = float(re.search(r"([\d.]+)% of 597 digits", done.stdout)[1])
    assert 95 <= accuracy < 100
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in FUNCTIONS + SOFTMAXES:
        assert re.search(rf"^{name} .* x [\d.]+$", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize("arguments", [["demos"], ["--colour"], ["demo", "now"]])
def test_wrong_command_line(arguments):
    done = run("-m", "fastact", *arguments)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("usage: fastact")


@pytest.mark.parametrize(
    "option, wanted", [("--help", "usage: fastact"), ("--version", f"fastact {fastact.__version__}\n")]
)
def test_help_and_version(option, wanted):
    done = run("-m", "fastact", option)
    assert done.returncode == 0 and done.stdout.startswith(wanted)


def shell(command, **environment):
    """Run it with `fastact` being this one."""
    return subprocess.run(
        command.replace("fastact", f'"{sys.executable}" -m fastact', 1),
        shell=True,
        capture_output=True,
        text=True,
        cwd=sys.prefix,
        env=os.environ | environment,
    )


TINY_BENCH = "fastact bench relu --sizes 10 --seconds 0.01 --peers numpy"


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipe")
def test_reader_that_closes_early(tmp_path):
    done = shell("fastact demo | head -n 1")
    assert done.stdout.startswith("Handwritten digits") and not done.stderr
    pytest.importorskip("matplotlib")
    done = shell(f"fastact plot relu --out {tmp_path}/relu.svg | true", PYTHONUNBUFFERED="1")
    assert not done.stdout and not done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["fastact > /dev/full", TINY_BENCH + " --json /dev/full"])
def test_full_disk(command, unbuffered):
    done = shell(command, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1 and done.stderr == "fastact: [Errno 28] No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="a shell's redirection")
def test_poor_output():
    done = shell(TINY_BENCH, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and " ?" in done.stdout and not done.stderr  # for ±
    done = shell(TINY_BENCH + " 2>&-")
    assert done.returncode == 0 and "geometric mean" in done.stdout


def test_public_names():
    assert {*FUNCTIONS, *REDUCTIONS, *GATES} < set(fastact.__all__)


@pytest.mark.parametrize("name", ["", "cuda", "grad", "math", "nn", "ufuncs"])
def test_completion(name):
    module = getattr(fastact, name) if name else fastact
    offered = [one for one in dir(module) if not one.startswith("__")]
    assert offered == sorted([*module.__all__, *([] if name else ["math"])])
    assert all(hasattr(module, one) for one in dir(module))


TYPED = """from typing import Any

import numpy as np, fastact
from numpy.typing import NDArray
from fastact import grad, math, nn

F = NDArray[np.float32]

class Tensor:  # as it is in PyTorch: with CUDA, the result is of its kind
    def __array__(self) -> np.ndarray:
        return np.ones(3)

    @property
    def __cuda_array_interface__(self) -> Any:
        return {}

@fastact.activation
def twice(x: float, factor: float = 2.0) -> float:
    return factor * math.sqrt(math.exp(x) ** 2)

@fastact.activation(derivative=lambda x: 2.0 * x)
def square(x: float) -> float:
    return x * x

twice(np.ones(3), factor=3.0), square.grad(1.0, [2.0]), twice.ufunc.nin, square.grad_ufunc.at
fastact.gelu([1.0], approximate="tanh"), fastact.grad.gelu(1, 2, approximate="none"), nn.GELU("tanh")
fastact.elu(1, np.float32(0.5)), fastact.prelu(np.ones((2, 3)), [[0.1], [0.2]]), fastact.grad.elu(1, 2, alpha=1)
nn.Softmax(-1), nn.Softmax2d(), nn.Sparsemax(), nn.GLU(dim=0)

def on_device(x: Tensor, y: Tensor, out: Tensor) -> Tensor:
    y = fastact.softmax(x, axis=(0, 1), out=out, temperature=2.0)
    y = grad.glu(y, fastact.glu(x, 1), axis=1)
    return y

def shares(x: F, rng: np.random.Generator) -> F:
    return fastact.gumbel_softmax(x, rng=rng)

def nested(x: list[list[float]]) -> F:
    return fastact.softmax(x, axis=None, where=[True, False], dtype=np.float32)

"""
TYPED += "".join(
    f"def {name}(x: F) -> F:\n    return fastact.{name}(x, axis=0, out=x)\n" for name in [*REDUCTIONS, *GATES]
).replace("def logsumexp(x: F) -> F", "def logsumexp(x: F) -> Any")  # which for vectors is a number
TYPED += "".join(
    f"def {name}_grad(gy: F, x: F) -> F:\n    return grad.{name}(gy, x, -1, out=x)\n"
    for name in [*WITH_GRADIENT, *GATES]
)
MISTYPED = (
    "fastact.activation(1)",
    "fastact.gelu(1.0, approximate='erf')",
    "fastact.grad.gelu(1.0, 1.0, approximate='erf')",
    "fastact.cuda.gelu(1.0, approximate='erf')",
    "fastact.elu(1.0, 'a')",
    "fastact.grad.elu(1.0, 1.0, alpha=None)",
    "math.exp('a')",
    "fastact.softmax(np.ones(2)).softmax()",
    "nn.Softmax()",
    "nn.GELU('erf')",
)


def test_types(tmp_path):
    pytest.importorskip("mypy")
    if fastact.backend != BACKENDS[0] or not os.path.exists(fastact.__file__ + "i"):
        pytest.skip("checked once, where the package was built: the stubs are made then")
    source = tmp_path / "typed.py"
    source.write_text(TYPED + "".join(f"{line}  # type: ignore\n" for line in MISTYPED))  # which strict wants needed
    done = run("-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path), str(source))
    assert done.returncode == 0, done.stdout


PLACES = {
    "": fastact.__all__,
    "grad.": fastact.grad.__all__,
    "ufuncs.": fastact.ufuncs.__all__,
    "nn.": fastact.nn.__all__,
    "cuda.": fastact.cuda.__all__,
    "cuda.grad.": vars(fastact.cuda.grad),
}
NAMES = [place + name for place, names in PLACES.items() for name in names]
NAMES = [name for name in NAMES if callable(operator.attrgetter(name)(fastact))]
SECTIONS = ["Parameters", "Returns", "Attributes", "Raises", "Notes", "References", "Examples"]
# those that need not have all but attributes and references; modules return what their functions do
REQUIRED = {
    **{name: ["Examples"] for name in ("show_config", "get_num_threads", "cuda.is_available", "cuda.why_not")},
    "set_num_threads": ["Parameters", "Raises", "Examples"],
    "nn.Module": ["Notes", "Examples"],
    "nn.Softmax2d": ["Raises", "Notes", "Examples"],
}
WORDS = {"NaN", "inf", "float32", "TypeError", "ValueError"}  # in what is said about a function of numbers
WITHOUT_WORDS = {"activation", "plot", "grad.prelu_weight"}


def parameters_of(thing):
    if isinstance(thing, np.ufunc):
        row = (TABLE | GATED)[thing.__name__]
        return {*row.arrays, *row.parameters, "out", "where"}
    names = inspect.signature(thing).parameters.keys()
    return (names - {"kwargs", "parameters"}) | ({"out", "where"} if "kwargs" in names else set())


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name):
    thing = operator.attrgetter(name)(fastact)
    text, (place, _, last) = inspect.getdoc(thing), name.rpartition(".")
    sections = re.findall(r"^(\w+)\n-+$", text, re.MULTILINE)
    required = ["Parameters", "Raises", "Notes", "Examples"]
    required += ["Returns"] * (place != "nn") + ["References"] * (name in EVERY_ACTIVATION)
    assert sections == [section for section in SECTIONS if section in sections]
    assert set(REQUIRED.get(name, required)) <= set(sections)
    lines = text.splitlines()
    assert not [line for line in lines if "{" in line and "\\" not in line and '"' not in line]  # of TeX, and a set's
    own = lines[1:] if isinstance(thing, np.ufunc) else lines  # NumPy writes an ufunc's signature above
    assert max(map(len, own)) <= 120
    for parameter in parameters_of(thing):
        documented = re.search(rf"^(\w+, )*{parameter}(, \w+)* : ", text, re.MULTILINE)
        assert documented, parameter
    if place.startswith("cuda"):
        assert thing.__name__ == last
    elif place != "nn" and name not in WITHOUT_WORDS | REQUIRED.keys():
        assert [word for word in WORDS if word not in text] == []


@pytest.mark.parametrize("name", [*NAMES, "grad", "ufuncs", "nn", "math"])
def test_examples(name):
    if name == "activation":
        pytest.importorskip("numba")
    text = inspect.getdoc(operator.attrgetter(name)(fastact))
    if "torch" in text and name.startswith("cuda"):
        pytest.importorskip("torch")
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize(("page", "examples"), [("README.md", 5), ("docs/guide.md", 2)])
def test_examples_of_pages(page, examples):
    result = doctest.testfile(f"../{page}", encoding="utf-8")
    assert result.attempted >= examples and result.failed == 0


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_pages_name_all_functions(page):
    rows = re.findall(r"^\|.*\|$", ROOT.joinpath(page).read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert EVERY_ACTIVATION <= named


def test_guide_has_all_parameters():
    """In its table, with their defaults; README says how many functions there are."""
    _, table = ROOT.joinpath("docs", "guide.md").read_text(encoding="utf-8").split("| function |")
    rows = dict(re.findall(r"^\| `(\w+)` .*\|([^|]*)\|$", table.partition("\n\n")[0], re.MULTILINE))
    assert rows.keys() == EVERY_ACTIVATION
    assert f"and {len(rows) - 3} more" in ROOT.joinpath("README.md").read_text(encoding="utf-8")  # than three named
    for name, parameters in rows.items():
        written = dict(re.findall(r"`(\w+)=?(.*?)`", parameters))
        for parameter, default in written.items():
            has = inspect.signature(getattr(fastact, name)).parameters[parameter].default
            assert has == (eval(default) if default else inspect.Parameter.empty), name
        if name in FUNCTIONS:
            assert [*written] == [*TABLE[name].parameters, *["approximate"] * bool(TABLE[name].options)]


def test_recipes(monkeypatch):
    """The guide's, as far as the libraries they are for are there."""
    pytest.importorskip("numba")
    text = ROOT.joinpath("docs", "guide.md").read_text(encoding="utf-8")
    (recipes,) = re.findall(r"## Recipes\n\n```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.setitem(linecache.cache, "<recipes>", (None, None, recipes.splitlines(keepends=True), "<recipes>"))
    q, k = np.random.default_rng(0).normal(size=(2, 3, 5, 8))
    names = {"np": np, "fastact": fastact, "q": q, "k": k, "d": 8, "mask": np.tri(5, dtype=bool), "beta": 1.5, "x": q}
    rng = np.random.default_rng(1)
    names |= {"logits": rng.normal(size=(3, 60)), "temperature": 0.8, "rng": rng}
    names |= {"g_weights": np.ones((3, 5, 5)), "gy": np.ones_like(q), "image": np.arange(256, dtype=np.uint8)}
    if find_spec("pandas"):
        import pandas as pd

        names |= {"pd": pd, "frame": pd.DataFrame(q[0]), "series": pd.Series(k[0, 0]), "labels": k[0, 0] > 0}
    if find_spec("xarray"):
        import xarray as xr

        names |= {"xr": xr, "scores": xr.DataArray(q[0], dims=("n", "class"))}
    if find_spec("dask"):
        import dask.array

        names["chunks"] = dask.array.from_array(q[0], chunks=2)
    done = 0
    for statement in ast.parse(recipes).body:
        code = compile(ast.Module([statement], []), "<recipes>", "exec")
        if {"pd", "series", "xr", "chunks"} & set(code.co_names) <= names.keys():
            exec(code, names)
            done += 1
    assert done >= 7 and names["weights"].shape == names["g_scores"].shape == (3, 5, 5)
    assert np.take_along_axis(names["best"], names["token"][:, None], axis=1).all()
    assert np.isclose(names["g_beta"], fastact.swish(q, 1.5 + 1e-6).sum() * 1e6 - fastact.swish(q, 1.5).sum() * 1e6)


def test_initials_begin_no_list():
    import conf  # docs/conf.py

    lines = ["V. Nair and G. E. Hinton", "    M. Mächler", "float32. At most", ""]
    conf.keep_initials(None, "function", "name", None, {}, lines)
    assert lines == [r"V\. Nair and G. E. Hinton", r"    M\. Mächler", "float32. At most", ""]


def test_reference_has_all():
    """The documentation's pages; that they can be made is seen where Sphinx is installed."""
    import conf  # docs/conf.py

    text = Path(conf.__file__).with_name("reference.rst").read_text()
    written = set(re.findall(r":: (fastact\.[\w.]+)", text))
    written |= {
        f"{place}.{name}" for field, (place, names) in conf.NAMES.items() if f"{{{field}}}" in text for name in names
    }
    for module in (fastact, fastact.grad, fastact.nn):
        missing = {f"{module.__name__}.{name}" for name in module.__all__} - written
        assert missing - {"fastact.backend", "fastact.ufuncs", "fastact.grad"} == set()
