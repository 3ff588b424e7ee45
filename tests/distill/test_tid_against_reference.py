"""TID equals the loop-by-loop reference: scores, areas and terms, for every head and batch."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest
import torch
from reference_boxes import Side
from reference_tid import Batch, Result, tid
from tiny_detectors import CLASSES, HEADS, STRIDES, detector, samples
from torch import Tensor

from tid_tune.distill.context import Context, View
from tid_tune.distill.decoupling import Masks
from tid_tune.distill.heads import HeadAdapter, adapt_head
from tid_tune.distill.methods.tid import TID
from tid_tune.distill.settings import TIDSettings

CHANNELS = 8


@functools.cache
def head_of(kind: str, training: bool, border: int = -1) -> HeadAdapter:
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict

    config = detector(kind)
    config["train_cfg"]["allowed_border"] = border
    return adapt_head(MODELS.build(ConfigDict(config)).train(training), "student")


def random_outputs(kind: str, sizes: list[tuple[int, int]], images: int, seed: int) -> Any:
    """Raw outputs whose boxes and classes are right often enough to reach every score."""
    generator = torch.Generator().manual_seed(seed)

    def noise(channels: int) -> list[Tensor]:
        return [torch.randn(images, channels, *size, generator=generator) for size in sizes]

    anchors = 9 if kind == "retinanet" else 1
    classes = [2.5 * item for item in noise(anchors * CLASSES)]
    if kind == "gfl":
        short = -0.5 * torch.arange(9).repeat(4)[:, None, None]
        return [classes, [2 * item + short for item in noise(4 * 9)]]
    if kind == "fcos":
        return [classes, [3 * item.abs() for item in noise(4)], noise(1)]
    spread = 0.3 if kind == "retinanet" else 2.0
    return [classes, [spread * item for item in noise(4 * anchors)]]


@functools.cache
def objects(count: int, height: int, width: int, seed: int) -> list[list[float]]:
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(count, 2, generator=generator) * torch.tensor([width, height])
    size = 6 + torch.rand(count, 2, generator=generator) * 40
    return torch.cat([center - size / 2, center + size / 2], dim=1).tolist()


CASES: dict[str, tuple[list[Any], list[tuple[int, int]], tuple[int, int]]] = {
    "square": ([objects(2, 64, 64, 1), objects(3, 64, 64, 2)], [(64, 64), (64, 64)], (64, 64)),
    "padded": ([objects(3, 96, 64, 3), objects(2, 40, 32, 4)], [(96, 64), (40, 32)], (96, 64)),
    "odd size": ([objects(4, 50, 70, 5)], [(50, 70)], (50, 70)),
    "one object": ([objects(1, 64, 48, 6)], [(64, 48)], (64, 48)),
    "no object": ([[], objects(2, 64, 64, 7)], [(64, 64), (64, 64)], (64, 64)),
    "no object at all": ([[], []], [(64, 64), (32, 64)], (64, 64)),
    "crowded": ([objects(14, 64, 64, 8)], [(64, 64)], (64, 64)),
    "twins of two classes": ([[objects(1, 64, 64, 9)[0]] * 2], [(64, 64)], (64, 64)),
    "out of reach": (
        [[[20.3, 20.1, 21.9, 22.2], [-300.7, -280, 390, 410.3]]],
        [(64, 64)],
        (64, 64),
    ),
}


def setting(kind: str, case: str, teacher_kind: str | None = None, border: int = -1) -> Any:
    """The context of a case, and the same numbers for the reference."""
    boxes, shapes, (height, width) = CASES[case]
    data = samples(boxes, shapes)
    sizes = [(-(-height // stride), -(-width // stride)) for stride in STRIDES]
    views, sides = [], []
    for seed, (name, training) in enumerate(((kind, True), (teacher_kind or kind, False))):
        generator = torch.Generator().manual_seed(seed + 50)
        features = [
            2 * torch.randn(len(boxes), CHANNELS, *size, generator=generator) + 1 for size in sizes
        ]
        outputs = random_outputs(name, sizes, len(boxes), seed + 70)
        if name == "fcos" and not training:
            outputs[1] = [item * s for item, s in zip(outputs[1], STRIDES, strict=True)]
        head = head_of(name, training, border)
        views.append(View(head.head, head, features, outputs))
        sides.append(Side(name, features, outputs, training))
    context = Context(
        *views, [item.gt_instances for item in data], [item.metainfo for item in data], 0, 0
    )
    labeled = [
        [(tuple(box), index % CLASSES) for index, box in enumerate(image)] for image in boxes
    ]
    return context, sides, Batch(labeled, shapes, STRIDES, border=border, shapes=shapes)


def check(context: Context, expected: Result, **changes: Any) -> None:
    method = build(context, **changes)
    for view, scores in ((context.teacher, expected.teacher), (context.student, expected.student)):
        found = method.importance(context, view).score
        assert torch.allclose(found, flat(scores, 0), atol=1e-5)
    masks = Masks.split(
        method.assess(context), context.valid_points, method.settings.precedence
    ).by_area()
    for area, mask in masks.items():
        names = [[name == area for level in image for name in level] for image in expected.areas]
        assert torch.equal(mask, torch.tensor(names)), area
    logs = method(context).logs
    for area, value in expected.terms.items():
        assert logs[f"distill/{area}_raw"].item() == pytest.approx(value, rel=2e-4, abs=1e-6), area


def build(context: Context, **changes: Any) -> TID:
    return TID(TIDSettings.parse(changes), context.student.head, context.teacher.head)


def flat(scores: Any, part: int) -> Tensor:
    return torch.tensor([[point[part] for level in image for point in level] for image in scores])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", HEADS)
def test_scores_areas_and_terms_equal_the_reference(kind: str, case: str) -> None:
    context, sides, batch = setting(kind, case)
    check(context, tid(*sides, batch))


@pytest.mark.parametrize("kind", HEADS)
def test_the_cases_reach_every_score_and_area(kind: str) -> None:
    seen: set[float] = set()
    areas: set[str] = set()
    for case in CASES:
        _, sides, batch = setting(kind, case)
        result = tid(*sides, batch)
        seen |= {round(score, 2) for score in flat(result.teacher, 0).flatten().tolist()}
        areas |= {name for image in result.areas for level in image for name in level}
    assert seen == {0.16, 0.6, 0.8, 2.25, 3.0, 4.0}
    assert areas == {"key", "weak", "rest", "padding"}


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": "classification", "key_threshold": 1.5},
        {"tasks": "regression", "key_threshold": 1.5},
        {"thresholds": "fixed", "pos_iou": 0.3, "neg_iou": 0.2},
        {"select": "quantile", "quantile": 0.1},
        {"select": "quantile", "quantile": 0.03, "tasks": "regression"},
        {"select": "quantile", "quantile": 1.0},
        {"areas": "key"},
        {"areas": "weak"},
        {"areas": "none"},
        {"precedence": "key"},
        {"normalize": "none"},
        {"key_threshold": 0.5, "weak_threshold": 0.3, "cls_pos": 0.7, "cls_neg": 0.3},
    ],
    ids=lambda changes: " ".join(f"{key}={value}" for key, value in changes.items()),
)
@pytest.mark.parametrize("kind", ["gfl", "retinanet"])
def test_every_switch_equals_the_reference(kind: str, changes: dict[str, Any]) -> None:
    context, sides, batch = setting(kind, "padded")
    check(context, tid(*sides, batch, **changes), **changes)


@pytest.mark.parametrize(("student", "teacher"), [("fcos", "retinanet"), ("gfl", "atss")])
def test_each_detector_is_judged_by_its_own_rule(student: str, teacher: str) -> None:
    context, sides, batch = setting(student, "padded", teacher)
    check(context, tid(*sides, batch))


def test_anchors_over_the_allowed_border_are_no_candidates() -> None:
    context, sides, batch = setting("gfl", "padded", border=4)
    check(context, tid(*sides, batch))
    without = replace(batch, border=-1)
    assert tid(*sides, batch).teacher != tid(*sides, without).teacher


@pytest.mark.parametrize("case", ["crowded", "twins of two classes"])
def test_the_objects_may_be_compared_in_chunks(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr("tid_tune.distill.boxes.PAIRS_AT_ONCE", 300)
    context, sides, batch = setting("retinanet", case)
    check(context, tid(*sides, batch))
