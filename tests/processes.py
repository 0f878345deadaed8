"""Fresh interpreters."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATHS = [*(str(ROOT / name) for name in ("tests", "bench", "docs")), *filter(None, [os.environ.get("PYTHONPATH")])]


def run(*arguments, **environment):
    """Run Python with these folders' modules at hand, and some environment variables set; from elsewhere, since a
    source tree in the current directory would come before the installed package."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)} | environment,
        cwd=sys.prefix,
    )
