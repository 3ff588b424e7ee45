"""Key and weak area of single images as the student stands now: what is recorded and drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, TypeGuard, runtime_checkable

import torch
from torch import Tensor, nn

from tid_tune.distill.area_codes import KEY, WEAK, AreaMaps
from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.distiller import Distiller
from tid_tune.openmmlab.detector_types import Instances, Meta


class Areas(Protocol):
    """Key and weak area of a batch, (N, P) bool each; they may overlap."""

    @property
    def key(self) -> Tensor:
        """Where the teacher is sure."""

    @property
    def weak(self) -> Tensor:
        """Where the student is behind."""


@runtime_checkable
class HasAreas(Protocol):
    """A method that has a key and a weak area."""

    def assess(self, context: Context) -> Areas:
        """Find them in a batch."""


def finds_areas(model: nn.Module) -> TypeGuard[Distiller]:
    """Return whether a model is a Distiller whose method has areas."""
    return isinstance(model, Distiller) and isinstance(model.method, HasAreas)


@torch.no_grad()
def teacher_batch(model: Distiller, inputs: Tensor, instances: Instances, meta: Meta) -> Batch:
    """Return the teacher's part in the areas of one image, to be kept: a few numbers a point.

    The feature maps have their shapes only. What the teacher remembers and caches is not touched.
    """
    batch = model.work_of_teacher(inputs, [instances], [meta])
    evidence, highest = batch.evidence, batch.evidence.highest
    # Not the one that is there: it holds all that the teacher has predicted.
    evidence = replace(evidence, find_highest=lambda: highest)
    seen = batch.teacher
    view = View(seen.detector, seen.head, [_shape(item) for item in seen.features], ())
    return replace(batch, inputs=_shape(inputs), teacher=view, recorded=evidence)


@torch.no_grad()
def area_maps(model: Distiller, inputs: Tensor, batch: Batch) -> AreaMaps:
    """Return the areas of one image, for the student's weights as they are.

    Args:
        model: in evaluation mode; its method has areas.
        inputs: the preprocessed image (1, 3, H, W).
        batch: of `teacher_batch`, or the teacher's whole view of the image.
    """
    method = model.method
    assert isinstance(method, HasAreas)
    context = model.observe(inputs, batch)
    areas = method.assess(context)
    codes = areas.key.to(torch.uint8) * KEY + areas.weak.to(torch.uint8) * WEAK
    levels = tuple(level[0].cpu().numpy() for level in context.to_levels(codes))
    return AreaMaps(levels, context.strides)


def precedence(model: Distiller) -> str:
    """Return the area, `key` or `weak`, that a point of both belongs to in the loss."""
    return str(getattr(model.method.settings, "precedence", "weak"))


def _shape(values: Tensor) -> Tensor:
    """Return a tensor of the same shape and place that takes no memory."""
    return values.new_zeros(()).expand(values.shape)
