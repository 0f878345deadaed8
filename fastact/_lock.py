"""The lock of what reads and compiles functions.

A fork waits for it: a child has none of the other threads, and what they had locked, Numba, LLVM or a module that was
being imported, would stay so.
"""

# Numba's: they lock themselves for a fork, too. That must come after this, and be known before a fork begins to wait.
import concurrent.futures.thread  # noqa: F401
import logging  # noqa: F401
import os
import threading

LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):  # the last that is registered comes first
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)
