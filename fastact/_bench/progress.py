"""The progress of a run."""

import importlib
import sys
from importlib.util import find_spec


class Progress:
    """A bar on a terminal's stderr, by tqdm if it is installed, and lines on stdout that pass it by."""

    def __init__(self, total):
        self.bar, self.total, self.done = None, total, -1
        self.terminal = sys.stderr is not None and sys.stderr.isatty()
        if self.terminal and find_spec("tqdm"):
            self.bar = importlib.import_module("tqdm").tqdm(total=total, leave=False, unit="cell")

    def start(self, label):
        self.done += 1
        if self.bar:
            self.bar.n = self.done
            self.bar.set_description_str(label)
        elif self.terminal:
            print(f"\r\033[K{self.done}/{self.total} {label}", end="", file=sys.stderr, flush=True)

    def line(self, text):
        if self.bar:
            self.bar.clear()
        elif self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(text, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.close()
