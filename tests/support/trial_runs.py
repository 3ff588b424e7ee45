"""Trials of the small detector: made, run, and compared by their weights and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tid_tune.searchfile.model import Interval
from tid_tune.trial.report import TEACHER_CACHED, TrialReport
from tid_tune.trial.trial import Trial

EPOCH = Interval()
EMA = "custom_hooks = [dict(type='EMAHook', momentum=0.1, update_buffers=True)]\n"
CLIP = "optim_wrapper.update(clip_grad=dict(max_norm=0.1))\n"
ACCUMULATE = "optim_wrapper.update(accumulative_counts=3)\n"


def make(
    config: Path,
    tmp_path: Path,
    params: dict[str, Any] | None = None,
    *,
    epochs: int = 2,
    every: Interval = EPOCH,
    seed: int = 3,
    **options: Any,
) -> Trial:
    return Trial(
        config,
        params or {},
        seed=seed,
        epochs=epochs,
        report_every=every,
        work_dir=tmp_path / "work",
        device="cpu",
        **options,
    )


def weights(trial: Trial) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in trial.model.state_dict().items()}


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert different == []


def run_to_end(trial: Trial) -> list[TrialReport]:
    reports = [trial.step()]
    while not reports[-1].done:
        reports.append(trial.step())
    return reports


def evaluation(report: TrialReport) -> dict[str, float]:
    return {k: v for k, v in report.metrics.items() if not k.startswith("train/")}


def trained(report: TrialReport) -> dict[str, float]:
    """What training gave, without what depends on the clock or on a cache."""
    other = ("seconds", "per_second", TEACHER_CACHED)
    return {k: v for k, v in report.metrics.items() if not k.endswith(other)}


def log_only(report: TrialReport) -> dict[str, float]:
    """Of what `trained` returns, the part of the training itself."""
    return {name: value for name, value in trained(report).items() if name.startswith("train/")}
