"""Evaluation on the validation set, quiet and with a value for every objective."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from tid_tune import ranks
from tid_tune.distill.frozen import detections
from tid_tune.openmmlab.coco_metric import CocoMetric
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.stalls import progress
from tid_tune.trial.process import random_state, set_random_state
from tid_tune.trial.runner import TrialRunner

_ITEMS = ("mAP", "mAP_50", "mAP_75")
_RECALLS = ("AR@100", "AR@300", "AR@1000")
"""The items of mmdet's metric `proposal` that every data set defines; it writes no `proposal_`."""


def evaluate(runner: TrialRunner) -> dict[str, float]:
    """Return the metrics of the model (of its averaged weights, where an EMA runs).

    A metric that is undefined, as COCO's mAP of large objects on a set without any, is left out.
    A detector that detects nothing at all has mAP 0. Of several ranks, each detects on its part of
    the images, and all get the metrics of all.
    """
    ranks.unify_buffers(_models(runner))
    return _clean(runner, runner.val_loop.run())


@torch.no_grad()
def evaluate_teacher(runner: TrialRunner, teacher: Detector, precision: str) -> dict[str, float]:
    """Return the metrics of `teacher` on the same images, in the precision that it teaches in.

    Random generators keep their state.
    """
    before = random_state()
    loop = runner.val_loop
    for batch in loop.dataloader:
        progress()
        found = detections(teacher, batch, precision)
        loop.evaluator.process(data_samples=found, data_batch=batch)
    metrics = loop.evaluator.evaluate(len(loop.dataloader.dataset))
    set_random_state(before)
    return _clean(runner, metrics)


def _models(runner: TrialRunner) -> Iterator[nn.Module]:
    """Yield the models that may be evaluated: the one that trains, and averages of it."""
    yield runner.detector
    for hook in runner.hooks:
        average = getattr(hook, "ema_model", None)
        if isinstance(average, nn.Module):
            yield average


def _clean(runner: TrialRunner, metrics: dict[str, object]) -> dict[str, float]:
    found = _zeros(runner)
    for name, value in metrics.items():
        if isinstance(value, int | float) and math.isfinite(value):
            found[name] = float(value)
    return {name: value for name, value in found.items() if value >= 0 or not _is_coco(name)}


def _is_coco(name: str) -> bool:
    """Return whether a metric is one of COCO's, which marks what is undefined by -1."""
    return "mAP" in name or "AR@" in name or "AR_" in name


def _zeros(runner: TrialRunner) -> dict[str, float]:
    """Return the values of a detector without detections: mmdet's metric returns none for it."""
    return {
        f"{metric.prefix}/{name}": 0.0
        for metric in runner.val_loop.evaluator.metrics
        if isinstance(metric, CocoMetric)
        for name in _names(metric)
    }


def _names(metric: CocoMetric) -> Iterator[str]:
    """Yield the names of what mmdet's COCO metric reports on any data set with objects."""
    for kind in metric.metrics:
        if kind == "proposal_fast":
            yield from (f"AR@{count}" for count in metric.proposal_nums)
        elif kind == "proposal":
            yield from metric.metric_items or _RECALLS
        else:
            yield from (f"{kind}_{item}" for item in metric.metric_items or _ITEMS)
