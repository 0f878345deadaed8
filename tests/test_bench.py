"""The command `fastact bench`: small runs, and what its peers compute."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from processes import run

import fastact
from fastact import _bench
from fastact.__main__ import main
from fastact._bench.cells import LAYOUTS, Cell, Rows
from fastact._bench.options import chosen, threads_of
from fastact._bench.peers import PEERS, missing, suits
from fastact._bench.report import Result, summary, with_spread
from fastact._expressions import EXPRESSIONS
from fastact._timing import Times, shortest, wait_for_idle_threads

TINY = ["--sizes", "30", "--rows", "4x6", "--peers", "numpy", "--seconds", "0.01"]


def bench(capsys, *arguments):
    """What a run prints."""
    assert main(["bench", *arguments]) == 0
    printed = capsys.readouterr()
    assert not printed.err  # no progress bar without a terminal
    return printed.out


def table(text):
    """The lines of the first table, as lists of texts."""
    lines = text.split("\n\n")[1].splitlines()
    assert len(set(map(len, lines))) == 1
    return [[part.strip() for part in line.strip("|").split("|")] for line in lines]


def test_table(capsys):
    text = bench(capsys, "relu", "softmax", *TINY, "--dtypes", "float64,float32", "--threads", "1")
    names, _, *rows = table(text)
    assert names == ["function", "dtype", "size", "ns/elem.", "GB/s", "numpy"]
    assert [row[:3] for row in rows] == [
        ["relu", "float64", "30"],
        ["relu", "float32", "30"],
        ["softmax", "float64", "4x6"],
        ["softmax", "float32", "4x6"],
    ]
    for row in rows:
        assert float(row[3]) > 0 and float(row[4]) > 0
        assert re.fullmatch(r"\d+\.\d+ ±\d+\.\d+", row[5])
    assert "forward, into a new array, contiguous, 1 thread\n" in text
    for group in ("elementwise", "softmax family"):
        assert re.search(rf"{group}, geometric mean +\| +[\d.]+ \|", text)
        assert re.search(rf"{group}, lowest +\| +[\d.]+ \|", text)


def test_all_functions_are_measured(capsys):
    rows = table(bench(capsys, *TINY, "--peers", "none"))[2:]
    assert [row[0] for row in rows] == list(EXPRESSIONS)


def test_results_of_other_shapes(capsys, tmp_path):
    path = tmp_path / "speed.json"
    options = [*TINY, "--rows", "4x6,4x5", "--json", str(path)]
    bench(capsys, "logsumexp", "glu", "sparsemax", *options, "--preallocated")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    moved = {"logsumexp": {"4x6": 24 + 4, "4x5": 20 + 4}, "glu": {"4x6": 24 + 12}, "sparsemax": {"4x6": 48, "4x5": 40}}
    assert {(cell["function"], cell["size"]) for cell in cells} == {(f, s) for f in moved for s in moved[f]}
    for cell in cells:
        bytes_moved = 4 * moved[cell["function"]][cell["size"]]
        assert cell["GB/s"] == pytest.approx(bytes_moved / cell["seconds"]["fastact"]["minimum"] / 1e9)


def test_copies(capsys):
    other_shape = ("logsumexp", "glu")
    options = [*TINY, "--preallocated", "--peers", "copy", "--threads", "1,2"]
    rows = table(bench(capsys, "relu", "softmax", *other_shape, *options))[2:]
    assert all((row[-1] == "") == (row[0] in other_shape) for row in rows)


def result_of(function, own, others):
    """Of turns that took so long."""
    times = {"fastact": Times(), "numpy": Times()}
    times["fastact"].turns, times["numpy"].turns = own, others
    return Result(Cell(function, "float32", 10, "contiguous", 1), times)


def test_summary():
    results = [result_of("relu", [[2.0], [1.0]], [[2.0], [3.0]]), result_of("tanh", [[1.0]], [[8.0]])]
    ratios = {"ratio": 2.0, "ratio from": 1.0, "ratio to": 3.0}
    assert ratios.items() <= results[0].as_json()["seconds"]["numpy"].items()
    rows = table("\n\n" + "\n".join(summary(results, ["numpy"])))[2:]
    assert rows == [["elementwise, geometric mean", "4.00"], ["elementwise, lowest", "2.00"]]


def test_ratios_fit_their_columns():
    ratios = [0.5, 9.99, 10.0, 99.9, 123.4, 12345.6]
    assert [len(with_spread(ratio, [0.1, 9000.0])) <= 12 for ratio in ratios] == [True] * 6
    assert with_spread(198.9, [180.0, 220.0]) == "199 ±20"


def test_json(capsys, tmp_path):
    path = tmp_path / "speed.json"
    layouts = ["strided", "transposed", "sliced"]
    options = ["--layouts", ",".join(layouts), "--preallocated", "--peers", "scipy,numpy", "--json", str(path)]
    bench(capsys, "sigmoid", *TINY, *options)
    about = json.loads(path.read_text(encoding="utf-8"))
    assert about["CPU"] and about["backend"] == fastact.backend and about["versions"]["numpy"] == np.__version__
    assert about["command"].startswith("fastact bench sigmoid --sizes 30 ")
    assert about["absent"]["numpy"] == "has nothing preallocated"
    assert [cell["layout"] for cell in about["cells"]] == layouts
    for cell in about["cells"]:
        assert cell["function"] == "sigmoid" and cell["elements"] == 30 and cell["preallocated"]
        own = cell["seconds"]["fastact"]
        assert 0 < own["minimum"] <= own["median"] and own["turns"] >= _bench.ROUNDS
        assert cell["nanoseconds per element"] == pytest.approx(own["minimum"] / 30 * 1e9)
        assert cell["GB/s"] == pytest.approx(2 * 30 * 4 / own["minimum"] / 1e9)
        if find_spec("scipy"):
            other = cell["seconds"]["scipy"]
            assert other["ratio"] == pytest.approx(other["minimum"] / own["minimum"])


@pytest.mark.parametrize("options", [[], ["--preallocated"]], ids=["new", "preallocated"])
def test_gradients(capsys, tmp_path, options):
    path = tmp_path / "speed.json"
    text = bench(capsys, "elu", "prelu", *TINY, "--backward", *options, "--json", str(path))
    assert "backward, into " in text
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert [(cell["function"], cell["direction"]) for cell in cells] == [("elu", "backward"), ("prelu", "backward")]
    assert cells[0]["GB/s"] == pytest.approx(3 * 30 * 4 / cells[0]["seconds"]["fastact"]["minimum"] / 1e9)


def test_absent_peers_are_named(capsys, monkeypatch):
    monkeypatch.setattr("fastact._bench.peers.find_spec", lambda name: name in ("numpy", "openvino"))
    text = bench(capsys, "relu", *TINY, "--peers", "numpy,torch,openvino")
    assert "without torch: not installed\n" in text
    assert "without openvino: needs onnx\n" in text
    assert table(text)[0][-1] == "numpy"


WRONG = {
    ("rely",): "'rely' is none of the functions: relu, ",
    ("--sizes", "1.5"): "--sizes: expected a positive whole number, got '1.5'",
    ("--sizes", "0"): "--sizes: expected a positive whole number",
    ("--sizes", "big"): "--sizes: expected a positive whole number, got 'big'",
    ("--rows", "5x"): "--rows: '5x': expected lengths",
    ("--rows", "5x0"): "--rows: '5x0': no elements",
    ("--rows", "5x6@2"): "--rows: '5x6@2': no axis 2",
    ("glu", "--rows", "3x3"): "--rows: gated units need an even number of elements",
    ("--dtypes", "int8"): "--dtypes: 'int8' is none of float32, float64",
    ("--layouts", "round"): "--layouts: 'round' is none of contiguous, strided, transposed, sliced",
    ("--peers", "abacus"): "--peers: 'abacus' is none of numpy, scipy, torch,",
    ("--device", "tpu"): "argument --device: invalid choice: 'tpu'",
    ("--threads", "0"): "--threads: expected a positive whole number",
    ("--threads", "5000"): "--threads: at most 4096",
    ("--seconds", "0"): "--seconds: expected a positive number",
    ("--seconds", "nan"): "--seconds: expected a positive number",
    ("--json", "nowhere/speed.json"): "nowhere",
    ("--json", "."): "directory",
    ("--all", "relu", "--colour"): "unrecognized arguments: --colour",
}


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_arguments(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments])
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and not printed.out
    assert WRONG[arguments].lower() in printed.err.lower()
    assert list(tmp_path.iterdir()) == []


def test_no_cuda_device(capsys, monkeypatch):
    monkeypatch.setattr("fastact.cuda.why_not", lambda: "no driver")
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "relu", "--device", "cuda"])
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and not printed.out and "--device cuda: no driver\n" in printed.err


WRONG_ON_CUDA = {
    ("rely",): "'rely' is none of the functions",
    ("--threads", "1"): "--threads: of the CPU, not with --device cuda",
    ("--layouts", "strided"): "--layouts: 'strided' is none of contiguous",
    ("--dtypes", "int8"): "--dtypes: 'int8' is none of float32, float64, float16",
    ("--peers", "numpy"): "--peers: 'numpy' is none of torch, copy",
}


@pytest.mark.parametrize("arguments", WRONG_ON_CUDA, ids=" ".join)
def test_wrong_arguments_on_cuda(arguments, capsys, monkeypatch):
    monkeypatch.setattr("fastact.cuda.why_not", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments, "--device", "cuda"])
    assert stopped.value.code == 2 and WRONG_ON_CUDA[arguments] in capsys.readouterr().err


def test_picture_without_matplotlib(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "fastact._bench.picture", raising=False)
    with pytest.raises(SystemExit):
        main(["bench", *TINY, "--out", str(tmp_path / "speed.svg")])
    printed = capsys.readouterr()
    assert "needs matplotlib: pip install matplotlib" in printed.err and not printed.out


@pytest.mark.parametrize("sizes", ["30", "10,20,40"], ids=["points", "curves"])
@pytest.mark.parametrize("kind, start", [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_picture(capsys, tmp_path, sizes, kind, start):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"speed.{kind}"
    bench(capsys, "relu", "softmax", *TINY, "--sizes", sizes, "--out", str(path))
    assert path.read_bytes().startswith(start)
    if kind == "svg":
        assert path.read_bytes().count(b"softmax") and path.read_bytes().count(b"relu")


def test_picture_of_unknown_format(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(SystemExit):
        main(["bench", *TINY, "--out", str(tmp_path / "speed.abc")])
    assert ".svg" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupt_leaves_what_was_measured(tmp_path):
    path = tmp_path / "speed.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "fastact", "bench", *TINY, "--seconds", "0.2", "--json", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=sys.prefix,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # jobs in the background ignore it
    )
    printed = ""
    while "| relu " not in printed:
        printed += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and not errors
    assert "geometric mean" in rest
    done = [cell["function"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert done == list(EXPRESSIONS)[: len(done)] and 1 <= len(done) < len(EXPRESSIONS)


def test_pages_have_what_was_measured(monkeypatch):
    """docs/speed.md, README.md and docs/accuracy.md, of what is in bench/results."""
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=None))  # which nothing here needs
    import accuracy
    import speed_page

    readme = (speed_page.ROOT / "README.md").read_text()
    assert (speed_page.ROOT / "docs" / "speed.md").read_text() == speed_page.page()
    assert readme == speed_page.readme(readme)
    report = accuracy.report(accuracy.load(), accuracy.SECTIONS)
    assert (speed_page.ROOT / "docs" / "accuracy.md").read_text() == accuracy.PAGE + report + "\n"


def test_limits_has_all_loops():
    pytest.importorskip("llvmlite")
    import limits

    page = Path(limits.__file__).parents[1].joinpath("docs", "limits.md").read_text(encoding="utf-8")
    _, table = page.split(limits.BEGIN)
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(limits.TABLE)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("tqdm", [True, False])
def test_progress_on_a_terminal(capsys, monkeypatch, tqdm):
    if tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setattr("fastact._bench.progress.find_spec", lambda name: None)
    monkeypatch.setattr("sys.stderr", Terminal())
    main(["bench", "relu", "tanh", *TINY])
    assert len(table(capsys.readouterr().out)) == 4
    assert "tanh float32 30 contiguous" in sys.stderr.getvalue() and "1/2" in sys.stderr.getvalue()


def test_peers_are_imported_when_asked():
    code = (
        "import sys; from fastact.__main__ import main;"
        "main(['bench', 'relu', '--sizes', '10', '--seconds', '0.01', '--peers', 'numpy']);"
        "print({name.partition('.')[0] for name in sys.modules} & "
        "{'torch', 'scipy', 'jax', 'onnx', 'openvino', 'numexpr', 'matplotlib'})"
    )
    assert run("-W", "error", "-c", code).stdout.splitlines()[-1] == "set()"


def test_threads_are_as_before(capsys):
    before = fastact.get_num_threads()
    bench(capsys, "relu", *TINY, "--threads", "1,3")
    assert fastact.get_num_threads() == before


def test_what_is_given_twice_is_measured_once():
    fastact.set_num_threads(3)
    assert threads_of("all,1,3") == [3, 1]
    assert chosen("b,a,b", ["a", "b"], "--peers") == ["b", "a"]


@pytest.mark.parametrize("size, text", [(10, "10"), (1000, "1e3"), (1234, "1234"), (1500, "1.5e3"), (10**7, "1e7")])
def test_text_of_a_size(size, text):
    assert Cell("relu", "float32", size, "contiguous", 1).size_text == text


@pytest.mark.parametrize("text", ["10", "4x5", "2x3x4@1", "7x8@0"])
def test_rows_read_back(text):
    assert str(Rows.parse(text)) == text
    assert str(Rows.parse("4x5@1")) == "4x5"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    x = Cell("relu", "float32", Rows((3, 4, 5), 1), layout, 1).job().x
    assert x.shape == (3, 4, 5) and x.dtype == np.float32
    assert x.flags.c_contiguous == (layout == "contiguous")
    assert x.flags.f_contiguous == (layout == "transposed")


@pytest.mark.parametrize("mode", ["new", "out", "backward"])
@pytest.mark.parametrize("peer", [name for name in PEERS if name != "copy"])
def test_peers_compute_the_same(peer, mode):
    """A comparison with something else would be worth nothing."""
    if missing(peer) or not suits(peer, mode == "out", mode == "backward"):
        pytest.skip("not here")
    done = run(str(Path(__file__).with_name("compare_peer.py")), peer, mode)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4


def test_times():
    times = Times()
    times.turns = [[5.0, 3.0], [4.0], [9.0, 2.0], [7.0], [8.0], [6.0, 6.0], [1.0, 8.0]]
    assert times.minimum == 1.0 and times.median == 6.0
    assert times.minima == [3.0, 4.0, 2.0, 8.0, 1.0]


@pytest.mark.parametrize("tick", [0.001, 0.004, 0.01])
def test_threads_that_run_on_are_waited_for(monkeypatch, tick):
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    def process_time():  # of a thread that spins for 25 ms, counted in ticks
        return min(now, 0.025) // tick * tick

    monkeypatch.setattr("fastact._timing.sleep", sleep)
    monkeypatch.setattr("fastact._timing.process_time", process_time)
    wait_for_idle_threads()
    assert 0.025 <= now < 0.06


def test_the_faster_call_is_found():
    small, large = np.ones(1000), np.ones(1_000_000)
    times = shortest([lambda: np.sqrt(small), lambda: np.sqrt(large)], 0.05)
    assert times[0] < times[1]
