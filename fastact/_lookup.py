"""Lookups among eight float32 or four float64 numbers, of all elements of a vector by one instruction or a few.

A loop's text calls a function of one number, which has these numbers in its name. It is just declared, with the names
of such functions of vectors, until LLVM has made vectors of the loops; then all are defined, and inlined.
"""

import re

import llvmlite.binding as llvm
import numpy as np

from fastact._levels import LEVELS

PREFIX = "fastact_lookup_"
DECLARATION = re.compile(rf"^declare (float|double) @({PREFIX}\w+)\(\1\).*$", re.MULTILINE)
INTEGERS = {"float": "i32", "double": "i64"}
BYTES = {"float": 4, "double": 8}
# How many of them one instruction looks up -> LLVM's name of it
INSTRUCTIONS = {
    "float": {8: "llvm.x86.avx2.permps", 16: "llvm.x86.avx512.permvar.sf.512"},
    "double": {4: "llvm.x86.avx512.permvar.df.256", 8: "llvm.x86.avx512.permvar.df.512"},
}


def name_of(numbers):
    """The function's name."""
    kind, integer = (np.float32, np.uint32) if len(numbers) == 8 else (np.float64, np.uint64)
    return PREFIX + "_".join(f"{bits:0{2 * kind().nbytes}x}" for bits in np.array(numbers, kind).view(integer).tolist())


def widths(level, kind):
    """The lengths of vectors that a level's loops consist of."""
    return [bytes // BYTES[kind] for bytes in LEVELS[level].lookups]


def declare(text, level):
    """The text, with what LLVM must know to make vectors of the calls; and the functions' kinds and names."""
    functions = DECLARATION.findall(text)
    if not functions:
        return text, functions

    def with_vectors(found):
        kind, name = found.groups()
        vectors = ",".join(f"_ZGV_LLVM_N{width}v_{name}({name}_{width})" for width in widths(level, kind))
        attributes = f'nounwind willreturn memory(none) "vector-function-abi-variant"="{vectors}"'
        return f"declare {kind} @{name}({kind}) {attributes}"

    vectors = [(f"{name}_{width}", f"<{width} x {kind}>") for kind, name in functions for width in widths(level, kind)]
    lines = [f"declare {vector} @{name}({vector})" for name, vector in vectors]
    # what nothing uses would vanish before it is needed
    used = ", ".join(f"ptr @{name}" for name, _ in vectors)
    lines.append(f'@llvm.compiler.used = appending global [{len(vectors)} x ptr] [{used}], section "llvm.metadata"')
    return "\n".join([DECLARATION.sub(with_vectors, text), *lines, ""]), functions


def define(module, functions, level, builder):
    """Inline the functions wherever the optimised module calls them."""
    lines = [
        f"declare <{lanes} x {kind}> @{name}(<{lanes} x {kind}>, <{lanes} x {INTEGERS[kind]}>)"
        for kind, instructions in INSTRUCTIONS.items()
        for lanes, name in instructions.items()
    ]
    for kind, name in functions:
        numbers = [f"{INTEGERS[kind]} {int(bits, 16)}" for bits in name.removeprefix(PREFIX).split("_")]
        lines.append(of_one(name, kind, numbers))
        lines += [of_vector(name, kind, numbers, width, level) for width in widths(level, kind)]
    module.link_in(llvm.parse_assembly("\n".join(lines)))
    for variable in module.global_variables:
        if variable.name == "llvm.compiler.used":
            variable.name, variable.linkage = "used", "internal"
    for function in module.functions:
        if not function.is_declaration and function.name.startswith(PREFIX):
            function.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_instruction_combine_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)


def of_one(name, kind, numbers):
    integer, count = INTEGERS[kind], len(numbers)
    return f"""
@{name}_numbers = internal constant [{count} x {integer}] [{", ".join(numbers)}]
define {kind} @{name}({kind} %t) alwaysinline {{
  %bits = bitcast {kind} %t to {integer}
  %index = and {integer} %bits, {count - 1}
  %place = getelementptr [{count} x {integer}], ptr @{name}_numbers, i32 0, {integer} %index
  %result = load {kind}, ptr %place
  ret {kind} %result
}}"""


def of_vector(name, kind, numbers, width, level):
    """For fewer than there are numbers, some lanes of an instruction are left unused."""
    integer, lanes = INTEGERS[kind], max(width, len(numbers))
    widened, narrowed = (", ".join(f"i32 {k % width}" for k in range(count)) for count in (lanes, width))
    table = f"<{lanes} x {integer}> <{', '.join(numbers * (lanes // len(numbers)))}>"
    look_up = by_halves if kind == "double" and level == "x86-64-v3" else by_one_instruction
    return f"""
define <{width} x {kind}> @{name}_{width}(<{width} x {kind}> %t) alwaysinline {{
  %bits = bitcast <{width} x {kind}> %t to <{width} x {integer}>
  %index = shufflevector <{width} x {integer}> %bits, <{width} x {integer}> poison, <{lanes} x i32> <{widened}>
  {look_up(kind, lanes, table)}
  %result = shufflevector <{lanes} x {kind}> %all, <{lanes} x {kind}> poison, <{width} x i32> <{narrowed}>
  ret <{width} x {kind}> %result
}}"""


def by_one_instruction(kind, lanes, table):
    vector = f"<{lanes} x {kind}>"
    operands = f"{vector} bitcast ({table} to {vector}), <{lanes} x {INTEGERS[kind]}> %index"
    return f"%all = call {vector} @{INSTRUCTIONS[kind][lanes]}({operands})"


def by_halves(kind, lanes, table):
    """AVX2 looks up nothing of 64 bits: the two halves of number n as numbers 2n and 2n + 1 of 32 bits."""
    low_halves = ", ".join(f"i32 {k // 2 * 2}" for k in range(8))
    return f"""%twice = shl <4 x i64> %index, <i64 1, i64 1, i64 1, i64 1>
  %words = bitcast <4 x i64> %twice to <8 x i32>
  %pairs = shufflevector <8 x i32> %words, <8 x i32> poison, <8 x i32> <{low_halves}>
  %halves = or <8 x i32> %pairs, <{", ".join(f"i32 {k % 2}" for k in range(8))}>
  %found = call <8 x float> @{INSTRUCTIONS["float"][8]}(<8 x float> bitcast ({table} to <8 x float>), <8 x i32> %halves)
  %all = bitcast <8 x float> %found to <4 x double>"""
