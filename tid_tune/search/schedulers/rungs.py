"""Rungs: the lengths at which trials are compared."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from tid_tune.search.records import reached


def rung_levels(grace: float, reduction: float, epochs: float) -> list[float]:
    """Return grace * reduction^k for k = 0, 1, ... below the full length `epochs`."""
    levels = []
    level = grace
    while not reached(level, epochs):
        levels.append(level)
        level *= reduction
    return levels


@dataclass
class Rung:
    """The values (more is better) of the trials that came to one length."""

    level: float
    values: list[float] = field(default_factory=list)
    """Ascending."""

    def add(self, value: float) -> None:
        """Take in the value of one more trial."""
        bisect.insort(self.values, value)

    def better_than(self, value: float) -> int:
        """Return how many values are strictly better."""
        return len(self.values) - bisect.bisect_right(self.values, value)


def crossed(levels: list[float], before: float, epoch: float) -> list[int]:
    """Return the indices of the levels that a report at `epoch` is the first to reach."""
    return [
        index
        for index, level in enumerate(levels)
        if reached(epoch, level) and not reached(before, level)
    ]
