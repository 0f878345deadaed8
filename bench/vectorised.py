"""Check that the loop of every formula works on whole vector registers; exit status 1 if one went scalar.

    python bench/vectorised.py [--level x86-64-v3]  # on 64-bit ARM the one that there is, native

Disassembles the installed extension module with objdump (GNU binutils) and counts, for each loop,
instructions on registers of the level's width, and arithmetic on single numbers, in its main cycle. It takes seconds.
"""

import argparse
import platform
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

from fastact._levels import LEVELS

# Arithmetic on one number instead of a whole register, which 64-bit ARM calls v0.4s or, to load and store it, q0; and a
# jump, to where.
if platform.machine() == "aarch64":
    DEFAULT, REGISTERS = "native", {"native": "[vq]"}
    SCALAR = re.compile(r"f\w+\s+[sd]\d")
    JUMP = re.compile(r"(?:b|b\.\w+|cbn?z|tbn?z)\s(?:.*, )?([0-9a-f]+)\b")
else:
    DEFAULT, REGISTERS = "x86-64-v3", {name: level.register for name, level in LEVELS.items() if level.register}
    SCALAR = re.compile(r"v?(?:add|sub|mul|div|max|min|cmp|u?comi|fn?m(?:add|sub)\d*)\w*s[sd]\b")
    JUMP = re.compile(r"j\w+\s+([0-9a-f]+)")


def loops(level):
    """Name and instructions, as (address, text), of each compiled loop."""
    spec = find_spec(f"fastact._ufunc_{level.replace('-', '_')}")
    if spec is None:
        sys.exit(f"fastact was built without the level {level}")
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", spec.origin], capture_output=True, text=True, check=True
    ).stdout
    for name, body in re.findall(
        r"^[0-9a-f]+ <(fastact_\w+_(?:u?int|float)\d+(?:_scalar|_default)?)>:\n(.*?)\n\n", listing + "\n", re.S | re.M
    ):
        lines = re.findall(r"^\s*([0-9a-f]+):\t(.*)$", body, re.M)
        yield name, [(int(address, 16), text) for address, text in lines]


def innermost_cycles(instructions):
    """The pieces of code that end by jumping back to their start, and contain no other."""
    places = {address: k for k, (address, _) in enumerate(instructions)}
    latest_start = -1
    for end, (_, text) in enumerate(instructions):
        jump = JUMP.match(text)
        start = places.get(int(jump[1], 16)) if jump else None
        if start is not None and latest_start < start <= end:
            latest_start = start
            yield [text for _, text in instructions[start : end + 1]]


def count(cycle, register):
    """Instructions on whole registers, and arithmetic on single numbers."""
    whole = re.compile(rf"\b{register}")
    return sum(bool(whole.search(text)) for text in cycle), sum(bool(SCALAR.match(text)) for text in cycle)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", default=DEFAULT, choices=list(REGISTERS))
    options = parser.parse_args()
    register = REGISTERS[options.level]
    if not shutil.which("objdump"):
        sys.exit("vectorised.py needs objdump, of GNU binutils")
    failed = seen = 0
    print(f"{'loop':<36}{'on ' + register:>10}{'on one':>10}")
    for name, instructions in loops(options.level):
        whole, single = max((count(cycle, register) for cycle in innermost_cycles(instructions)), default=(0, 0))
        seen += 1
        bad = whole == 0 or single > 0
        failed += bad
        print(f"{name:<36}{whole:>10}{single:>10}{'  scalar!' if bad else ''}")
    print(f"{seen - failed} of {seen} loops vectorised")
    sys.exit(failed > 0 or seen == 0)


if __name__ == "__main__":
    main()
