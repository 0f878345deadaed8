"""Build time only: the loops' text -> an object file for a CPU level.

    python fastact/_emit.py LEVEL TEXT OBJECT

Nothing depends on the CPU of the machine that builds. Run by meson.build, on what `_build.py` writes.
"""

import _bootstrap  # noqa: F401  first: it takes math.py, which lies here, out of the way of Python's own

# isort: split
import sys
from pathlib import Path

from fastact._machine_code import emit

if __name__ == "__main__":
    level, text, target = sys.argv[1:]
    Path(target).write_bytes(emit(Path(text).read_text(), level))
