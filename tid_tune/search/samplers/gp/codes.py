"""Points of a space as vectors, for models that measure distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tid_tune.space import Params, Space

Array = NDArray[np.float64]

INACTIVE = 0.5
"""The code of an ordered parameter that a point does not have: the middle of its range."""


class Codes:
    """One column for an ordered parameter, one per value for an unordered one.

    `width` is the number of columns; parameters of a single value have none.
    """

    def __init__(self, space: Space) -> None:
        self._columns: dict[str, slice] = {}
        self._searched = space.searched
        self.width = 0
        for name, dist in space.searched.items():
            count = dist.size
            if count != 1:
                wide = count if dist.is_unordered and count is not None else 1
                self._columns[name] = slice(self.width, self.width + wide)
                self.width += wide

    def column(self, name: str) -> int | None:
        """Return the column of an ordered parameter; None where it has none, or several."""
        columns = self._columns.get(name)
        ordered = columns is not None and not self._searched[name].is_unordered
        return columns.start if columns is not None and ordered else None

    def of(self, points: Sequence[Params]) -> Array:
        """Return the codes (n, width) of points of the space, in [0, 1]."""
        codes = np.zeros((len(points), self.width))
        for name, columns in self._columns.items():
            dist = self._searched[name]
            if dist.is_unordered:
                for row, params in enumerate(points):
                    index = dist.index_of(params[name]) if name in params else None
                    if index is not None:
                        codes[row, columns.start + index] = 1.0
            else:
                codes[:, columns.start] = [
                    dist.encode(params[name]) if name in params else INACTIVE for params in points
                ]
        return codes
