"""LLVM's text of loops -> vector code for a CPU level, for `_emit.py` when the package is built and `_activation.py`
later."""

import re

import llvmlite.binding as llvm

# level -> LLVM's name of the CPU; `native` is the plain CPU of another architecture
LEVELS = {"x86-64": "x86-64", "x86-64-v3": "x86-64-v3", "x86-64-v4": "x86-64-v4", "native": "generic"}
LEVELS_WITHOUT_FMA = {"x86-64"}
# LLVM keeps to 256 bits at v4 unless told otherwise; whole registers take 0.5 to 0.6 of that time (Zen 5).
FEATURES = {"x86-64-v4": "-prefer-256-bit"}

HAS_FMA = "fastact_has_fma"  # a function that the text declares


def machine_of(level, **options):
    """LLVM's target machine for a level."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_default_triple())
    return target.create_target_machine(cpu=LEVELS[level], features=FEATURES.get(level, ""), opt=3, **options)


def for_level(text, level):
    """The module of that text, with or without fused multiply-add."""
    with_fma = level not in LEVELS_WITHOUT_FMA
    if not with_fma:  # llvm.fma would become a call of libm's for each element
        text = text.replace("@llvm.fma.", "@llvm.fmuladd.")
    module = llvm.parse_assembly(text)
    answer = f"define i1 @{HAS_FMA}() alwaysinline {{ ret i1 {str(with_fma).lower()} }}"
    module.link_in(llvm.parse_assembly(answer))
    module.get_function(HAS_FMA).linkage = "internal"
    return module


def optimise(text, level, machine):
    """The module of that text, optimised for a level's target machine."""
    module = for_level(text, level)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = options.loop_unrolling = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    module.verify()
    undefined = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if undefined:
        raise RuntimeError(f"the loops need functions from outside: {undefined}")
    return module


# Vector instructions that are worth waking a thread: 4 us. To share out a call costs 2.3 us if the threads wait for it.
WORTH = 25_000


def elements_worth_a_thread(loop):
    """How many elements keep a loop's main cycle busy for as long; `loop` is an optimised function."""
    cycles = []  # of each block: elements that it stores, and minus the instructions for one
    for block in str(loop).split("\n\n"):  # once: LLVM numbers all of the module for each text
        instructions = re.findall(r"^  .+$", block, re.MULTILINE)
        stores = [found for text in instructions if (found := re.match(r"\s*store (?:<(\d+) x )?", text))]
        if stores:
            elements = sum(int(store[1] or 1) for store in stores)
            cycles.append((elements, -len(instructions) / elements))
    _, cost = max(cycles, default=(1, -1))  # the others are for what is left, and for strides
    return round(-WORTH / cost)


def worth_by_loop(module):
    """What is worth a thread, by loop."""
    loops = (f for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external)
    return {loop.name: elements_worth_a_thread(loop) for loop in loops}


def emit(text, level):
    """An object file: the loops, and for each the constant LOOP_per_thread."""
    machine = machine_of(level, reloc="pic", codemodel="small")
    module = optimise(text, level, machine)
    constants = (f"@{loop}_per_thread = constant i32 {elements}" for loop, elements in worth_by_loop(module).items())
    module.link_in(llvm.parse_assembly("\n".join(constants)))
    return machine.emit_object(module)


def execute(text, level):
    """An engine that holds the machine code, for this process; and what is worth a thread, by loop."""
    machine = machine_of(level, jit=True)
    module = optimise(text, level, machine)
    worth = worth_by_loop(module)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine, worth
