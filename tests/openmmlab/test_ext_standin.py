"""The stand-in ops against slow loops written here, through mmcv's own entry points."""

from __future__ import annotations

import importlib.util
import math
import sys

import pytest
import torch

from tid_tune.errors import ConfigError
from tid_tune.openmmlab import ext_standin
from tid_tune.openmmlab.setup import prepare

prepare()

from mmcv.ops import batched_nms, nms, sigmoid_focal_loss, soft_nms  # noqa: E402


def slow_iou(a: list[float], b: list[float], offset: int) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0]) + offset
    h = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(w, 0.0) * max(h, 0.0)
    area = [(r[2] - r[0] + offset) * (r[3] - r[1] + offset) for r in (a, b)]
    return inter / (area[0] + area[1] - inter)


def slow_nms(
    boxes: list[list[float]],
    scores: list[float],
    threshold: float,
    offset: int,
    classes: list[int] | None = None,
) -> list[int]:
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])  # sorted() is stable
    kept: list[int] = []
    for i in order:
        rivals = [j for j in kept if classes is None or classes[i] == classes[j]]
        if all(slow_iou(boxes[i], boxes[j], offset) <= threshold for j in rivals):
            kept.append(i)
    return kept


def random_boxes(n: int, seed: int, ties: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 30
    size = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 20 + 1
    scores = torch.rand(n, generator=generator, dtype=torch.float64)
    if ties:
        scores = (scores * 4).round() / 4
    return torch.cat([corner, corner + size], dim=1), scores


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_nms_keeps_the_boxes_of_the_slow_loop(offset: int, ties: bool, threshold: float) -> None:
    boxes, scores = random_boxes(60, seed=offset, ties=ties)
    dets, keep = nms(boxes, scores, threshold, offset=offset)
    assert keep.tolist() == slow_nms(boxes.tolist(), scores.tolist(), threshold, offset)
    assert torch.equal(dets, torch.cat([boxes[keep], scores[keep, None]], dim=1))


def test_nms_offset_changes_what_overlaps() -> None:
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 2.0, 1.0]])
    scores = torch.tensor([0.9, 0.8])
    # With offset 1 the boxes are 2x2 and share a 1x2 column: IoU 1/3 rather than 0.
    assert nms(boxes, scores, 0.3, offset=0)[1].tolist() == [0, 1]
    assert nms(boxes, scores, 0.3, offset=1)[1].tolist() == [0]


def test_nms_of_no_boxes_is_empty() -> None:
    _, keep = nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert keep.dtype == torch.long
    assert keep.shape == (0,)


def test_nms_respects_max_num_and_score_threshold() -> None:
    boxes, scores = random_boxes(40, seed=5)
    expected = [i for i in slow_nms(boxes.tolist(), scores.tolist(), 0.4, 0) if scores[i] > 0.3]
    _, keep = nms(boxes, scores, 0.4, score_threshold=0.3, max_num=4)
    assert keep.tolist() == expected[:4]


def test_nms_takes_half_precision_boxes() -> None:
    boxes, scores = random_boxes(30, seed=6)
    half, half_scores = boxes.half(), scores.half()
    _, keep = nms(half, half_scores, 0.5)
    assert keep.tolist() == slow_nms(half.tolist(), half_scores.tolist(), 0.5, 0)


@pytest.mark.parametrize("split", [10000, 10])
def test_batched_nms_compares_boxes_of_one_class_only(split: int) -> None:
    boxes, scores = random_boxes(60, seed=7)
    classes = torch.arange(60) % 3
    _, keep = batched_nms(
        boxes, scores, classes, {"type": "nms", "iou_threshold": 0.3, "split_thr": split}
    )
    expected = slow_nms(boxes.tolist(), scores.tolist(), 0.3, 0, classes.tolist())
    assert keep.tolist() == expected
    _, agnostic = batched_nms(
        boxes, scores, classes, {"type": "nms", "iou_threshold": 0.3}, class_agnostic=True
    )
    assert agnostic.tolist() == slow_nms(boxes.tolist(), scores.tolist(), 0.3, 0)


def slow_soft_nms(
    boxes: list[list[float]],
    scores: list[float],
    threshold: float,
    sigma: float,
    floor: float,
    method: str,
) -> list[tuple[int, float]]:
    left = dict(enumerate(scores))
    out = []
    while left:
        best = max(left, key=lambda i: left[i])
        out.append((best, left.pop(best)))
        for i in list(left):
            iou = slow_iou(boxes[best], boxes[i], 0)
            if method == "gaussian":
                left[i] *= math.exp(-iou * iou / sigma)
            elif iou >= threshold:
                left[i] *= 0 if method == "naive" else 1 - iou
            if left[i] < floor:
                del left[i]
    return out


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_decays_scores_like_the_slow_loop(method: str) -> None:
    boxes, scores = random_boxes(40, seed=9)
    dets, keep = soft_nms(boxes, scores, 0.3, sigma=0.5, min_score=0.05, method=method)
    expected = slow_soft_nms(boxes.tolist(), scores.tolist(), 0.3, 0.5, 0.05, method)
    assert keep.tolist() == [i for i, _ in expected]
    assert dets[:, 4].tolist() == pytest.approx([s for _, s in expected])


def slow_focal(
    logits: torch.Tensor,
    target: torch.Tensor,
    gamma: float,
    alpha: float,
    weight: torch.Tensor | None,
) -> torch.Tensor:
    loss = torch.zeros_like(logits)
    for i, row in enumerate(logits):
        for c, x in enumerate(row):
            p = 1 / (1 + torch.exp(-x))
            if target[i] == c:
                value = -alpha * (1 - p) ** gamma * torch.log(p)
            else:
                value = -(1 - alpha) * p**gamma * torch.log(1 - p)
            scale = weight[target[i]] if weight is not None and target[i] < len(row) else 1.0
            loss[i, c] = value * scale
    return loss


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_focal_loss_and_its_gradient_equal_the_slow_loop(gamma: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(12, 4, generator=generator)
    target = torch.randint(0, 5, (12,), generator=generator)  # 4 is background
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]) if weighted else None
    ours = logits.clone().requires_grad_()
    reference = logits.double().requires_grad_()
    loss = sigmoid_focal_loss(ours, target, gamma, 0.25, weight, "none")
    expected = slow_focal(reference, target, gamma, 0.25, weight)
    torch.testing.assert_close(loss, expected.float())
    coefficients = torch.randn(12, 4, generator=generator)
    (loss * coefficients).sum().backward()
    (expected * coefficients).sum().backward()
    torch.testing.assert_close(ours.grad, reference.grad.float())


def test_focal_loss_is_finite_for_extreme_logits() -> None:
    logits = torch.tensor([[90.0, -90.0], [-90.0, 90.0]], requires_grad=True)
    sigmoid_focal_loss(logits, torch.tensor([1, 2]), 2.0, 0.25, None, "sum").backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_an_op_that_is_not_there_names_itself_and_the_way_out() -> None:
    from mmcv.ops import RoIAlign

    with pytest.raises(ConfigError, match=r"roi_align_forward.*wheel with ops"):
        RoIAlign(7)(torch.zeros(1, 1, 8, 8), torch.zeros(1, 5))


def test_the_standin_is_found_by_importlib() -> None:
    assert importlib.util.find_spec("mmcv._ext") is not None


def test_a_real_extension_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = type(sys)("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", real)
    assert ext_standin.install() is False
    assert sys.modules["mmcv._ext"] is real
