"""A trainable whose trials train nothing in several ranks: their value is what the ranks add up.

It holds what the test and the simulator ask for, too: a worker sees no other module of the tests.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder

OBJECTIVE = "coco/bbox_mAP"
LR = "optim_wrapper.optimizer.lr"
PLACE = "STORY_PLACE"
"""The variable that names a folder of the test's, in which `pace` has the seconds of an epoch."""


def value_at(edits: Mapping[str, Any], epoch: int) -> float:
    """The value of a trial: it rises with the epochs towards a level set by the learning rate."""
    level = 0.5 - (math.log10(float(edits[LR])) + 2.5) ** 2 / 10
    return round(level * (1 - 0.5**epoch), 6)


class RankedTrial:
    """Counts its epochs; each rank has half of the value, or its other share."""

    def __init__(self, order: WorkOrder) -> None:
        import ray
        import torch.distributed as dist

        self.order, self.epoch = order, 0
        self.place = Path(os.environ[PLACE])
        self.ranks = dist.get_world_size()
        if order.checkpoint is not None:
            self.epoch = json.loads(order.checkpoint.read_text())["epoch"]
        node = ray.get_runtime_context().get_node_id()
        (self.place / f"node_{dist.get_rank()}").write_text(node)

    def step(self) -> Any:
        import torch

        from tid_tune import ranks

        time.sleep(float((self.place / "pace").read_text()))
        self.epoch += 1
        share = value_at(self.order.edits, self.epoch) / self.ranks
        value = ranks.total(torch.tensor(share, dtype=torch.double))
        return SimpleNamespace(
            step=self.epoch,
            epoch=float(self.epoch),
            metrics={OBJECTIVE: float(value)},
            images=8,
            done=self.epoch >= self.order.epochs,
        )

    def effective(self) -> dict[str, Any]:
        return dict(self.order.edits)

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"epoch": self.epoch}))
        partial.replace(path)

    def close(self) -> None:
        pass


class RankedTrainable(TrialTrainable):
    trains_ranks = True

    def build(self, order: WorkOrder) -> RankedTrial:
        return RankedTrial(order)
