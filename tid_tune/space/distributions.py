"""What a sampler needs to know of one parameter: its unit-interval code, its size, its borders.

Every distribution is coded onto [0, 1] so that equal lengths have equal prior probability. The
code is for samplers only; the value a trial gets, and the ledger keeps, is exact.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache
from statistics import NormalDist
from typing import Any

from tid_tune.searchfile.model import (
    Choice,
    Distribution,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
)


def size(dist: Distribution) -> int | None:
    """Return how many values there are, or None for a continuum."""
    match dist:
        case Fixed():
            return 1
        case Choice() | Ordinal():
            return len(dist.values)
        case Integer():
            return (dist.high - dist.low) // dist.step + 1
        case Uniform(step=float() as step):
            return _steps(dist.low, dist.high, step) + 1
        case LogUniform(step=float() as step):
            first, last = _multiples(dist.low, dist.high, step)
            return last - first + 1
    return None


def value_at(dist: Distribution, index: int) -> Any:
    """Return the value number `index` of a distribution that has a `size`."""
    match dist:
        case Fixed():
            return dist.value
        case Choice() | Ordinal():
            return dist.values[index]
        case Integer():
            return dist.low + index * dist.step
        case Uniform(step=float() as step):
            return float(_exact(dist.low) + index * _exact(step))
        case LogUniform(step=float() as step):
            first, _ = _multiples(dist.low, dist.high, step)
            return float((first + index) * _exact(step))
    raise TypeError(f"a {dist.kind} has no numbered values")


def index_of(dist: Distribution, value: Any) -> int | None:
    """Return the number of `value`, or None where it is not one of the distribution's values."""
    match dist:
        case Fixed():
            return 0 if same(value, dist.value) else None
        case Choice() | Ordinal():
            return next((i for i, v in enumerate(dist.values) if same(v, value)), None)
    if not _is_number(value):
        return None
    match dist:
        case Integer():
            index = round((value - dist.low) / dist.step)
        case Uniform(step=float() as step):
            index = round((value - dist.low) / step)
        case LogUniform(step=float() as step):
            index = round(value / step) - _multiples(dist.low, dist.high, step)[0]
        case _:
            raise TypeError(f"a {dist.kind} has no numbered values")
    count = size(dist)
    assert count is not None
    fits = 0 <= index < count and math.isclose(value_at(dist, index), value, rel_tol=1e-9)
    return index if fits else None


def contains(dist: Distribution, value: Any) -> bool:
    """Whether a trial with `value` could have come from `dist`."""
    if size(dist) is not None:
        return index_of(dist, value) is not None
    assert isinstance(dist, Uniform | LogUniform | Normal)
    return _is_number(value) and dist.low <= value <= dist.high


def decode(dist: Distribution, unit: float) -> Any:
    """Return the value at the quantile `unit` of [0, 1]."""
    unit = min(max(unit, 0.0), 1.0)
    match dist:
        case Uniform(step=None):
            return _clip(dist, dist.low + unit * (dist.high - dist.low))
        case LogUniform(step=None):
            low, high = math.log(dist.low), math.log(dist.high)
            return _clip(dist, math.exp(low + unit * (high - low)))
        case LogUniform(step=float() as step):
            low, high = math.log(dist.low), math.log(dist.high)
            first, last = _multiples(dist.low, dist.high, step)
            nearest = round(math.exp(low + unit * (high - low)) / step)
            return value_at(dist, min(max(nearest, first), last) - first)
        case Integer(log=True):
            low, high = math.log(dist.low - 0.5), math.log(dist.high + 0.5)
            return min(max(round(math.exp(low + unit * (high - low))), dist.low), dist.high)
        case Normal():
            return _clip(dist, _truncated_quantile(dist, unit))
    count = size(dist)
    assert count is not None
    return value_at(dist, min(int(unit * count), count - 1))


def encode(dist: Distribution, value: Any) -> float:
    """Return the code of a value that `contains` accepts: `decode(encode(v))` is v (or near it)."""
    match dist:
        case Uniform(step=None):
            span = dist.high - dist.low
            return (value - dist.low) / span if span else 0.5
        case LogUniform():
            low, high = math.log(dist.low), math.log(dist.high)
            return (math.log(value) - low) / (high - low) if high > low else 0.5
        case Integer(log=True):
            low, high = math.log(dist.low - 0.5), math.log(dist.high + 0.5)
            return (math.log(value) - low) / (high - low)
        case Normal():
            below, above = _truncation(dist)
            mass = NormalDist(dist.mean, dist.std).cdf(value)
            return min(max((mass - below) / (above - below), 0.0), 1.0)
    index, count = index_of(dist, value), size(dist)
    if index is None or count is None:
        raise ValueError(f"{value!r} is not a value of {dist!r}")
    return (index + 0.5) / count


def is_unordered(dist: Distribution) -> bool:
    """Whether the values have no order."""
    return isinstance(dist, Choice)


def canonical(dist: Distribution, value: Any) -> Any:
    """Return `value` as the distribution itself would give it: 1 is 1.0 where floats are drawn."""
    if isinstance(dist, Uniform | LogUniform | Normal) and _is_number(value):
        value = float(value)
    if size(dist) is None:
        return value
    index = index_of(dist, value)
    return value if index is None else value_at(dist, index)


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same; 1 is 1.0, but not True."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b) and (isinstance(a, str) == isinstance(b, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _clip(dist: Uniform | LogUniform | Normal, value: float) -> float:
    return min(max(value, dist.low), dist.high)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


@lru_cache(maxsize=1024)
def _steps(low: float, high: float, step: float) -> int:
    return int((_exact(high) - _exact(low)) / _exact(step))


@lru_cache(maxsize=1024)
def _multiples(low: float, high: float, step: float) -> tuple[int, int]:
    """Return the first and last k with low <= k * step <= high."""
    first = math.ceil(_exact(low) / _exact(step))
    return first, max(first, math.floor(_exact(high) / _exact(step)))


def _truncation(dist: Normal) -> tuple[float, float]:
    normal = NormalDist(dist.mean, dist.std)
    return normal.cdf(dist.low), normal.cdf(dist.high)


def _truncated_quantile(dist: Normal, unit: float) -> float:
    below, above = _truncation(dist)
    mass = below + unit * (above - below)
    if mass <= 0.0:
        return dist.low
    if mass >= 1.0:
        return dist.high
    return NormalDist(dist.mean, dist.std).inv_cdf(mass)
