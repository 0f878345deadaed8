"""A CUDA device to measure on: arrays in its memory, a copy there, and times of calls that return before it is done."""

import importlib
from functools import cache, partial
from importlib.util import find_spec

import numpy as np

import fastact
from fastact import _timing

LAUNCHES = 20  # to one measurement, so that the device never waits for the host where a launch is the shorter part


def numba():
    return importlib.import_module("numba.cuda")


@cache
def torch():
    """PyTorch, or None where it is not there or was built without CUDA."""
    module = importlib.import_module("torch") if find_spec("torch") else None
    return module if module and module.cuda.is_available() else None


def array(host):
    """It in the device's memory: a tensor, or an array of Numba's where there is no PyTorch."""
    return torch().from_numpy(host).cuda() if torch() else numba().to_device(host)


def copy_call(job):
    """No peer, but the limit for large arrays: as many bytes read and written as the function does."""
    source, target = (array(np.zeros(job.bytes_moved // 2, np.uint8)) for _ in range(2))
    return partial(target.copy_ if torch() else target.copy_to_device, source)


def take_turns(calls, seconds, rounds=1):
    """As `_timing.take_turns`, for calls that only launch: each time is a part of that of LAUNCHES of them, up to the
    device's having done them all."""

    def launches(call):
        def run():
            for _ in range(LAUNCHES):
                call()
            synchronize()

        return run

    synchronize = numba().synchronize
    taken = _timing.take_turns([launches(call) for call in calls], seconds, rounds)
    for times in taken:
        times.turns = [[time / LAUNCHES for time in turn] for turn in times.turns]
    return taken


def call_costs(seconds):
    """What the host takes, in seconds: for a call on ten elements, and to launch an empty kernel of Numba's."""

    @numba().jit("void(int64)")
    def empty(n):
        pass

    x, out = (array(np.zeros(10, np.float32)) for _ in range(2))
    calls = [partial(fastact.cuda.sigmoid, x, out=out), lambda: empty[128, 64](1)]
    names = ["a call on ten elements", "the launch of an empty kernel"]
    return {name: times.minimum for name, times in zip(names, take_turns(calls, seconds), strict=True)}
