"""What distributions over a list of values share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from tid_tune.space.distributions.base import Distribution, EntryError, Schema
from tid_tune.space.values import Value, describe, same

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LAYOUT = "[value, value, ...]"
VALUES: Schema = {"type": "array", "minItems": 1, "uniqueItems": True}


class Listed(Distribution):
    """One of `values`."""

    values: tuple[Value, ...]

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution over a list of different values."""
        values = entry[name]
        if not isinstance(values, list | tuple) or not values:
            raise EntryError(f"expected {name}: {LAYOUT}, got {describe(values)}", name)
        for index, value in enumerate(values):
            if any(same(value, other) for other in values[:index]):
                text = f"{name}: {describe(value)} is given twice; keep one"
                raise EntryError(text, name, index)
        return cls.model_validate({"values": values})

    def to_yaml(self) -> dict[str, Value]:
        """Return the list under the name of the kind."""
        return {self.kind: list(self.values)}

    @property
    def extremes(self) -> tuple[Value, ...]:
        """All values."""
        return self.values

    @property
    def domain(self) -> str:
        """What a value is, for messages."""
        return "one of " + ", ".join(map(describe, self.values))

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def value_at(self, index: int) -> Value:
        """Return the value number `index`."""
        return self.values[index]

    def index_of(self, value: Value) -> int | None:
        """Return the number of `value`, or None where it is not listed."""
        return next((i for i, listed in enumerate(self.values) if same(listed, value)), None)

    def to_optuna(self, tried: Iterable[Value] = ()) -> BaseDistribution:
        """Return the choice between the values and those `tried`."""
        from tid_tune.space.optuna_forms import one_of

        return one_of([*self.values, *tried])
