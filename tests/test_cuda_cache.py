"""Machine code of CUDA kernels, kept on disk; it needs no GPU."""

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from fastact import _cuda_cache, cuda
from fastact import _cuda_compile as compiler
from fastact._cuda_elementwise import VECTOR


@pytest.fixture(params=["a directory", "a file"])
def place(request, monkeypatch, tmp_path):
    """Where the cache shall be; a file can be no directory."""
    path = tmp_path / "cache"
    if request.param == "a file":
        path.write_text("something else")
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))
    programs = _cuda_cache.programs
    programs.cache_clear()
    yield path
    programs.cache_clear()


def never(*arguments, **keywords):
    raise AssertionError("this is there already")


def test_made_once(place):
    assert _cuda_cache.kept(("relu", 2), lambda: b"code") == b"code"
    assert _cuda_cache.kept(("relu", 2), never) == b"code"
    assert _cuda_cache.kept(("relu", 3), lambda: b"other code") == b"other code"
    if place.is_dir():  # as another process finds it
        _cuda_cache.programs.cache_clear()
        assert _cuda_cache.kept(("relu", 2), never) == b"code"
    else:
        assert place.read_text() == "something else"


def test_other_sources_are_other_kernels(place, monkeypatch):
    assert _cuda_cache.kept("relu", lambda: b"code") == b"code"
    monkeypatch.setattr(_cuda_cache, "makers", lambda: "of another version")
    assert _cuda_cache.kept("relu", lambda: b"new code") == b"new code"


def test_other_compilers_make_other_kernels(monkeypatch):
    before = _cuda_cache.makers()
    monkeypatch.setattr("numba_cuda.__version__", "0.0")
    assert _cuda_cache.makers.__wrapped__() != before


def test_an_empty_name_of_a_place(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    _cuda_cache.programs.__wrapped__()["key"] = b"code"
    assert (tmp_path / ".cache" / "fastact").is_dir()


def test_a_full_disk(place, monkeypatch):
    class Full(dict):
        def __setitem__(self, key, value):
            raise OSError("no space left on device")

    monkeypatch.setattr(_cuda_cache, "programs", Full)
    assert _cuda_cache.kept("relu", lambda: b"code") == b"code"


def test_loaded_by_the_name_that_it_has(place):
    """Numba's own name for a kernel depends on what it compiled before."""
    kernel = compiler.elementwise("relu", cuda.FORMULAS["relu"], ("float32",), (VECTOR,), "float32", "float32", 1, 4)
    code = compiler.assembled(kernel.ptx((8, 0)), (8, 0))
    assert f".text.{compiler.ENTRY}\0".encode() in code


class Device:
    device_id, compute_capability = 0, (8, 0)


class Code:
    """As cuda.core's, which wants a driver."""

    @staticmethod
    def from_cubin(code):
        loaded = Code()
        loaded.code = code
        return loaded

    def get_kernel(self, name):
        return self.code, name


def test_a_second_process_compiles_nothing(place, monkeypatch):
    monkeypatch.setattr(compiler, "ObjectCode", Code)
    description = ("relu", cuda.FORMULAS["relu"], ("float32",), (VECTOR,), "float32", "float32", 1, 4)
    code, name = compiler.elementwise(*description).on(Device())
    assert code[:4] == b"\x7fELF" and name == compiler.ENTRY
    monkeypatch.setattr(compiler, "compile_cuda", never)
    assert compiler.elementwise(*description).on(Device()) == (code, name)
    with pytest.raises(AssertionError, match="this is there already"):
        compiler.elementwise(*description, few=False).on(Device())


def test_descriptions_say_all(place):
    """Kernels that differ have descriptions that do."""
    described = {
        compiler.elementwise(
            name, cuda.FORMULAS[name], ("float32",) * inputs, (VECTOR,) * inputs, out, "float32", 1, 4
        ).description
        for name in cuda.FORMULAS
        for out in ("float32", "float16")
        for inputs in [cuda.FORMULAS[name].__code__.co_argcount]
    }
    assert len(described) == 2 * len(cuda.FORMULAS)
