"""`normal`: a truncated normal distribution."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import ClassVar, Literal, Self

from tid_tune.space.distributions.base import EntryError, YamlForm
from tid_tune.space.distributions.numeric import Numeric
from tid_tune.space.distributions.reading import (
    NUMBER,
    POSITIVE,
    check_range,
    read_number,
    read_numbers,
    row,
)
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value, as_number


@register_distribution
class Normal(Numeric):
    """A normally distributed float, truncated to [low, high]."""

    kind: Literal["normal"] = "normal"
    mean: float
    std: float
    low: float
    high: float

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "normal": YamlForm(
            "[mean, std]",
            "[mean, std], truncated to low and high (default: 3 std from the mean)",
            row(NUMBER, POSITIVE),
            options={"low": NUMBER, "high": NUMBER},
        )
    }
    is_real = True

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution of `[mean, std]` with `low` and `high` beside it."""
        mean, std = read_numbers(name, entry[name], cls.forms[name].layout)
        if std <= 0:
            raise EntryError(f"{name}: std must be above 0, got {std:g}", name)
        bounds = {"low": mean - 3 * std, "high": mean + 3 * std}
        for key in bounds.keys() & entry.keys():
            bounds[key] = read_number(key, entry[key], key)
        low, high = bounds["low"], bounds["high"]
        check_range(name, low, high)
        if low > mean + 6 * std or high < mean - 6 * std:
            text = f"{name}: [{low:g}, {high:g}] is more than 6 std away from the mean {mean:g}"
            raise EntryError(f"{text}; move low and high nearer to it", name)
        return cls(mean=mean, std=std, low=low, high=high)

    def to_yaml(self) -> dict[str, Value]:
        """Return the form with both bounds."""
        return {"normal": [self.mean, self.std], "low": self.low, "high": self.high}

    @property
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        return self.low, self.high

    def quantile(self, unit: float) -> float:
        """Return the value at the quantile `unit` of the truncated distribution."""
        below, above = self._masses()
        mass = below + unit * (above - below)
        if mass <= 0.0:
            return self.low
        if mass >= 1.0:
            return self.high
        value = NormalDist(self.mean, self.std).inv_cdf(mass)
        return min(max(value, self.low), self.high)

    def encode(self, value: Value) -> float:
        """Return the quantile of a value."""
        below, above = self._masses()
        mass = NormalDist(self.mean, self.std).cdf(as_number(value))
        return min(max((mass - below) / (above - below), 0.0), 1.0)

    def _masses(self) -> tuple[float, float]:
        normal = NormalDist(self.mean, self.std)
        return normal.cdf(self.low), normal.cdf(self.high)
