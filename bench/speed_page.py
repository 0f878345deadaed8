"""Write docs/speed.md, and the table in README.md, from what `fastact bench` wrote to bench/results.

python bench/speed_page.py
"""

import argparse
import json
from pathlib import Path
from statistics import geometric_mean

from fastact._bench.cells import FAMILIES
from fastact._bench.report import significant
from fastact._expressions import EXPRESSIONS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
MACHINES = {
    "intel-xeon-amx": "Intel Xeon with AVX-512 and AMX",
    "amd-epyc-9004": "AMD EPYC 9004 (Zen 4), AVX-512",
}
KINDS = {
    "torch-new": "into new arrays",
    "torch-preallocated": "into arrays that are there",
    "torch-layouts": "sliced, transposed, every other element",
    "torch-backward": "gradients",
    "float16": "float16",
    "engines-preallocated": "inference engines, into arrays that are there",
    "others-new": "others, into new arrays",
    "copy": "16 million, beside a copy of them",
}
LIBRARIES = {
    "numpy": "NumPy",
    "scipy": "SciPy",
    "torch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "jax": "jax",
    "numexpr": "numexpr",
    "copy": "a copy",
}
PARTS = ["elementwise", "softmax family", "gated units"]
IN_README = ["relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "mish", "softmax", "log_softmax", "swiglu"]
BEGIN, END = "<!-- by bench/speed_page.py -->", "<!-- up to here -->"

PAGE = """# Speed

    fastact bench                                   # all functions beside what is installed, in a minute and a half
    fastact bench tanh softmax --dtypes float64 --threads 1,all
    fastact bench relu --sizes 1e3,1e4,1e5,1e6,1e7 --out relu.svg
    fastact bench --device cuda                     # fastact.cuda, beside PyTorch on the GPU and a copy in its memory

`fastact bench` measures fastact and, as far as they are installed, NumPy, SciPy, PyTorch, jax, numexpr, and with
`--preallocated` ONNX Runtime and OpenVINO (these two with onnx): all in turns, in one process, on the same array and
with as many threads. It prints nanoseconds an element, GB/s, how many times as long the others take with the spread of
that, and geometric means. With `--device cuda`, runs of launches are timed until the device has done them, and `copy`
moves as many bytes as the function. `--out` draws a picture, `--json` writes all figures; `fastact bench --help` has
the choice of cells. `pytest bench --benchmark-only -k sigmoid` runs the same cells through pytest-benchmark.

What follows was measured so: bench/results has every figure, the commands, dates and versions, and this page is made of
it by `python bench/speed_page.py`. "NumPy" is the expression that one would write, which fastact/_expressions.py has;
it and SciPy use one core. The EPYC's and the GPU's figures are of earlier versions, whose formulas differed by an
operation here and there (and NumPy's `gelu_tanh` was written with `x**3`, which it takes long for).

## A million float32 numbers

Two cores, results in new arrays, rows of 1000: nanoseconds an element, and how many times as long as fastact the others
take. In brackets the same CPU confined to AVX2, by `FASTACT_BACKEND=x86-64-v3 ATEN_CPU_CAPABILITY=avx2
NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL"`, to which the Xeon adds AVX512_SPR.

{million}

## All cells

Functions in float32 and float64, of ten to sixteen million elements, on one core and on two: geometric means of how
many times as long as fastact the others take, and how many cells of all are more than 5 % below 1. The softmax family
is `softmax`, `softmin`, `log_softmax` and `logsumexp`.

{cells}

Where others are faster, they mostly have fewer digits. PyTorch takes the gradients of `sigmoid` and `tanh` from the
result, fastact from `x`; PyTorch's `gelu` loses the left tail; the inference engines' `softmax` is up to some 70 units
in the last place off.

## On a GPU

An NVIDIA H200, 67 million numbers, results in arrays that are there; PyTorch 2.11. Gradients of 33 functions, in
float32, are in bench/results/speed-nvidia-h200-backward.txt.

{gpu}
"""


def cells_of(machine, kind):
    """What was measured there, or nothing."""
    path = RESULTS / f"speed-{machine}-{kind}.json"
    return json.loads(path.read_text())["cells"] if path.exists() else []


def ratios(cells, library):
    return [cell["seconds"][library]["ratio"] for cell in cells if library in cell["seconds"]]


def mean(cells, library):
    found = ratios(cells, library)
    return significant(geometric_mean(found)) if found else ""


def table(names, rows):
    rule = ["---", *["---:"] * (len(names) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [names, rule, *rows])


def columns(machine, functions, kinds=("million",)):
    """Title -> texts of a table's column, the last being for all functions; in brackets those of the second kind."""
    runs = [cells for kind in kinds if (cells := cells_of(machine, kind))]
    rows = [[[cell] for cell in row] for row in zip(*runs, strict=True) if row[0]["function"] in functions]

    def text(values):
        first, *second = values
        return f"{first} ({second[0]})" if first and second else first

    own = [text(f"{cell['nanoseconds per element']:.3f}" for [cell] in row) for row in rows]
    return {"fastact, ns": [*own, ""]} | {
        name: [text(mean(cells, library) for cells in row) for row in [*rows, runs]]
        for library, name in LIBRARIES.items()
        if ratios(runs[0], library)
    }


def by_function(functions, columns):
    names = [*(f"`{name}`" for name in EXPRESSIONS if name in functions), "geometric mean of all"]
    return table(["function", *columns], zip(names, *columns.values(), strict=True))


def all_cells():
    rows = []
    for kind, title in KINDS.items():
        for machine, name in MACHINES.items():
            cells = cells_of(machine, kind)
            for library, other in LIBRARIES.items():
                if found := ratios(cells, library):
                    means = [mean([c for c in cells if c["function"] in FAMILIES[part]], library) for part in PARTS]
                    below = f"{sum(ratio < 0.95 for ratio in found)} of {len(found)}"
                    rows.append([title, name.split()[1], other, *means, below])
    return table(["what", "CPU", "beside", *PARTS, "below 0.95"], rows)


def on_gpu():
    rows, dtypes = {}, {"preallocated": "float32", "float16": "float16", "float64": "float64"}
    for kind, dtype in dtypes.items():
        for cell in cells_of("nvidia-h200", kind):
            _, _, row_length = cell["size"].partition("x")
            label = f"`{cell['function']}`" + (f", rows of {row_length}" if row_length else "")
            for library in ("copy", "torch"):
                rows.setdefault(label, {})[dtype, library] = mean([cell], library)
    columns = {
        (dtype, library): f"{dtype}: {title}"
        for dtype in dtypes.values()
        for library, title in {"copy": "share of a copy's speed", "torch": "PyTorch, times"}.items()
    }
    return table(
        ["function", *columns.values()],
        [[label, *(row.get(column, "") for column in columns)] for label, row in rows.items()],
    )


def page():
    sections = (
        f"### {name}\n\n{by_function(EXPRESSIONS, columns(machine, EXPRESSIONS, ['million', 'million-avx2']))}"
        for machine, name in MACHINES.items()
    )
    return PAGE.format(million="\n\n".join(sections), cells=all_cells(), gpu=on_gpu())


def readme(text):
    """The same with the table of now: of the first machine, and the other's means."""
    first, other = (columns(machine, IN_README) for machine in MACHINES)
    _, name = MACHINES.values()
    means = " | ".join(column[-1] for column in other.values())
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n\n{by_function(IN_README, first)}\n| the same on an {name} | {means} |\n\n{END}{after}"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    (ROOT / "docs" / "speed.md").write_text(page())
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
