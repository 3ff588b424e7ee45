"""`integer`, with or without a step, and `log_integer`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from tid_tune.space.distributions.base import YamlForm
from tid_tune.space.distributions.numeric import Numeric
from tid_tune.space.distributions.reading import (
    WHOLE,
    WHOLE_POSITIVE,
    check_log,
    check_range,
    check_step,
    read_whole_numbers,
    row,
)
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value, as_number, is_number

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@register_distribution
class Integer(Numeric):
    """An integer in [low, high], both included; `log` searches its logarithm (then step is 1)."""

    kind: Literal["integer"] = "integer"
    low: int
    high: int
    step: int = 1
    log: bool = False

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "integer": YamlForm(
            "[low, high, step]",
            "[low, high] or with a step",
            row(WHOLE, WHOLE, {"type": "integer", "minimum": 1}, least=2),
        ),
        "log_integer": YamlForm(
            "[low, high]", "[low, high], uniform in the logarithm", row(WHOLE_POSITIVE, WHOLE)
        ),
    }

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution of `[low, high]` or `[low, high, step]`."""
        log = name == "log_integer"
        low, high, *rest = read_whole_numbers(name, entry[name], cls.forms[name].layout, 2)
        check_range(name, low, high)
        if log:
            check_log(name, low, "integer")
        step = rest[0] if rest else 1
        check_step(name, high - low, step)
        return cls(low=low, high=high, step=step, log=log)

    def to_yaml(self) -> dict[str, Value]:
        """Return the form that has all fields."""
        if self.log:
            return {"log_integer": [self.low, self.high]}
        return {"integer": [self.low, self.high, self.step]}

    @property
    def extremes(self) -> tuple[int, int]:
        """The lowest and the highest value."""
        return self.low, self.high

    @property
    def is_log(self) -> bool:
        """Whether the logarithm is searched."""
        return self.log

    @property
    def step_size(self) -> int:
        """The distance between two values."""
        return self.step

    @property
    def domain(self) -> str:
        """What a value is, for messages."""
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a whole number in [{self.low}, {self.high}]{steps}"

    def misfit(self, value: Value) -> str | None:
        """Return why `value` cannot come from this distribution, or None if it can."""
        if is_number(value) and value != round(value) and self.index_of(value) is None:
            return f"expected a whole number, got {value:g}"
        return super().misfit(value)

    @property
    def size(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def value_at(self, index: int) -> int:
        """Return low + index * step."""
        return self.low + index * self.step

    def index_of(self, value: Value) -> int | None:
        """Return the number of `value`, or None where it is not one of the values."""
        if isinstance(value, int) and not isinstance(value, bool):
            index, rest = divmod(value - self.low, self.step)
            return index if rest == 0 and 0 <= index < self.size else None
        if not is_number(value):
            return None
        return self.index_near(value, round((value - self.low) / self.step))

    def quantile(self, unit: float) -> int:
        """Return the value at the quantile `unit`; of a logarithm, numbers are its cells' middles.

        The cell of n reaches from n - 0.5 to n + 0.5.
        """
        if not self.log:
            return int(super().quantile(unit))
        low, high = self._log_bounds()
        return min(max(round(math.exp(low + unit * (high - low))), self.low), self.high)

    def encode(self, value: Value) -> float:
        """Return the code of a value."""
        if not self.log:
            return super().encode(value)
        low, high = self._log_bounds()
        return (math.log(as_number(value)) - low) / (high - low)

    def neighbour(self, value: Value, factor: float) -> int:
        """Return the value times `factor`, or the next one up or down where that is no other."""
        index = self.index_of(value) or 0
        moved = round((as_number(value) * factor - self.low) / self.step)
        if moved == index:
            moved += 1 if factor > 1 else -1
        return self.value_at(min(max(moved, 0), self.size - 1))

    def to_optuna(self, tried: Iterable[Value] = ()) -> BaseDistribution:
        """Return a range that holds the values `tried`, too."""
        from tid_tune.space.optuna_forms import range_of

        return range_of(self.extremes, tried, log=self.log)

    def optuna_codes(self) -> BaseDistribution:
        """Return the range itself where Optuna models its logarithm, else numbers of values."""
        from optuna.distributions import IntDistribution

        return (
            IntDistribution(self.low, self.high, log=True) if self.log else super().optuna_codes()
        )

    def to_optuna_code(self, value: Value) -> float:
        """Return the code of a value."""
        return as_number(value) if self.log else super().to_optuna_code(value)

    def from_optuna_code(self, code: float) -> Value:
        """Return the value of a code."""
        return int(code) if self.log else super().from_optuna_code(code)

    def _log_bounds(self) -> tuple[float, float]:
        return math.log(self.low - 0.5), math.log(self.high + 0.5)
