"""Options of `pytest bench --benchmark-only`: those of `fastact bench` that say what is measured."""

import numpy as np
import pytest

import fastact
from fastact._bench import add_cell_options, cells_of, peers_of

USUAL = {"dtypes": "float32", "sizes": "1e6", "rows": "1000x1000", "layouts": "contiguous", "threads": "all"}


def pytest_addoption(parser):
    add_cell_options(parser.getgroup("fastact").addoption, USUAL)


def pytest_report_header(config):
    peers, absent = peers_of(config.option)
    absences = [f"without {name}: {reason}" for name, reason in absent.items()]
    return [f"fastact {fastact.__version__}, backend {fastact.backend}, beside {', '.join(peers)}", *absences]


def pytest_generate_tests(metafunc):
    if {"cell", "library"} <= set(metafunc.fixturenames):
        try:
            cells, libraries = (
                cells_of(metafunc.config.option, usual=USUAL),
                ["fastact", *peers_of(metafunc.config.option)[0]],
            )
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
        cases = [(cell, library) for cell in cells for library in libraries]
        metafunc.parametrize(
            "cell, library", cases, ids=[f"{cell}-{library}".replace(" ", "-") for cell, library in cases]
        )


@pytest.fixture(autouse=True)
def quiet():
    before = fastact.get_num_threads()
    with np.errstate(all="ignore"):
        yield
    fastact.set_num_threads(before)
