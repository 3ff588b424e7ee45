"""mmdet's assigners with a memory: what is assigned to the anchors of an image is found once.

ATSS and MaxIoU do not look at what a model predicts, so the students of a batch, and everything
else that asks within a step, can share their result. It is kept as long as the `gt_instances` that
it belongs to, and given again only for equal anchors, objects and options. A caller may not change
the tensors of a result; each has an `AssignResult` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from tid_tune.openmmlab.detector_types import Instances
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.models.task_modules.assigners import (
        AssignResult,
        ATSSAssigner,
        BboxOverlaps2D,
        MaxIoUAssigner,
    )

INSIDE = 0.01
"""ATSS: an anchor is positive only if its center is this many pixels inside the object."""
EMPTY = -1e8
"""The overlap that ATSSAssigner notes for an anchor without an object."""
SMALLEST_UNION = 1e-6
"""Square pixels, as in mmdet's overlaps."""


@dataclass(frozen=True)
class Assignment:
    """What was assigned to the anchors of one image, and what it was found from."""

    anchors: Tensor
    """(P, 4): those that the head uses in the image."""
    levels: tuple[int, ...]
    """Number of anchors of each level, for ATSS."""
    objects: tuple[Tensor, Tensor]
    """Boxes (g, 4) and labels (g)."""
    versions: tuple[int, ...]
    result: Any
    """mmdet's `AssignResult`."""
    thresholds: Tensor | None = None
    """ATSS: per object (g, 2) the IoU from which it has positive anchors, and the mean of those of
    its candidates."""

    def fits(self, anchors: Tensor, levels: tuple[int, ...], instances: Instances) -> bool:
        """Return whether these anchors and objects would be assigned the same."""
        return (
            self.objects[0] is instances.bboxes
            and self.objects[1] is instances.labels
            and self.versions == _versions(instances)
            and self.levels == levels
            and self.anchors.shape == anchors.shape
            and torch.equal(self.anchors, anchors)
        )


_KNOWN: WeakKeyDictionary[Instances, dict[object, Assignment]] = WeakKeyDictionary()


class SharedMaxIoUAssigner(MaxIoUAssigner):  # type: ignore[misc]  # mmdet is untyped
    """MaxIoUAssigner with the shared memory."""

    base_name = "MaxIoUAssigner"

    def assign(
        self,
        pred_instances: Any,
        gt_instances: Instances,
        gt_instances_ignore: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Assign as MaxIoUAssigner does."""

        def find() -> tuple[Any, None]:
            assign = super(SharedMaxIoUAssigner, self).assign
            return assign(pred_instances, gt_instances, gt_instances_ignore, **kwargs), None

        calculator = type(self.iou_calculator) is BboxOverlaps2D
        if kwargs or gt_instances_ignore is not None or not calculator:
            return find()[0]
        return _recall(self, pred_instances.priors, (), gt_instances, find)


class SharedATSSAssigner(ATSSAssigner):  # type: ignore[misc]  # mmdet is untyped
    """ATSSAssigner with the shared memory; it compares objects only with their candidates."""

    base_name = "ATSSAssigner"

    def assign(
        self,
        pred_instances: Any,
        num_level_priors: Sequence[int],
        gt_instances: Instances,
        gt_instances_ignore: Any = None,
    ) -> Any:
        """Assign as ATSSAssigner does, with the same result bit by bit."""
        anchors = pred_instances.priors
        if self._is_special(pred_instances, gt_instances, gt_instances_ignore):
            return super().assign(
                pred_instances, num_level_priors, gt_instances, gt_instances_ignore
            )
        levels = tuple(map(int, num_level_priors))
        return _recall(
            self, anchors, levels, gt_instances, lambda: self._find(anchors, levels, gt_instances)
        )

    def thresholds_of(self, instances: Sequence[Instances]) -> list[Tensor] | None:
        """Return `Assignment.thresholds` of the last assignment of each image, if all have one."""
        key = options(self)
        found = []
        for item in instances:
            known = _KNOWN.get(item, {}).get(key)
            if known is not None and known.thresholds is not None:
                found.append(known.thresholds)
            elif len(item.bboxes) == 0:
                found.append(item.bboxes.new_zeros(0, 2))
            else:
                return None
        return found

    def _is_special(self, predicted: Any, instances: Instances, ignored: Any) -> bool:
        """Return whether the assignment depends on more than anchors and objects in float32."""
        exact = type(self.iou_calculator) is BboxOverlaps2D and self.iou_calculator.dtype is None
        return (
            self.alpha is not None
            or not exact
            or (ignored is not None and self.ignore_iof_thr > 0)
            or "scores" in predicted
            or "bboxes" in predicted
            or not isinstance(instances.bboxes, Tensor)
            or instances.bboxes.dtype != torch.float32
            or predicted.priors.dtype != torch.float32
            or predicted.priors.shape[1] != 4
            or 0 in (len(instances.bboxes), len(predicted.priors))
        )

    @torch.no_grad()
    def _find(
        self, anchors: Tensor, levels: tuple[int, ...], instances: Instances
    ) -> tuple[Any, Tensor]:
        """Return the result and the thresholds.

        Order and shape of what is summed or selected are those of ATSSAssigner, since ties and
        rounding depend on them.
        """
        objects = instances.bboxes
        left, top, right, bottom = objects.unbind(1)
        x, y = (anchors[:, 0] + anchors[:, 2]) / 2.0, (anchors[:, 1] + anchors[:, 3]) / 2.0
        away = (x[:, None] - (left + right) / 2.0).square_()
        away = (away + (y[:, None] - (top + bottom) / 2.0).square_()).sqrt_()
        candidates = self._nearest(away, levels)
        overlap = _overlaps(anchors[candidates], objects)
        mean = overlap.mean(0)
        threshold = mean + (overlap.std(0) if len(overlap) > 1 else torch.nan)
        x, y = x[candidates], y[candidates]
        inside = torch.minimum(torch.minimum(x - left, right - x), y - top)
        positive = (torch.minimum(inside, bottom - y) > INSIDE) & (overlap >= threshold)
        # Of several objects an anchor gets the one that it overlaps most.
        taken = overlap.new_full((len(objects), len(anchors)), EMPTY)
        taken.scatter_(1, candidates.t(), torch.where(positive, overlap, EMPTY).t())
        highest, owner = taken.t().max(dim=1)
        assigned = highest != EMPTY
        result = AssignResult(
            len(objects),
            torch.where(assigned, owner + 1, 0),
            highest,
            labels=torch.where(assigned, instances.labels[owner], -1),
        )
        return result, torch.stack([torch.where(threshold.isnan(), mean, threshold), mean], dim=1)

    def _nearest(self, distance: Tensor, levels: tuple[int, ...]) -> Tensor:
        """Return the indices (K, g) of each object's nearest anchors of each level."""
        found, start = [], 0
        for part in distance.split(levels):
            nearest = part.topk(min(self.topk, len(part)), dim=0, largest=False).indices
            found.append(nearest + start)
            start += len(part)
        return torch.cat(found)


def share_assignments(detector: nn.Module) -> None:
    """Give the memory to the assigner of a detector's head, if it is one of the two."""
    head: Any = getattr(detector, "bbox_head", None)
    assigner = getattr(head, "assigner", None)
    for kind, shared in (
        (ATSSAssigner, SharedATSSAssigner),
        (MaxIoUAssigner, SharedMaxIoUAssigner),
    ):
        if type(assigner) is kind:
            head.assigner = shared.__new__(shared)
            head.assigner.__dict__.update(vars(assigner))


def _recall(
    assigner: Any,
    anchors: Tensor,
    levels: tuple[int, ...],
    instances: Instances,
    find: Callable[[], tuple[Any, Tensor | None]],
) -> Any:
    """Return the known result for these anchors and objects, or that of `find`."""
    key = options(assigner)
    known = _KNOWN.setdefault(instances, {})
    found = known.get(key)
    if found is None or not found.fits(anchors, levels, instances):
        result, thresholds = find()
        objects, versions = (instances.bboxes, instances.labels), _versions(instances)
        found = Assignment(anchors, levels, objects, versions, result, thresholds)
        known[key] = found
    kept = found.result
    return AssignResult(kept.num_gts, kept.gt_inds, kept.max_overlaps, labels=kept.labels)


def options(assigner: object) -> str:
    """Return what an assignment depends on besides anchors and objects."""
    return f"{type(assigner).__name__} {vars(assigner)}"


def _versions(instances: Instances) -> tuple[int, ...]:
    """Return numbers that a change of the objects in place raises."""
    tensors = (instances.bboxes, instances.labels)
    return tuple(0 if item.is_inference() else item._version for item in tensors)


def _overlaps(anchors: Tensor, objects: Tensor) -> Tensor:
    """Return the IoU of anchors (K, g, 4) with objects (g, 4), as BboxOverlaps2D computes it."""
    left, top, right, bottom = anchors.unbind(2)
    x1, y1, x2, y2 = objects.unbind(1)
    width = (torch.minimum(right, x2) - torch.maximum(left, x1)).clamp(min=0)
    height = (torch.minimum(bottom, y2) - torch.maximum(top, y1)).clamp(min=0)
    shared = width * height
    union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - shared
    return shared / union.clamp(min=SMALLEST_UNION)
