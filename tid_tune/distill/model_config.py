"""Whether a model's config is a Distiller, and what is inside; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tid_tune.errors import ConfigError, nearest

NAME = "Distiller"
PRECISION_PATH = "model.teacher.precision"
FLOAT32, BFLOAT16 = "float32", "bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)


def is_distiller(model: object) -> bool:
    """Return whether a model config is a Distiller and not a plain detector.

    Its `type` may have a scope (`mmdet.Distiller`) or be a class, as in pure-Python configs.
    Classes derived from Distiller count, and names that end in it, such as `MyDistiller`.
    """
    kind = model.get("type") if isinstance(model, Mapping) else None
    if isinstance(kind, type):
        return any(base.__name__ == NAME for base in kind.__mro__)
    return isinstance(kind, str) and kind.endswith(NAME)


def student_config(model: Mapping[str, object]) -> Any:
    """Return the student's config of a Distiller; a plain detector's config as it is."""
    return model.get("student") if is_distiller(model) else model


def teacher_precision(teacher: Mapping[str, object]) -> str:
    """Return what a `model.teacher` computes in.

    Raises:
        ConfigError: `precision` is not one of PRECISIONS.
    """
    found = teacher.get("precision", FLOAT32)
    check_precision(found)
    return str(found)


def check_precision(value: object) -> None:
    """Check a value of `model.teacher.precision`.

    Raises:
        ConfigError: it is not one of PRECISIONS.
    """
    if value not in PRECISIONS:
        meant = nearest(value, PRECISIONS) if isinstance(value, str) else None
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise ConfigError(
            f"{PRECISION_PATH} is {value!r}; expected {' or '.join(map(repr, PRECISIONS))}{hint}"
        )
