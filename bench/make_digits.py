"""Make fastact/_demo/digits.npz from scikit-learn's copy of the data; see digits.txt beside it.

python bench/make_digits.py
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
digits = load_digits()
np.savez_compressed(
    Path(__file__).parents[1] / "fastact" / "_demo" / "digits.npz",
    images=digits.images.astype(np.uint8),
    labels=digits.target.astype(np.uint8),
)
