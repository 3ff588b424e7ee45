"""CrossKD equals its loop-by-loop reference; heads are mmdet's own."""

from __future__ import annotations

import copy
import statistics
from typing import Any

import pytest
import torch
from support import reference_predictions as predictions
from support import reference_rivals as reference
from support.method_cases import check
from support.reference_boxes import Side, decode
from support.reference_rivals import Pyramid, lists
from torch import Tensor, nn

from tid_tune.testing.detectors import HEADS, STRIDES
from tid_tune.testing.scenes import Scene, make_scene


def spliced(head: Any, maps: list[Tensor], stage: int, output: int) -> list[Tensor]:
    """One output of a head that starts after `stage` convolutions: mmdet's own forward decides."""
    rest = copy.deepcopy(head)
    rest.cls_convs, rest.reg_convs = rest.cls_convs[stage:], rest.reg_convs[stage:]
    return list(rest(maps)[output])


def crossed(made: Scene, stages: tuple[int, int], output: int) -> list[Tensor]:
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
    made: Scene,
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
    predicted = (maps, list(teacher.outputs[1]))
    sides = [Side(kind, [], [[], item], training=False) for item in predicted]

    def distance(level: int, point: tuple[int, int, int], anchor: int) -> float:
        if kind == "gfl":
            ours, theirs = (reference.at(lists(side.outputs[1])[level], point) for side in sides)
            return predictions.edge_divergence(ours, theirs, temperature)
        image, y, x = point
        boxes = (decode(side, level, image, x, y, STRIDES[level])[anchor] for side in sides)
        return 1 - predictions.giou(*boxes)

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
    check_crosskd(make_scene("crosskd", kind, case, student=deep, teacher=deep), kind)


@pytest.mark.parametrize("kind", HEADS)
def test_crosskd_enters_at_the_last_convolution_of_a_shorter_tower(kind: str) -> None:
    made = make_scene(
        "crosskd", kind, student={"stacked_convs": 1}, teacher={"stacked_convs": 2}, stage=2
    )
    check_crosskd(made, kind, (1, 2))


@pytest.mark.parametrize(
    ("student", "teacher"), [("retinanet", "gfl"), ("gfl", "fcos"), ("fcos", "retinanet")]
)
def test_crosskd_crosses_heads_of_different_kinds_and_widths(student: str, teacher: str) -> None:
    made = make_scene(
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
def test_crosskd_follows_its_constants(changes: dict[str, Any]) -> None:
    check_crosskd(make_scene("crosskd", stage=1, **changes), "gfl", (1, 1), **changes)


def test_a_point_is_foreground_once_however_many_of_its_boxes_are() -> None:
    made = make_scene("crosskd", "retinanet", foreground_score=1e-6)
    assert made().logs["distill/area_foreground"] == 1.0


def test_crosskd_without_box_normalization_exponentiates_the_distances_of_fcos() -> None:
    made = make_scene("crosskd", "fcos", student={}, teacher={"norm_on_bbox": False})
    check_crosskd(made, "fcos")
