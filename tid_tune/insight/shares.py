"""Which parameters the model's values depend on, and which pairs of them act together.

A parameter's share is its total Sobol index: the part of the variance over the space that vanishes
on average when all but this parameter are known, interactions included; so shares may add up to
more than 1 (Saltelli et al., "Variance based sensitivity analysis of model output", 2010). A pair's
share is the variance of what it adds to the effects of the two alone, as in Friedman's H statistic.
Functions drawn from the model give the intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tid_tune.insight.lengths import Array
from tid_tune.insight.surrogate import Surrogate
from tid_tune.search.samplers.base import random_point
from tid_tune.space import Distribution, Params, Value

POINTS, PAIR_POINTS = 1200, 700
"""At which the model is drawn: for all shares together, and for each pair."""
TRIED = 5
"""Parameters of the largest shares, of which pairs are made."""
CELLS = 9
"""Values of a parameter along a side of a map."""
_LOW, _HIGH = 5, 95


@dataclass(frozen=True)
class Share:
    """A part of the model's variance, with the interval that 90 % of its functions are in."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Two parameters and the expected objective (rows, columns) over their values."""

    share: Share
    row_name: str
    column_name: str
    rows: tuple[Value, ...]
    columns: tuple[Value, ...]
    values: Array


def shares(model: Surrogate) -> list[Share]:
    """Return the share of each parameter, the largest first."""
    names = list(model.arm.searched)
    if not names:
        return []
    count = max(16, POINTS // (len(names) + 1))
    rng = np.random.default_rng(0)
    points = [random_point(model.arm.space, rng) for _ in range(count)]
    changed = [_redrawn(model, name, points, rng) for name in names]
    draws = model.draws([*points, *(point for group in changed for point in group)])
    blocks = draws.reshape(len(draws), len(names) + 1, count)
    total = np.maximum(blocks[:, 0].var(axis=1), 1e-12)
    found = []
    for at, name in enumerate(names, start=1):
        part = ((blocks[:, at] - blocks[:, 0]) ** 2).mean(axis=1) / 2 / total
        found.append(_share(name, part))
    return sorted(found, key=lambda share: -share.value)


def pairs(model: Surrogate, names: Sequence[str]) -> list[Pair]:
    """Return the pairs of some parameters, the strongest first.

    A pair is left out where one parameter decides whether the other takes part.
    """
    found = (_pair(model, *pair) for pair in combinations(names[:TRIED], 2))
    return sorted((pair for pair in found if pair is not None), key=lambda pair: -pair.share.value)


def _redrawn(
    model: Surrogate, name: str, points: Sequence[Params], rng: np.random.Generator
) -> list[Params]:
    """Return the points with another value of one parameter, and of those that it switches on."""
    return [_with_value(model, name, point, float(rng.random()), rng) for point in points]


def _with_value(
    model: Surrogate, name: str, point: Params, unit: float, rng: np.random.Generator
) -> Params:
    if name not in point:
        return point

    def pick(other: str, dist: Distribution) -> Value:
        if other == name:
            return dist.decode(unit)
        return point[other] if other in point else dist.decode(float(rng.random()))

    return model.arm.space.build(pick)


def _pair(model: Surrogate, row: str, column: str) -> Pair | None:
    searched = model.arm.searched
    if column in _parents(searched, row) or row in _parents(searched, column):
        return None
    rows, columns = _cells(searched[row]), _cells(searched[column])
    rng = np.random.default_rng(0)
    wanted = max(4, PAIR_POINTS // (len(rows) * len(columns)))
    drawn = (random_point(model.arm.space, rng) for _ in range(50 * wanted))
    base = [point for point in drawn if row in point and column in point][:wanted]
    if not base:
        return None
    points = [{**point, row: a, column: b} for a in rows for b in columns for point in base]
    shape = (len(rows), len(columns), len(base))
    drawn_values = model.draws(points).reshape(-1, *shape)
    share = _share(f"{row} x {column}", _interaction(drawn_values))
    values = model.mean(points).reshape(shape).mean(axis=-1)
    return Pair(share, row, column, rows, columns, values)


def _interaction(values: Array) -> Array:
    """Return the shares (draws) of values (draws, rows, columns, others)."""
    effect = values.mean(axis=-1)
    alone = effect.mean(axis=2, keepdims=True) + effect.mean(axis=1, keepdims=True)
    rest = effect - alone + effect.mean(axis=(1, 2), keepdims=True)
    total = np.maximum(values.reshape(len(values), -1).var(axis=1), 1e-12)
    found: Array = (rest**2).mean(axis=(1, 2)) / total
    return found


def _cells(dist: Distribution) -> tuple[Value, ...]:
    if dist.size is not None and dist.size <= CELLS:
        return tuple(dist.value_at(index) for index in range(dist.size))
    return tuple(dist.decode((at + 0.5) / CELLS) for at in range(CELLS))


def _parents(searched: dict[str, Distribution], name: str) -> set[str]:
    """Return the parameters that decide, directly or not, whether one takes part."""
    return set(_above(searched, name))


def _above(searched: dict[str, Distribution], name: str) -> Iterator[str]:
    for parent in searched[name].when:
        yield parent
        if parent in searched:
            yield from _above(searched, parent)


def _share(name: str, parts: Array) -> Share:
    # From drawn points, an estimate may come out a little above the whole.
    parts = np.minimum(parts, 1.0)
    low, high = np.percentile(parts, (_LOW, _HIGH))
    return Share(name, float(parts.mean()), float(low), float(high))
