"""The ufuncs of the arrays alone, parameters being at their defaults, which are compiled in.

They have the names of those in `fastact.ufuncs`; by these, and in a module of their own, pickle finds them.
"""

from fastact import ufuncs
from fastact._gates import UFUNCS


def _make(row):  # mypy, which has the stub of ufuncs, does not look into this
    return ufuncs._make(row, len(row.arrays), tuple(row.parameters.values()))


globals().update({name: _make(row) for name, row in UFUNCS.items() if row.has_defaults})
