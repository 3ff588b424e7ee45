"""Points as vectors, also those that lie outside the space: the defaults may."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tid_tune.insight.lengths import Array
from tid_tune.search.samplers.gp.codes import INACTIVE, Codes
from tid_tune.space import Distribution, Params, Space
from tid_tune.space.values import Value, is_number

BEYOND = 0.5
"""How far outside the range, in units of its width, a value may lie before it counts as there."""


class PathCodes:
    """The codes of the sampler's model; a value between two of a list lies between their codes.

    A text that is not listed is unlike all that are.
    """

    def __init__(self, space: Space) -> None:
        self._codes = Codes(space)
        self._space = space

    @property
    def width(self) -> int:
        """The number of columns."""
        return self._codes.width

    def of(self, points: Sequence[Params]) -> Array:
        """Return the codes (n, width) of points."""
        inside = [self._inside(params) for params in points]
        codes = self._codes.of(inside)
        for row, (params, known) in enumerate(zip(points, inside, strict=True)):
            for name in params.keys() - known.keys():
                dist = self._space.searched.get(name)
                column = None if dist is None else self._codes.column(name)
                if dist is not None and column is not None:
                    codes[row, column] = code_of(dist, params[name])
        return codes

    def _inside(self, params: Params) -> Params:
        """Return the values that are in their ranges."""
        found = self._space.searched
        return {n: v for n, v in params.items() if n in found and found[n].contains(v)}


def code_of(dist: Distribution, value: Value) -> float:
    """Return the code of a value of an ordered distribution that need not contain it."""
    if dist.contains(value):
        return dist.encode(value)
    if not is_number(value):
        return INACTIVE
    if dist.size is None:
        try:
            return float(np.clip(dist.encode(value), -BEYOND, 1 + BEYOND))
        except ValueError:  # 0 on a logarithmic range
            return -BEYOND
    listed = [dist.value_at(index) for index in range(dist.size)]
    numbers = [number for number in listed if is_number(number)]
    if len(numbers) < len(listed) or not _ascending(numbers):
        return INACTIVE
    return float(np.interp(value, numbers, [dist.encode(number) for number in numbers]))


def _ascending(numbers: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(numbers))
