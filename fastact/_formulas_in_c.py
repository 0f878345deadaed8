"""Build time only: the formulas of the reductions as inline functions in C, for the loops of `_kernels.pyx`.

    python fastact/_formulas_in_c.py OUTPUT_DIRECTORY

A formula is called with values that write down what is done to them. The kernels put these functions into
loops of their own, where they are vectorised together with what goes on around them.
"""

import _bootstrap  # noqa: F401  first: it takes math.py, which lies here, out of the way of Python's own

# isort: split
import ast
import inspect
import sys
import textwrap
from functools import partial
from pathlib import Path

import numpy as np

from fastact._by_lookup import fraction_power, fraction_power_low
from fastact._reduction_formulas import BY_FRACTIONS, REDUCTION_FORMULAS, SCALE
from fastact._specialise import specialise

C_TYPES = {"float32": "float", "float64": "double"}

PRIMITIVES = """/* Made by fastact/_formulas_in_c.py. */

#ifndef FASTACT_FORMULAS_H
#define FASTACT_FORMULAS_H

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define FASTACT_INLINE static inline __attribute__((always_inline))
#else
#define FASTACT_INLINE static inline
#endif
/* one instruction looks up the fractions of octaves of a whole vector */
#if defined(__AVX2__) && defined(__FMA__)
#define FASTACT_BY_FRACTIONS
#endif
/* as GCC says that it has it, and as Clang does */
#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
FASTACT_INLINE float fastact_fma_float32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
FASTACT_INLINE double fastact_fma_float64(double a, double b, double c) { return __builtin_fma(a, b, c); }
FASTACT_INLINE float fastact_product_error_float32(float a, float b, float p) { return __builtin_fmaf(a, b, -p); }
FASTACT_INLINE double fastact_product_error_float64(double a, double b, double p) { return __builtin_fma(a, b, -p); }
#else
FASTACT_INLINE float fastact_fma_float32(float a, float b, float c) { return a * b + c; }
FASTACT_INLINE double fastact_fma_float64(double a, double b, double c) { return a * b + c; }
FASTACT_INLINE float fastact_product_error_float32(float a, float b, float p) { return (float)((double)a * b - p); }
/* by Dekker's halves; 0 where they overflow */
FASTACT_INLINE double fastact_product_error_float64(double a, double b, double p) {
    double a_high = a * 0x1.0000002p27 - (a * 0x1.0000002p27 - a), a_low = a - a_high;
    double b_high = b * 0x1.0000002p27 - (b * 0x1.0000002p27 - b), b_low = b - b_high;
    double error = ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low;
    return error == error ? error : 0.0;
}
#endif

FASTACT_INLINE float fastact_power_of_two_float32(float t) {
    uint32_t bits;
    memcpy(&bits, &t, 4);
    bits <<= 23;
    memcpy(&t, &bits, 4);
    return t;
}
FASTACT_INLINE double fastact_power_of_two_float64(double t) {
    uint64_t bits;
    memcpy(&bits, &t, 8);
    bits <<= 52;
    memcpy(&t, &bits, 8);
    return t;
}
/* of positive normal numbers: the exponent (as a number of its own after 2**52), and the significand in [1, 2) */
FASTACT_INLINE double fastact_exponent_float64(double t) {
    uint64_t bits;
    memcpy(&bits, &t, 8);
    bits = bits >> 52 | (uint64_t)1075 << 52;
    memcpy(&t, &bits, 8);
    return t - (0x1p52 + 1023);
}
FASTACT_INLINE double fastact_significand_float64(double t) {
    uint64_t bits;
    memcpy(&bits, &t, 8);
    bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
    memcpy(&t, &bits, 8);
    return t;
}
"""


class Value:
    """A variable in C; what is done with it becomes a line of `lines`."""

    __array_ufunc__ = None  # NumPy's numbers leave operators to it
    lines: list[str]
    dtype: str

    def __init__(self, text):
        self.text = text

    @classmethod
    def of(cls, text):
        cls.lines.append(f"const {C_TYPES[cls.dtype]} t{len(cls.lines)} = {text};")
        return cls(f"t{len(cls.lines) - 1}")

    def __add__(self, other):
        return Value.of(f"{self.text} + {text_of(other)}")

    def __radd__(self, other):
        return Value.of(f"{text_of(other)} + {self.text}")

    def __sub__(self, other):
        return Value.of(f"{self.text} - {text_of(other)}")

    def __rsub__(self, other):
        return Value.of(f"{text_of(other)} - {self.text}")

    def __mul__(self, other):
        return Value.of(f"{self.text} * {text_of(other)}")

    __rmul__ = __mul__

    def __truediv__(self, other):
        return Value.of(f"{self.text} / {text_of(other)}")

    def __neg__(self):
        return Value.of(f"-{self.text}")

    def __lt__(self, other):
        return Value(f"({self.text} < {text_of(other)})")

    def __gt__(self, other):
        return Value(f"({self.text} > {text_of(other)})")


def text_of(value):
    if isinstance(value, Value):
        return value.text
    return float(value).hex() + ("f" if Value.dtype == "float32" else "")


def primitive(name, *values):
    return Value.of(f"fastact_{name}_{Value.dtype}({', '.join(map(text_of, values))})")


def select(condition, a, b):
    return Value.of(f"{condition.text} ? {text_of(a)} : {text_of(b)}")


class Selections(ast.NodeTransformer):
    """`a if c else b`, where Python would ask for the truth of c, as select(c, a, b)."""

    def visit_IfExp(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("select", ast.Load()), [node.test, node.body, node.orelse], [])


def with_selections(function):
    tree = Selections().visit(ast.parse(textwrap.dedent(inspect.getsource(function))))
    # a plain function would be specialised as a part of the formula
    scope = function.__globals__ | {"select": partial(select)}
    exec(compile(ast.fix_missing_locations(tree), function.__code__.co_filename, "exec"), scope)
    return scope[function.__name__]


def in_c(formula, dtype, name):
    """The formula as a function in C of that name; where it returns several values, through pointers after its
    arguments."""
    known = ("fma", "product_error", "power_of_two", "exponent", "significand")
    primitives = {name: partial(primitive, name) for name in known}
    traced = specialise(formula, dtype, primitives, lambda function: function, prepare=with_selections)
    names = inspect.getfullargspec(formula).args
    Value.lines, Value.dtype = [], dtype
    results = traced(*map(Value, names))
    c_type = C_TYPES[dtype]
    arguments = [f"{c_type} {name}" for name in names]
    if isinstance(results, tuple):
        arguments += [f"{c_type} *result_{k}" for k in range(len(results))]
        ends = [f"*result_{k} = {text_of(result)};" for k, result in enumerate(results)]
    else:
        ends = [f"return {text_of(results)};"]
    head = f"FASTACT_INLINE {'void' if len(ends) > 1 else c_type} fastact_{name}_{dtype}"
    body = "".join(f"    {line}\n" for line in Value.lines + ends)
    return f"{head}({', '.join(arguments)}) {{\n{body}}}\n"


def fraction_powers():
    """The numbers of _by_lookup.py: bits, and what rounding left."""
    yield "FASTACT_FRACTION_POWERS", np.array(*fraction_power.rows["float32"], np.float32).view(np.int32)
    yield "FASTACT_FRACTION_POWERS_LOW", [f"{low.hex()}f" for low in fraction_power_low.rows["float32"][0]]


def header():
    parts = [PRIMITIVES]
    parts += [f"#define FASTACT_SCALE_{dtype} {value.hex()}\n" for dtype, value in SCALE.values.items()]
    parts += [f"#define {name} {', '.join(map(str, values))}\n" for name, values in fraction_powers()]
    for formula, dtypes in REDUCTION_FORMULAS.items():
        for dtype in dtypes:
            text = in_c(formula, dtype, formula.__name__)
            if formula in BY_FRACTIONS and dtype == "float32":
                other = in_c(BY_FRACTIONS[formula], dtype, formula.__name__)
                text = f"#ifdef FASTACT_BY_FRACTIONS\n{other}#else\n{text}#endif\n"
            parts.append(text)
    return "\n".join([*parts, "#endif\n"])


if __name__ == "__main__":
    Path(sys.argv[1], "fastact_formulas.h").write_text(header())
