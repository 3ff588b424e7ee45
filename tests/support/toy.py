"""A trainable that trains nothing: a trial's value is a formula of its parameters and epoch."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.errors import TrialError
from tid_tune.search.decision import Assignment

OBJECTIVE = "coco/bbox_mAP"


def toy_metrics(assignment: Assignment, epoch: float) -> dict[str, float]:
    """The same for the simulator."""
    return {OBJECTIVE: toy_value(assignment.edits, round(epoch))}


@dataclass
class Report:
    step: int
    epoch: float
    metrics: dict[str, float]
    seconds: float
    images: int
    done: bool


def toy_value(edits: dict[str, Any], epoch: int) -> float:
    """The curve of a trial: rises with the epochs towards a level set by the parameters."""
    if edits.get("model.distillation.method") == "none":
        level = 0.2
    else:
        level = 0.5 - (math.log10(edits.get("optim_wrapper.optimizer.lr", 1e-3)) + 2.5) ** 2 / 10
    return round(level * (1 - 0.5**epoch), 6)


class ToyTrial:
    """Counts its epochs in the checkpoint, and every trained epoch in a file beside it."""

    def __init__(self, order: WorkOrder) -> None:
        self.order = order
        self.step_done = 0
        if order.checkpoint is not None:
            self.step_done = json.loads(order.checkpoint.read_text())["step"]

    def step(self) -> Report:
        lr = self.order.edits.get("optim_wrapper.optimizer.lr", 0)
        time.sleep(float(os.environ.get("TOY_SECONDS", "0.05")))
        self.step_done += 1
        if lr == 0.5:
            raise TrialError("the loss is not finite", kind="nan")
        if lr == 0.6:
            raise RuntimeError("a bug in the trial")
        if lr == 0.7 and self.order.segment == 0:
            os._exit(1)
        with (self.order.work_dir / "trained.txt").open("a") as stream:
            stream.write(f"{self.step_done}\n")
        value = toy_value(self.order.edits, self.step_done)
        costs = {name: 1 + abs(math.log10(lr or 1)) for name in self.order.costs}
        return Report(
            step=self.step_done,
            epoch=float(self.step_done),
            metrics={OBJECTIVE: value, **costs},
            seconds=0.05,
            images=8,
            done=self.step_done >= self.order.epochs,
        )

    def effective(self) -> dict[str, Any]:
        return dict(self.order.edits)

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"step": self.step_done}))
        partial.replace(path)

    def close(self) -> None:
        pass


class ToyTrainable(TrialTrainable):
    trains_packs = True  # one trial after the other: nothing is shared

    def build(self, order: WorkOrder) -> ToyTrial:
        return ToyTrial(order)
