"""The figures of a run: as a table to read, and as JSON."""

import json
import math
import platform
from datetime import datetime, timezone

import numpy as np

import fastact
from fastact import _cuda_device
from fastact._bench.cells import FAMILIES
from fastact._bench.peers import PEERS_ON, cores
from fastact._config import version_of


class Result:
    """The Times of fastact and of the peers in one cell."""

    def __init__(self, cell, times):
        self.cell = cell
        self.times = times

    @property
    def nanoseconds(self):
        """For an element, at best."""
        return self.times["fastact"].minimum / self.cell.elements * 1e9

    @property
    def gigabytes_per_second(self):
        return self.cell.bytes_moved / self.times["fastact"].minimum / 1e9

    def ratio(self, peer):
        """How many times as long as fastact the peer takes, by the minima; None where it has no such cell."""
        return self.times[peer].minimum / self.times["fastact"].minimum if peer in self.times else None

    def ratios(self, peer):
        """The same for each part of the measurement."""
        pairs = zip(self.times[peer].minima, self.times["fastact"].minima, strict=True)
        return [other / own for other, own in pairs]

    def as_json(self):
        cell = self.cell
        row = {
            "function": cell.function,
            "direction": "backward" if cell.backward else "forward",
            "dtype": cell.dtype,
            "size": cell.size_text,
            "elements": cell.elements,
            "layout": cell.layout,
            "threads": cell.threads,
            "preallocated": cell.preallocated,
            "nanoseconds per element": self.nanoseconds,
            "GB/s": self.gigabytes_per_second,
            "seconds": {},
        }
        for name, times in self.times.items():
            row["seconds"][name] = {"minimum": times.minimum, "median": times.median, "turns": len(times.turns)}
            if name != "fastact":
                ratios = self.ratios(name)
                row["seconds"][name] |= {"ratio": self.ratio(name), "ratio from": min(ratios), "ratio to": max(ratios)}
        return row


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def groups(results):
    """The families of functions, as far as they were measured."""
    found = {name: [r for r in results if r.cell.function in family] for name, family in FAMILIES.items()}
    return {name: members for name, members in found.items() if members}


# What may be the same for all cells -> its text in a Cell.
VARYING = {"dtype": "dtype", "size": "size_text", "layout": "layout", "threads": "threads"}


class Table:
    """Lines of a Markdown table in columns, one by one; what all cells share stands above it."""

    def __init__(self, cells, peers):
        self.peers = peers
        self.varying = [n for n, field in VARYING.items() if len({getattr(cell, field) for cell in cells}) > 1]
        shared = {n: getattr(cells[0], field) for n, field in VARYING.items() if n not in self.varying}
        if "size" in shared:
            shared["size"] = f"size {shared['size']}"
        if threads := shared.pop("threads", None):
            shared["threads"] = f"{threads} thread{'s' * (threads > 1)}"
        self.shared = list(shared.values())
        texts = [self.labels(cell) for cell in cells]
        names = ["function", *self.varying]
        widths = [max(len(text) for text in column) for column in zip(names, *texts, strict=True)]
        self.left = len(names)
        self.names = [*names, "ns/elem.", "GB/s", *peers]
        self.widths = widths + [8, 6] + [12] * len(peers)

    def labels(self, cell):
        return [cell.function, *(str(getattr(cell, VARYING[n])) for n in self.varying)]

    def head(self):
        return head(self.names, self.widths, self.left)

    def row(self, result):
        ratios = [with_spread(result.ratio(p), result.ratios(p)) if p in result.times else "" for p in self.peers]
        own = [significant(result.nanoseconds), significant(result.gigabytes_per_second)]
        return line([*self.labels(result.cell), *own, *ratios], self.widths, self.left)


def summary(results, peers):
    """Lines of a table: geometric means of the ratios, and the lowest ones."""
    rows = [["", *peers]]
    for group, members in groups(results).items():
        for title, summarise in {"geometric mean": geometric_mean, "lowest": min}.items():
            ratios = [[r.ratio(peer) for r in members if peer in r.times] for peer in peers]
            rows.append([f"{group}, {title}", *(significant(summarise(values)) if values else "" for values in ratios)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return head(rows[0], widths, 1) + [line(row, widths, 1) for row in rows[1:]]


def head(names, widths, left):
    """The first two lines of a Markdown table, its first columns to the left."""
    rule = ["-" * width if k < left else "-" * (width - 1) + ":" for k, width in enumerate(widths)]
    return [line(names, widths, left), line(rule, widths, left)]


def line(texts, widths, left):
    parts = [
        text.ljust(width) if k < left else text.rjust(width)
        for k, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]
    return f"| {' | '.join(parts)} |"


def significant(value):
    """Three digits, without an exponent."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(digits, 4)}f}"


def with_spread(ratio, ratios):
    """The ratio, and half of the range that its repeats cover."""
    spread = (max(ratios) - min(ratios)) / 2
    digits = 2 if max(ratio, spread) < 9.995 else 1 if max(ratio, spread) < 99.95 else 0
    return f"{ratio:.{digits}f} ±{spread:.{digits}f}"


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions(peers, device):
    packages = dict.fromkeys(package for peer in peers for package in PEERS_ON[device][peer].packages)
    return {package: version_of(package) or "unknown" for package in packages}


def environment(peers, absent, command, device):
    """Where and what was measured."""
    gpu = {"device": _cuda_device.describe()} if device == "cuda" else {}
    return {
        "command": command,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **gpu,
        "CPU": cpu_model(),
        "cores": cores(),
        "platform": platform.platform(),
        "Python": platform.python_version(),
        "fastact": fastact.__version__,
        "backend": "cuda" if gpu else fastact.backend,
        "versions": {"numpy": np.__version__} | versions(peers, device),
        "absent": absent,
    }


def write_json(path, about, results):
    """With a line for each cell."""
    head = json.dumps(about, indent=1).removesuffix("\n}")
    cells = ",\n".join(f"  {json.dumps(r.as_json())}" for r in results)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{head},\n "cells": [\n{cells}\n ]\n}}\n')
