"""What a distillation method is given at every step: both detectors' view of one batch.

`Batch` is the part that does not depend on the student, `Context` adds the student.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.detectors.heads import HeadAdapter, Outputs, Prediction
from tid_tune.detectors.iou_rules import IoURule, assigned_rule, padded_shape
from tid_tune.distill.evidence import Evidence
from tid_tune.distill.sampled import Sampled
from tid_tune.openmmlab.detector_types import Instances, Meta

Made = TypeVar("Made")


@dataclass(frozen=True)
class View:
    """One detector's pass over the batch. The teacher's tensors have no gradient.

    `features` are the neck's maps (N, C, H, W) per level; `outputs` what the head's forward
    returned for them, empty for the teacher of a method that does not use them.
    """

    detector: nn.Module
    head: HeadAdapter
    features: Sequence[Tensor]
    outputs: Outputs

    @cached_property
    def prediction(self) -> Prediction:
        """Boxes and classes at every point, detached; computed when first asked for."""
        return self.head.predict(self.outputs)


@dataclass(frozen=True)
class Batch:
    """What a step has that does not depend on the student; students may share it.

    Everything is made when first asked for, in float32 and without gradient.
    """

    inputs: Tensor
    """Preprocessed images (N, 3, H, W)."""
    teacher: View
    instances: Sequence[Instances]
    """mmdet's `gt_instances` of each image: `bboxes` (g, 4) and `labels` (g)."""
    metas: Sequence[Meta]
    """The meta information of each image, as mmdet's."""
    recorded: Evidence | None = None
    """The teacher's evidence, where it need not be made from its outputs."""
    sampled: Sampled | None = None
    """Which points of the teacher's maps are there, where not all are."""
    _made: dict[object, object] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: object, make: Callable[[], Made]) -> Made:
        """Return what `make` returns, made once in this batch under `key`, without gradient.

        For what students share; it may depend on nothing but the batch and the key.
        """
        if key not in self._made:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
                self._made[key] = make()
        return cast(Made, self._made[key])

    @cached_property
    def truth(self) -> GroundTruth:
        """Objects of the batch, padded to one tensor."""
        return GroundTruth.of(self.instances, self.device)

    @cached_property
    def evidence(self) -> Evidence:
        """What the teacher shows for the objects; it needs the teacher's outputs."""
        return self.recorded or self.evidence_of(self.teacher)

    def evidence_of(self, view: View) -> Evidence:
        """Return what a detector shows for the objects."""
        with torch.autocast(self.device.type, enabled=False):
            return Evidence.of(view.prediction, self.truth)

    @cached_property
    def complete(self) -> bool:
        """Whether all points are valid; known without asking the device."""
        ends = [
            ((height - 1) * stride, (width - 1) * stride)
            for stride, (height, width) in zip(self.strides, self.sizes, strict=True)
        ]
        shapes = [padded_shape(meta) for meta in self.metas]
        return all(h > y and w > x for h, w in shapes for y, x in ends)

    @property
    def device(self) -> torch.device:
        """Where the batch lies."""
        return self.teacher.features[0].device

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(H, W) of each level."""
        return [(item.shape[2], item.shape[3]) for item in self.teacher.features]

    @property
    def level_sizes(self) -> list[int]:
        """Number of points of each level."""
        return [height * width for height, width in self.sizes]

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each level in pixels."""
        return self.teacher.head.strides

    @cached_property
    def valid(self) -> list[Tensor]:
        """Per level (N, H, W) bool: false where larger batch mates made an image's map larger."""
        shapes = torch.tensor([padded_shape(meta) for meta in self.metas])
        shapes = shapes.to(self.device, non_blocking=True)
        return [
            _reached(shapes[:, 0], stride, height)[:, :, None]
            & _reached(shapes[:, 1], stride, width)[:, None, :]
            for stride, (height, width) in zip(self.strides, self.sizes, strict=True)
        ]

    @cached_property
    def valid_points(self) -> Tensor:
        """The same for all levels in one (N, P)."""
        return torch.cat([item.flatten(1) for item in self.valid], dim=1)

    def iou_rule(self, head: HeadAdapter) -> IoURule:
        """Return the IoU rule of a head for the objects of this batch.

        Heads of the same anchors and assigner share it.
        """
        return self.once(
            ("rule", head.rule_key),
            lambda: head.rule(self.truth, self.sizes, self.valid, self.metas),
        )

    def assigned_rule(self, head: HeadAdapter) -> IoURule:
        """Return the same as found by the assigner of a student, if it has been asked."""
        key = ("assigned rule", head.rule_key)
        found = self.once(key, lambda: assigned_rule(head.head, self.instances))
        return self.iou_rule(head) if found is None else found

    def to_levels(self, points: Tensor) -> list[Tensor]:
        """Split (N, P) into maps (N, H, W) per level."""
        parts = torch.split(points, self.level_sizes, dim=1)
        return [part.unflatten(1, size) for part, size in zip(parts, self.sizes, strict=True)]


@dataclass(frozen=True)
class Context:
    """One batch as one student sees it; levels, strides and map sizes of both detectors agree.

    What is the batch's is at hand by the same name.
    """

    batch: Batch
    student: View
    iteration: int
    """Training steps done before this one, over the whole training."""
    epoch: int
    """Epochs done before this one, as mmengine counts them."""

    @property
    def teacher(self) -> View:
        """The teacher's view of the batch."""
        return self.batch.teacher

    @property
    def instances(self) -> Sequence[Instances]:
        """The ground truth of each image, as mmdet's `gt_instances`."""
        return self.batch.instances

    @property
    def metas(self) -> Sequence[Meta]:
        """The meta information of each image, as mmdet's."""
        return self.batch.metas

    @property
    def truth(self) -> GroundTruth:
        """Objects of the batch, padded to one tensor."""
        return self.batch.truth

    @property
    def device(self) -> torch.device:
        """Where the batch lies."""
        return self.batch.device

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(H, W) of each level."""
        return self.batch.sizes

    @property
    def level_sizes(self) -> list[int]:
        """Number of points of each level."""
        return self.batch.level_sizes

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each level in pixels."""
        return self.batch.strides

    @property
    def valid(self) -> list[Tensor]:
        """Per level (N, H, W) bool: false at padding."""
        return self.batch.valid

    @property
    def valid_points(self) -> Tensor:
        """The same for all levels in one (N, P)."""
        return self.batch.valid_points

    def iou_rule(self, view: View) -> IoURule:
        """Return the IoU rule of a view's own detector for the objects of this batch.

        Where the student's assigner has found it in this step, it is not computed again.
        """
        if view.head.rule_key == self.student.head.rule_key:
            return self.batch.assigned_rule(self.student.head)
        return self.batch.iou_rule(view.head)

    def to_levels(self, points: Tensor) -> list[Tensor]:
        """Split (N, P) into maps (N, H, W) per level."""
        return self.batch.to_levels(points)

    @cached_property
    def evidence(self) -> Evidence:
        """What the student shows for the objects."""
        return self.batch.evidence_of(self.student)


def _reached(length: Tensor, stride: int, count: int) -> Tensor:
    """Return (N, count) bool: true for the first ceil(length / stride) cells."""
    return torch.arange(count, device=length.device) * stride < length[:, None]
