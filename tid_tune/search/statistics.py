"""Means, intervals and differences of a handful of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; `low` and `high` are None below two values."""

    mean: float
    low: float | None
    high: float | None
    count: int


def estimate(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Return the mean of `values` and its Student t interval.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("the mean of no values was asked for")
    count, mean = len(values), math.fsum(values) / len(values)
    if count < 2:
        return Estimate(mean, None, None, count)
    half = t_quantile(0.5 + level / 2, count - 1) * math.sqrt(_variance(values) / count)
    return Estimate(mean, mean - half, mean + half, count)


def difference(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Estimate:
    """Return mean(a) - mean(b) with Welch's interval, which lets the two spread differently.

    `count` is the smaller one; below two values in either there is no interval.
    """
    gap = estimate(a).mean - estimate(b).mean
    count = min(len(a), len(b))
    if count < 2:
        return Estimate(gap, None, None, count)
    share_a, share_b = _variance(a) / len(a), _variance(b) / len(b)
    error = share_a + share_b
    if error == 0.0:
        return Estimate(gap, gap, gap, count)
    freedom = error**2 / (share_a**2 / (len(a) - 1) + share_b**2 / (len(b) - 1))
    half = t_quantile(0.5 + level / 2, freedom) * math.sqrt(error)
    return Estimate(gap, gap - half, gap + half, count)


def t_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
