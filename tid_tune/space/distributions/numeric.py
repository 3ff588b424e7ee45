"""What distributions of numbers between two bounds share: steps, and narrowing."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Self

from tid_tune.space.distributions.base import Distribution
from tid_tune.space.values import Value, as_number, describe, is_number

MARGIN = 0.1
"""`narrow` leaves this part of the old range on both sides of the values."""


class Numeric(Distribution):
    """Numbers in [low, high], all of them or those in steps.

    A subclass has the fields `low` and `high`, and `extremes` returns them.
    """

    @property
    @abc.abstractmethod
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest value."""

    @property
    def is_log(self) -> bool:
        """Whether the logarithm is searched."""
        return False

    @property
    def step_size(self) -> float | None:
        """The distance between two values, or None for a continuum."""
        return None

    def misfit(self, value: Value) -> str | None:
        """Return why `value` cannot come from this distribution, or None if it can."""
        if not is_number(value):
            return f"expected a number, got {describe(value)}"
        low, high = self.extremes
        # A stepped range takes numbers that miss its ends by a rounding error.
        if self.size is not None and self.index_of(value) is not None:
            return None
        if not low <= value <= high:
            return f"{value:g} is outside [{low:g}, {high:g}]"
        if self.step_size is not None:
            return f"{value:g} is not {low:g} plus a multiple of the step {self.step_size:g}"
        return None

    def value_at(self, index: int) -> float:
        """Return the value number `index`, from 0 to `size` - 1."""
        return as_number(super().value_at(index))

    def quantile(self, unit: float) -> float:
        """Return the value at the quantile `unit` of [0, 1]; numbered values are equally likely."""
        return as_number(super().quantile(unit))

    def index_near(self, value: float, index: int) -> int | None:
        """Return `index` if it is the number of `value`, up to rounding, else None."""
        if not 0 <= index < self._count():
            return None
        slack = 1e-9 * (self.step_size or 0.0)
        fits = math.isclose(self.value_at(index), value, rel_tol=1e-9, abs_tol=slack)
        return index if fits else None

    def narrow(self, values: Sequence[Value]) -> Self:
        """Return the range of `values` with a margin of 10 %, outwards to whole steps."""
        if not values:
            return self
        start, end = self.extremes
        low, high = self._with_margin(min(map(as_number, values)), max(map(as_number, values)))
        if self.step_size is not None:
            # A range that ends on a step ends there, rounding errors aside.
            first = math.floor((low - start) / self.step_size + 1e-9)
            last = math.ceil((high - start) / self.step_size - 1e-9)
            low = self.value_at(max(0, first))
            high = self.value_at(min(last, self._count() - 1))
        return self.model_copy(update={"low": max(start, low), "high": min(end, high)})

    def _with_margin(self, low: float, high: float) -> tuple[float, float]:
        start, end = self.extremes
        if self.is_log:
            factor = (end / start) ** MARGIN
            return max(start, low / factor), min(end, high * factor)
        margin = (end - start) * MARGIN
        return max(start, low - margin), min(end, high + margin)


def exact(value: float) -> Decimal:
    """Return the decimal number that a user wrote: 0.1 and not its binary neighbour."""
    return Decimal(repr(value))


@lru_cache(maxsize=1024)
def steps(low: float, high: float, step: float) -> int:
    """Return how many steps fit into [low, high]."""
    return int((exact(high) - exact(low)) / exact(step))


@lru_cache(maxsize=1024)
def multiples(low: float, high: float, step: float) -> tuple[int, int]:
    """Return the first and the last k with low <= k * step <= high."""
    first = math.ceil(exact(low) / exact(step))
    return first, max(first, math.floor(exact(high) / exact(step)))
