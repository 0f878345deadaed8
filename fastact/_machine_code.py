"""LLVM's text of loops -> vector code for a CPU level, for `_emit.py` when the package is built and `_activation.py`
later."""

import itertools
import re

import llvmlite.binding as llvm

from fastact import _lookup
from fastact._levels import LEVELS

# functions that the text declares
HAS_FMA = "fastact_has_fma"
HAS_LOOKUP = "fastact_has_lookup"

# How many vectors a cycle of a loop works on, so that one's latencies are the others' time: 0.9 to 1.0 of what 4 take;
# but LLVM orders some loops one vector after the other then, which takes 1.1 to 1.4 times as long.
VECTORS = 6
FOR_NATIVE = 4  # on 64-bit ARM, whose vectors are short, more need more registers than there are, by llvm-mca
FEWER_AT_V4 = {
    "((gelu|geglu)(_grad)?|(silu|swish|quick_gelu|swiglu)_grad|tanhshrink)_float32": 2,
    "squareplus_float32": 2,
    "(log_sigmoid|softplus)_float32": 4,
    "((gelu|geglu)(_grad)?|gelu_tanh_grad)_float": 4,
    "(sigmoid|silu|log_sigmoid_grad)_float64": 4,
}


def machine_of(level, **options):
    """LLVM's target machine for a level."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_default_triple())
    return target.create_target_machine(
        cpu=LEVELS[level].llvm_cpu, features=LEVELS[level].llvm_features, opt=3, **options
    )


def for_level(text, level):
    """The module of that text, with or without fused multiply-add."""
    with_fma = LEVELS[level].fma
    if not with_fma:  # llvm.fma would become a call of libm's for each element
        text = text.replace("@llvm.fma.", "@llvm.fmuladd.")
    text = without_overlap(text)
    # what registers have no room for goes where no cache line ends in its midst
    text = re.sub(r"^(define (?!internal).*) {$", r'\1 "stackrealign" {', text, flags=re.MULTILINE)
    module = llvm.parse_assembly(text)
    for name, answer in ((HAS_FMA, with_fma), (HAS_LOOKUP, bool(LEVELS[level].lookups))):
        definition = f"define i1 @{name}() alwaysinline {{ ret i1 {str(answer).lower()} }}"
        module.link_in(llvm.parse_assembly(definition))
        module.get_function(name).linkage = "internal"
    return module


ADDRESS = re.compile(r"^  (%\S+) = getelementptr (?:inbounds )?(?:float|double|i\d+), ptr \S+, i64 \S+$", re.MULTILINE)
ACCESS = re.compile(r"^  (?:%\S+ = (load) \S+|store \S+ \S+), ptr (%\S+), align \d+$", re.MULTILINE)


def without_overlap(text):
    """The text, with the promise that no element which is written is read after that, so that loops need not look: the
    driver sees to it. Where input and output are the same, each is read before."""
    first = max(map(int, re.findall(r"^!(\d+) = ", text, re.MULTILINE)), default=0) + 1
    functions = []
    for function in text.split("\ndefine "):
        addresses = set(ADDRESS.findall(function))

        def promised(access, addresses=addresses):
            what = "noalias" if access[1] else "alias.scope"
            return f"{access[0]}, !{what} !{first + 2}" if access[2] in addresses else access[0]

        functions.append(ACCESS.sub(promised, function))
    scope = [f"distinct !{{!{first}}}", f"distinct !{{!{first + 1}, !{first}}}", f"!{{!{first + 1}}}"]
    lines = [f"!{first + k} = {node}" for k, node in enumerate(scope)]
    return "\n".join(["\ndefine ".join(functions), *lines, ""])


def is_loop(function):
    return not function.is_declaration and function.linkage == llvm.Linkage.external


def vectors(loop, level):
    usual = FOR_NATIVE if level == "native" else VECTORS
    fewer = FEWER_AT_V4.items() if level == "x86-64-v4" else ()
    return next((count for pattern, count in fewer if re.match(f"fastact_{pattern}", loop)), usual)


def optimise(text, level, machine):
    """The module of that text, optimised for a level's target machine."""
    text = str(for_level(text, level))
    lookups = ()
    if LEVELS[level].lookups:
        text, lookups = _lookup.declare(text, level)
    counts = {f.name: vectors(f.name, level) for f in llvm.parse_assembly(text).functions if is_loop(f)}
    whole = llvm.parse_assembly("")
    for count in sorted(set(counts.values())):
        module = llvm.parse_assembly(text)
        for function in filter(is_loop, module.functions):
            if counts[function.name] != count:
                function.linkage = "internal"  # and so it vanishes
        builder = run_passes(module, count, machine)
        if lookups:
            _lookup.define(module, lookups, level, builder)
        check(module)
        whole.link_in(module)
    return whole


def run_passes(module, count, machine):
    """LLVM's own, at their best; returns what has built them."""
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    llvm.set_option("fastact", f"-force-vector-interleave={count}")
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = options.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return builder


def check(module):
    module.verify()
    undefined = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if undefined:
        raise RuntimeError(f"the loops need functions from outside: {undefined}")


# Vector instructions that are worth waking a thread: 4 us. To share out a call costs 2.3 us if the threads wait for it.
WORTH = 25_000
A_BYTE = 0.08  # as many of them take as long as moving a byte from or to the second cache
BYTES = {"float": 4, "double": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8}


def elements(loop):
    """How many of them a cycle of a loop works on, how many are done together of what a cycle leaves, and how many are
    worth a thread; `loop` is an optimised function."""
    cycles = []  # of each block: elements that it stores, and minus the instructions for one
    for block in str(loop).split("\n\n"):  # once: LLVM numbers all of the module for each text
        instructions = re.findall(r"^  .+$", block, re.MULTILINE)
        accesses = re.findall(r"(load|store) (?:<(\d+) x )?(float|double|i8|i16|i32|i64)\b", block)
        stored = sum(int(count or 1) for access, count, _ in accesses if access == "store")
        if stored:
            moved = sum(int(count or 1) * BYTES[kind] for _, count, kind in accesses)
            cycles.append((stored, -max(len(instructions), A_BYTE * moved) / stored))
    cycle, cost = max(cycles, default=(1, -1))  # the others are for what is left, and for strides
    epilogue = max((stored for stored, _ in cycles if 4 <= stored < cycle), default=cycle)
    return cycle, epilogue, round(-WORTH / cost)


def elements_by_loop(module):
    return {loop.name: elements(loop) for loop in filter(is_loop, module.functions)}


# Loops fetch what they will read and write, so many bytes ahead as their last argument says.
AHEAD = "fastact_ahead"
CACHE_LINE = 64
FETCH = "llvm.prefetch.p0"


def fetching(block, numbers):
    """A basic block's text; if it is a loop of vectors, with fetches, which have numbers, of what it will access."""
    label = re.search(r"^([\w.]+):", block, re.MULTILINE)
    if not label or not re.search(rf"^  br .*label %{re.escape(label[1])}\b", block, re.MULTILINE):
        return block
    places = dict(re.findall(r"(%\S+) = getelementptr i8, ptr %\S+, i64 (\d+)", block))  # in a cycle, but for the first
    result = []
    for line in block.split("\n"):
        result.append(line)
        access = re.match(r"  (?:%\S+ = load|store) <.*, ptr (%\S+), align", line)
        if access and int(places.get(access[1], 0)) % CACHE_LINE == 0:
            name = f"%fetch.{next(numbers)}"
            result.append(f"  {name} = getelementptr i8, ptr {access[1]}, i64 %{AHEAD}")
            result.append(f"  call void @{FETCH}(ptr {name}, i32 0, i32 3, i32 1)")
    return "\n".join(result)


def with_fetches(module, level):
    """The module, whose loops fetch."""
    if not LEVELS[level].register:
        return module
    numbers = itertools.count()
    functions = []
    for function in str(module).split("\ndefine "):
        text = "\n\n".join(fetching(block, numbers) for block in function.split("\n\n"))
        if text != function:  # at its start
            last = re.findall(r"%[\w.]+", text.partition("\n")[0])[-1]
            number = f"\\g<0>  %{AHEAD} = ptrtoint ptr {last} to i64\n"
            text = re.sub(r"\{\n(\S+:.*\n)?", number, text, count=1)
        functions.append(text)
    return llvm.parse_assembly("\ndefine ".join(functions) + f"\ndeclare void @{FETCH}(ptr, i32, i32, i32)\n")


def emit(text, level):
    """An object file: the loops, and for each the constant LOOP_elements."""
    machine = machine_of(level, reloc="pic", codemodel="small")
    module = optimise(text, level, machine)
    constants = (
        f"@{loop}_elements = constant {{ i32, i32, i32 }} {{ i32 {cycle}, i32 {epilogue}, i32 {worth} }}"
        for loop, (cycle, epilogue, worth) in elements_by_loop(module).items()
    )
    module = with_fetches(module, level)
    module.link_in(llvm.parse_assembly("\n".join(constants)))
    return machine.emit_object(module)


def execute(text, level):
    """An engine that holds this process's machine code, and `elements`, by loop."""
    machine = machine_of(level, jit=True)
    module = optimise(text, level, machine)
    sizes = elements_by_loop(module)
    module = with_fetches(module, level)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine, sizes
