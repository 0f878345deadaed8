"""Build time only: formulas -> Numba's ufunc loops -> one object file per CPU level, and their table in C.

    python fastact/_build.py OUTPUT_DIRECTORY LEVEL...

Numba types and lowers each formula once, without optimising; LLVM then optimises the whole for each
level. Nothing depends on the CPU of the machine that builds. Run by meson.build.
"""

import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

# What Numba sees of the machine, before it is imported: nothing.
os.environ.update(NUMBA_OPT="0", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NUMBA_DISABLE_JIT="0")

# The package's own __init__ needs what is built here: import its modules without it.
sys.modules["fastact"] = ModuleType("fastact")
sys.modules["fastact"].__path__ = [str(Path(__file__).parent)]

import llvmlite.binding as llvm  # noqa: E402
import numba  # noqa: E402
import numpy as np  # noqa: E402
from llvmlite import ir  # noqa: E402
from numba.core import types  # noqa: E402
from numba.core.compiler_lock import global_compiler_lock  # noqa: E402
from numba.extending import intrinsic  # noqa: E402
from numba.np.ufunc.ufuncbuilder import UFuncBuilder  # noqa: E402
from numba.np.ufunc.wrappers import build_ufunc_wrapper  # noqa: E402

from fastact import _math  # noqa: E402
from fastact._formulas import ACTIVATIONS, GRADIENTS  # noqa: E402
from fastact._reduction_formulas import REDUCTION_FORMULAS  # noqa: E402
from fastact._specialise import specialise  # noqa: E402

# level -> LLVM's name of the CPU; `native` is the plain CPU of another architecture
LEVELS = {"x86-64": "x86-64", "x86-64-v3": "x86-64-v3", "x86-64-v4": "x86-64-v4", "native": "generic"}
LEVELS_WITHOUT_FMA = {"x86-64"}
# LLVM keeps to 256 bits at v4 unless told otherwise; whole registers take 0.5 to 0.6 of that time (Zen 5).
FEATURES = {"x86-64-v4": "-prefer-256-bit"}
ROWS = [*ACTIVATIONS.values(), *GRADIENTS.values()]
COMPUTED_AS = {"e": "float32"}  # everything else is computed in its own dtype


def multiply_add(name):
    @intrinsic
    def fma(typing_context, a, b, c):
        def generate(context, builder, signature, values):
            kind = values[0].type
            function = builder.module.declare_intrinsic(name, (kind,), ir.FunctionType(kind, [kind] * 3))
            return builder.call(function, values)

        return a(a, a, a), generate

    return fma


def unary(name):
    @intrinsic
    def function(typing_context, a):
        def generate(context, builder, signature, values):
            return builder.call(builder.module.declare_intrinsic(name, (values[0].type,)), values)

        return a(a), generate

    return function


@intrinsic
def copysign(typing_context, a, b):
    def generate(context, builder, signature, values):
        kind = values[0].type
        function = builder.module.declare_intrinsic("llvm.copysign", (kind,), ir.FunctionType(kind, [kind, kind]))
        return builder.call(function, values)

    return a(a, a), generate


@intrinsic
def power_of_two(typing_context, t):
    mantissa, width = {32: (23, 32), 64: (52, 64)}[t.bitwidth]

    def generate(context, builder, signature, values):
        integer = ir.IntType(width)
        bits = builder.bitcast(values[0], integer)
        return builder.bitcast(builder.shl(bits, integer(mantissa)), values[0].type)

    return t(t), generate


PRIMITIVES = {
    "fabs": unary("llvm.fabs"),
    "sqrt": unary("llvm.sqrt"),
    "copysign": copysign,
    "power_of_two": power_of_two,
}
WITH_FMA = PRIMITIVES | {"fma": multiply_add("llvm.fma"), "product_error": _math.product_error_by_fma}
# llvm.fma would become a call of libm's for each element
WITHOUT_FMA = PRIMITIVES | {
    "fma": multiply_add("llvm.fmuladd"),
    "product_error": _math.product_error_by_splitting,
}


SIGNATURE = types.void(
    types.CPointer(types.voidptr), types.CPointer(types.intp), types.CPointer(types.intp), types.voidptr
)


def with_scalar_parameters(formula, arrays, nin, kind, jit):
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


def compile_scalar_loop(formula, arrays, nin, dtype, primitives):
    """As `compile_loop`, for parameters, the inputs after the arrays, that are the same for all elements."""
    jit = numba.njit(error_model="numpy")
    kind = numba.from_dtype(np.dtype(dtype))
    loop = with_scalar_parameters(specialise(formula, dtype, primitives, jit), arrays, nin, kind, jit)
    compiled = numba.cfunc(SIGNATURE, error_model="numpy")(loop)
    text = str(compiled._library._final_module)
    return text.replace("noinline", "nounwind"), compiled._wrapper_name  # the loop belongs into its wrapper


def compile_loop(formula, arrays, nin, dtype, primitives):
    """The LLVM text of Numba's ufunc loop over `formula`, and the loop's name in it."""
    jit = numba.njit(error_model="numpy")
    builder = UFuncBuilder(specialise(formula, dtype, primitives, jit), targetoptions={"nopython": True})
    kind = numba.from_dtype(np.dtype(dtype))
    result = builder.add(kind(*[kind] * nin))
    name = result.fndesc.llvm_func_name
    with global_compiler_lock:
        info = build_ufunc_wrapper(result.library, result.target_context, name, result.signature, False, result)
        info.library.finalize()
    return str(info.library._final_module), info.name


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
    for formula in REDUCTION_FORMULAS:
        for dtype in ("float32", "float64"):
            symbol = f"fastact_{formula.__name__}_{dtype}"
            yield symbol, compile_loop, formula, 1, 2, dtype
            yield f"{symbol}_scalar", compile_scalar_loop, formula, 1, 2, dtype


@cache
def link_all(with_fma):
    """One module of all loops, each under its symbol and nothing else visible."""
    primitives = WITH_FMA if with_fma else WITHOUT_FMA
    module = None
    for symbol, compile_one, formula, arrays, nin, dtype in loops():
        text, name = compile_one(formula, arrays, nin, dtype, primitives)
        part = llvm.parse_assembly(text)
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


# Four vectors at a time hide the latency of the long formulas (measured: 10 to 40 % faster than one).
llvm.set_option("fastact", "-force-vector-interleave=4")


def emit(level):
    """Machine code of the loops for one level."""
    text = link_all(level not in LEVELS_WITHOUT_FMA)
    target = llvm.Target.from_triple(llvm.get_default_triple())
    machine = target.create_target_machine(
        cpu=LEVELS[level], features=FEATURES.get(level, ""), opt=3, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = options.loop_unrolling = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    module.verify()
    undefined = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if undefined:
        raise RuntimeError(f"the loops for {level} need functions from outside: {undefined}")
    return machine.emit_object(module)


def header():
    """The table of loops for the Cython modules: by ufunc and type character, and the declarations."""
    lines = ["/* Made by fastact/_build.py. */", "#include <Python.h>", "#include <numpy/npy_common.h>", ""]
    loop_type = "typedef void fastact_loop(char **, const npy_intp *, const npy_intp *, void *);"
    lines += [loop_type, ""]
    lines += [f"extern fastact_loop {symbol};" for symbol, *_ in loops()]
    lines += [f"#define FASTACT_UP_{dtype} {value.hex()}" for dtype, value in _math.UP.values.items()]
    lines += ["", "/* `scalar`: the loop for parameters that are one value each, or NULL without parameters. */"]
    lines += ["typedef struct {", "    const char *ufunc; char type; int arrays, nin; fastact_loop *loop, *scalar;"]
    lines += ["} fastact_loop_row;"]
    lines += ["", "static const fastact_loop_row fastact_loops[] = {"]
    for row in ROWS:
        arrays = len(row.arrays)
        for character in row.types:
            symbol = f"fastact_{row.name}_{computed_as(character)}"
            start = f"    {{\"{row.name}\", '{character}', {arrays}, "
            scalar = f"{symbol}_scalar" if row.parameters else "0"
            lines.append(f"{start}{row.nin}, {symbol}, {scalar}}},")
            if row.has_defaults:
                lines.append(f"{start}{arrays}, {symbol}_default, 0}},")
    lines += ["    {0, 0, 0, 0, 0, 0},", "};", ""]
    return "\n".join(lines)


def main(directory, *levels):
    directory = Path(directory)
    for level in levels:
        directory.joinpath(f"loops-{level}.o").write_bytes(emit(level))
    directory.joinpath("fastact_loops.h").write_text(header())


if __name__ == "__main__":
    main(*sys.argv[1:])
