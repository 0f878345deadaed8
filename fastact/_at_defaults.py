"""The ufuncs of the arrays alone, parameters being at their defaults, which are compiled in.

They have the names of those in `fastact.ufuncs`; by these, and in a module of their own, pickle finds them.
"""

from fastact.ufuncs import _ROWS, _make

globals().update(
    {row.name: _make(row, len(row.arrays), tuple(row.parameters.values())) for row in _ROWS if row.has_defaults}
)
