"""What a head predicts at every point, and which IoU is positive to it: unusual cases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from support.tid_cases import CASES, random_outputs, setting
from torch import nn

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.detectors.iou_rules import AdaptiveRule, Anchors, FixedRule
from tid_tune.distill.context import Batch, Context, View
from tid_tune.openmmlab.detector_types import Meta
from tid_tune.openmmlab.models import build_model
from tid_tune.testing.detectors import CLASSES, HEADS, STRIDES, detector
from tid_tune.testing.scenes import adapted

SIZES = [(4, 3), (2, 2), (1, 1)]


def adapter(kind: str, *, training: bool = True, border: int = -1, **head: Any) -> HeadAdapter:
    config = detector(kind, **head)
    config["train_cfg"]["allowed_border"] = border
    built = build_model(config["bbox_head"], train_cfg=config["train_cfg"])
    return adapted(built.train(training))


@pytest.mark.parametrize("training", [True, False])
def test_fcos_without_box_normalization_gives_pixels(training: bool) -> None:
    head = adapter("fcos", training=training, norm_on_bbox=False)
    outputs = random_outputs("fcos", SIZES, 2, 0)
    boxes = iter(head.decode(outputs).reshape(2, -1, 4).transpose(0, 1))
    for stride, level in zip(STRIDES, outputs[1], strict=True):
        for y in range(level.shape[2]):
            for x in range(level.shape[3]):
                cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
                left, top, right, bottom = level[:, :, y, x].unbind(1)
                expected = torch.stack([cx - left, cy - top, cx + right, cy + bottom], dim=1)
                assert torch.allclose(next(boxes), expected, atol=1e-4)
    assert next(boxes, None) is None


def test_softmax_classes_have_the_probability_that_softmax_gives() -> None:
    head = adapter("retinanet", loss_cls={"type": "CrossEntropyLoss", "use_sigmoid": False})
    outputs = [[torch.randn(2, 9 * (CLASSES + 1), *size) for size in SIZES]]
    points = sum(height * width for height, width in SIZES)
    anchor, label = torch.randint(9, (2, points)), torch.randint(CLASSES, (2, points))
    found = head.predict(outputs).probability(anchor, label)
    for image in range(2):
        columns = torch.cat([maps[image].flatten(1) for maps in outputs[0]], dim=1).unbind(1)
        for point, column in enumerate(columns):
            classes = column.view(9, CLASSES + 1)[anchor[image, point]].softmax(dim=0)
            assert torch.isclose(found[image, point], classes[label[image, point]], atol=1e-6)


@pytest.mark.parametrize("use_sigmoid", [True, False])
def test_the_highest_class_is_that_of_the_chosen_box_and_no_background(use_sigmoid: bool) -> None:
    loss = {"type": "FocalLoss" if use_sigmoid else "CrossEntropyLoss", "use_sigmoid": use_sigmoid}
    head = adapter("retinanet", loss_cls=loss)
    width = CLASSES if use_sigmoid else CLASSES + 1
    outputs = [[torch.randn(2, 9 * width, *size) for size in SIZES]]
    points = sum(height * width for height, width in SIZES)
    anchor, label = torch.randint(9, (2, points)), torch.randint(CLASSES, (2, points))
    found = head.predict(outputs).is_highest(anchor, label)
    for image in range(2):
        columns = torch.cat([maps[image].flatten(1) for maps in outputs[0]], dim=1).unbind(1)
        for point, column in enumerate(columns):
            classes = column.view(9, width)[anchor[image, point], :CLASSES]
            assert bool(found[image, point]) == (classes.argmax() == label[image, point])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", HEADS)
def test_half_precision_outputs_are_judged_in_float32(kind: str, dtype: torch.dtype) -> None:
    head = adapter(kind)
    half = [
        [item.to(dtype).requires_grad_() for item in maps]
        for maps in random_outputs(kind, SIZES, 2, 0)
    ]
    found, expected = (
        head.predict(outputs) for outputs in (half, [[i.float() for i in m] for m in half])
    )
    points = torch.zeros(2, sum(height * width for height, width in SIZES), dtype=torch.long)
    for ours, theirs in (
        (found.boxes, expected.boxes),
        (found.probability(points, points), expected.probability(points, points)),
    ):
        assert ours.dtype == torch.float32
        assert not ours.requires_grad
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("border", [-1, 0, 4])
@pytest.mark.parametrize("kind", ["gfl", "retinanet"])
def test_usable_anchors_are_those_that_mmdet_considers(kind: str, border: int) -> None:
    from mmdet.models.task_modules.prior_generators import anchor_inside_flags

    head = adapter(kind, border=border).head
    context, _, _ = setting("gfl", "padded")
    metas: list[Meta] = [
        {**meta, "img_shape": (h - 3, w - 8)}
        for meta, (h, w) in zip(context.metas, CASES["padded"][1], strict=True)
    ]
    anchors = Anchors.of(head, context.sizes, context.valid, metas)
    for image, meta in enumerate(metas):
        flags = head.prior_generator.valid_flags(context.sizes, meta["pad_shape"], device="cpu")
        expected = anchor_inside_flags(
            torch.cat(anchors.levels), torch.cat(flags), meta["img_shape"], border
        )
        assert torch.equal(torch.cat([level[image] for level in anchors.usable]), expected)
        assert image > 0 or expected.any()


@pytest.mark.parametrize("changes", [{"scale": 2}, {"border": 4}], ids=["anchors", "border"])
def test_detectors_of_other_anchors_have_rules_of_their_own(changes: dict[str, int]) -> None:
    context, _, _ = setting("gfl", "padded")
    generator = detector("gfl")["bbox_head"]["anchor_generator"]
    generator["octave_base_scale"] = changes.get("scale", 4)
    other = adapter("gfl", border=changes.get("border", -1), anchor_generator=generator)
    student, teacher = context.student, context.teacher
    teacher = View(nn.Identity(), other, teacher.features, teacher.outputs)
    batch = Batch(context.batch.inputs, teacher, context.instances, context.metas)
    both = Context(batch, student, 0, 0)
    for view in (student, teacher):
        expected = view.head.rule(context.truth, context.sizes, context.valid, context.metas)
        assert torch.equal(both.iou_rule(view).positive, expected.positive)
    assert not torch.equal(both.iou_rule(student).positive, both.iou_rule(teacher).positive)


def test_a_range_of_negative_ious_ends_at_its_upper_bound() -> None:
    config = detector("retinanet")
    config["train_cfg"]["assigner"]["neg_iou_thr"] = (0.1, 0.3)
    built = build_model(config["bbox_head"], train_cfg=config["train_cfg"])
    assert adapted(built).rule_source == FixedRule(0.45, 0.3)


@pytest.mark.parametrize(
    ("anchors", "positive", "negative"),
    [
        ([[0.0, 0.0, 20.0, 20.0], [0.0, 0.0, 20.0, 20.0]], 0.95, 0.95),
        ([[0.0, 0.0, 20.0, 20.0], [0.0, 0.0, 10.0, 20.0], [50.0, 50.0, 60.0, 60.0]], 0.95, 0.5),
        ([[50.0, 50.0, 60.0, 60.0], [70.0, 70.0, 80.0, 80.0]], 0.05, 0.05),
    ],
    ids=["all fit", "one fits", "none fits"],
)
def test_adaptive_thresholds_stay_within_their_bounds(
    anchors: Any, positive: float, negative: float
) -> None:
    truth = GroundTruth.of([instances([[0.0, 0.0, 20.0, 20.0]])], torch.device("cpu"))
    usable = torch.ones(1, 1, dtype=torch.bool)
    grid = Anchors([torch.tensor([box]) for box in anchors], [usable] * len(anchors))
    rule = AdaptiveRule(topk=1).rule(truth, lambda: grid)
    assert rule.positive.item() == pytest.approx(positive)
    assert rule.negative.item() == pytest.approx(negative)


def instances(boxes: Any) -> InstanceData:
    found = torch.as_tensor(boxes)
    return InstanceData(bboxes=found, labels=torch.zeros(len(found), dtype=torch.long))


def test_objects_may_come_as_mmdets_boxes() -> None:
    from mmdet.structures.bbox import HorizontalBoxes

    boxes = torch.tensor([[1.0, 2.0, 5.0, 7.0], [0.0, 1.0, 3.0, 4.0]])
    item = instances(boxes)
    item.bboxes = HorizontalBoxes(boxes)
    found = GroundTruth.of([item, instances(torch.zeros(0, 4))], torch.device("cpu"))
    assert torch.equal(found.boxes[0], boxes)
    assert found.real.tolist() == [[True, True], [False, False]]
