"""Timing of calls against each other."""

from time import perf_counter

TURN = 0.005  # seconds: long enough for caches and threads to settle on one of the calls


def shortest(calls, seconds):
    """The shortest time that each of `calls` took, in seconds.

    They take turns until `seconds` are over, so that the same noise meets them all; a turn repeats a
    short call, and each has one turn at least.
    """
    times = [float("inf")] * len(calls)
    end = perf_counter() + seconds
    while True:
        for k, call in enumerate(calls):
            start = perf_counter()
            turn_end = start + TURN
            while start < turn_end:
                call()
                now = perf_counter()
                times[k] = min(times[k], now - start)
                start = now
        if now >= end:
            return times
