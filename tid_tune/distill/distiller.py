"""The detector that mmengine trains: a student with a hidden teacher and a distillation method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tid_tune import ranks
from tid_tune.detectors.heads import HeadAdapter, Outputs, adapt_head
from tid_tune.distill.compatibility import check_heads, check_inputs, check_maps
from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.method import Method, MethodOutput, NoMethod, require_ranks
from tid_tune.distill.model_config import FLOAT32
from tid_tune.distill.registry import build_method, parse_settings
from tid_tune.distill.settings import Settings
from tid_tune.distill.student_state import export_student_state
from tid_tune.distill.teacher import Teacher, build_teacher
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.assigners import share_assignments
from tid_tune.openmmlab.configs import ConfigDict
from tid_tune.openmmlab.detector_types import Instances, Losses, Meta, Sample
from tid_tune.openmmlab.models import BaseDetector, unpack_gt_instances
from tid_tune.openmmlab.named_objects import MessageHub
from tid_tune.openmmlab.registries import MODELS

if TYPE_CHECKING:
    from tid_tune.distill.cache.recall import TeacherCache

__all__ = ["Distiller", "export_student_state"]


@MODELS.register_module()
class Distiller(BaseDetector):  # type: ignore[misc]  # mmdet is untyped
    """Trains `student`; in everything else it is the student.

    Attributes that it has not got itself are the student's, for hooks that reach `model.bbox_head`.
    The state dict has `student.*` and `method.*`; the teacher is not part of it.

    Args:
        student: an mmdet single-stage detector, as a config.
        teacher: see `build_teacher`; not built, and may be None, with the method `none`.
        distillation: `method` and its constants; see docs/methods.md.
        data_preprocessor: the student's, if its config has none.

    Raises:
        ConfigError: a bad constant, an unsupported head, or detectors that cannot be compared.
    """

    def __init__(
        self,
        student: Mapping[str, object],
        teacher: Mapping[str, object] | None = None,
        distillation: Mapping[str, object] | None = None,
        data_preprocessor: Mapping[str, object] | None = None,
    ) -> None:
        settings = parse_settings(distillation or {})
        config = ConfigDict(student)
        if data_preprocessor is not None:
            config.setdefault("data_preprocessor", data_preprocessor)
        detector = MODELS.build(config)
        super().__init__(data_preprocessor=detector.data_preprocessor)
        self.student = detector
        share_assignments(detector)
        self.method: Method | NoMethod
        self._teacher: Teacher | None = None
        self.uses_cache = False
        # The student starts from the same weights whatever the method: paired runs can be compared.
        with torch.random.fork_rng(devices=[]):
            self.method = self._build_method(settings, teacher)

    def _build_method(
        self, settings: Settings, teacher: Mapping[str, object] | None
    ) -> Method | NoMethod:
        if not settings.needs_teacher:
            return NoMethod(settings)
        if teacher is None:
            raise ConfigError(f"the distillation method {settings.method} needs model.teacher")
        self._student_head = adapt_head(self.student, "student")
        self._teacher = build_teacher(teacher)
        check_heads(self._student_head, self._teacher.head)
        check_inputs(self.student, self._teacher.detector)
        cache = self._teacher.cache
        if cache is not None and cache.settings.store == "sparse" and settings.sampling_problem():
            raise ConfigError(
                f"model.teacher.cache.store is sparse, but {settings.sampling_problem()}; set it "
                "to full"
            )
        method = build_method(settings, self._student_head, self._teacher.head)
        if ranks.several():
            require_ranks(settings.method, type(method))
        return method

    @property
    def teacher(self) -> nn.Module | None:
        """The frozen teacher, or None with the method `none`."""
        return None if self._teacher is None else self._teacher.detector

    @property
    def teacher_precision(self) -> str | None:
        """What the teacher computes in (see `frozen.computing`), or None without a teacher."""
        return None if self._teacher is None else self._teacher.precision

    def mode(self) -> dict[str, str]:
        """Return what makes its numbers others than the default's; empty for the default.

        Trials whose modes differ are not trained alike.
        """
        found: dict[str, str] = {}
        if self.teacher_precision not in (None, FLOAT32):
            found["teacher"] = str(self.teacher_precision)
        cache = self.teacher_cache
        if self.uses_cache and cache is not None and cache.settings.form != FLOAT32:
            found["teacher_maps"] = cache.settings.form
        return found

    @property
    def teacher_cache(self) -> TeacherCache | None:
        """The cache of the teacher's work, if the config has one."""
        return None if self._teacher is None else self._teacher.cache

    @property
    def teacher_head(self) -> HeadAdapter | None:
        """The teacher's head, or None with the method `none`."""
        return None if self._teacher is None else self._teacher.head

    def __getattr__(self, name: str) -> Any:
        """Return the student's attribute where there is no own one."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            student = self.__dict__.get("_modules", {}).get("student")
            if student is None or name.startswith("__"):
                raise
            return getattr(student, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Set the student's attribute where it has one of this name and there is no own one."""
        student = self.__dict__.get("_modules", {}).get("student")
        owned = (self.__dict__, self._modules, self._parameters, self._buffers) if student else ()
        if student is None or hasattr(type(self), name) or any(name in own for own in owned):
            super().__setattr__(name, value)
        elif hasattr(student, name):
            setattr(student, name, value)
        else:
            super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Distiller:
        """Let the teacher follow every move of the student to a device or dtype."""
        if self._teacher is not None:
            self._teacher.forget()
            self._teacher.detector._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self

    def _set_device(self, device: torch.device) -> None:
        """Tell the teacher's preprocessor too where its images go: mmengine keeps that apart."""
        if self._teacher is not None:
            self._teacher.detector._set_device(device)
        super()._set_device(device)

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[Sample]) -> Losses:
        """Return the student's own losses, the distillation terms, and values to log.

        Returns:
            mmdet's losses; scalars `loss_distill_*`; detached scalars `distill/*`.
        """
        if self._teacher is None or isinstance(self.method, NoMethod):
            own: Losses = self.student.loss(batch_inputs, batch_data_samples)
            return own
        self._teacher.forget(unless=batch_inputs)
        instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        features = self.student.extract_feat(batch_inputs)
        outputs = self.student.bbox_head(features)
        losses: Losses = self.student.bbox_head.loss_by_feat(*outputs, instances, metas, ignored)
        iteration = self.method.iteration
        self.method.iteration += int(self.training)
        epoch = MessageHub.get_current_instance().get_info("epoch", 0)
        if not self.method.settings.active(iteration, epoch):
            return losses | _idle(self.method)
        student = View(self.student, self._student_head, features, outputs)
        batch = self._teacher.batch(
            batch_inputs, instances, metas, outputs=self.method.uses_teacher_outputs
        )
        check_maps(student, batch.teacher)
        result: MethodOutput = self.method(Context(batch, student, iteration, epoch))
        return losses | result.losses | result.logs | self._compare(losses, result.losses)

    def work_of_teacher(
        self, batch_inputs: Tensor, instances: Sequence[Instances], metas: Sequence[Meta]
    ) -> Batch:
        """Return the teacher's view of a batch; what it remembers and caches is not touched."""
        assert self._teacher is not None, "the method `none` has no teacher"
        return self._teacher.work(batch_inputs, instances, metas)

    @torch.no_grad()
    def observe(self, batch_inputs: Tensor, batch: Batch) -> Context:
        """Return how the student sees a batch, for looking at; no state is changed.

        In training mode, batch normalization would take the batch in: call `eval()` before.
        """
        features = self.student.extract_feat(batch_inputs)
        outputs = self.student.bbox_head(features)
        student = View(self.student, self._student_head, features, outputs)
        return Context(batch, student, getattr(self.method, "iteration", 0), 0)

    def compare_maps(self, batch_inputs: Tensor) -> None:
        """Pass images through student and teacher, and check that their maps agree.

        Raises:
            ConfigError: they differ in number or size.
        """
        features = self.student.extract_feat(batch_inputs)
        outputs = self.student.bbox_head(features)
        if self._teacher is not None:
            student = View(self.student, self._student_head, features, outputs)
            check_maps(student, self._teacher.view(batch_inputs))

    def _compare(self, own: Losses, added: dict[str, Tensor]) -> dict[str, Tensor]:
        """Log what distillation adds, and its ratio to the detector's own loss."""
        detector = ranks.total(self.parse_losses(own)[0].detach())
        weighted = self.parse_losses(added)[0].detach()
        return {
            "distill/weighted": weighted,
            "distill/ratio": weighted / detector.clamp(min=1e-12),
        }

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the student's feature maps."""
        features: tuple[Tensor, ...] = self.student.extract_feat(batch_inputs)
        return features

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: list[Sample], rescale: bool = True
    ) -> list[Sample]:
        """Return the student's detections."""
        if self._teacher is not None:
            self._teacher.forget()
        found: list[Sample] = self.student.predict(
            batch_inputs, batch_data_samples, rescale=rescale
        )
        return found

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: list[Sample] | None = None
    ) -> Outputs:
        """Return the student's raw outputs."""
        outputs: Outputs = self.student._forward(batch_inputs, batch_data_samples)
        return outputs


def named_as_student(model: nn.Module) -> nn.Module:
    """Return a module with the parameters of a Distiller under the names a plain student has.

    For what goes by a parameter's name, such as a learning rate per layer of the backbone. The
    method's own parameters are under `method`. Any other model is returned as it is.
    """
    if not isinstance(model, Distiller):
        return model
    named = nn.Module()
    for name, child in [*model.student.named_children(), ("method", model.method)]:
        named.add_module(name, child)
    for name, parameter in model.student.named_parameters(recurse=False):
        named.register_parameter(name, parameter)
    return named


def _idle(method: Method) -> dict[str, Tensor]:
    """Return a zero with the method's parameters in its graph: data-parallel training needs all."""
    parameters = list(method.parameters())
    if not parameters:
        return {}
    return {"loss_distill_off": torch.stack([item.sum() for item in parameters]).sum() * 0}
