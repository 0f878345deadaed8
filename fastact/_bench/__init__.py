"""The command `fastact bench`: how fast every function is here, and beside others."""

import importlib
import os
import shlex

import numpy as np

import fastact
from fastact._bench import cuda, report
from fastact._bench.options import ALL, USUAL, cells_of, peers_of
from fastact._bench.peers import calls
from fastact._bench.progress import Progress
from fastact._expressions import EXPRESSIONS
from fastact._timing import take_turns

ROUNDS = 5  # at least, for each cell


def check_writable(path):
    """Raise OSError where the file cannot be written; leave nothing behind."""
    there = os.path.lexists(path)
    with open(path, "ab"):
        pass
    if not there:
        os.remove(path)


def measure(cell, peers, seconds):
    called = calls(cell.job(), peers)
    timed = cuda.take_turns if cell.device == "cuda" else take_turns
    with np.errstate(all="ignore"):
        return report.Result(cell, dict(zip(called, timed(called.values(), seconds, ROUNDS), strict=True)))


def run(options, error):
    """Measure, and show what was measured even if interrupted. `error` takes a message and exits."""
    functions = list(dict.fromkeys(options.functions)) or list(EXPRESSIONS)
    for name in functions:
        if name not in EXPRESSIONS:
            error(f"{name!r} is none of the functions: {', '.join(EXPRESSIONS)}")
    if not 0 < options.seconds < float("inf"):
        error("--seconds: expected a positive number")
    if options.device == "cuda" and (reason := fastact.cuda.why_not()):
        error(f"--device cuda: {reason}")
    try:
        todo = cells_of(options, functions, (ALL if options.all else USUAL)[options.device], options.device)
        if not todo:
            raise ValueError("--rows: gated units need an even number of elements along the axis")
        peers, absent = peers_of(options, options.device)
        picture = importlib.import_module("fastact._bench.picture") if options.out else None
        if picture:
            picture.check_format(options.out)
        for path in filter(None, (options.out, options.json)):
            check_writable(path)
    except ImportError as problem:
        error(f"--out: a picture needs matplotlib: pip install matplotlib ({problem})")
    except (ValueError, OSError) as problem:
        error(str(problem))

    before = fastact.get_num_threads()
    results, costs = [], {}
    try:
        show(todo, peers, absent, options, results)
        if options.device == "cuda":
            costs["host seconds"] = cuda.call_costs(options.seconds)
            print("\n" + "; ".join(f"{name}: {s * 1e6:.1f} us" for name, s in costs["host seconds"].items()))
    finally:
        fastact.set_num_threads(before)
        about = report.environment(peers, absent, f"fastact {shlex.join(options.command_line)}", options.device) | costs
        if options.json:
            report.write_json(options.json, about, results)
        if picture and results:
            picture.draw(options.out, results, peers, about)


def show(todo, peers, absent, options, results):
    table = report.Table(todo, peers)
    about = report.environment(peers, absent, "", options.device)
    found = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    place = about.get("device") or f"{about['CPU']}, {about['cores']} cores"
    print(f"fastact {about['fastact']}, backend {about['backend']}, on {place}")
    print(f"beside {found}" if peers else "alone")
    for name, reason in absent.items():
        print(f"without {name}: {reason}")
    kind = ["backward" if options.backward else "forward"]
    kind += ["into an array that is there" if options.preallocated else "into a new array"]
    print(", ".join(kind + table.shared))
    print(f"{len(todo)} cells; the columns of others: how many times as long as fastact they take\n")
    print(*table.head(), sep="\n", flush=True)
    with Progress(len(todo)) as progress:
        try:
            for cell in todo:
                progress.start(str(cell))
                try:
                    results.append(measure(cell, peers, options.seconds))
                except MemoryError:
                    progress.line(f"not measured, for want of memory: {cell}")
                else:
                    progress.line(table.row(results[-1]))
        finally:
            if results and peers:
                progress.line("")
                for line in report.summary(results, peers):
                    progress.line(line)
