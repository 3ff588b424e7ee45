"""`uniform`, and `quantized_uniform` for numbers in steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from tid_tune.space.distributions.base import YamlForm
from tid_tune.space.distributions.numeric import Numeric, exact, steps
from tid_tune.space.distributions.reading import (
    NUMBER,
    POSITIVE,
    check_range,
    check_step,
    read_numbers,
    row,
)
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value, as_number, is_number


@register_distribution
class Uniform(Numeric):
    """A float in [low, high]; with `step`, low + k * step."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float
    step: float | None = None

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "uniform": YamlForm("[low, high]", "[low, high]", row(NUMBER, NUMBER)),
        "quantized_uniform": YamlForm(
            "[low, high, step]", "[low, high, step]", row(NUMBER, NUMBER, POSITIVE)
        ),
    }
    is_real = True

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution of `[low, high]` or `[low, high, step]`."""
        low, high, *rest = read_numbers(name, entry[name], cls.forms[name].layout)
        check_range(name, low, high)
        for step in rest:
            check_step(name, high - low, step)
        return cls(low=low, high=high, step=rest[0] if rest else None)

    def to_yaml(self) -> dict[str, Value]:
        """Return the shorter of the two forms."""
        if self.step is None:
            return {"uniform": [self.low, self.high]}
        return {"quantized_uniform": [self.low, self.high, self.step]}

    @property
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        return self.low, self.high

    @property
    def step_size(self) -> float | None:
        """The distance between two values, or None for a continuum."""
        return self.step

    @property
    def size(self) -> int | None:
        """How many steps there are, and one, or None for a continuum."""
        return None if self.step is None else steps(self.low, self.high, self.step) + 1

    def value_at(self, index: int) -> float:
        """Return low + index * step, exact in decimals."""
        if self.step is None:
            return super().value_at(index)
        return float(exact(self.low) + index * exact(self.step))

    def index_of(self, value: Value) -> int | None:
        """Return the number of the step at `value`, or None where there is none."""
        if self.step is None or not is_number(value):
            return None
        return self.index_near(value, round((value - self.low) / self.step))

    def quantile(self, unit: float) -> float:
        """Return the value at the quantile `unit`."""
        if self.step is not None:
            return super().quantile(unit)
        return min(max(self.low + unit * (self.high - self.low), self.low), self.high)

    def encode(self, value: Value) -> float:
        """Return where in the range a value lies."""
        if self.step is not None:
            return super().encode(value)
        span = self.high - self.low
        return float((as_number(value) - self.low) / span) if span else 0.5
