"""Scores where an IoU or a probability is exactly a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.detectors.iou_rules import IoURule
from tid_tune.distill.evidence import Evidence
from tid_tune.distill.methods.tid.importance import evaluate_importance
from tid_tune.distill.methods.tid.settings import TIDSettings
from tid_tune.testing.detectors import samples


@dataclass
class Fixed:
    """A detector that has one box a point and predicts what it is given."""

    boxes: Tensor
    value: Tensor

    def probability(self, anchor: Tensor, label: Tensor) -> Tensor:
        return self.value

    def is_highest(self, anchor: Tensor, label: Tensor) -> Tensor:
        return self.value >= 0.5


def test_scores_at_the_thresholds_themselves() -> None:
    """An IoU or a probability at the positive threshold is positive, at the negative negative."""
    (sample,) = samples([[[0.0, 0.0, 20.0, 20.0]]], [(32, 32)])
    truth = GroundTruth.of([sample.gt_instances], torch.device("cpu"))
    half, quarter = [0.0, 0.0, 20.0, 10.0], [0.0, 0.0, 10.0, 10.0]
    boxes = torch.tensor([[[half], [quarter], [half], [quarter]]])
    fixed = Fixed(boxes, torch.tensor([[0.5, 0.125, 0.125, 0.5]]))
    rule = IoURule.fixed(0.5, 0.25, torch.device("cpu"))
    by_task: dict[Literal["regression", "classification"], list[float]] = {
        "regression": [2.0, 0.4, 2.0, 0.4],
        "classification": [2.0, 0.4, 0.4, 2.0],
    }
    for tasks, expected in by_task.items():
        settings = TIDSettings(tasks=tasks, cls_pos=0.5, cls_neg=0.125)
        found = evaluate_importance(Evidence.of(fixed, truth), rule, settings).code
        assert [settings.products[code] for code in found[0]] == expected


def test_by_argmax_the_class_scores_high_or_low() -> None:
    (sample,) = samples([[[0.0, 0.0, 20.0, 20.0]]], [(32, 32)])
    truth = GroundTruth.of([sample.gt_instances], torch.device("cpu"))
    touching, away = [0.0, 0.0, 20.0, 10.0], [25.0, 25.0, 30.0, 30.0]
    fixed = Fixed(torch.tensor([[[touching], [touching], [away]]]), torch.tensor([[0.5, 0.3, 0.9]]))
    settings = TIDSettings(tasks="classification", cls_rule="argmax")
    rule = IoURule.fixed(0.5, 0.25, torch.device("cpu"))
    found = evaluate_importance(Evidence.of(fixed, truth), rule, settings)
    assert [settings.products[code] for code in found.code[0]] == [2.0, 0.4, 0.4]
    assert torch.equal(found.evidence, torch.tensor([[0.5, 0.3, 0.0]]))
