"""Whether short trainings rank trials as long ones do: is epoch 2 to be trusted?

Only trials that came to both lengths can be compared. Where a scheduler stops trials they are
mostly the better ones of the shorter length, closer to each other than all trials are: then the
correlation among them is lower than it would be among all, and nothing is known of the stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tid_tune.insight.lengths import Array, Curves
from tid_tune.search.samplers.observations import Length

LEAST = 3
"""Trials that a correlation is computed of."""
LEAST_INTERVAL = 5
"""Trials that an interval is computed of."""
COMPARED = 2000
"""Trials that Kendall's correlation compares with each other; of more, a drawn part."""
_Z95 = 1.959964


@dataclass(frozen=True)
class Interval:
    """A correlation with its 95 % interval; `low` and `high` are None with few trials."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RankCorrelation:
    """How two lengths rank the trials that came to both.

    `spearman` and `kendall` are None below `LEAST` trials, or where all values are equal. `left` is
    how many trials of the shorter length did not come to the longer one.
    """

    early: Length
    late: Length
    count: int
    left: int
    spearman: Interval | None
    kendall: Interval | None


def rank_correlations(curves: Curves) -> list[RankCorrelation]:
    """Return the correlation of each pair of lengths, in their order."""
    return list(_pairs(curves))


def spearman(a: Array, b: Array) -> float:
    """Return Spearman's correlation of two arrays (n); NaN where one is constant."""
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / size if size > 0 else math.nan


def kendall(a: Array, b: Array) -> float:
    """Return Kendall's correlation tau-b of two arrays (n); NaN where one is constant."""
    together = ordered_a = ordered_b = 0
    for at in range(len(a) - 1):
        x, y = np.sign(a[at + 1 :] - a[at]), np.sign(b[at + 1 :] - b[at])
        together += int(x @ y)
        ordered_a += int(np.abs(x).sum())
        ordered_b += int(np.abs(y).sum())
    size = math.sqrt(ordered_a * ordered_b)
    return together / size if size > 0 else math.nan


def _pairs(curves: Curves) -> Iterator[RankCorrelation]:
    for first, early in enumerate(curves.lengths):
        for second in range(first + 1, len(curves.lengths)):
            a, b = curves.values[:, first], curves.values[:, second]
            both = np.isfinite(a) & np.isfinite(b)
            count = int(both.sum())
            yield RankCorrelation(
                early,
                curves.lengths[second],
                count,
                int(np.isfinite(a).sum()) - count,
                # Bonett and Wright (2000), and Fieller, Hartley and Pearson (1957).
                _interval(spearman, a[both], b[both], lambda r, n: (1 + r**2 / 2) / (n - 3)),
                _interval(kendall, *_part(a[both], b[both]), lambda r, n: 0.437 / (n - 4)),
            )


def _interval(
    measure: Callable[[Array, Array], float],
    a: Array,
    b: Array,
    variance: Callable[[float, int], float],
) -> Interval | None:
    """Return a correlation with the interval that its Fisher transform has."""
    value = measure(a, b) if len(a) >= LEAST else math.nan
    if not math.isfinite(value):
        return None
    if len(a) < LEAST_INTERVAL:
        return Interval(value, None, None)
    # With a few trials in the same order, the transform would be infinite.
    middle = math.atanh(min(max(value, -1 + 1 / len(a) ** 2), 1 - 1 / len(a) ** 2))
    half = _Z95 * math.sqrt(variance(value, len(a)))
    low, high = math.tanh(middle - half), math.tanh(middle + half)
    return Interval(value, min(low, value), max(high, value))


def _part(a: Array, b: Array) -> tuple[Array, Array]:
    if len(a) <= COMPARED:
        return a, b
    kept = np.sort(np.random.default_rng(0).choice(len(a), COMPARED, replace=False))
    return a[kept], b[kept]


def _ranks(values: Array) -> Array:
    """Return the ranks, from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Array = (last - (counts - 1) / 2)[inverse]
    return shared
