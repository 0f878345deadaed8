"""What limits the loops: instructions and cycles an element as llvm-mca counts them, and what was reached.

    python bench/limits.py [--level x86-64-v4] [--cpu znver4] [--llvm-mca llvm-mca-19] [--page]

For each elementwise function and gradient in float32 and float64, with its parameters at their defaults, of the main
cycle of its compiled loop:

instructions  an element
ports         cycles an element that the busiest execution port needs: no order of the instructions is faster
scheduled     cycles an element with latencies and the size of the CPU's buffers, as llvm-mca runs it
reached       cycles an element of a call with arrays of 24 KB in all, which fit the first cache, and `out`, on one
              thread: the least of many, less that with an eighth of each array, over the elements between

Needs objdump (GNU binutils) and llvm-mca (LLVM; one that knows the CPU), and takes a minute. --page writes the table of
docs/limits.md.
"""

import argparse
import ctypes
import json
import re
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
from vectorised import REGISTERS, count, innermost_cycles, loops

import fastact
from fastact import _at_defaults
from fastact._bench.cells import normal
from fastact._expressions import arguments_of
from fastact._formulas import ACTIVATIONS, GRADIENTS

TABLE = ACTIVATIONS | GRADIENTS
CACHED = 24 * 1024  # bytes
SECONDS = 0.5  # for each figure
DTYPES = ("float32", "float64")
COLUMNS = ("instructions", "ports", "scheduled", "reached")
BEGIN = "\n<!-- by bench/limits.py -->\n"  # in docs/limits.md, above the table
BYTES = {"xmm": 16, "ymm": 32, "zmm": 64}
CHAIN = """
define i64 @chain(i64 %count) {
start:
  br label %cycle
cycle:
  %k = phi i64 [ %count, %start ], [ %next, %cycle ]
  %x0 = phi i64 [ 3, %start ], [ %x4, %cycle ]
  %x1 = mul i64 %x0, %x0
  %x2 = mul i64 %x1, %x1
  %x3 = mul i64 %x2, %x2
  %x4 = mul i64 %x3, %x3
  %next = sub i64 %k, 1
  %done = icmp eq i64 %next, 0
  br i1 %done, label %end, label %cycle
end:
  ret i64 %x4
}
"""


def shortest(*calls, seconds=SECONDS):
    """The least time of each, taking turns: a clock that changes does so for all of them."""
    best, end = [float("inf")] * len(calls), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for k, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


@cache
def gigahertz():
    """From products that wait for one another: 3 cycles each, on every x86-64 of the last fifteen years."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(CHAIN), machine)
    engine.finalize_object()
    chain = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(engine.get_function_address("chain"))
    (best,) = shortest(lambda: chain(100_000), seconds=1)
    return 100_000 * 4 * 3 / best / 1e9


def main_cycle(instructions, register):
    """The innermost cycle with the most instructions on whole registers that neither gathers nor scatters."""
    cycles = [c for c in innermost_cycles(instructions) if not any("gather" in t or "scatter" in t for t in c)]
    return max(cycles, key=lambda cycle: count(cycle, register)[0])


def elements(cycle, register, dtype):
    """How many a turn of the cycle stores."""
    stores = sum(bool(re.match(rf"v?mov\w+\s+%{register}\d+,[^r]*\(%r(?!sp)", text)) for text in cycle)
    return stores * BYTES[register] // np.dtype(dtype).itemsize


def simulate(cycle, cpu, program):
    """Instructions of a turn, and its cycles by ports and scheduled."""
    text = "\n".join(re.sub(r"\s*#.*|\s*<.*>", "", line) for line in cycle[:-1])
    iterations = 100
    command = [program, f"-mcpu={cpu}", "-mtriple=x86_64", f"-iterations={iterations}", "-json"]
    result = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True)
    region = json.loads(result.stdout)["CodeRegions"][0]
    summary = region["SummaryView"]
    ports = {}
    for entry in region["ResourcePressureView"]["ResourcePressureInfo"]:
        if entry["InstructionIndex"] == len(cycle) - 1:  # the sums
            ports[entry["ResourceIndex"]] = entry["ResourceUsage"]
    return len(cycle), max(ports.values()), summary["TotalCycles"] / iterations


def reached(name, dtype):
    row = TABLE[name]
    size = CACHED // np.dtype(dtype).itemsize // (len(row.arrays) + 1)
    arrays = [normal((size,), dtype, seed) for seed in range(len(row.arrays))]
    function = getattr(_at_defaults if row.has_defaults else fastact.ufuncs, name)
    arguments = () if row.has_defaults else arguments_of(name)
    out = np.empty_like(arrays[0])
    few = size // 8
    first, out_of_first = [array[:few] for array in arrays], out[:few]
    whole, start = shortest(
        lambda: function(*arrays, *arguments, out=out), lambda: function(*first, *arguments, out=out_of_first)
    )
    return (whole - start) / (size - few) * gigahertz() * 1e9


def rows(level, cpu, program):
    """Each name, and its figures in each dtype."""
    register = REGISTERS[level]
    compiled = dict(loops(level))
    for name, row in TABLE.items():
        suffix = "_default" if row.has_defaults else "_scalar" if row.parameters else ""
        figures = []
        for dtype in DTYPES:
            cycle = main_cycle(compiled[f"fastact_{name}_{dtype}{suffix}"], register)
            n = elements(cycle, register, dtype)
            figures += [figure / n for figure in simulate(cycle, cpu, program)] + [reached(name, dtype)]
        yield name, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", default=fastact.backend, choices=list(REGISTERS))
    parser.add_argument("--cpu", default=llvm.get_host_cpu_name(), help="LLVM's name; default: this one")
    parser.add_argument("--llvm-mca", default="llvm-mca", metavar="PROGRAM", help="one that knows this CPU")
    parser.add_argument("--page", action="store_true", help="write the table of docs/limits.md")
    options = parser.parse_args()
    for program in ("objdump", options.llvm_mca):
        if not shutil.which(program):
            sys.exit(f"limits.py needs {program}")
    fastact.set_num_threads(1)
    titles = ["function", *(f"{dtype}: {column}" for dtype in DTYPES for column in COLUMNS)]
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " ---: |" * (len(titles) - 1)]
    print("\n".join(lines))
    for name, figures in rows(options.level, options.cpu, options.llvm_mca):
        lines.append(f"| `{name}` | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
        print(lines[-1], flush=True)
    where = f"{options.level}, as {options.cpu}, at {gigahertz():.2f} GHz."
    print(where)
    if options.page:
        page = Path(__file__).parents[1] / "docs" / "limits.md"
        before, begin, _ = page.read_text(encoding="utf-8").partition(BEGIN)
        page.write_text(f"{before}{begin}\n{where}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
