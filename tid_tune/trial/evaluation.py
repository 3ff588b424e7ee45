"""Evaluation on the validation set, quiet and with a value for every objective."""

from __future__ import annotations

import math

import torch

from tid_tune.openmmlab.coco_metric import CocoMetric
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.trial.process import random_state, set_random_state
from tid_tune.trial.runner import TrialRunner

_ITEMS = ("mAP", "mAP_50", "mAP_75")


def evaluate(runner: TrialRunner) -> dict[str, float]:
    """Return the metrics of the model (of its averaged weights, where an EMA runs).

    A metric that is undefined, as COCO's mAP of large objects on a set without any, is left out.
    A detector that detects nothing at all has mAP 0.
    """
    return _clean(runner, runner.val_loop.run())


@torch.no_grad()
def evaluate_teacher(runner: TrialRunner, teacher: Detector) -> dict[str, float]:
    """Return the metrics of `teacher` on the same images; random generators keep their state."""
    before = random_state()
    loop = runner.val_loop
    for batch in loop.dataloader:
        loop.evaluator.process(data_samples=teacher.val_step(batch), data_batch=batch)
    metrics = loop.evaluator.evaluate(len(loop.dataloader.dataset))
    set_random_state(before)
    return _clean(runner, metrics)


def _clean(runner: TrialRunner, metrics: dict[str, object]) -> dict[str, float]:
    found = _zeros(runner)
    for name, value in metrics.items():
        if isinstance(value, int | float) and math.isfinite(value):
            found[name] = float(value)
    # COCO marks the undefined by -1.
    return {name: value for name, value in found.items() if value >= 0 or "mAP" not in name}


def _zeros(runner: TrialRunner) -> dict[str, float]:
    """Return the mAPs of a detector without detections: mmdet's metric returns none for it."""
    return {
        f"{metric.prefix}/{kind}_{item}": 0.0
        for metric in runner.val_loop.evaluator.metrics
        if isinstance(metric, CocoMetric)
        for kind in metric.metrics
        for item in metric.metric_items or _ITEMS
    }
