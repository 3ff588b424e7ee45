"""The scale on which a model sees the values: small differences count among good ones only.

Many objectives have a long tail below: trainings that diverge are worse by far more than good
ones differ. On the plain scale the tail is most of the variance, and what separates the good from
the best looks like noise. So distances below the median count by their logarithm. [ours]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tid_tune.search.samplers.gp.codes import Array


@dataclass(frozen=True)
class Scale:
    """A map of values to a scale of mean 0 and variance 1, in the same order.

    Above the median the map is linear; below, the slope falls with the distance in units of the
    spread above it. Equal values become 0.
    """

    middle: float
    spread: float
    mean: float
    size: float

    @classmethod
    def of(cls, values: Array) -> Self:
        """Return the scale of values (n)."""
        middle = float(np.median(values))
        above = values[values >= middle] - middle
        spread = float(np.sqrt((above**2).mean())) or float(values.std()) or 1.0
        raw = cls(middle, spread, 0.0, 1.0).mapped(values)
        return cls(middle, spread, float(raw.mean()), float(raw.std()) or 1.0)

    def mapped(self, values: Array) -> Array:
        """Return values on this scale."""
        below = np.maximum(self.middle - values, 0.0) / self.spread
        raw = np.where(below > 0, -np.log1p(below), (values - self.middle) / self.spread)
        found: Array = (raw - self.mean) / self.size
        return found

    def slopes(self, values: Array) -> Array:
        """Return the slopes of the map at values."""
        below = np.maximum(self.middle - values, 0.0) / self.spread
        found: Array = 1.0 / (self.spread * (1.0 + below)) / self.size
        return found

    def plain(self, mapped: Array) -> Array:
        """Return the values that are `mapped` on this scale."""
        raw = mapped * self.size + self.mean
        below = np.expm1(np.maximum(-raw, 0.0))
        found: Array = self.middle + self.spread * np.where(raw < 0, -below, raw)
        return found


def standardized(values: Array) -> tuple[Array, Array]:
    """Return values (n) on their own scale, and the slopes (n) of the map."""
    scale = Scale.of(values)
    return scale.mapped(values), scale.slopes(values)
