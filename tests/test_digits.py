"""The network of docs/train_digits.py, trained from scratch."""

import time

import numpy as np
import train_digits
from processes import run

CODE = """
import hashlib, train_digits
training, _ = train_digits.data()
network = train_digits.train(*training)
print(hashlib.sha256(b"".join(part.tobytes() for part in network)).hexdigest())
"""


def test_training():
    training, held_out = train_digits.data()
    start = time.perf_counter()
    network = train_digits.train(*training)
    assert time.perf_counter() - start < 20
    assert train_digits.accuracy(network, *held_out) > 0.95
    assert train_digits.accuracy(network, *training) > 0.97
    other = train_digits.train(*training, seed=1)
    assert train_digits.accuracy(other, *held_out) > 0.94
    assert not np.array_equal(other[0], network[0])


def test_bits_from_the_seed():
    done = [run("-c", CODE, OMP_NUM_THREADS=threads, FASTACT_NUM_THREADS=threads) for threads in "12"]
    assert len(done[0].stdout) == 65, done[0].stderr
    assert len({process.stdout for process in done}) == 1
