"""Train the demo's network in NumPy and fastact, and write fastact/_demo/network.npz.

    python bench/train_digits.py [--validate]

The held-out images are looked at once, at the end. The settings below were chosen with --validate, which
trains on three quarters of the training images and tests on the fourth, for each quarter.
"""

import argparse
from pathlib import Path

import numpy as np

import fastact
from fastact._demo.digits import TRAINING, accuracy, classify, inputs, read

HIDDEN = 48
EPOCHS = 200
BATCH = 50
RATE = 0.1  # falls linearly to 0
MOMENTUM = 0.9
DECAY = 1e-4
DISTORTION = 0.2  # of the image's axes
SHIFT = 0.5  # pixels
NOISE = 0.1  # of the ink's full strength


def distorted(x, rng):
    """Each image through a small random linear map and shift, with noise: more handwriting for free."""
    n = len(x)
    matrix = np.eye(2) + rng.uniform(-DISTORTION, DISTORTION, (n, 2, 2))
    grid = np.mgrid[:8, :8].reshape(2, 64) - 3.5
    at = (matrix @ grid + rng.uniform(-SHIFT, SHIFT, (n, 2, 1)) + 4.5).clip(0, 8.999)
    row, column = at.astype(int).transpose(1, 0, 2)
    a, b = (at % 1).transpose(1, 0, 2)
    padded = np.pad(x.reshape(n, 8, 8), ((0, 0), (1, 1), (1, 1)))
    k = np.arange(n)[:, None]
    above = (1 - b) * padded[k, row, column] + b * padded[k, row, column + 1]
    below = (1 - b) * padded[k, row + 1, column] + b * padded[k, row + 1, column + 1]
    return (1 - a) * above + a * below + rng.normal(scale=NOISE, size=(n, 64))


def train(x, labels):
    """Stochastic gradient descent with momentum on the cross entropy."""
    rng = np.random.default_rng(0)
    network = [
        rng.normal(scale=np.sqrt(2 / 64), size=(64, HIDDEN)),
        np.zeros(HIDDEN),
        rng.normal(scale=np.sqrt(2 / HIDDEN), size=(HIDDEN, 10)),
        np.zeros(10),
    ]
    velocity = [np.zeros_like(part) for part in network]
    targets = np.eye(10)[labels]
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS)
        for batch in np.split(rng.permutation(len(x)), range(BATCH, len(x), BATCH)):
            inputs = distorted(x[batch], rng)
            hidden = fastact.relu(inputs @ network[0] + network[1])
            outputs = fastact.softmax(hidden @ network[2] + network[3], axis=1)
            output_error = (outputs - targets[batch]) / len(batch)
            hidden_error = output_error @ network[2].T * (hidden > 0)
            gradient = [
                inputs.T @ hidden_error + DECAY * network[0],
                hidden_error.sum(axis=0),
                hidden.T @ output_error + DECAY * network[2],
                output_error.sum(axis=0),
            ]
            for part, v, g in zip(network, velocity, gradient, strict=True):
                v *= MOMENTUM
                v -= rate * g
                part += v
    return [part.astype(np.float32) for part in network]


def validate(x, labels):
    results = []
    for quarter in np.split(np.arange(len(x)), 4):
        network = train(np.delete(x, quarter, axis=0), np.delete(labels, quarter))
        results.append(accuracy(classify(x[quarter], network), labels[quarter]))
    print(f"validation accuracy: {np.mean(results):.2%}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--validate", action="store_true", help="judge the settings by the training images alone")
    images, labels = read("digits.npz")
    x = inputs(images)
    if parser.parse_args().validate:
        return validate(x[:TRAINING], labels[:TRAINING])
    network = train(x[:TRAINING], labels[:TRAINING])
    names = ["hidden_weight", "hidden_bias", "weight", "bias"]
    np.savez(Path(__file__).parents[1] / "fastact" / "_demo" / "network.npz", **dict(zip(names, network, strict=True)))
    for part, chosen in {"training": slice(TRAINING), "held-out": slice(TRAINING, None)}.items():
        print(f"{part} accuracy: {accuracy(classify(x[chosen], network), labels[chosen]):.2%}")


if __name__ == "__main__":
    main()
