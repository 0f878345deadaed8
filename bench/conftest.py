"""Options of `pytest bench --benchmark-only`."""

import numpy as np
from peers import ABSENT

import fastact


def pytest_addoption(parser):
    parser.addoption("--size", type=int, default=1_000_000, help="elements in each array (default: a million)")
    parser.addoption("--dtype", default="float32", choices=["float32", "float64"])


def pytest_report_header(config):
    absent = f"; not installed: {', '.join(ABSENT)}" if ABSENT else ""
    threads = fastact.get_num_threads()
    return (
        f"fastact {fastact.__version__}, backend {fastact.backend}, threads {threads}, NumPy {np.__version__}{absent}"
    )
