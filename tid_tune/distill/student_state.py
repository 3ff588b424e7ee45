"""The student's own weights out of a distiller's state dict."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tid_tune.errors import ConfigError

PREFIX = "student."


def has_student(state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether these are the weights of a distiller rather than of a plain detector."""
    return any(name.startswith(PREFIX) for name in state_dict)


def export_student_state(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the student's weights under the names a plain mmdet detector gives them.

    Raises:
        ConfigError: the state dict has no student.
    """
    if not has_student(state_dict):
        raise ConfigError("these weights hold no student: no name starts with `student.`")
    return {
        name.removeprefix(PREFIX): value
        for name, value in state_dict.items()
        if name.startswith(PREFIX)
    }
