"""A trainable that trains nothing in several ranks: its value is what the ranks add up."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tid_tune import ranks
from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.errors import TrialError

OBJECTIVE = "coco/bbox_mAP"


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
        wrong = self.order.edits.get("optim_wrapper.optimizer.lr")
        self.epoch += 1
        if ranks.rank() == 1 and self.epoch == 2:
            if wrong == 0.5 and self.order.segment == 0:
                os._exit(1)
            if wrong == 0.6:
                raise TrialError("rank 1 diverged", kind="nan")
        value = float(ranks.total(torch.tensor(self.epoch / 100)))
        with (self.order.work_dir / f"rank{ranks.rank()}.txt").open("a") as stream:
            stream.write(f"{self.epoch}\n")
        done = self.epoch >= self.order.epochs
        return Report(self.epoch, float(self.epoch), {OBJECTIVE: value}, 0.01, 8, done)

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
