"""Make fastact/_demo/digits.npz from scikit-learn's copy of the data; see digits.txt beside it.

python bench/make_digits.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
np.savez_compressed(
    Path(__file__).parents[1] / "fastact" / "_demo" / "digits.npz",
    images=digits.images.astype(np.uint8),
    labels=digits.target.astype(np.uint8),
)
