"""Timing of calls against each other."""

import statistics
from itertools import pairwise
from time import perf_counter, process_time, sleep

from fastact._config import get_num_threads, set_num_threads

TURN = 0.01  # seconds: long enough for caches and threads to settle on one of the calls
BATCH = 20e-6  # shorter calls are timed together: reading the clock takes a share of a microsecond
LEAST = 4  # calls of a turn: on a busy machine two may wait for threads before the next ones stay on their own
REPEATS = 5  # parts of a measurement, whose agreement says how good it is


class Times:
    """What the turns of one call took: seconds a call, a list for each turn."""

    def __init__(self):
        self.turns = []

    @property
    def minimum(self):
        return min(map(min, self.turns))

    @property
    def median(self):
        return statistics.median(time for turn in self.turns for time in turn)

    @property
    def minima(self):
        """The minimum of each of up to REPEATS parts, one after another, of the measurement."""
        parts = min(REPEATS, len(self.turns))
        ends = [len(self.turns) * k // parts for k in range(parts + 1)]
        return [min(map(min, self.turns[a:b])) for a, b in pairwise(ends)]


def take_turns(calls, seconds, rounds=1):
    """The Times of each of `calls`, which take turns until `seconds` are over, so that the same noise meets
    them all; a turn repeats a short call, and each has at least `rounds` turns."""
    batches = [batch_size(call) for call in calls]
    times = [Times() for _ in calls]
    end = perf_counter() + seconds
    while perf_counter() < end or len(times[-1].turns) < rounds:
        for call, batch, own in zip(calls, batches, times, strict=True):
            wait_for_idle_threads()
            set_num_threads(get_num_threads())  # what calls before had to wait for is no reason to stay on one
            own.turns.append(turn(call, batch))
    return times


def shortest(calls, seconds):
    """The shortest time that each of `calls` took, in seconds."""
    return [times.minimum for times in take_turns(calls, seconds)]


def turn(call, batch):
    times = []
    start = perf_counter()
    end = start + TURN
    while start < end or (len(times) < LEAST and start < end + 10 * TURN):
        for _ in range(batch):
            call()
        now = perf_counter()
        times.append((now - start) / batch)
        start = now
    return times


def batch_size(call):
    call()  # what happens at the first call only has no part in it
    start = perf_counter()
    call()
    return max(1, int(BATCH / (perf_counter() - start)))


def wait_for_idle_threads():
    """Wait until the threads of the last call sleep: they look out for work for a while (OpenMP's 7 ms, onnxruntime's
    25), and whose turn is next would not have their cores."""
    for _ in range(100):
        before = process_time()
        sleep(0.01)  # the system counts what runs on other cores in steps of up to as much
        if process_time() - before < 0.001:
            break
