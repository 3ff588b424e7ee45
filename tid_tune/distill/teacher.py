"""The teacher: built once, frozen, and out of sight of everything that trains or saves a model."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from tid_tune import warm
from tid_tune.detectors.heads import adapt_head
from tid_tune.detectors.iou_rules import padded_shape
from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.distill.cache.work import Answer, OnDemand
from tid_tune.distill.context import Batch, View
from tid_tune.distill.frozen import freeze, head_outputs, passed
from tid_tune.distill.model_config import (
    FLOAT32,
    is_distiller,
    student_config,
    teacher_precision,
)
from tid_tune.distill.student_state import export_student_state, has_student
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.addresses import locate
from tid_tune.openmmlab.checkpoints import load_into, load_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.detector_types import Detector, Instances, Meta
from tid_tune.openmmlab.models import build_detector

if TYPE_CHECKING:
    from tid_tune.distill.cache.recall import TeacherCache


@dataclass(frozen=True)
class _Pass:
    """A batch, and how its teacher was run."""

    batch: Batch
    version: int
    """Counts the changes of the images in place."""
    autocast: tuple[bool, torch.dtype]

    def is_of(self, inputs: Tensor) -> bool:
        """Return whether a pass on these images now would give the same."""
        return (
            self.batch.inputs is inputs
            and self.version == _version(inputs)
            and self.autocast == _autocast(inputs.device.type)
        )

    def has(self, instances: Sequence[Instances], metas: Sequence[Meta]) -> bool:
        """Return whether the batch has these objects in images of these shapes."""
        known = self.batch
        return (
            len(known.instances) == len(instances)
            and all(map(operator.is_, known.instances, instances))
            and all(map(operator.eq, map(_shapes, known.metas), map(_shapes, metas)))
        )


class Teacher:
    """A frozen detector in evaluation mode.

    It is no `nn.Module`, so a module that holds one does not train, save, average or broadcast it;
    copies of such a module (as an EMA makes) share it.

    It remembers its last batch, so that several students that are given the same batch share its
    pass and all that follows from it alone.
    """

    def __init__(self, detector: Detector, precision: str = FLOAT32) -> None:
        self.detector: Detector = detector.requires_grad_(False).eval()
        self.head = adapt_head(detector, "teacher")
        self.precision = precision
        self.cache: TeacherCache | None = None
        """Answers for images that it has seen; see `tid_tune.distill.cache`."""
        self._last: _Pass | None = None
        freeze(self.detector, side=max(self.head.strides))
        self._built = _state(self.detector)

    def is_as_built(self) -> bool:
        """Return whether its weights have not been written to; it may be on another device."""
        return self._built == _state(self.detector)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def batch(
        self,
        inputs: Tensor,
        instances: Sequence[Instances],
        metas: Sequence[Meta],
        *,
        outputs: bool = True,
    ) -> Batch:
        """Return what the students of a batch share, with the teacher's view of it.

        The last one is returned again for the same tensor, unchanged, the same objects and the same
        autocast mode; what is computed from it is the same as for a student alone, bit by bit.

        Args:
            inputs: preprocessed images (N, 3, H, W).
            instances: mmdet's `gt_instances` of each image.
            metas: mmdet's meta information of each image.
            outputs: whether the teacher's head is needed; a batch that has them serves both.
        """
        last = self._last if self._last is not None and self._last.is_of(inputs) else None
        if last is not None and last.batch.recorded and not last.has(instances, metas):
            last = None
        stored = None
        if last is None:
            view, stored = self._seen(inputs, instances, metas, outputs)
        elif outputs and not last.batch.teacher.outputs:
            view = self._with_outputs(last.batch.teacher)
        else:
            view = last.batch.teacher
        if last is None or view is not last.batch.teacher or not last.has(instances, metas):
            batch = Batch(inputs, view, list(instances), list(metas))
            if stored is not None:
                batch = replace(batch, recorded=stored.evidence, sampled=stored.sampled)
            last = _Pass(batch, _version(inputs), _autocast(inputs.device.type))
        self._last = last
        return last.batch

    def _seen(
        self, inputs: Tensor, instances: Sequence[Instances], metas: Sequence[Meta], outputs: bool
    ) -> tuple[View, Answer | None]:
        """Return its view of a batch, and what the cache has of it."""

        def run(images: list[int]) -> Batch:
            chosen, notes = [instances[i] for i in images], [metas[i] for i in images]
            return self.work(inputs[images], chosen, notes)

        modes = self.modes(inputs.device.type)
        cache = self.cache
        found = None if cache is None else cache.recall(metas, inputs.device, modes, run)
        if found is None:
            return self.view(inputs, outputs=outputs), None
        view = View(self.detector, self.head, found.features, ())
        later = OnDemand(lambda: self._with_outputs(view).outputs)
        return replace(view, outputs=later), found

    def work(self, inputs: Tensor, instances: Sequence[Instances], metas: Sequence[Meta]) -> Batch:
        """Run it on a batch, without looking at what it remembers or a cache has."""
        return Batch(inputs, self.view(inputs), instances, metas)

    def modes(self, device: str) -> dict[str, str]:
        """Return how it is run, as far as that changes its numbers."""
        enabled, kind = _autocast(device)
        mixed = str(kind) if enabled else "off"
        return {"device": device, "precision": self.precision, "autocast": mixed}

    def forget(self, unless: Tensor | None = None) -> None:
        """Drop the last batch and its memory, if it is not that of the images `unless`."""
        if self._last is not None and self._last.batch.inputs is not unless:
            self._last = None

    def view(self, inputs: Tensor, *, outputs: bool = True) -> View:
        """Run it on a preprocessed batch (N, 3, H, W); without `outputs`, up to the neck.

        It follows the batch to another device: the student it was last used by may be elsewhere.
        """
        if next(self.detector.parameters()).device != inputs.device:
            self.detector.to(inputs.device)
        features, found = passed(self.detector, inputs, self.precision, outputs=outputs)
        return View(self.detector, self.head, features, found)

    def _with_outputs(self, seen: View) -> View:
        return replace(seen, outputs=head_outputs(self.detector, seen.features, self.precision))


def _version(inputs: Tensor) -> int:
    """Return a number that a change in place raises; inference tensors cannot be changed so."""
    return 0 if inputs.is_inference() else inputs._version


def _autocast(device: str) -> tuple[bool, torch.dtype]:
    return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)


def _shapes(meta: Meta) -> tuple[object, ...]:
    """Return what a step reads of an image's meta information."""
    return padded_shape(meta), tuple(meta["img_shape"][:2])


def _state(detector: Detector) -> list[tuple[torch.dtype, int, bool]]:
    """Return what changes when something writes to the parameters or lets them train."""
    return [(item.dtype, item._version, item.requires_grad) for item in detector.parameters()]


def check_teacher(config: Path) -> None:
    """Build the teacher of a distiller's config, if it has one, and drop it.

    Raises:
        ConfigError: as `build_teacher`.
    """
    model = load_config(config).get("model") or {}
    if is_distiller(model) and model.get("teacher"):
        build_teacher(model["teacher"])


_TEACHERS: warm.Store[Teacher] = warm.Store(limit=1)


def build_teacher(source: Mapping[str, Any]) -> Teacher:
    """Return the teacher of `model.teacher`; see `load_teacher`.

    While config and checkpoint stay the same, it is the same object: all students of a process
    share it. One with random weights is always a new one. Random generators keep their state.

    Raises:
        ConfigError: as `load_teacher`, or its head is not supported.
    """

    def build() -> Teacher:
        # What is drawn after it must not depend on whether it was built.
        with torch.random.fork_rng(devices=[]):
            return _built(source)

    return _TEACHERS.get(lambda: _content(source), build, Teacher.is_as_built)


def _built(source: Mapping[str, Any]) -> Teacher:
    teacher = Teacher(load_teacher(source), teacher_precision(source))
    if source.get("cache") is not None:
        from tid_tune.distill.cache.recall import TeacherCache  # with its database

        settings = CacheSettings.of_config(source["cache"])
        about = {key: str(source.get(key)) for key in ("config", "checkpoint")}
        teacher.cache = TeacherCache(settings, teacher.detector, _model_of(source), about)
    return teacher


def _content(source: Mapping[str, Any]) -> Hashable | None:
    """Return what a teacher is made of: its model, and the file of its weights."""
    try:
        weights = locate(source["checkpoint"]).path if source.get("checkpoint") else None
        model = load_config(source["config"]).get("model") if "config" in source else None
    except ConfigError:  # `load_teacher` says what is wrong
        return None
    others = {key: value for key, value in source.items() if key != "checkpoint"}
    options = warm.content_key({**others, "model": source.get("model", model)})
    file = weights and warm.file_key(weights)
    return (options, file) if options and file else None


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
    unknown = set(source) - {"config", "model", "checkpoint", "precision", "cache"}
    if unknown or ("config" in source) == ("model" in source) or "checkpoint" not in source:
        raise ConfigError(
            "model.teacher must have the key `checkpoint` and either `config` or `model`, and may "
            f"have `precision` and `cache`; it has {', '.join(sorted(source)) or 'none'}"
        )
    teacher_precision(source)
    checkpoint = source["checkpoint"]
    if checkpoint is None and "config" in source:
        raise ConfigError(f"model.teacher.checkpoint is not set, for {source['config']}")
    if source.get("cache") is not None:
        CacheSettings.of_config(source["cache"])
    detector = build(_model_of(source))
    if checkpoint is not None:
        weights = load_weights(checkpoint)
        if has_student(weights):
            weights = export_student_state(weights)
        load_into(
            detector, weights, source=f"the checkpoint {checkpoint}", target="the teacher's model"
        )
    return detector


def _model_of(source: Mapping[str, Any]) -> Any:
    """Return the config of the detector that `model.teacher` names, or raise ConfigError."""
    model = load_config(source["config"]).get("model") if "config" in source else source["model"]
    if not isinstance(model, Mapping) or "type" not in model:
        raise ConfigError(f"the teacher's config {source.get('config', '')} has no `model`")
    return student_config(model)
