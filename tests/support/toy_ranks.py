"""A trainable that trains nothing in several ranks: its value is what the ranks add up."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tid_tune import ranks
from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.errors import TrialError

OBJECTIVE = "coco/bbox_mAP"
ONCE = {0.5: "rank leaves", 0.7: "rank killed", 0.8: "rank hangs"}
"""What rank 1 does at its second epoch, once, by the learning rate."""


@dataclass
class Report:
    """One epoch. Of its own: a worker of Ray's sees no other module of the tests."""

    step: int
    epoch: float
    metrics: dict[str, float]
    seconds: float
    images: int
    done: bool


class RankTrial:
    """Its value at an epoch is the epoch times the number of ranks over 100."""

    def __init__(self, order: WorkOrder) -> None:
        self.order, self.epoch = order, 0
        if order.checkpoint is not None:
            self.epoch = json.loads(order.checkpoint.read_text())["step"]

    def step(self) -> Report:
        self.epoch += 1
        if ranks.rank() == 1 and self.epoch == 2:
            self._fail(self.order.edits["optim_wrapper.optimizer.lr"])
        value = float(ranks.total(torch.tensor(self.epoch / 100)))
        with (self.order.work_dir / f"rank{ranks.rank()}.txt").open("a") as stream:
            stream.write(f"{self.epoch}\n")
        done = self.epoch >= self.order.epochs
        return Report(self.epoch, float(self.epoch), {OBJECTIVE: value}, 0.01, 8, done)

    def _fail(self, how: float) -> None:
        """Fail for good, or once, in the way that the learning rate says."""
        if how == 0.6:
            raise TrialError("rank 1 diverged", kind="nan")
        if how not in ONCE or self.order.segment > 0:
            return
        line = {"kind": ONCE[how], "trial": self.order.trial, "time": time.time()}
        with (self.order.root / "happened.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        if how == 0.5:
            os._exit(1)
        if how == 0.7:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)

    def effective(self) -> dict[str, Any]:
        return dict(self.order.edits)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"step": self.epoch}))

    def close(self) -> None:
        pass


class RankTrainable(TrialTrainable):
    trains_ranks = True

    def build(self, order: WorkOrder) -> RankTrial:
        return RankTrial(order)
