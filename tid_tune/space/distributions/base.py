"""The contract of a distribution: everything that the rest of the package asks of one.

Samplers see a distribution as a code in [0, 1] on which equal lengths have equal prior
probability. The code is for samplers only: the value that a trial gets, and the ledger keeps, is
exact. A new kind defines either `quantile` and `encode` (a continuum) or `size`, `value_at` and
`index_of` (numbered values), besides its YAML form; all else has a default.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from tid_tune.errors import SpecError
from tid_tune.models import Model
from tid_tune.space.values import Value, as_number, describe, is_number

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Schema = dict[str, Any]
"""A JSON Schema (draft-07)."""


class EntryError(SpecError):
    """A YAML entry describes no distribution.

    Args:
        text: what was received and how to fix it.
        at: the keys and indices that lead to the wrong value inside the entry.
    """

    def __init__(self, text: str, *at: str | int) -> None:
        super().__init__(text)
        self.at = at


@dataclass(frozen=True)
class YamlForm:
    """One way to write a distribution in YAML: `name: value`, and options beside it."""

    layout: str
    """What the value looks like, for messages: `[low, high]`."""
    meaning: str
    """One line for editors."""
    schema: Schema
    """Accepts the value."""
    options: Mapping[str, Schema] = field(default_factory=dict)
    """Schemas of the keys that may stand beside the name."""


class Distribution(Model, abc.ABC):
    """The values that a parameter may take, and how likely each is before anything is known."""

    when: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    """Active only while every named parameter has one of the given values."""
    kind: str
    """A subclass narrows it to a Literal with a default: one of the names in `forms`."""

    forms: ClassVar[Mapping[str, YamlForm]]
    """The ways to write it in YAML, by name."""
    is_fixed: ClassVar[bool] = False
    """Whether it has a single value that nobody searches."""
    is_unordered: ClassVar[bool] = False
    """Whether its values have no order."""
    is_real: ClassVar[bool] = False
    """Whether its values are floats, which rules out options that are whole numbers."""

    # YAML

    @classmethod
    @abc.abstractmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        """Return the distribution that `entry` describes.

        Args:
            name: which of `forms` it is; a key of `entry`.
            entry: plain values; it has no keys but the name and the form's options.

        Raises:
            EntryError: a value is of the wrong type or out of range.
        """

    @abc.abstractmethod
    def to_yaml(self) -> dict[str, Value]:
        """Return the YAML entry that reads as this distribution, without `when`."""

    # Values

    @property
    def size(self) -> int | None:
        """How many values there are, or None for a continuum."""
        return None

    def value_at(self, index: int) -> Value:
        """Return the value number `index`, from 0 to `size` - 1."""
        raise TypeError(f"a {self.kind} has no numbered values")

    def index_of(self, value: Value) -> int | None:
        """Return the number of `value`, or None where it is not one of the values."""
        raise TypeError(f"a {self.kind} has no numbered values")

    def misfit(self, value: Value) -> str | None:
        """Return why `value` cannot come from this distribution, or None if it can."""
        if self.size is not None:
            inside = self.index_of(value) is not None
            return None if inside else f"{describe(value)} is not {self.domain}"
        if not is_number(value):
            return f"expected a number, got {describe(value)}"
        low, high = self.bounds or (value, value)
        return None if low <= value <= high else f"{value:g} is outside [{low:g}, {high:g}]"

    def contains(self, value: Value) -> bool:
        """Return whether a trial with `value` could have come from this distribution."""
        return self.misfit(value) is None

    def canonical(self, value: Value) -> Value:
        """Return `value` as the distribution itself gives it: 1 is 1.0 where floats are drawn."""
        if self.is_real and is_number(value):
            value = float(value)
        if self.size is None:
            return value
        index = self.index_of(value)
        return value if index is None else self.value_at(index)

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Values that are all in a range only if every value of the distribution is."""
        size = self.size
        if size is None:
            return (self.decode(0.0), self.decode(1.0))
        return (self.value_at(0), self.value_at(size - 1))

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest number, or None where values are not all numbers."""
        extremes = self.extremes
        numbers = [value for value in extremes if is_number(value)]
        return (min(numbers), max(numbers)) if len(numbers) == len(extremes) else None

    @property
    def domain(self) -> str:
        """What a value is, for messages: `a number in [0, 1]`."""
        if self.bounds is None:
            return f"a value of the {self.kind}"
        low, high = self.bounds
        return f"a number in [{low:g}, {high:g}]"

    # Search

    def decode(self, unit: float) -> Value:
        """Return the value at the quantile `unit`; below 0 and above 1 count as 0 and 1."""
        return self.quantile(min(max(unit, 0.0), 1.0))

    def quantile(self, unit: float) -> Value:
        """Return the value at the quantile `unit` of [0, 1]; numbered values are equally likely."""
        count = self._count()
        return self.value_at(min(int(unit * count), count - 1))

    def encode(self, value: Value) -> float:
        """Return the code of a value that `contains` accepts: it decodes to the value again."""
        index = self.index_of(value)
        if index is None:
            raise ValueError(f"{value!r} is not a value of {self!r}")
        return (index + 0.5) / self._count()

    def neighbour(self, value: Value, factor: float) -> Value:
        """Return a value next to one that `contains` accepts.

        A number of a continuum is multiplied by `factor` and kept in range; numbered values move
        one up (`factor` above 1) or down; unordered ones stay.
        """
        if self.is_unordered:
            return value
        if self.size is None:
            low, high = as_number(self.decode(0.0)), as_number(self.decode(1.0))
            return min(max(as_number(value) * factor, low), high)
        moved = (self.index_of(value) or 0) + (1 if factor > 1 else -1)
        return self.value_at(min(max(moved, 0), self._count() - 1))

    def narrow(self, values: Sequence[Value]) -> Distribution:
        """Return the part of this distribution around `values`, which it contains.

        All of it where no value is given, or where a kind has no smaller part.
        """
        return self

    # Optuna

    def to_optuna(self, tried: Iterable[Value] = ()) -> BaseDistribution:
        """Return the Optuna distribution of the same values, widened to hold those `tried`."""
        from tid_tune.space.optuna_forms import range_of

        return range_of(self.extremes, tried, log=False)

    def optuna_codes(self) -> BaseDistribution:
        """Return what Optuna's samplers search: numbers of values, else the code in [0, 1]."""
        from tid_tune.space.optuna_forms import codes_of

        return codes_of(self.size, unordered=self.is_unordered)

    def to_optuna_code(self, value: Value) -> float:
        """Return the code in `optuna_codes` of a value that `contains` accepts."""
        index = None if self.size is None else self.index_of(value)
        return self.encode(value) if index is None else index

    def from_optuna_code(self, code: float) -> Value:
        """Return the value of a code of `optuna_codes`."""
        return self.decode(float(code)) if self.size is None else self.value_at(int(code))

    def _count(self) -> int:
        size = self.size
        if size is None:
            raise TypeError(f"a {self.kind} has no numbered values")
        return size
