"""Throughput of several callers at once: do processes or Python threads that all use fastact get in each other's way?

    python bench/crowd.py [--seconds 1] [--rounds 3]

For each function and size, and each arrangement of processes x Python threads in each x threads that fastact may use
for a call: elements a nanosecond, of all callers together, as a share of the best arrangement's. Each caller has its
own arrays. The arrangements take turns; what counts is each one's best round. It takes more than three minutes.
"""

import argparse
import multiprocessing
import threading
import time

import numpy as np

import fastact
from fastact._bench.cells import normal

CALLS = {
    "relu": (fastact.relu, lambda size: (size,)),
    "sigmoid": (fastact.sigmoid, lambda size: (size,)),
    "softmax, rows of 1000": (fastact.softmax, lambda size: (size // 1000, 1000)),
}
SIZES = [10**4, 10**5, 10**6, 10**7]
CORES = fastact.get_num_threads()
# processes, Python threads, threads of a call
ARRANGEMENTS = [(1, 1, CORES), (CORES, 1, 1), (1, CORES, 1), (1, 2 * CORES, CORES), (2, 1, CORES)]


def caller(name, size, seconds, barrier, done):
    function, shape = CALLS[name]
    x = normal(shape(size), "float32", 0)
    out = np.empty_like(x)
    function(x, out=out)
    barrier.wait()
    calls, start = 0, time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        function(x, out=out)
        calls += 1
    done(calls * size / (now - start) / 1e9)


def process(threads, own, name, size, seconds, barrier, queue):
    fastact.set_num_threads(own)
    callers = [threading.Thread(target=caller, args=(name, size, seconds, barrier, queue.put)) for _ in range(threads)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()


def throughput(arrangement, name, size, seconds):
    processes, threads, own = arrangement
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(processes * threads), context.Queue()
    arguments = (threads, own, name, size, seconds, barrier, queue)
    started = [context.Process(target=process, args=arguments) for _ in range(processes)]
    for one in started:
        one.start()
    total = sum(queue.get() for _ in range(processes * threads))
    for one in started:
        one.join()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=lambda text: [int(float(n)) for n in text.split(",")], default=SIZES)
    options = parser.parse_args()
    heads = [f"{p} x {t} x {own}" for p, t, own in ARRANGEMENTS]
    print("| function | elements | best, elements/ns |", " | ".join(heads), "|")
    print("| --- | ---: | ---: |", " | ".join(["---:"] * len(heads)), "|")
    for name in CALLS:
        for size in options.sizes:
            best = [0.0] * len(ARRANGEMENTS)
            for _ in range(options.rounds):
                for k, arrangement in enumerate(ARRANGEMENTS):
                    best[k] = max(best[k], throughput(arrangement, name, size, options.seconds))
            shares = [f"{100 * one / max(best):.0f} %" for one in best]
            print(f"| `{name}` | {size:,} | {max(best):.2f} |", " | ".join(shares), "|", flush=True)


if __name__ == "__main__":
    main()
