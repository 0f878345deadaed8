"""Formulas -> Numba's ufunc loops over them, as LLVM's text, for `_build.py` when the package is built and
`_activation.py` later.

Numba types and lowers a formula without optimising; LLVM then optimises the whole, for a CPU level: `_machine_code.py`.
"""

import inspect
from collections import defaultdict
from contextlib import contextmanager
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic
from numba.np.ufunc.ufuncbuilder import UFuncBuilder
from numba.np.ufunc.wrappers import build_ufunc_wrapper

from fastact import _lookup
from fastact._machine_code import HAS_FMA, HAS_LOOKUP
from fastact._math import (
    product_error_by_fma,
    product_error_by_splitting,
    reciprocal_by_division,
    root_and_inverse_by_division,
)
from fastact._specialise import specialise


def call_llvm(name):
    """Code that calls an intrinsic of LLVM's with arguments and result of one type."""

    def generate(context, builder, signature, values):
        kind = values[0].type
        function = builder.module.declare_intrinsic(name, (kind,), ir.FunctionType(kind, [kind] * len(values)))
        return builder.call(function, values)

    return generate


@intrinsic
def fma(typing_context, a, b, c):
    return a(a, a, a), call_llvm("llvm.fma")


def call_of_level(name, result, *arguments):
    """An intrinsic that calls a function which `_machine_code.py` defines for each level."""
    llvm.add_symbol(name, 1)  # for Numba's machine code, which never runs
    kinds = {types.boolean: ir.IntType(1), types.float32: ir.FloatType(), types.float64: ir.DoubleType()}

    def generate(context, builder, signature, values):
        kind = ir.FunctionType(kinds[result], [kinds[argument] for argument in arguments])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return result(*arguments), generate


@intrinsic
def has_fma(typing_context):
    """Whether the level has that instruction; a constant by the time the code is optimised."""
    return call_of_level(HAS_FMA, types.boolean)


@intrinsic
def has_lookup(typing_context):
    """Whether the level has instructions that look up vectors; a constant, too."""
    return call_of_level(HAS_LOOKUP, types.boolean)


@cache
def lookup(rows, k):
    """A function of an index, whose low bits say which of the eight float32 or four float64 numbers of a row it is."""
    name = _lookup.name_of(rows[k])
    kind = {8: types.float32, 4: types.float64}[len(rows[k])]

    @intrinsic
    def function(typing_context, index):
        return call_of_level(name, kind, kind)

    return function


def either(by_lookup, whole, specialised):
    """One of two functions, as the level has it."""
    arguments = ", ".join(inspect.signature(whole).parameters)
    text = f"lambda {arguments}: by_lookup({arguments}) if has_lookup() else whole({arguments})"
    both = {"by_lookup": specialised(by_lookup), "whole": specialised(whole)}
    return eval(text, both | {"has_lookup": has_lookup})


def product_error(a, b, p):
    return product_error_by_fma(a, b, p) if has_fma() else product_error_by_splitting(a, b, p)


@intrinsic
def fabs(typing_context, a):
    return a(a), call_llvm("llvm.fabs")


@intrinsic
def sqrt(typing_context, a):
    return a(a), call_llvm("llvm.sqrt")


@intrinsic
def copysign(typing_context, a, b):
    return a(a, a), call_llvm("llvm.copysign")


def bitwise(operation):
    """An intrinsic made from what operation(builder, bits, mantissa) does with a number's bits."""

    @intrinsic
    def function(typing_context, a):
        def generate(context, builder, signature, values):
            integer = ir.IntType(a.bitwidth)
            result = operation(builder, builder.bitcast(values[0], integer), {32: 23, 64: 52}[a.bitwidth])
            whole = isinstance(result.type, ir.IntType)
            return builder.bitcast(result, values[0].type) if whole else result

        return a(a), generate

    return function


def exponent_bits(builder, bits, mantissa):
    """The exponent, from sqrt(1/2) to below sqrt(2) being 0, where a number has it."""
    root = {23: 0x3F3504F3, 52: 0x3FE6A09E667F3BCD}[mantissa]
    return builder.ashr(builder.sub(bits, bits.type(root)), bits.type(mantissa))


@bitwise
def power_of_two(builder, bits, mantissa):
    return builder.shl(bits, bits.type(mantissa))


@intrinsic
def times_power(typing_context, a, t):
    def generate(context, builder, signature, values):
        integer, place = {32: (ir.IntType(32), 20), 64: (ir.IntType(64), 50)}[a.bitwidth]
        bits, index = (builder.bitcast(value, integer) for value in values)
        return builder.bitcast(builder.add(bits, builder.shl(index, integer(place))), values[0].type)

    return a(a, a), generate


@bitwise
def leading_half(builder, bits, mantissa):
    return builder.and_(bits, bits.type(-1 << (mantissa + 2) // 2))


@bitwise
def half_octave(builder, bits, mantissa):
    return builder.lshr(bits, bits.type(mantissa - 1))


@bitwise
def binary_exponent(builder, bits, mantissa):
    return builder.sitofp(exponent_bits(builder, bits, mantissa), {23: ir.FloatType(), 52: ir.DoubleType()}[mantissa])


@bitwise
def binary_fraction(builder, bits, mantissa):
    return builder.sub(bits, builder.shl(exponent_bits(builder, bits, mantissa), bits.type(mantissa)))


PRIMITIVES = {
    "fma": fma,
    "product_error": product_error,
    "reciprocal": reciprocal_by_division,
    "root_and_inverse": root_and_inverse_by_division,
    "fabs": fabs,
    "sqrt": sqrt,
    "copysign": copysign,
    "power_of_two": power_of_two,
    "times_power": times_power,
    "leading_half": leading_half,
    "half_octave": half_octave,
    "lookup": lookup,
    "either": either,
    "binary_exponent": binary_exponent,
    "binary_fraction": binary_fraction,
}

SIGNATURE = types.void(
    types.CPointer(types.voidptr), types.CPointer(types.intp), types.CPointer(types.intp), types.voidptr
)


def with_scalar_parameters(formula, arrays, nin, kind):
    """A loop like a ufunc's over `formula`, with so many contiguous arrays and one value of each parameter."""
    pointer = types.CPointer(kind)

    @intrinsic
    def operand(typing_context, args, k):
        def generate(context, builder, signature, values):
            address = builder.load(builder.gep(values[0], [values[1]]))
            return builder.bitcast(address, context.get_value_type(pointer))

        return pointer(args, k), generate

    values = [f"p{k}[i]" if k < arrays else f"p{k}" for k in range(nin)]
    lines = ["def loop(args, dimensions, steps, data):", f"    out = operand(args, {nin})"]
    lines += [f"    p{k} = operand(args, {k}){'' if k < arrays else '[0]'}" for k in range(nin)]
    lines += ["    for i in range(dimensions[0]):", f"        out[i] = formula({', '.join(values)})"]
    scope = {"operand": operand, "formula": jit(formula)}
    exec("\n".join(lines), scope)
    return scope["loop"]


WITHOUT_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # Python calls none of them
jit = numba.njit(error_model="numpy", **WITHOUT_WRAPPERS)


HELPERS: dict = defaultdict(dict)  # dtype -> what `specialise` has compiled, by function: all formulas share it


def specialised(formula, dtype):
    return specialise(formula, dtype, PRIMITIVES, jit, HELPERS[dtype])


@contextmanager
def unoptimised():
    """Numba leaves its code as it is: its passes would make branches of what has to stay selections."""
    with global_compiler_lock:
        before = config.OPT
        config.OPT = type(before)("0")
        try:
            yield
        finally:
            config.OPT = before


def compile_scalar_loop(formula, arrays, nin, dtype):
    """As `compile_loop`, for parameters, the inputs after the arrays, that are the same for all elements."""
    kind = numba.from_dtype(np.dtype(dtype))
    loop = with_scalar_parameters(specialised(formula, dtype), arrays, nin, kind)
    with unoptimised():
        compiled = numba.cfunc(SIGNATURE, error_model="numpy")(loop)
    return compiled._library, compiled._wrapper_name


def compile_loop(formula, arrays, nin, dtype):
    """Numba's library with a ufunc loop over `formula`, and the loop's name in it."""
    builder = UFuncBuilder(specialised(formula, dtype), targetoptions={"nopython": True})
    kind = numba.from_dtype(np.dtype(dtype))
    with unoptimised():
        result = builder.add(kind(*[kind] * nin))
        name = result.fndesc.llvm_func_name
        info = build_ufunc_wrapper(result.library, result.target_context, name, result.signature, False, result)
        info.library.finalize()
    return info.library, info.name


def link(loops):
    """The LLVM text of one module of loops (symbol, library, name), each under its symbol and nothing else visible."""
    module = None
    for symbol, library, name in loops:
        # the loop belongs into the function that Numba wraps it with
        part = llvm.parse_assembly(str(library._final_module).replace("noinline", "nounwind"))
        for function in part.functions:
            if not function.is_declaration:
                if function.name == name:
                    function.name, function.linkage = symbol, "external"
                else:
                    function.linkage = "internal"
                    function.add_function_attribute("alwaysinline")
        for variable in part.global_variables:
            if not variable.is_declaration:
                variable.linkage = "internal"
        if module is None:
            module = part
        else:
            module.link_in(part)
    return str(module)
