"""Build time only, for scripts that are run from this directory: the package's modules without its own __init__,
which needs what the scripts make."""

import os
import sys
from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != HERE]  # math.py here is not Python's
sys.modules["fastact"] = ModuleType("fastact")
sys.modules["fastact"].__path__ = [HERE]
# An editable install builds the package anew for whoever imports it: for its own build, too, again and again.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "_fastact_editable_loader"]
