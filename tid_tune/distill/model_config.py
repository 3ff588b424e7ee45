"""Whether a model's config is a Distiller, and the student inside; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "Distiller"


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
