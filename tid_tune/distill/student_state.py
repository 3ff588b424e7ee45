"""The student's own weights out of a distiller's state dict."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError

PREFIX = "student."


def has_student(state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether these are the weights of a distiller rather than of a plain detector."""
    return any(name.startswith(PREFIX) for name in state_dict)


def named_for(config: object, model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under the names that the model of this config gives them.

    Those of a plain detector are for a distiller's student; of a distiller's, a plain detector
    takes the student's.
    """
    if is_distiller(config) and not has_student(weights):
        return {f"{PREFIX}{name}": value for name, value in weights.items()}
    # mmdet's semi-supervised detectors have a `student` of their own.
    if has_student(weights) and not has_student(model.state_dict()):
        return export_student_state(weights)
    return dict(weights)


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
