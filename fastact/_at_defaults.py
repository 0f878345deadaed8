"""The ufuncs of the arrays alone, parameters being at their defaults, which are compiled in.

They have the names of those in `fastact.ufuncs`; by these, and in a module of their own, pickle finds them.
"""

from fastact import ufuncs


def _make(row):
    return ufuncs._make(row, len(row.arrays), tuple(row.parameters.values()))


def _rows():
    return [row for row in ufuncs._ROWS if row.has_defaults]


globals().update({row.name: _make(row) for row in _rows()})
