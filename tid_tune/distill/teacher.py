"""The teacher: built once, frozen, and out of sight of everything that trains or saves a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from tid_tune.detectors.heads import adapt_head
from tid_tune.distill.context import View
from tid_tune.distill.frozen import freeze, passed
from tid_tune.distill.model_config import (
    FLOAT32,
    is_distiller,
    student_config,
    teacher_precision,
)
from tid_tune.distill.student_state import export_student_state, has_student
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_into, load_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.openmmlab.models import build_detector


class Teacher:
    """A frozen detector in evaluation mode.

    It is no `nn.Module`, so a module that holds one does not train, save, average or broadcast it;
    copies of such a module (as an EMA makes) share it.
    """

    def __init__(self, detector: Detector, precision: str = FLOAT32) -> None:
        self.detector: Detector = detector.requires_grad_(False).eval()
        self.head = adapt_head(detector, "teacher")
        self.precision = precision
        freeze(self.detector, side=max(self.head.strides))

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def view(self, inputs: Tensor, *, outputs: bool = True) -> View:
        """Run it on a preprocessed batch (N, 3, H, W); without `outputs`, up to the neck."""
        features, found = passed(self.detector, inputs, self.precision, outputs=outputs)
        return View(self.detector, self.head, features, found)


def check_teacher(config: Path) -> None:
    """Build the teacher of a distiller's config, if it has one, and drop it.

    Raises:
        ConfigError: as `build_teacher`.
    """
    model = load_config(config).get("model") or {}
    if is_distiller(model) and model.get("teacher"):
        build_teacher(model["teacher"])


def build_teacher(source: Mapping[str, Any]) -> Teacher:
    """Build the teacher of `model.teacher`; see `load_teacher`.

    Raises:
        ConfigError: as `load_teacher`, or its head is not supported.
    """
    return Teacher(load_teacher(source), teacher_precision(source))


def load_teacher(
    source: Mapping[str, Any],
    build: Callable[[Mapping[str, object]], Detector] = build_detector,
) -> Detector:
    """Return the detector of `model.teacher`, with its weights.

    Args:
        source: `config`, the path of an mmdet config, or `model`, a model as a dict;
            `checkpoint`, the path of its weights; and perhaps `precision`. Only a `model` may have
            the checkpoint None, which leaves its weights random. A distiller's config and
            checkpoint give its student.
        build: makes the detector; on torch's meta device, weights are only compared.

    Raises:
        ConfigError: a missing or superfluous key or file, or weights that do not fit the model.
    """
    unknown = set(source) - {"config", "model", "checkpoint", "precision"}
    if unknown or ("config" in source) == ("model" in source) or "checkpoint" not in source:
        raise ConfigError(
            "model.teacher must have the key `checkpoint` and either `config` or `model`, and may "
            f"have `precision`; it has {', '.join(sorted(source)) or 'none'}"
        )
    teacher_precision(source)
    checkpoint = source["checkpoint"]
    if checkpoint is None and "config" in source:
        raise ConfigError(f"model.teacher.checkpoint is not set, for {source['config']}")
    model = load_config(source["config"]).get("model") if "config" in source else source["model"]
    if not isinstance(model, Mapping) or "type" not in model:
        raise ConfigError(f"the teacher's config {source.get('config', '')} has no `model`")
    detector = build(student_config(model))
    if checkpoint is not None:
        weights = load_weights(checkpoint)
        if has_student(weights):
            weights = export_student_state(weights)
        load_into(
            detector, weights, source=f"the checkpoint {checkpoint}", target="the teacher's model"
        )
    return detector
