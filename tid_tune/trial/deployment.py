"""What the student costs where it will run: its time and operations per image, and its size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection

import torch
from torch.utils.flop_counter import FlopCounterMode

from tid_tune.openmmlab.detector_types import Detector
from tid_tune.trial.process import random_state, set_random_state
from tid_tune.trial.runner import TrialRunner

WARMUP, TIMED = 5, 20
"""Passes before the clock counts, and passes of which it takes the median."""


@torch.no_grad()
def deployment_costs(runner: TrialRunner, names: Collection[str]) -> dict[str, float]:
    """Measure the named costs of the student alone, on the first validation image.

    The names are those of `searchfile.checks.objectives.COSTS`. `latency_ms` is the median wall
    time in milliseconds of a prediction on the trial's device, from the loaded image to the boxes,
    NMS included. `gflops` counts convolutions and matrix products, a multiplication and an addition
    as two operations [ours]. `params_m` is in millions. The state of random generators is kept.
    """
    if not names:
        return {}
    student: Detector = getattr(runner.detector, "student", runner.detector)
    before, training = random_state(), student.training
    student.eval()
    loader = runner.val_loop.dataloader
    batch = loader.collate_fn([loader.dataset[0]])
    measures: dict[str, Callable[[Detector, object], float]] = {
        "latency_ms": _latency_ms,
        "gflops": _gflops,
        "params_m": _params_m,
    }
    found = {name: measures[name](student, batch) for name in names}
    student.train(training)
    set_random_state(before)
    return found


def _latency_ms(student: Detector, batch: object) -> float:
    times = []
    for _ in range(WARMUP + TIMED):
        _wait_for_device()
        started = time.perf_counter()
        student.test_step(batch)
        _wait_for_device()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times[WARMUP:])


def _gflops(student: Detector, batch: object) -> float:
    images = student.data_preprocessor(batch, False)["inputs"]
    with FlopCounterMode(display=False) as counter:
        student(images, mode="tensor")
    return float(counter.get_total_flops()) / 1e9


def _params_m(student: Detector, batch: object) -> float:
    return sum(parameter.numel() for parameter in student.parameters()) / 1e6


def _wait_for_device() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
