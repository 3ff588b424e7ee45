"""Assigners with a memory find what mmdet's own find, bit by bit, and each thing once."""

from __future__ import annotations

import copy
import gc
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from tid_tune.openmmlab import assigners
from tid_tune.openmmlab.assigners import (
    SharedATSSAssigner,
    SharedMaxIoUAssigner,
    share_assignments,
)
from tid_tune.testing.detectors import detector

ATSSAssigner: Any = SharedATSSAssigner.__mro__[1]
MaxIoUAssigner: Any = SharedMaxIoUAssigner.__mro__[1]
LEVELS = (256, 64, 16)


def anchors(size: int = 128, scale: int = 4) -> Tensor:
    """Of strides 8, 16 and 32, one a point."""
    levels = []
    for stride in (8, 16, 32):
        place = torch.arange(0, size, stride).float()
        y, x = torch.meshgrid(place, place, indexing="ij")
        middle, half = torch.stack([x, y], -1).view(-1, 2), stride * scale / 2
        levels.append(torch.cat([middle - half, middle + half], 1))
    return torch.cat(levels)


def instances(boxes: Tensor, seed: int = 0) -> InstanceData:
    generator = torch.Generator().manual_seed(seed)
    return InstanceData(bboxes=boxes, labels=torch.randint(10, (len(boxes),), generator=generator))


def random_boxes(count: int, seed: int, grid: float = 0.0) -> Tensor:
    """Of all sizes; on a grid, so that anchors are equally far from their centers."""
    generator = torch.Generator().manual_seed(seed)
    center = 128 * torch.rand(count, 2, generator=generator)
    half = 2 + 40 * torch.rand(count, 2, generator=generator)
    if grid:
        center, half = (center / grid).round() * grid, (half / grid).round().clamp(min=1) * grid
    return torch.cat([center - half, center + half], 1)


def same(found: Any, expected: Any) -> None:
    assert found.num_gts == expected.num_gts
    for name in ("gt_inds", "max_overlaps", "labels"):
        left, right = getattr(found, name), getattr(expected, name)
        assert left.dtype == right.dtype
        assert torch.equal(left, right), name


@pytest.mark.parametrize("topk", [1, 4, 9, 400])
@pytest.mark.parametrize("grid", [0.0, 2.0, 8.0])
@pytest.mark.parametrize("count", [0, 1, 3, 7, 40])
def test_atss_assigns_as_mmdets_does(count: int, grid: float, topk: int) -> None:
    for seed in range(4):
        boxes = random_boxes(count, seed, grid)
        if count > 2:
            boxes[1] = boxes[0]  # twins
            boxes[2] = torch.tensor([50.0, 50.0, 50.0, 50.0])
        keep = torch.rand(sum(LEVELS), generator=torch.Generator().manual_seed(seed)) < 0.8
        for used in (torch.ones_like(keep), keep):
            levels = [int(part.sum()) for part in used.split(LEVELS)]
            given = InstanceData(priors=anchors()[used]), levels, instances(boxes)
            same(SharedATSSAssigner(topk).assign(*given), ATSSAssigner(topk).assign(*given))


@pytest.mark.parametrize("count", [0, 1, 12])
def test_max_iou_assigns_as_mmdets_does(count: int) -> None:
    options: dict[str, Any] = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 0}
    given = InstanceData(priors=anchors()), instances(random_boxes(count, 0))
    shared = SharedMaxIoUAssigner(**options)
    for _ in range(2):
        same(shared.assign(*given), MaxIoUAssigner(**options).assign(*given))


class Counted(SharedATSSAssigner):
    found = 0

    def _find(self, *given: Any) -> Any:
        Counted.found += 1
        return super()._find(*given)


@pytest.fixture(autouse=True)
def _none_found() -> None:
    Counted.found = 0


def test_students_of_equal_assigners_find_a_result_once() -> None:
    objects = instances(random_boxes(5, 0))
    first, second = (
        Counted(9).assign(InstanceData(priors=anchors()), LEVELS, objects) for _ in range(2)
    )
    assert Counted.found == 1
    same(first, second)
    first.add_gt_(objects.labels)  # what some samplers do
    third = Counted(9).assign(InstanceData(priors=anchors()), LEVELS, objects)
    same(second, third)
    assert Counted.found == 1


@pytest.mark.parametrize(
    "change", ["topk", "anchors", "levels", "moved", "relabeled", "replaced", "object"]
)
def test_whatever_the_result_depends_on_makes_it_another_one(change: str) -> None:
    objects, topk, priors, levels = instances(random_boxes(5, 0)), 9, anchors(), LEVELS
    Counted(topk).assign(InstanceData(priors=priors), levels, objects)
    if change == "topk":
        topk = 3
    elif change == "anchors":
        priors = anchors(scale=5)
    elif change == "levels":
        levels = (250, 70, 16)
    elif change == "moved":
        objects.bboxes += 3
    elif change == "relabeled":
        objects.labels.add_(1)
    elif change == "replaced":
        objects.bboxes = objects.bboxes + 3
    else:
        objects = copy.deepcopy(objects)
    given = InstanceData(priors=priors), levels, objects
    found = Counted(topk).assign(*given)
    assert Counted.found == 2
    same(found, ATSSAssigner(topk).assign(*given))


def test_nothing_is_kept_longer_than_the_objects() -> None:
    gc.collect()
    before = len(assigners._KNOWN)
    objects = instances(random_boxes(5, 0))
    SharedATSSAssigner(9).assign(InstanceData(priors=anchors()), LEVELS, objects)
    assert len(assigners._KNOWN) == before + 1
    del objects
    gc.collect()
    assert len(assigners._KNOWN) == before


def test_the_thresholds_are_mean_and_deviation_of_the_candidates_overlaps() -> None:
    objects = instances(random_boxes(3, 0))
    assigner = SharedATSSAssigner(4)
    none = instances(random_boxes(0, 0))
    assert assigner.thresholds_of([objects]) is None
    assigner.assign(InstanceData(priors=anchors()), LEVELS, objects)
    found = assigner.thresholds_of([objects, none])
    assert found is not None
    assert [item.shape for item in found] == [(3, 2), (0, 2)]
    result = ATSSAssigner(4).assign(InstanceData(priors=anchors()), LEVELS, objects)
    for index, (positive, mean) in enumerate(found[0]):
        own = result.max_overlaps[result.gt_inds == index + 1]
        assert (own >= positive).all()
        assert positive > mean > 0


def test_only_mmdets_own_assigners_get_the_memory() -> None:
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict

    for kind, shared in (("gfl", SharedATSSAssigner), ("retinanet", SharedMaxIoUAssigner)):
        model = MODELS.build(ConfigDict(detector(kind)))
        own = model.bbox_head.assigner
        share_assignments(model)
        assert type(model.bbox_head.assigner) is shared
        assert isinstance(model.bbox_head.assigner, type(own))
        assert vars(model.bbox_head.assigner) == vars(own)
        share_assignments(model)
        assert type(copy.deepcopy(model).bbox_head.assigner) is shared
    share_assignments(MODELS.build(ConfigDict(detector("fcos"))))
