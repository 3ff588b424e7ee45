"""Typed, documented options: what a distillation method lets a user set, and within which range.

A method's constants are the fields of one frozen dataclass derived from `Settings`. Each field
carries an `Option`, so that values, dotted paths of a search space and the documentation are all
checked against, or made from, the same line. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, Self

from tid_tune.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """One constant of a method: its type, its default, its allowed values and what it does."""

    kind: Literal["number", "integer", "choice", "flag"]
    default: Any
    doc: str
    low: float | None = None
    high: float | None = None
    above: bool = False
    """The value must lie above `low`, not on it."""
    choices: tuple[str, ...] = ()
    optional: bool = False
    """None is a value: the option is switched off."""

    @property
    def allowed(self) -> str:
        """The allowed values in words, e.g. `a number in [0, 1]`."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "flag":
            return "true or false"
        noun = "an integer" if self.kind == "integer" else "a number"
        text = f"{noun}{self._range()}"
        return f"{text}, or null" if self.optional else text

    def _range(self) -> str:
        if self.low is None and self.high is None:
            return ""
        if self.high is None:
            return f" {'>' if self.above else '>='} {self.low:g}"
        low = "-inf" if self.low is None else f"{self.low:g}"
        opening = "(" if self.above or self.low is None else "["
        return f" in {opening}{low}, {self.high:g}]"

    def check(self, key: str, value: Any) -> Any:
        """`value` in the option's type; ConfigError naming key, value and range if it is none."""
        if value is None and self.optional:
            return None
        valid = {"choice": self._choice, "flag": self._flag}.get(self.kind, self._number)(value)
        if valid is None:
            raise ConfigError(f"distillation.{key} is {value!r}; it must be {self.allowed}")
        return valid

    def _choice(self, value: Any) -> str | None:
        return value if isinstance(value, str) and value in self.choices else None

    def _flag(self, value: Any) -> bool | None:
        return value if isinstance(value, bool) else None

    def _number(self, value: Any) -> float | int | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not abs(value) <= sys.float_info.max:  # also refuses what is not a number
            return None
        if self.kind == "integer" and value != int(value):
            return None
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return None
        if self.high is not None and value > self.high:
            return None
        return int(value) if self.kind == "integer" else float(value)


def number(
    default: float,
    doc: str,
    *,
    low: float | None = 0.0,
    high: float | None = None,
    above: bool = False,
) -> Any:
    """A dataclass field holding a float in [low, high], or (low, high] if `above`."""
    return _field(Option("number", default, doc, low=low, high=high, above=above))


def integer(
    default: int | None,
    doc: str,
    *,
    low: int | None = 0,
    high: int | None = None,
    optional: bool = False,
) -> Any:
    """A dataclass field holding an int in [low, high]; `optional` allows None."""
    return _field(Option("integer", default, doc, low=low, high=high, optional=optional))


def choice(default: str, doc: str, *values: str) -> Any:
    """A dataclass field holding one of `values`."""
    return _field(Option("choice", default, doc, choices=values))


def flag(default: bool, doc: str) -> Any:
    """A dataclass field holding true or false."""
    return _field(Option("flag", default, doc))


def _field(option: Option) -> Any:
    return dataclasses.field(default=option.default, metadata={"option": option})


@dataclass(frozen=True)
class Settings:
    """Constants every method has: how strong it is, and when."""

    method: ClassVar[str]

    loss_weight: float = number(1.0, "Weight of the whole distillation loss; 0 switches it off.")
    warmup_iters: int = integer(
        0, "The weight grows linearly from 0 to loss_weight over this many iterations."
    )
    stop_epoch: int | None = integer(
        None,
        "No distillation from this epoch on (the first epoch is 0); the teacher is not run then.",
        optional=True,
    )
    stop_iter: int | None = integer(
        None, "No distillation from this iteration on (the first is 0).", optional=True
    )

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Every constant of the method, by key, in the order of declaration."""
        return {field.name: field.metadata["option"] for field in dataclasses.fields(cls)}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Settings from checked values; keys that are not options of this method are ignored.

        Raises:
            ConfigError: a value of the wrong type or out of range, or values that contradict
                each other.
        """
        options = cls.options()
        settings = cls(
            **{key: options[key].check(key, values[key]) for key in options if key in values}
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ConfigError if values contradict each other; a method with such rules overrides."""

    def active(self, iteration: int, epoch: int) -> bool:
        """Whether there is any distillation at this point of the training."""
        ended = self.stop_iter is not None and iteration >= self.stop_iter
        ended = ended or (self.stop_epoch is not None and epoch >= self.stop_epoch)
        return self.loss_weight > 0 and not ended

    def ramp(self, iteration: int) -> float:
        """The linear warm-up factor in [0, 1] at `iteration`, which counts from 0."""
        return min(1.0, iteration / self.warmup_iters) if self.warmup_iters else 1.0

    def values(self) -> dict[str, Any]:
        """All constants as plain values, with the method's name."""
        return {"method": self.method, **dataclasses.asdict(self)}


def nearest(key: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the known key most like `key`, or the empty string."""
    matches = get_close_matches(key, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def require_order(settings: Settings, *keys: str) -> None:
    """Raise ConfigError unless the values of `keys` do not decrease."""
    values = [getattr(settings, key) for key in keys]
    if any(left > right for left, right in itertools.pairwise(values)):
        names = " <= ".join(f"distillation.{key}" for key in keys)
        received = ", ".join(f"{value:g}" for value in values)
        raise ConfigError(f"{names} must hold; received {received}")
