"""LD and CrossKD equal their loop-by-loop references; positives and heads are mmdet's own."""

from __future__ import annotations

import copy
import statistics
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from support import reference_predictions as predictions
from support import reference_rivals as reference
from support.reference_boxes import Side, anchors_at, decode
from support.reference_rivals import Pyramid, lists
from support.reference_tid import Batch, candidate_overlaps
from support.rival_cases import BATCHES, Setting, check, setting
from support.tiny_detectors import HEADS, STRIDES
from torch import Tensor, nn

from tid_tune.detectors.iou_rules import Anchors
from tid_tune.distill.methods.ld.regions import localization_regions


def positive_anchors(made: Setting, image: int) -> Tensor:
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


def valuable_anchors(made: Setting, image: int, low: float, main: Tensor) -> Tensor:
    """(P) bool by a loop over points and objects."""
    pyramid = Pyramid(made)
    boxes = [[(tuple(box), 0) for box in objects] for objects in made.objects]
    batch = Batch(boxes, made.padded, STRIDES)
    side = Side("gfl", [], [], training=True)
    limits = []
    for box, _ in boxes[image]:
        overlaps = candidate_overlaps(side, batch, image, pyramid.sizes, box)
        limits.append(statistics.fmean(overlaps) + statistics.stdev(overlaps))
    found = []
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


def check_ld(made: Setting, temperature: float = 10.0, low: float = 0.25) -> None:
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
                    pair = (reference.at(maps[level], point) for maps in (ours, theirs))
                    values[name].append(predictions.edge_divergence(*pair, temperature))
    positives = max(1, len(values["main"]))
    check(made.raw(), {name: sum(found) / positives for name, found in values.items()})
    if any(made.objects):
        assert values["main"]
        assert values["vlr"]


@pytest.mark.parametrize("case", BATCHES)
def test_ld_equals_the_reference_with_mmdets_positives(case: str) -> None:
    check_ld(setting("ld", case=case))


@pytest.mark.parametrize(("temperature", "low"), [(1.0, 0.25), (4.0, 0.8), (10.0, 0.0)])
def test_ld_follows_its_constants(temperature: float, low: float) -> None:
    made = setting("ld", temperature=temperature, vlr_low=low)
    check_ld(made, temperature, low)


@pytest.mark.parametrize("seed", range(20))
def test_the_main_region_is_what_mmdets_assigner_calls_positive(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    made = setting("ld")
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


def spliced(head: Any, maps: list[Tensor], stage: int, output: int) -> list[Tensor]:
    """One output of a head that starts after `stage` convolutions: mmdet's own forward decides."""
    rest = copy.deepcopy(head)
    rest.cls_convs, rest.reg_convs = rest.cls_convs[stage:], rest.reg_convs[stage:]
    return list(rest(maps)[output])


def crossed(made: Setting, stages: tuple[int, int], output: int) -> list[Tensor]:
    """The teacher's output from the student's tower, features rescaled in plain Python."""
    heads = [view.head.head for view in (made.context.student, made.context.teacher)]
    pyramid, midway = Pyramid(made), []
    for head, view, stage in zip(
        heads, (made.context.student, made.context.teacher), stages, strict=True
    ):
        tower = nn.Sequential(*copy.deepcopy((head.cls_convs, head.reg_convs)[output])[:stage])
        midway.append(lists([tower(item) for item in view.features]))
    ours, theirs = midway
    bridge = (made.method.adapt_classes, made.method.adapt_boxes)[output].convs[0]
    if not isinstance(bridge, nn.Identity):
        ours = reference.convolved(ours, [bridge] * len(ours))
    rescaled = []
    for level, images in enumerate(reference.standardized(ours, pyramid)):
        points = list(pyramid.points(level))
        columns = list(zip(*(reference.at(theirs[level], p) for p in points), strict=True))
        mean = torch.tensor([statistics.fmean(column) for column in columns])
        std = torch.tensor([statistics.pvariance(column) + 1e-6 for column in columns]).sqrt()
        rescaled.append(torch.tensor(images) * std[:, None, None] + mean[:, None, None])
    return spliced(heads[1], rescaled, stages[1], output)


def check_crosskd(
    made: Setting,
    kind: str,
    stages: tuple[int, int] = (3, 3),
    *,
    beta: float = 1.0,
    foreground_score: float = 0.1,
    temperature: float = 1.0,
) -> None:
    with torch.no_grad():
        logits, maps = lists(crossed(made, stages, 0)), crossed(made, stages, 1)
    teacher = made.context.teacher
    sides = [Side(kind, [], [[], item], training=False) for item in (maps, teacher.outputs[1])]

    def distance(level: int, point: tuple[int, int, int], anchor: int) -> float:
        if kind == "gfl":
            ours, theirs = (reference.at(lists(side.outputs[1])[level], point) for side in sides)
            return predictions.edge_divergence(ours, theirs, temperature)
        image, y, x = point
        ours, theirs = (decode(side, level, image, x, y, STRIDES[level])[anchor] for side in sides)
        return 1 - predictions.giou(ours, theirs)

    expected = predictions.crosskd(
        Pyramid(made),
        logits,
        lists(teacher.outputs[0]),
        distance,
        9 if kind == "retinanet" else 1,
        beta,
        foreground_score,
    )
    assert expected["box"] > 0 or foreground_score == 1.0
    check(made.raw(), expected)


@pytest.mark.parametrize("case", ["padded", "odd size"])
@pytest.mark.parametrize("kind", HEADS)
def test_crosskd_equals_the_reference(kind: str, case: str) -> None:
    deep = {"stacked_convs": 4}
    check_crosskd(setting("crosskd", kind, case, student=deep, teacher=deep), kind)


@pytest.mark.parametrize("kind", HEADS)
def test_crosskd_enters_at_the_last_convolution_of_a_shorter_tower(kind: str) -> None:
    made = setting(
        "crosskd", kind, student={"stacked_convs": 1}, teacher={"stacked_convs": 2}, stage=2
    )
    check_crosskd(made, kind, (1, 2))


@pytest.mark.parametrize(
    ("student", "teacher"), [("retinanet", "gfl"), ("gfl", "fcos"), ("fcos", "retinanet")]
)
def test_crosskd_crosses_heads_of_different_kinds_and_widths(student: str, teacher: str) -> None:
    made = setting(
        "crosskd",
        teacher,
        student={"kind": student, "width": 4},
        teacher={"feat_channels": 12, "norm_cfg": None},
    )
    assert made.method.adapt_boxes.convs[0].weight.shape == (12, 8, 1, 1)
    check_crosskd(made, teacher)


@pytest.mark.parametrize(
    "changes",
    [{"beta": 2.0}, {"foreground_score": 0.5}, {"foreground_score": 1.0}, {"temperature": 5.0}],
)
def test_crosskd_follows_its_constants(changes: dict[str, float]) -> None:
    check_crosskd(setting("crosskd", stage=1, **changes), "gfl", (1, 1), **changes)


def test_a_point_is_foreground_once_however_many_of_its_boxes_are() -> None:
    made = setting("crosskd", "retinanet", foreground_score=1e-6)
    assert made().logs["distill/area_foreground"] == 1.0


def test_crosskd_without_box_normalization_exponentiates_the_distances_of_fcos() -> None:
    made = setting("crosskd", "fcos", student={}, teacher={"norm_on_bbox": False})
    check_crosskd(made, "fcos")


def test_objects_are_compared_in_chunks_without_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tid_tune.distill.methods.ld.regions.PAIRS_AT_ONCE", 1)
    check_ld(setting("ld", case="padded"))
