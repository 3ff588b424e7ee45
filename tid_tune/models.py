"""The base of every validated model, and numbers: for search files, spaces, options of parts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


class Model(BaseModel):
    """A model that is immutable, refuses unknown keys, and knows no infinite numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def problems(error: ValidationError) -> str:
    """Return what is wrong in one line: `epochs: Field required; trials: Input should be ...`."""
    texts = []
    for item in error.errors():
        place = ".".join(map(str, item["loc"]))
        texts.append(f"{place}: {item['msg']}" if place else item["msg"])
    return "; ".join(texts)


def _whole(value: object) -> object:
    """Return a number such as `1e3`, which YAML and JSON read as a float, as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The order keeps the bounds in the JSON Schema, which does not look behind a validator.
Count = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_whole)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), BeforeValidator(_whole)]
Positive = Annotated[float, Field(gt=0)]
