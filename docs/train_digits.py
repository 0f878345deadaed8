"""A network of two layers, trained from scratch in NumPy and fastact.nn to tell handwritten digits apart.

    python docs/train_digits.py              # train, and look at the held-out images once, at the end
    python docs/train_digits.py --validate   # judge the settings by the training images alone
    python docs/train_digits.py --save       # and make it the network of `fastact demo`

It takes about a second. The same seed gives the same network to the bit, for any number of threads.
"""

import argparse
from pathlib import Path

import numpy as np

from fastact import nn
from fastact._demo import digits

HIDDEN = 64
EPOCHS = 150
BATCH = 50
RATE = 0.2  # falls linearly to 0
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
    return ((1 - a) * above + a * below + rng.normal(scale=NOISE, size=(n, 64))).astype(x.dtype)


def train(x, labels, seed=0):
    """Stochastic gradient descent with momentum on the cross entropy, -mean(log p[label])."""
    rng = np.random.default_rng(seed)
    weight_1 = rng.normal(scale=np.sqrt(2 / 64), size=(64, HIDDEN)).astype(x.dtype)
    weight_2 = rng.normal(scale=np.sqrt(2 / HIDDEN), size=(HIDDEN, 10)).astype(x.dtype)
    network = [weight_1, np.zeros(HIDDEN, x.dtype), weight_2, np.zeros(10, x.dtype)]
    velocity = [np.zeros_like(part) for part in network]
    relu, log_softmax = nn.ReLU(), nn.LogSoftmax(dim=1)
    targets = np.eye(10, dtype=x.dtype)[labels]
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS)
        seen = distorted(x, rng)
        for batch in np.split(rng.permutation(len(x)), range(BATCH, len(x), BATCH)):
            weight_1, bias_1, weight_2, bias_2 = network
            inputs = seen[batch]
            hidden = relu(inputs @ weight_1 + bias_1)
            log_softmax(hidden @ weight_2 + bias_2)
            output_error = log_softmax.backward(-targets[batch] / len(batch))
            hidden_error = relu.backward(output_error @ weight_2.T)
            gradient = [
                inputs.T @ hidden_error + DECAY * weight_1,
                hidden_error.sum(axis=0),
                hidden.T @ output_error + DECAY * weight_2,
                output_error.sum(axis=0),
            ]
            for part, v, g in zip(network, velocity, gradient, strict=True):
                v *= MOMENTUM
                v -= rate * g
                part += v
    return network


def data():
    """The training images and their labels, and those held out."""
    images, labels = digits.read("digits.npz")
    x, n = digits.inputs(images), digits.TRAINING
    return (x[:n], labels[:n]), (x[n:], labels[n:])


def accuracy(network, x, labels):
    return digits.accuracy(digits.classify(x, network), labels)


def validate(x, labels):
    """Train on three quarters of the images and test on the fourth, for each quarter."""
    results = []
    for quarter in np.split(np.arange(len(x)), 4):
        network = train(np.delete(x, quarter, axis=0), np.delete(labels, quarter))
        results.append(accuracy(network, x[quarter], labels[quarter]))
    print(f"validation accuracy: {np.mean(results):.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true", help="judge the settings by the training images alone")
    parser.add_argument("--save", action="store_true", help="write fastact/_demo/network.npz")
    options = parser.parse_args()
    training, held_out = data()
    if options.validate:
        return validate(*training)
    network = train(*training)
    print(f"training accuracy: {accuracy(network, *training):.2%}")
    print(f"held-out accuracy: {accuracy(network, *held_out):.2%}")
    if options.save:
        names = ["hidden_weight", "hidden_bias", "weight", "bias"]
        to = Path(__file__).parents[1] / "fastact" / "_demo" / "network.npz"
        np.savez(to, **dict(zip(names, network, strict=True)))


if __name__ == "__main__":
    main()
