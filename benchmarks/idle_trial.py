"""A trial that trains nothing, for control_plane.py: it sleeps and reports a formula."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.trial.report import TrialReport

SECONDS = "TID_TUNE_IDLE_SECONDS"


class IdleTrial:
    """Counts its reports; the checkpoint is the count."""

    def __init__(self, order: WorkOrder) -> None:
        self._order = order
        self._done = int(order.checkpoint.read_text()) if order.checkpoint else 0

    def step(self) -> TrialReport:
        """Sleep, and report a value that rises towards a level set by a parameter."""
        seconds = float(os.environ.get(SECONDS, "1"))
        time.sleep(seconds)
        self._done += 1
        rate = math.log10(float(str(self._order.edits["model.level"])))
        level = 0.5 - (rate + 2) ** 2 / 10
        return TrialReport(
            step=self._done,
            epoch=float(self._done),
            metrics={"coco/bbox_mAP": level * (1 - 0.5**self._done)},
            seconds=seconds,
            images=1,
            done=self._done >= self._order.epochs,
        )

    def effective(self) -> dict[str, object]:
        """Return the values as they were asked for: there is no model to read them from."""
        return dict(self._order.edits)

    def save(self, path: Path) -> None:
        """Write the count."""
        path.write_text(str(self._done))

    def close(self) -> None:
        """Do nothing."""


class IdleTrainable(TrialTrainable):
    """Runs `IdleTrial`."""

    def build(self, order: WorkOrder) -> IdleTrial:
        """Return the trial of an order."""
        return IdleTrial(order)
