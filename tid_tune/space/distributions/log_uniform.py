"""`log_uniform`, and `quantized_log_uniform` for multiples of a step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from tid_tune.space.distributions.base import EntryError, YamlForm
from tid_tune.space.distributions.numeric import Numeric, exact, multiples
from tid_tune.space.distributions.reading import (
    NUMBER,
    POSITIVE,
    check_log,
    check_range,
    check_step,
    is_multiple,
    read_numbers,
    row,
)
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value, as_number, is_number

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@register_distribution
class LogUniform(Numeric):
    """A float in [low, high], uniform in its logarithm; with `step`, rounded to multiples of it."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: float
    high: float
    step: float | None = None

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "log_uniform": YamlForm(
            "[low, high]", "[low, high], uniform in the logarithm", row(POSITIVE, NUMBER)
        ),
        "quantized_log_uniform": YamlForm(
            "[low, high, step]", "[low, high, step]", row(POSITIVE, NUMBER, POSITIVE)
        ),
    }
    is_real = True

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution of `[low, high]` or `[low, high, step]`."""
        low, high, *rest = read_numbers(name, entry[name], cls.forms[name].layout)
        check_range(name, low, high)
        check_log(name, low, "quantized_uniform" if rest else "uniform")
        for step in rest:
            check_step(name, high - low, step)
            if not is_multiple(low, step):
                text = f"{name}: low {low:g} is no multiple of step {step:g}; change one"
                raise EntryError(text, name)
        return cls(low=low, high=high, step=rest[0] if rest else None)

    def to_yaml(self) -> dict[str, Value]:
        """Return the shorter of the two forms."""
        if self.step is None:
            return {"log_uniform": [self.low, self.high]}
        return {"quantized_log_uniform": [self.low, self.high, self.step]}

    @property
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        return self.low, self.high

    @property
    def is_log(self) -> bool:
        """Whether the logarithm is searched: always."""
        return True

    @property
    def step_size(self) -> float | None:
        """The distance between two values, or None for a continuum."""
        return self.step

    @property
    def size(self) -> int | None:
        """How many multiples of the step there are, or None for a continuum."""
        if self.step is None:
            return None
        first, last = multiples(self.low, self.high, self.step)
        return last - first + 1

    def value_at(self, index: int) -> float:
        """Return the multiple of the step number `index`, exact in decimals."""
        if self.step is None:
            return super().value_at(index)
        first, _ = multiples(self.low, self.high, self.step)
        return float((first + index) * exact(self.step))

    def index_of(self, value: Value) -> int | None:
        """Return the number of the multiple at `value`, or None where there is none."""
        if self.step is None or not is_number(value):
            return None
        first, _ = multiples(self.low, self.high, self.step)
        return self.index_near(value, round(value / self.step) - first)

    def quantile(self, unit: float) -> float:
        """Return the value at the quantile `unit`, rounded to the nearest multiple of the step."""
        low, high = math.log(self.low), math.log(self.high)
        value = math.exp(low + unit * (high - low))
        if self.step is None:
            return min(max(value, self.low), self.high)
        first, last = multiples(self.low, self.high, self.step)
        return self.value_at(min(max(round(value / self.step), first), last) - first)

    def encode(self, value: Value) -> float:
        """Return where between the logarithms of the bounds that of a value lies."""
        low, high = math.log(self.low), math.log(self.high)
        return (math.log(as_number(value)) - low) / (high - low) if high > low else 0.5

    def to_optuna(self, tried: Iterable[Value] = ()) -> BaseDistribution:
        """Return a logarithmic range that holds the values `tried`, too."""
        from tid_tune.space.optuna_forms import range_of

        return range_of(self.extremes, tried, log=True)

    def optuna_codes(self) -> BaseDistribution:
        """Return the range itself: Optuna models its logarithm."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=True)

    def to_optuna_code(self, value: Value) -> float:
        """Return the value itself."""
        return as_number(value)

    def from_optuna_code(self, code: float) -> Value:
        """Return the value of a code, rounded to the nearest multiple of the step."""
        return self.decode(self.encode(float(code)))
