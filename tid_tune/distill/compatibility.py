"""Whether a student can learn from a teacher point by point; if not, a message that says why."""

from __future__ import annotations

import torch

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import View
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.words import counted


def check_heads(student: HeadAdapter, teacher: HeadAdapter) -> None:
    """Check for the same classes and strides; different widths and head types are fine.

    Raises:
        ConfigError: naming what differs and both values.
    """
    if student.num_classes != teacher.num_classes:
        raise ConfigError(
            f"the student has {counted(student.num_classes, 'class')}, the teacher "
            f"{teacher.num_classes}; the teacher must be trained on the same classes"
        )
    if student.strides != teacher.strides:
        raise ConfigError(
            f"the student's levels have the strides {list(student.strides)}, the teacher's "
            f"{list(teacher.strides)}; levels are compared one to one, so they must agree"
        )


def check_inputs(student: Detector, teacher: Detector) -> None:
    """Check that both expect the same images: the teacher sees those prepared for the student.

    Raises:
        ConfigError: naming what differs and both values.
    """
    ours, theirs = (_expected_input(model) for model in (student, teacher))
    for key, value in ours.items():
        if value != theirs[key]:
            raise ConfigError(
                f"data_preprocessor.{key} is {value} for the student, {theirs[key]} for the "
                "teacher; both are given the same images, so it must agree"
            )


def check_maps(student: View, teacher: View) -> None:
    """Check that the maps of a batch agree in number and size.

    Raises:
        ConfigError: naming the level and both sizes.
    """
    levels = len(student.head.strides)
    for role, view in (("student", student), ("teacher", teacher)):
        if len(view.features) != levels:
            raise ConfigError(
                f"the {role}'s neck gives {counted(len(view.features), 'level')}, its head "
                f"has {levels}"
            )
    for level, (ours, theirs) in enumerate(zip(student.features, teacher.features, strict=True)):
        if ours.shape[2:] != theirs.shape[2:]:
            raise ConfigError(
                f"level {level} is {tuple(ours.shape[2:])} for the student, "
                f"{tuple(theirs.shape[2:])} for the teacher; the maps must have the same size"
            )


def _expected_input(model: Detector) -> dict[str, object]:
    preprocessor = model.data_preprocessor
    found: dict[str, object] = {}
    for key in ("mean", "std"):
        value = getattr(preprocessor, key, None)
        found[key] = value.flatten().tolist() if isinstance(value, torch.Tensor) else value
    swaps = getattr(preprocessor, "_channel_conversion", False)
    return found | {"channel conversion (bgr_to_rgb)": bool(swaps)}
