"""The CPU levels that the kernels are compiled for."""

from typing import NamedTuple


class Level(NamedTuple):
    """What a CPU must have for it, and what LLVM is told."""

    features: frozenset
    llvm_cpu: str
    llvm_features: str = ""
    fma: bool = True
    register: str = ""  # in a disassembly
    lookups: tuple = ()  # bytes of the vectors whose elements instructions look up


V3 = frozenset({"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"})
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
# The best first; `native` is the plain CPU of another architecture. LLVM keeps to 256 bits at v4 unless told otherwise;
# whole registers take 0.5 to 0.6 of that time (Zen 5).
LEVELS = {
    "x86-64-v4": Level(V4, "x86-64-v4", "-prefer-256-bit", register="zmm", lookups=(16, 32, 64)),
    "x86-64-v3": Level(V3, "x86-64-v3", register="ymm", lookups=(16, 32)),
    "x86-64": Level(frozenset(), "x86-64", fma=False, register="xmm"),
    "native": Level(frozenset(), "generic"),
}
