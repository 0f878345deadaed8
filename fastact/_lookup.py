"""Lookups among eight float32 numbers, of all elements of a vector by one instruction.

A loop's text calls a function of one number, which has the eight in its name. It is just declared, with the names of
such functions of vectors, until LLVM has made vectors of the loops; then all are defined, and inlined.
"""

import re

import llvmlite.binding as llvm

from fastact._levels import LEVELS

# How many elements -> LLVM's name of the instruction that looks them up
INSTRUCTIONS = {8: "llvm.x86.avx2.permps", 16: "llvm.x86.avx512.permvar.sf.512"}

PREFIX = "fastact_lookup_"
DECLARATION = re.compile(rf"^declare float @({PREFIX}\w+)\(float\).*$", re.MULTILINE)


def name_of(bits):
    """The function's name, for the eight numbers' bits."""
    return PREFIX + "_".join(f"{number:08x}" for number in bits)


def declare(text, level):
    """The text, with what LLVM must know to make vectors of the calls; and the functions' names."""
    names = DECLARATION.findall(text)
    if not names:
        return text, names

    def with_vectors(found):
        vectors = ",".join(f"_ZGV_LLVM_N{width}v_{found[1]}({found[1]}_{width})" for width in LEVELS[level].lookups)
        attributes = f'nounwind willreturn memory(none) "vector-function-abi-variant"="{vectors}"'
        return f"declare float @{found[1]}(float) {attributes}"

    vectors = [(f"{name}_{width}", width) for name in names for width in LEVELS[level].lookups]
    lines = [f"declare <{width} x float> @{name}(<{width} x float>)" for name, width in vectors]
    # what nothing uses would vanish before it is needed
    used = ", ".join(f"ptr @{name}" for name, _ in vectors)
    lines.append(f'@llvm.compiler.used = appending global [{len(vectors)} x ptr] [{used}], section "llvm.metadata"')
    return "\n".join([DECLARATION.sub(with_vectors, text), *lines, ""]), names


def define(module, names, level, builder):
    """Inline the functions wherever the optimised module calls them."""
    lines = [
        f"declare <{width} x float> @{name}(<{width} x float>, <{width} x i32>)" for width, name in INSTRUCTIONS.items()
    ]
    for name in names:
        numbers = [f"i32 {int(bits, 16)}" for bits in name.removeprefix(PREFIX).split("_")]
        lines += [of_one(name, numbers), *(of_vector(name, numbers, width) for width in LEVELS[level].lookups)]
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


def of_one(name, numbers):
    return f"""
@{name}_numbers = internal constant [8 x i32] [{", ".join(numbers)}]
define float @{name}(float %t) alwaysinline {{
  %bits = bitcast float %t to i32
  %index = and i32 %bits, 7
  %place = getelementptr [8 x i32], ptr @{name}_numbers, i32 0, i32 %index
  %result = load float, ptr %place
  ret float %result
}}"""


def of_vector(name, numbers, width):
    """For fewer than eight, some lanes of an instruction are left unused."""
    lanes = max(width, 8)
    table = f"bitcast (<{lanes} x i32> <{', '.join(numbers * (lanes // 8))}> to <{lanes} x float>)"
    widened, narrowed = (", ".join(f"i32 {k % width}" for k in range(count)) for count in (lanes, width))
    return f"""
define <{width} x float> @{name}_{width}(<{width} x float> %t) alwaysinline {{
  %bits = bitcast <{width} x float> %t to <{width} x i32>
  %index = shufflevector <{width} x i32> %bits, <{width} x i32> poison, <{lanes} x i32> <{widened}>
  %all = call <{lanes} x float> @{INSTRUCTIONS[lanes]}(<{lanes} x float> {table}, <{lanes} x i32> %index)
  %result = shufflevector <{lanes} x float> %all, <{lanes} x float> poison, <{width} x i32> <{narrowed}>
  ret <{width} x float> %result
}}"""
