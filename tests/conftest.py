"""What holds for every test."""

import sys
from pathlib import Path

import pytest

# `python -m pytest` would find the source tree in the place of what is installed
sys.path[:] = [path for path in sys.path if Path(path).resolve() != Path(__file__).parents[1]]

import fastact  # noqa: E402


@pytest.fixture(autouse=True)
def threads_as_before():
    before = fastact.get_num_threads()
    yield
    if fastact.get_num_threads() != before:  # else it stays what OpenMP says
        fastact.set_num_threads(before)
