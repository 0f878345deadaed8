"""LLVM's text of loops -> vector code for a CPU level, for `_emit.py` when the package is built and `_activation.py`
later."""

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


def emit(text, level):
    """An object file."""
    machine = machine_of(level, reloc="pic", codemodel="small")
    return machine.emit_object(optimise(text, level, machine))


def execute(text, level):
    """An engine that holds the machine code, for this process."""
    machine = machine_of(level, jit=True)
    engine = llvm.create_mcjit_compiler(optimise(text, level, machine), machine)
    engine.finalize_object()
    return engine
