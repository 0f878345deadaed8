"""Handwritten digits, told apart by a small network that docs/train_digits.py trained.

The data and their source: digits.txt beside this file.
"""

from pathlib import Path
from shutil import get_terminal_size

import numpy as np

import fastact
from fastact._timing import shortest

TRAINING = 1200  # the network has seen the first images only; all others are held out
INK = " .:-=+*#%@"
WIDTH = 19  # columns of a picture and the gap after it


def read(name):
    """The arrays of a file beside this one."""
    with np.load(Path(__file__).with_name(name), allow_pickle=False) as arrays:
        return [arrays[key] for key in arrays.files]


def inputs(images):
    """Images of 8 x 8 pixels from 0 to 16, as rows of 64 numbers from 0 to 1."""
    return images.reshape(-1, 64).astype(np.float32) / 16


def classify(x, network):
    """The probabilities of the ten digits, for each row of `x`."""
    hidden_weight, hidden_bias, weight, bias = network
    hidden = fastact.relu(x @ hidden_weight + hidden_bias)
    return fastact.softmax(hidden @ weight + bias, axis=1)


def accuracy(probabilities, labels):
    return np.mean(probabilities.argmax(axis=1) == labels)


def picture(image, label, p):
    """Lines of text: the image, what it is, and the three digits that the network finds most likely."""
    lines = ["".join(2 * INK[(len(INK) - 1) * pixel // 16] for pixel in row) for row in image.tolist()]
    first, second, third = p.argsort()[::-1][:3]
    lines.append(f"a {label}" if first == label else f"a {label}, mistaken")
    return lines + [f"  {digit}?{p[digit]:8.2%}" for digit in (first, second, third)]


def show():
    images, labels = (array[TRAINING:] for array in read("digits.npz"))
    network = read("network.npz")
    x = inputs(images)
    p = classify(x, network)
    print("Handwritten digits, 8 x 8 pixels, recognised by a network in NumPy and fastact:")
    print(f"{len(network[0])} pixels -> {len(network[1])} fastact.relu -> 10 fastact.softmax.\n")
    (time,) = shortest([lambda: classify(x, network)], seconds=0.2)
    print(f"{accuracy(p, labels):.1%} of {len(x)} digits that it was not trained on are right;")
    print(f"{time / len(x) * 1e6:.2f} microseconds for each of them. Some, with its three best guesses:\n")

    mistaken = p.argmax(axis=1) != labels
    chosen = [*np.flatnonzero(~mistaken)[:6], *np.flatnonzero(mistaken)[:2]]
    pictures = [picture(images[k], labels[k], p[k]) for k in chosen]
    per_row = max(1, get_terminal_size().columns // WIDTH)
    for start in range(0, len(pictures), per_row):
        for parts in zip(*pictures[start : start + per_row], strict=True):
            print("".join(part.ljust(WIDTH) for part in parts).rstrip())
        print()
    print("Data: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits,")
    print("1998, UCI Machine Learning Repository, doi 10.24432/C50P49, CC BY 4.0.")
