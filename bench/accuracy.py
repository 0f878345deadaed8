"""Measure the error of every function, in units in the last place, and print a table.

    python bench/accuracy.py [float32|float64|parameters|rows32|rows64 ...] [--functions NAME...] [--libraries NAME...]

float32     all 2**32 inputs of each elementwise function (minutes each)
float64     twelve million inputs of each, dense at kinks and where the formulas change over
parameters  float32 with a grid of parameters, absurd ones among them
rows32      softmax, softmin and log_softmax in float32: rows of 1 to a million numbers, narrow and wide
rows64      the same in float64

What is done is kept in bench/results/accuracy.json, so that an interrupted run goes on where it was; --fresh
begins again. The worst inputs of fastact are kept there too, and the tests always go through them.
References are fastact/_numpy.py in float64 (for float32) or long double, and mpmath for the worst.
"""

import argparse
import itertools
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from definitions import error
from tqdm import tqdm
from ulp import ulp_errors

import fastact
from fastact import _backend, _numpy
from fastact._bench.peers import PEERS, evaluate, missing
from fastact._expressions import arguments_of
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._levels import LEVELS
from fastact._table import SOFTMAXES

TABLE = ACTIVATIONS | GRADIENTS  # gradients are measured with gy = 1
RESULTS = Path(__file__).parent / "results" / "accuracy.json"
LIBRARIES = ["fastact", *(name for name in PEERS if not missing(name))]
KEEP = 8  # worst inputs of each function

CHUNK = 2**20  # inputs to a task
BLOCK = 2**13  # inputs to a call: fits the caches
FLOAT32_CHUNKS = 2**32 // CHUNK
FLOAT64_CHUNKS = 12

# Every combination of these, in float32.
FINITE = [-3e38, -20.0, -2.5, -1.0, -1e-3, -1e-41, 0.0, 1e-41, 1e-3, 0.3, 0.5, 1.0, 3.0, 20.0, 3e38]
VALUES = [-np.inf, *FINITE, np.inf, np.nan]
# not where a product beta x that is too small for float32 decides
GRID = {
    ("elu", "alpha"): FINITE,
    ("celu", "alpha"): FINITE,
    ("squareplus", "b"): [v for v in FINITE if v == 0 or 1e-30 < v < 1e30],
    ("softplus", "beta"): [v for v in FINITE if abs(v) > 1e-30],
    ("softplus", "threshold"): [v for v in VALUES if not abs(v) < 1e-30 and v != -np.inf],
}
LENGTHS = [1, 2, 3, 10, 50, 100, 1000, 4097, 10_000, 100_000, 1_000_000]
SPREADS = [0.01, 1.0, 3.0, 10.0, 30.0, 100.0]


@dataclass
class Record:
    """What is known about a function: over `count` inputs."""

    count: int = 0
    correctly_rounded: int = 0
    wrong_steps: int = 0  # where a larger input gave a smaller result
    worst: list = field(default_factory=list)  # [error, *input], largest first

    def add(self, errors, correct, inputs):
        self.count += errors.size
        self.correctly_rounded += int(np.count_nonzero(correct))
        at = int(errors.argmax())
        self.worst.append([float(errors.flat[at]), *(float(np.broadcast_to(v, errors.shape).flat[at]) for v in inputs)])
        self.worst = sorted(self.worst, reverse=True)[:KEEP]

    def merge(self, other):
        self.count += other.count
        self.correctly_rounded += other.correctly_rounded
        self.wrong_steps += other.wrong_steps
        self.worst = sorted(self.worst + other.worst, reverse=True)[:KEEP]


def compare(record, got, name, x, arguments, wide):
    """Add the errors of `got`, the function at `x`, to the record."""
    with np.errstate(all="ignore"):
        given = [wide(1)] if name in GRADIENTS else []
        want = getattr(_numpy, name)(*given, x.astype(wide), *(wide(x.dtype.type(a)) for a in arguments))
        correct = (got == want.astype(got.dtype)) | (got != got)
    record.add(ulp_errors(got, want), correct, [x, *arguments])


def call_of(library, name):
    """The library's function, from array to array."""
    if name in GRADIENTS:
        function, arguments = getattr(fastact.ufuncs, name), arguments_of(name)
        return lambda x: function(x.dtype.type(1), x, *map(x.dtype.type, arguments))
    return partial(evaluate, library, name)


def has(library, name):
    return name not in GRADIENTS and evaluate(library, name, np.ones((2, 3))) is not None


def float32_chunk(library, name, chunk):
    """The bit patterns from chunk * CHUNK, and the first of the next chunk, for the steps."""
    record, function = Record(), call_of(library, name)
    negative = chunk >= FLOAT32_CHUNKS // 2
    for start in range(chunk * CHUNK, (chunk + 1) * CHUNK, BLOCK):
        end = min(start + BLOCK + 1, 2**31 if not negative else 2**32)
        x = np.arange(start, end, dtype=np.uint32).view(np.float32)
        got = function(x)
        compare(record, got[:BLOCK], name, x[:BLOCK], arguments_of(name), np.float64)
        step = got[:-1] < got[1:] if negative else got[:-1] > got[1:]
        record.wrong_steps += int(np.count_nonzero(step))
    return record


def float64_inputs(chunk):
    rng = np.random.default_rng(chunk)
    quarter = CHUNK // 4
    signs = rng.choice([-1.0, 1.0], quarter)
    spots = np.concatenate([[0.0, 0.5, 0.625, 1.0, 6.0, 20.0, 36.7, 709.0, 745.1], np.arange(1, 1076) * np.log(2) / 2])
    offsets = 2.0 ** rng.uniform(-53, 0, quarter) * rng.choice([-1.0, 1.0], quarter)
    near = rng.choice(spots, quarter)
    return np.concatenate(
        [
            signs * 2.0 ** rng.uniform(-1074, 1024, quarter),
            signs * 2.0 ** rng.uniform(-30, 10, quarter),
            rng.normal(scale=3, size=quarter),
            signs * (near + offsets * np.maximum(near, 2.0**-20)),
        ]
    )


def float64_chunk(library, name, chunk):
    record, function = Record(), call_of(library, name)
    for x in np.split(float64_inputs(chunk), CHUNK // BLOCK):
        compare(record, function(x), name, x, arguments_of(name), np.longdouble)
    if library == "fastact":
        record.worst = [[error_by_mpmath(name, x, function), x, *rest] for _, x, *rest in record.worst]
    return record


def error_by_mpmath(name, x, function):
    got = function(np.array([x]))[0]
    if not np.isfinite(got) or not np.isfinite(x):
        return 0.0
    return error(name, x, map(float, arguments_of(name)), got)


def parameter_sets(name):
    return list(itertools.product(*(GRID.get((name, p), VALUES) for p in TABLE[name].parameters)))


def parameters_chunk(library, name, chunk):
    record = Record()
    arguments = parameter_sets(name)[chunk]
    rng = np.random.default_rng(chunk)
    n = 2**14
    x = np.concatenate([
        rng.choice([-1.0, 1.0], n) * 2.0 ** rng.uniform(-149, 128, n), rng.normal(scale=3, size=n),
        rng.uniform(-100, 100, n), [0.0, -0.0, np.inf, -np.inf, np.nan],
        *(np.nextafter(np.float32(v), np.float32([-np.inf, v, np.inf])) for v in arguments),
    ]).astype(np.float32)  # fmt: skip
    compare(record, getattr(fastact, name)(x, *arguments), name, x, arguments, np.float64)
    return record


SHAPES = list(itertools.product(LENGTHS, SPREADS))


def rows_chunk(dtype, library, name, chunk):
    length, spread = SHAPES[chunk]
    record = Record()
    rng = np.random.default_rng(chunk)
    x = rng.normal(scale=spread, size=(max(1, 2**20 // length), length)).astype(dtype)
    got = call_of(library, name)(x)
    for start in range(0, len(x), max(1, 2**16 // length)):
        part = slice(start, start + max(1, 2**16 // length))
        with np.errstate(all="ignore"):
            want = getattr(_numpy, name)(x[part].astype(np.longdouble), (1,), None)
        record.add(ulp_errors(got[part], want), got[part] == want.astype(dtype), [length, spread])
    return record


def has_parameters(name):
    return bool(TABLE[name].parameters)


# section -> task, its number of chunks, its functions
SECTIONS = {
    "float32": (float32_chunk, lambda name: FLOAT32_CHUNKS, list(TABLE)),
    "float64": (float64_chunk, lambda name: FLOAT64_CHUNKS, list(TABLE)),
    "parameters": (parameters_chunk, lambda name: len(parameter_sets(name)), list(filter(has_parameters, ACTIVATIONS))),
    "rows32": (partial(rows_chunk, "float32"), lambda name: len(SHAPES), SOFTMAXES),
    "rows64": (partial(rows_chunk, "float64"), lambda name: len(SHAPES), SOFTMAXES),
}


def label(library):
    """The library's name; for fastact also its arithmetic, since backends with fused multiply-add share their bits."""
    with_fma = _backend.backend != _backend.PLAIN and LEVELS[_backend.level].fma
    return library if library != "fastact" or with_fma else f"fastact[{fastact.backend}]"


def prepare():
    fastact.set_num_threads(1)
    np.seterr(all="ignore")


def measure(section, name, library, state, pool):
    """Go on with one function from where `state` says it is."""
    task, count_chunks, _ = SECTIONS[section]
    chunks = count_chunks(name)
    saved = state.setdefault(
        f"{section} {name} {label(library)}", {"done": 0, "version": version(library), "record": asdict(Record())}
    )
    record = Record(**saved["record"])
    todo = range(saved["done"], chunks)
    results = pool.map(task, itertools.repeat(library), itertools.repeat(name), todo)
    title = f"{section} {library}.{name}"
    for k, result in zip(todo, tqdm(results, title, chunks, initial=saved["done"], leave=False), strict=True):
        record.merge(result)
        saved.update(done=k + 1, record=asdict(record))
        if k % 64 == 0 or k + 1 == chunks:
            save(state)


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(state):
    RESULTS.parent.mkdir(exist_ok=True)
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(state, indent=1, sort_keys=True))
    partial.replace(RESULTS)


TITLES = {
    "float32": "float32: all 2³² inputs, default parameters",
    "float64": "float64: twelve million inputs, default parameters",
    "parameters": "float32: a grid of parameters, from -inf to inf and NaN",
    "rows32": "Rows of float32",
    "rows64": "Rows of float64",
}
PAGE = """# Accuracy

How far results are from the exact ones, in units in the last place (ULP) of the exact result. An error of 0.5 is what
rounding alone costs; a function is correctly rounded where it has no more than that. What is promised stands in the
[guide](guide.md#accuracy); this is what was measured, by

    python bench/accuracy.py
    python bench/accuracy.py --page

which compares with plain NumPy in float64 (for float32) or in long double, itself compared with mpmath by
`tests/test_oracle.py`; the largest errors in float64 are taken from mpmath. `fastact` stands for the backends with
fused multiply-add, x86-64-v4 and x86-64-v3, which give the same bits; `fastact[x86-64]` is the one without.
"Steps the wrong way" counts the pairs of neighbouring inputs where the larger has the smaller result, of functions that
nowhere fall. `NAME_grad` is the gradient of NAME with gy = 1. For rows, the two numbers after the error are the row's
length and the standard deviation of its numbers.
"""


def report(state, sections, functions=None):
    """Of all that was ever measured."""
    lines = []
    for section in sections:
        names = SECTIONS[section][2]
        lines += [f"\n## {TITLES[section]}\n"]
        steps_title, steps_line = (" steps the wrong way |", " ---: |") if section == "float32" else ("", "")
        lines += [f"| function | library | inputs | largest error, ULP | at | correctly rounded |{steps_title}"]
        lines += [f"| --- | --- | ---: | ---: | --- | ---: |{steps_line}"]
        for key, saved in sorted(
            state.items(), key=lambda item: names.index(n) if (n := item[0].split()[1]) in names else -1
        ):
            this, name, library = key.split()
            if this == section and saved["done"] == SECTIONS[section][1](name) and name in (functions or names):
                record = Record(**saved["record"])
                error, *at = record.worst[0]
                share = f"{100 * record.correctly_rounded / record.count:.2f} %"
                where = ", ".join(f"{v:.9g}" for v in at)
                line = (
                    f"| `{name}` | {library} {saved['version']} | {record.count:,} | {error:.4g} | {where} | {share} |"
                )
                steps = f"{record.wrong_steps:,}" if name in TABLE and TABLE[name].monotone else ""
                lines.append(line + (f" {steps} |" if section == "float32" else ""))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), help="default: all")
    parser.add_argument("--functions", nargs="+", metavar="NAME", choices=[*TABLE, *SOFTMAXES])
    parser.add_argument("--libraries", nargs="+", metavar="NAME", default=["fastact"], choices=LIBRARIES)
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument("--page", action="store_true", help="measure nothing, write docs/accuracy.md")
    options = parser.parse_args()
    state = load()
    if options.page:
        Path(__file__).parents[1].joinpath("docs", "accuracy.md").write_text(PAGE + report(state, SECTIONS) + "\n")
        return
    tasks = [
        (section, name, library)
        for library in options.libraries
        for section in options.sections
        for name in SECTIONS[section][2]
        if (not options.functions or name in options.functions)
        and (library == "fastact" or has(library, name))
        and not (section == "parameters" and library != "fastact")
    ]
    for section, name, library in tasks if options.fresh else ():
        state.pop(f"{section} {name} {label(library)}", None)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=prepare) as pool:
        for task in tasks:
            measure(*task, state, pool)
    print(report(state, options.sections, options.functions))
    if not options.fresh:
        print(f"\nWhat {RESULTS} had already was not measured again: see --fresh.")


if __name__ == "__main__":
    main()
