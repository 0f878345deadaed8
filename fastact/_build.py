"""Build time only: formulas -> Numba's ufunc loops, as LLVM's text, and their table in C.

    python fastact/_build.py table|float64|others FILE

The loops come in two parts, by dtype, which can be made at once. What makes them is `_compile.py`; nothing depends on
the CPU of the machine that builds. Run by meson.build.
"""

import _bootstrap  # noqa: F401  first: it takes math.py, which lies here, out of the way of Python's own

# isort: split
import os
import sys

# What Numba sees of the machine, before it is imported: nothing.
os.environ.update(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NUMBA_DISABLE_JIT="0")

from pathlib import Path

import numpy as np

from fastact._gates import UFUNCS


def computed_as(character):
    """The dtype: of all but float16 their own."""
    return "float32" if character == "e" else np.dtype(character).name


def defaults(row, dtype):
    """The parameters' defaults, rounded as NumPy rounds parameters that are given."""
    return [float(np.dtype(dtype).type(value)) for value in row.parameters.values()]


def rounded_as(row, character):
    """The dtype of the defaults that are compiled in: float16, though it is computed in float32, if they are others."""
    dtype = computed_as(character)
    return dtype if defaults(row, character) == defaults(row, dtype) else np.dtype(character).name


def at_defaults(row, dtype):
    """The formula as a function of the arrays alone."""
    if row.special_case:
        return row.special_case
    scope = {"formula": row.formula}
    arrays = ", ".join(row.arrays)
    exec(f"def {row.name}({arrays}): return formula({arrays}, {', '.join(map(repr, defaults(row, dtype)))})", scope)
    return scope[row.name]


def loops():
    """Every loop there is: (symbol, what of `_compile` makes it, formula, number of arrays, of inputs, dtype)."""
    for row in UFUNCS.values():
        arrays = len(row.arrays)
        for dtype in dict.fromkeys(map(computed_as, row.types)):
            symbol = f"fastact_{row.name}_{dtype}"
            yield symbol, "compile_loop", row.formula, arrays, row.nin, dtype
            if row.parameters:
                yield f"{symbol}_scalar", "compile_scalar_loop", row.formula, arrays, row.nin, dtype
        for rounded, dtype in {rounded_as(row, c): computed_as(c) for c in row.types if row.has_defaults}.items():
            symbol = f"fastact_{row.name}_{rounded}_default"
            yield symbol, "compile_loop", at_defaults(row, rounded), arrays, arrays, dtype


def part(name):
    """One module of the loops for float64, or of the others."""
    from fastact import _compile  # Numba, which the table does without

    return _compile.link(
        (symbol, *getattr(_compile, maker)(formula, arrays, nin, dtype))
        for symbol, maker, formula, arrays, nin, dtype in loops()
        if (dtype == "float64") == (name == "float64")
    )


def table():
    """The table of loops for `_ufunc.pyx`: by ufunc and type character, and the declarations."""
    lines = ["/* Made by fastact/_build.py. */", "#include <Python.h>", "#include <numpy/npy_common.h>", ""]
    loop_type = "typedef void fastact_loop(char **, const npy_intp *, const npy_intp *, void *);"
    lines += [loop_type, ""]
    lines += ["/* How many a cycle of the loop works on, how many are done together of what it leaves, and how"]
    lines += ["   many are worth a thread, at the module's level. */"]
    lines += ["typedef struct { int cycle, epilogue, per_thread; } fastact_elements;", ""]
    lines += [
        f"extern fastact_loop {symbol}; extern const fastact_elements {symbol}_elements;" for symbol, *_ in loops()
    ]
    lines += ["", "/* `scalar`: the loop for parameters that are one value each, or NULL without parameters. */"]
    lines += ["typedef struct {", "    const char *ufunc; char type; int arrays, nin; fastact_loop *loop, *scalar;"]
    lines += ["    const fastact_elements *elements;"]
    lines += ["} fastact_loop_row;"]
    lines += ["", "static const fastact_loop_row fastact_loops[] = {"]
    for row in UFUNCS.values():
        arrays = len(row.arrays)
        for character in row.types:
            symbol = f"fastact_{row.name}_{computed_as(character)}"
            start = f"    {{\"{row.name}\", '{character}', {arrays}, "
            scalar = f"{symbol}_scalar" if row.parameters else "0"
            lines.append(f"{start}{row.nin}, {symbol}, {scalar}, &{symbol}_elements}},")
            if row.has_defaults:
                default = f"fastact_{row.name}_{rounded_as(row, character)}_default"
                lines.append(f"{start}{arrays}, {default}, 0, &{default}_elements}},")
    lines += ["    {0, 0, 0, 0, 0, 0, 0},", "};", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    name, target = sys.argv[1:]
    Path(target).write_text(table() if name == "table" else part(name))
    sys.stdout.flush()
    os._exit(0)  # taking Numba's many modules apart would take longer than all the rest
