"""`fixed`: a value that is not searched; in YAML, what is no map means the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from tid_tune.space.distributions.base import Distribution, YamlForm
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value, describe, same

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@register_distribution
class Fixed(Distribution):
    """Not searched: every trial has this value."""

    kind: Literal["fixed"] = "fixed"
    value: Value

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "fixed": YamlForm("value", "Not searched: this value, which may be a map or null.", {})
    }
    is_fixed = True

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution of one value."""
        return cls(value=entry[name])

    def to_yaml(self) -> dict[str, Value]:
        """Return the form that holds any value."""
        return {"fixed": self.value}

    @property
    def extremes(self) -> tuple[Value]:
        """The value."""
        return (self.value,)

    @property
    def domain(self) -> str:
        """What a value is, for messages."""
        return f"always {describe(self.value)}"

    @property
    def size(self) -> int:
        """One."""
        return 1

    def value_at(self, index: int) -> Value:
        """Return the value."""
        return self.value

    def index_of(self, value: Value) -> int | None:
        """Return 0 for the value, None for another one."""
        return 0 if same(value, self.value) else None

    def misfit(self, value: Value) -> str | None:
        """Return why `value` cannot come from this distribution, or None if it can."""
        if self.index_of(value) is not None:
            return None
        return f"{describe(value)} is not the fixed value {describe(self.value)}"

    def to_optuna(self, tried: Iterable[Value] = ()) -> BaseDistribution:
        """Return the choice between the value and those `tried`."""
        from tid_tune.space.optuna_forms import one_of

        return one_of([self.value, *tried])
