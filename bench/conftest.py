"""Options of `pytest bench --benchmark-only`: those of `fastact bench` that say what is measured."""

import numpy as np
import pytest

import fastact
from fastact._bench.options import add_cell_options, cells_of, peers_of

USUAL = {"dtypes": "float32", "sizes": "1e6", "rows": "1000x1000", "layouts": "contiguous", "threads": "all"}
CASES = pytest.StashKey()  # pairs of a cell and a library
ABSENT = pytest.StashKey()


def pytest_addoption(parser):
    add_cell_options(parser.getgroup("fastact").addoption, USUAL)


def pytest_configure(config):
    try:
        peers, config.stash[ABSENT] = peers_of(config.option)
        cells = cells_of(config.option, usual=USUAL)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[CASES] = [(cell, library) for cell in cells for library in ["fastact", *peers]]


def pytest_report_header(config):
    absent = [f"without {name}: {reason}" for name, reason in config.stash[ABSENT].items()]
    return [f"fastact {fastact.__version__}, backend {fastact.backend}", *absent]


def pytest_generate_tests(metafunc):
    if "cell" in metafunc.fixturenames:
        cases = metafunc.config.stash[CASES]
        names = [f"{cell} {library}".replace(" ", "-") for cell, library in cases]
        metafunc.parametrize("cell, library", cases, ids=names)


@pytest.fixture(autouse=True)
def as_before():
    threads = fastact.get_num_threads()
    with np.errstate(all="ignore"):
        yield
    fastact.set_num_threads(threads)
