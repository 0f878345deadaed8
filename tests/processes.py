"""Fresh interpreters."""

import os
import subprocess
import sys


def run(*arguments, **environment):
    """Run Python with some environment variables set; from elsewhere, since a source tree in the current
    directory would come before the installed package."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
        cwd=sys.prefix,
    )
