"""What holds for every test."""

import pytest

import fastact


@pytest.fixture(autouse=True)
def threads_as_before():
    before = fastact.get_num_threads()
    yield
    if fastact.get_num_threads() != before:  # else it stays what OpenMP says
        fastact.set_num_threads(before)
