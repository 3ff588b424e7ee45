"""Typed, documented constants: what a distillation method lets a user set, and in which range.

A method's constants are the fields of one pydantic model derived from `Settings`, each with a
default and a description. Values in a config, dotted paths of a search space, the JSON schema and
the tables in the documentation are all checked against, or made from, these fields. A field is
strict: `float` takes numbers but not true, text, NaN or infinity; `int` takes whole numbers, also
written as 100.0. Nothing here imports torch.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from tid_tune.distill.allowed import allowed_values
from tid_tune.errors import ConfigError

Normalize = Annotated[
    Literal["channel", "none"],
    Field(
        description="Features compared at zero mean and unit variance per channel, or as they are."
    ),
]
"""Without normalization a sensible weight depends on the scale of the features, which differs by
orders of magnitude between detectors; the default weights are for normalized ones."""
Adapt = Annotated[
    Literal["auto", "conv"],
    Field(
        description="1x1 convolution from student to teacher channels: only where they differ, "
        "or always."
    ),
]
Temperature = Annotated[
    float, Field(gt=0, description="Temperature of the edge distributions of boxes (GFL).")
]
LossWeight = Annotated[
    float,
    Field(ge=0, description="Weight of the whole distillation loss; 0 switches it off."),
]


@dataclass(frozen=True)
class Option:
    """One constant of a method, as messages, documentation and the checks of a search see it."""

    key: str
    default: object
    doc: str
    schema: Mapping[str, Any]
    """JSON schema of its values."""
    owner: type[Options]

    @property
    def allowed(self) -> str:
        """The allowed values in words, e.g. `a number in [0, 1]`."""
        return allowed_values(self.schema)

    @property
    def is_integer(self) -> bool:
        """Whether it takes whole numbers only."""
        kinds = [self.schema, *self.schema.get("anyOf", [])]
        return any(kind.get("type") == "integer" for kind in kinds)

    def check(self, value: object) -> None:
        """Raise ConfigError, naming key, value and range, if the value is not allowed."""
        try:
            self.owner.model_validate({self.key: value})
        except ValidationError as error:
            # Contradictions with other constants have no key; those are not asked for here.
            found = [text for key, text in self.owner.problems(error) if key == self.key]
            if found:
                raise ConfigError(found[0]) from None


class Options(BaseModel):
    """Constants with strict types; see the module."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object, info: ValidationInfo) -> object:
        """Read 100.0 as 100 where an int is wanted; refuse ints that no float can hold."""
        if isinstance(value, int) and abs(value) > sys.float_info.max:
            raise ValueError("the number is too large")
        wanted = cls.model_fields[info.field_name or ""].annotation
        kinds = (wanted, *get_args(wanted))
        if isinstance(value, float) and value.is_integer() and int in kinds and float not in kinds:
            return int(value)
        return value

    @classmethod
    @functools.cache
    def options(cls) -> Mapping[str, Option]:
        """Return every constant by key, in the order of declaration."""
        schema = cls.model_json_schema()
        return {
            key: Option(key, field.default, field.description or "", schema["properties"][key], cls)
            for key, field in cls.model_fields.items()
        }

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> Self:
        """Return settings from checked values; keys that are no constants of these are ignored.

        Raises:
            ConfigError: a value of the wrong type or out of range, or values that contradict
                each other.
        """
        try:
            return cls.model_validate(
                {key: values[key] for key in cls.model_fields if key in values}
            )
        except ValidationError as error:
            raise ConfigError("; ".join(text for _, text in cls.problems(error))) from None

    @classmethod
    def problems(cls, error: ValidationError) -> list[tuple[str, str]]:
        """Return (key, message) of everything pydantic found; no key for contradictions."""
        options = cls.options()
        found: dict[str, str] = {}
        for item in error.errors():
            key = str(item["loc"][0]) if item["loc"] else ""
            reason = item["msg"].removeprefix("Value error, ")
            if key in options:
                text = f"distillation.{key} is {item['input']!r}"
                if len(item["loc"]) == 1:
                    text += f"; it must be {options[key].allowed}"
                if item["type"] == "value_error":
                    text += f" ({reason})"
                found.setdefault(key, text)
            else:
                found[key] = reason
        return list(found.items())


class Settings(Options):
    """Constants every method has: how strong it is, and when."""

    method: ClassVar[str]
    """The name used as `model.distillation.method`."""
    implementation: ClassVar[str]
    """The `Method` that uses the settings, as `module:Class`; imported only to train."""
    needs_teacher: ClassVar[bool] = True
    """Whether there is a teacher to learn from."""

    loss_weight: LossWeight = 1.0
    warmup_iters: int = Field(
        0,
        ge=0,
        description="The weight grows linearly from 0 to loss_weight over this many iterations.",
    )
    stop_epoch: int | None = Field(
        None,
        ge=0,
        description="No distillation from this epoch on (the first epoch is 0); the teacher is "
        "not run then.",
    )
    stop_iter: int | None = Field(
        None, ge=0, description="No distillation from this iteration on (the first is 0)."
    )

    def sampling_problem(self) -> str:
        """Return why the method cannot do with some points of the teacher's maps; empty if so."""
        return f"the method {self.method} needs all points of the teacher's maps"

    def active(self, iteration: int, epoch: int) -> bool:
        """Return whether there is any distillation at this point of the training."""
        ended = self.stop_iter is not None and iteration >= self.stop_iter
        ended = ended or (self.stop_epoch is not None and epoch >= self.stop_epoch)
        return self.loss_weight > 0 and not ended

    def ramp(self, iteration: int) -> float:
        """Return the linear warm-up factor in [0, 1] at `iteration`, which counts from 0."""
        return min(1.0, iteration / self.warmup_iters) if self.warmup_iters else 1.0

    def values(self) -> dict[str, object]:
        """Return all constants as plain values, with the method's name."""
        return {"method": self.method, **self.model_dump()}


def require_order(settings: Options, *keys: str) -> None:
    """Check that the values of `keys` do not decrease; for a validator of the whole model.

    Raises:
        ValueError: they do; the message has both names and values.
    """
    values = [getattr(settings, key) for key in keys]
    if any(left > right for left, right in itertools.pairwise(values)):
        names = " <= ".join(f"distillation.{key}" for key in keys)
        received = ", ".join(f"{value:g}" for value in values)
        raise ValueError(f"{names} must hold; received {received}")
