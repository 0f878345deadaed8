"""Build time only: formulas -> Numba's ufunc loops -> one object file per CPU level, and their table in C.

    python fastact/_build.py OUTPUT_DIRECTORY LEVEL...

What makes them is `_compile.py`; nothing depends on the CPU of the machine that builds. Run by meson.build.
"""

import os
import sys

import _bootstrap  # noqa: F401

# What Numba sees of the machine, before it is imported: nothing.
os.environ.update(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NUMBA_DISABLE_JIT="0")

from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

from fastact._compile import (
    LEVELS_WITHOUT_FMA,
    compile_loop,
    compile_scalar_loop,
    elements_worth_a_thread,
    link,
    machine_of,
    optimise,
)
from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._gates import GATED

ROWS = [*ACTIVATIONS.values(), *GRADIENTS.values(), *GATED.values()]
COMPUTED_AS = {"e": "float32"}  # everything else is computed in its own dtype


def at_defaults(row):
    """The formula as a function of the arrays alone."""
    scope = {"formula": row.formula}
    arrays = ", ".join(row.arrays)
    exec(f"def {row.name}({arrays}): return formula({arrays}, {', '.join(map(repr, row.parameters.values()))})", scope)
    return scope[row.name]


def computed_as(character):
    return COMPUTED_AS.get(character, np.dtype(character).name)


def loops():
    """Every loop there is: (symbol, what compiles it, formula, number of arrays, of inputs, dtype)."""
    for row in ROWS:
        arrays = len(row.arrays)
        for dtype in dict.fromkeys(map(computed_as, row.types)):
            symbol = f"fastact_{row.name}_{dtype}"
            yield symbol, compile_loop, row.formula, arrays, row.nin, dtype
            if row.parameters:
                yield f"{symbol}_scalar", compile_scalar_loop, row.formula, arrays, row.nin, dtype
            if row.has_defaults:
                yield f"{symbol}_default", compile_loop, at_defaults(row), arrays, arrays, dtype


@cache
def link_all(with_fma):
    """One module of all loops."""
    return link(
        (symbol, *compile_one(formula, arrays, nin, dtype, with_fma))
        for symbol, compile_one, formula, arrays, nin, dtype in loops()
    )


# Four vectors at a time hide the latency of the long formulas (measured: 10 to 40 % faster than one).
llvm.set_option("fastact", "-force-vector-interleave=4")


def emit(level):
    """Machine code of the loops for one level."""
    machine = machine_of(level, reloc="pic", codemodel="small")
    module = optimise(link_all(level not in LEVELS_WITHOUT_FMA), machine)
    constants = [
        f"@{symbol}_per_thread = constant i32 {elements_worth_a_thread(module.get_function(symbol))}"
        for symbol, *_ in loops()
    ]
    module.link_in(llvm.parse_assembly("\n".join(constants)))
    return machine.emit_object(module)


def header():
    """The table of loops for the Cython modules: by ufunc and type character, and the declarations."""
    lines = ["/* Made by fastact/_build.py. */", "#include <Python.h>", "#include <numpy/npy_common.h>", ""]
    loop_type = "typedef void fastact_loop(char **, const npy_intp *, const npy_intp *, void *);"
    lines += [loop_type, ""]
    lines += [f"extern fastact_loop {symbol}; extern const int {symbol}_per_thread;" for symbol, *_ in loops()]
    lines += ["", "/* `scalar`: the loop for parameters that are one value each, or NULL without parameters."]
    lines += ["   `per_thread`: elements that are worth a thread, at the module's level. */"]
    lines += ["typedef struct {", "    const char *ufunc; char type; int arrays, nin; fastact_loop *loop, *scalar;"]
    lines += ["    const int *per_thread;"]
    lines += ["} fastact_loop_row;"]
    lines += ["", "static const fastact_loop_row fastact_loops[] = {"]
    for row in ROWS:
        arrays = len(row.arrays)
        for character in row.types:
            symbol = f"fastact_{row.name}_{computed_as(character)}"
            start = f"    {{\"{row.name}\", '{character}', {arrays}, "
            scalar = f"{symbol}_scalar" if row.parameters else "0"
            lines.append(f"{start}{row.nin}, {symbol}, {scalar}, &{symbol}_per_thread}},")
            if row.has_defaults:
                lines.append(f"{start}{arrays}, {symbol}_default, 0, &{symbol}_default_per_thread}},")
    lines += ["    {0, 0, 0, 0, 0, 0, 0},", "};", ""]
    return "\n".join(lines)


def main(directory, *levels):
    directory = Path(directory)
    for level in levels:
        directory.joinpath(f"loops-{level}.o").write_bytes(emit(level))
    directory.joinpath("fastact_loops.h").write_text(header())


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # taking Numba's many modules apart would take longer than all the rest
