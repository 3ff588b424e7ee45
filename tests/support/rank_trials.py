"""What ranks are asked to do in tests; each function also runs in one process alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from support.trial_runs import make
from tid_tune import ranks
from tid_tune.distill.distiller import Distiller
from tid_tune.openmmlab.data_parallel import data_parallel
from tid_tune.openmmlab.models import data_sample
from tid_tune.searchfile.model import Interval
from tid_tune.testing.detectors import CLASSES, detector
from tid_tune.trial.rendezvous import is_about_others, leave
from tid_tune.trial.report import TrialReport

SIDE = 64
BATCHES = (5, 4, 1)
"""Images of each step; the last one leaves ranks without any."""


def train_distiller(
    kind: str, method: str, accumulate: int = 1, **constants: Any
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Train some steps; return the weights and, per step, the sum of all ranks' logged values."""
    torch.manual_seed(0)
    model: Any = Distiller(
        student=detector(kind),
        teacher={"model": detector(kind), "checkpoint": None},
        distillation={"method": method, **constants},
    ).train()
    _spread_classes(model.student)
    if model.teacher is not None:
        _spread_classes(model.teacher)
    if ranks.several():
        model = data_parallel(model, torch.device("cpu"), {})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    wrapper = OptimWrapper(optimizer, accumulative_counts=accumulate)
    wrapper.initialize_count_status(model, 0, len(BATCHES))
    logged = []
    for step, count in enumerate(BATCHES):
        own = list(range(count))[ranks.rank() :: ranks.count()]
        if ranks.several():
            model.idle = not own
        values = model.train_step(_batch(step, own or [0]), wrapper)
        every = ranks.gathered({name: value.item() for name, value in values.items()})
        logged.append({name: sum(part[name] for part in every) for name in values})
    trained = model.module if ranks.several() else model
    return {k: v.clone() for k, v in trained.state_dict().items()}, logged


def _spread_classes(detector: Any) -> None:
    """Let it be sure of some classes, so that no method finds nothing to teach."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in detector.bbox_head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


def _batch(step: int, images: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {"inputs": [], "data_samples": []}
    for image in images:
        rng = np.random.default_rng([step, image])
        boxes = [[*low, *(low + rng.uniform(15, 30, 2))] for low in rng.uniform(0, 30, (3, 2))]
        labels = rng.integers(0, CLASSES, 3).tolist()
        # A small image leaves padding; the last one keeps the size of the batch.
        shape = (SIDE, SIDE) if image else (50, 40)
        found["inputs"].append(torch.from_numpy(rng.normal(size=(3, SIDE, SIDE))).float())
        found["data_samples"].append(data_sample(boxes, labels, shape, (SIDE, SIDE)))
    return found


def lose(how: str) -> tuple[float, bool]:
    """Lose rank 1 in the middle of an exchange of three; see what the others notice, and when."""
    ranks.total(torch.ones(1))
    if ranks.rank() == 1:
        if how == "leaves":
            leave()
        elif how == "is stopped":
            time.sleep(8)
        return 0.0, True
    started = time.monotonic()
    try:
        for _ in range(3):
            ranks.total(torch.ones(1))
    except RuntimeError as error:
        return time.monotonic() - started, is_about_others(error)
    return time.monotonic() - started, False


def run_trial(
    config: str,
    folder: str,
    params: dict[str, Any],
    *,
    until: int | None = None,
    restore_from: str | None = None,
    epochs: int = 2,
    every: int = 0,
) -> tuple[list[TrialReport], dict[str, Tensor], list[Any]]:
    """Train a trial; return its reports, its weights and the random state of each rank.

    Args:
        config: of the trial.
        folder: gets the log, and checkpoint.pth in the end.
        params: values to set in the config.
        until: stop after so many reports.
        restore_from: a checkpoint.
        epochs: length.
        every: iterations a report; 0: an epoch.
    """
    interval = Interval(count=every, unit="iter") if every else Interval()
    restored = None if restore_from is None else Path(restore_from)
    options: dict[str, Any] = {"epochs": epochs, "every": interval, "restore_from": restored}
    reports: list[TrialReport] = []
    with make(Path(config), Path(folder), params, **options) as trial:
        while not trial.done and len(reports) != until:
            reports.append(trial.step())
        if ranks.rank() == 0:
            trial.save(Path(folder) / "checkpoint.pth")
        shared: Any = trial._shared
        weights = {k: v.clone() for k, v in trial.model.state_dict().items()}
        return reports, weights, shared.random if shared else []
