"""Numbers below the normal range: where a result has none, none arise on the way, as each vector that has one takes
Intel's CPUs 150 cycles."""

import platform
import sys

import processes
import pytest
from cases import COMPILED, WITHOUT_FMA

ON_GLIBC = sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


@pytest.mark.skipif(not ON_GLIBC, reason="CPUs and libraries without such a trap")
@pytest.mark.skipif(not COMPILED or WITHOUT_FMA, reason="there, the rounding error of a product takes more operations")
def test_none_on_the_way():
    found = processes.run(processes.ROOT / "tests" / "tiny_numbers.py")
    assert found.returncode == 0, found.stderr
    killed = [line for line in found.stdout.splitlines() if line.endswith("True")]
    assert killed == ["the trap: True"]
