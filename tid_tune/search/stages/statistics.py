"""Means, intervals and differences of a handful of runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True)
class Spread:
    """The variance between runs that differ in their seed only, with its degrees of freedom."""

    variance: float
    freedom: int


def pooled_spread(groups: Iterable[Sequence[float]]) -> Spread:
    """Return the variance within the groups, taken together.

    Three seeds say little about how far seeds scatter; all arms of a comparison together say more.
    It takes for granted that seeds scatter all of them alike.
    """
    squares, freedom = 0.0, 0
    for values in groups:
        if len(values) > 1:
            squares += _variance(values) * (len(values) - 1)
            freedom += len(values) - 1
    return Spread(squares / freedom if freedom else 0.0, freedom)


def difference(
    a: Sequence[float], b: Sequence[float], spread: Spread, level: float = LEVEL
) -> Estimate:
    """Return mean(a) - mean(b) with the t interval that `spread` gives; none without freedom.

    `count` is the smaller one.
    """
    gap = estimate(a).mean - estimate(b).mean
    count = min(len(a), len(b))
    if spread.freedom == 0:
        return Estimate(gap, None, None, count)
    error = math.sqrt(spread.variance * (1 / len(a) + 1 / len(b)))
    half = t_quantile(0.5 + level / 2, spread.freedom) * error
    return Estimate(gap, gap - half, gap + half, count)


def t_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
