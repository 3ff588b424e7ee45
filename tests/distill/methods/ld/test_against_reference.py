"""LD equals its loop-by-loop reference; positives are mmdet's own."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from support import reference_predictions as predictions
from support import reference_rivals as reference
from support.method_cases import check
from support.reference_boxes import Side, anchors_at
from support.reference_rivals import Pyramid, lists
from support.reference_tid import Batch, candidate_overlaps
from torch import Tensor

from tid_tune.detectors.iou_rules import Anchors
from tid_tune.distill.methods.ld.regions import localization_regions
from tid_tune.testing.detectors import STRIDES
from tid_tune.testing.scenes import BATCHES, Scene, make_scene


def positive_anchors(made: Scene, image: int) -> Tensor:
    """(P) bool from mmdet's own assigner, which sees only the anchors at the image's points."""
    from mmdet.registry import TASK_UTILS

    pyramid = Pyramid(made)
    usable, boxes, counts = [], [], []
    for level in pyramid.levels():
        inside = {point for point in pyramid.points(level) if point[0] == image}
        height, width = pyramid.sizes[level]
        cells = [(image, y, x) for y in range(height) for x in range(width)]
        usable += [cell in inside for cell in cells]
        boxes += [anchors_at("gfl", x, y, STRIDES[level])[0] for _, y, x in cells]
        counts.append(len(inside))
    flags = torch.tensor(usable)
    truth = InstanceData(
        bboxes=torch.tensor(made.objects[image]).reshape(-1, 4),
        labels=torch.zeros(len(made.objects[image]), dtype=torch.long),
    )
    assigner = TASK_UTILS.build({"type": "ATSSAssigner", "topk": 4})
    found = assigner.assign(InstanceData(priors=torch.tensor(boxes)[flags]), counts, truth)
    positive = torch.zeros(len(flags), dtype=torch.bool)
    positive[flags] = found.gt_inds > 0
    return positive


def valuable_anchors(made: Scene, image: int, low: float, main: Tensor) -> Tensor:
    """(P) bool by a loop over points and objects."""
    pyramid = Pyramid(made)
    boxes = [[(tuple(box), 0) for box in objects] for objects in made.objects]
    batch = Batch(boxes, made.padded, STRIDES)
    side = Side("gfl", [], [], training=True)
    limits = []
    for box, _ in boxes[image]:
        overlaps = candidate_overlaps(side, batch, image, pyramid.sizes, box)
        limits.append(statistics.fmean(overlaps) + statistics.stdev(overlaps))
    found: list[Any] = []
    for level in pyramid.levels():
        inside = {point for point in pyramid.points(level) if point[0] == image}
        height, width = pyramid.sizes[level]
        for y in range(height):
            for x in range(width):
                (anchor,) = anchors_at("gfl", x, y, STRIDES[level])
                near = (image, y, x) in inside and not main[len(found)]
                found.append(
                    near
                    and any(
                        low * limit <= predictions.diou(anchor, box) <= limit
                        for (box, _), limit in zip(boxes[image], limits, strict=True)
                    )
                )
    return torch.tensor(found)


def check_ld(made: Scene, temperature: float = 10.0, low: float = 0.25) -> None:
    pyramid = Pyramid(made)
    ours, theirs = (lists(view.outputs[1]) for view in (made.context.student, made.context.teacher))
    cells = [
        (level, y, x)
        for level in pyramid.levels()
        for y in range(pyramid.sizes[level][0])
        for x in range(pyramid.sizes[level][1])
    ]
    values: dict[str, list[float]] = {"main": [], "vlr": []}
    for image in range(len(made.objects)):
        main = positive_anchors(made, image)
        regions = {"main": main, "vlr": valuable_anchors(made, image, low, main)}
        for name, region in regions.items():
            for (level, y, x), chosen in zip(cells, region.tolist(), strict=True):
                if chosen:
                    point = (image, y, x)
                    mine, target = (reference.at(maps[level], point) for maps in (ours, theirs))
                    values[name].append(predictions.edge_divergence(mine, target, temperature))
    positives = max(1, len(values["main"]))
    check(made.raw(), {name: sum(found) / positives for name, found in values.items()})
    if any(made.objects):
        assert values["main"]
        assert values["vlr"]


@pytest.mark.parametrize("case", BATCHES)
def test_ld_equals_the_reference_with_mmdets_positives(case: str) -> None:
    check_ld(make_scene("ld", batch=case))


@pytest.mark.parametrize(("temperature", "low"), [(1.0, 0.25), (4.0, 0.8), (10.0, 0.0)])
def test_ld_follows_its_constants(temperature: float, low: float) -> None:
    made = make_scene("ld", temperature=temperature, vlr_low=low)
    check_ld(made, temperature, low)


@pytest.mark.parametrize("seed", range(20))
def test_the_main_region_is_what_mmdets_assigner_calls_positive(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    made = make_scene("ld")
    center = torch.rand(2, 5, 2, generator=generator) * 64
    size = 6 + torch.rand(2, 5, 2, generator=generator) * 50
    boxes = torch.cat([center - size / 2, center + size / 2], dim=2)
    made.objects = boxes.tolist()
    for instances, found in zip(made.context.instances, boxes, strict=True):
        del instances.bboxes, instances.labels
        instances.labels, instances.bboxes = torch.zeros(5, dtype=torch.long), found
    context = made.context
    anchors = Anchors.of(context.student.head.head, context.sizes, context.valid, context.metas)
    regions = localization_regions(context.truth, anchors, topk=4, low=0.25)
    for image in range(2):
        assert torch.equal(regions.main[image], positive_anchors(made, image))
    assert not (regions.main & regions.valuable).any()


def test_objects_are_compared_in_chunks_without_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tid_tune.distill.methods.ld.regions.PAIRS_AT_ONCE", 1)
    check_ld(make_scene("ld", batch="padded"))
