"""What a worker writes with a report, without Ray."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.searchfile.model import Interval


@pytest.mark.parametrize(
    ("epoch", "done", "fraction", "saves_weights", "saved"),
    [
        (1.0, False, 1.0, True, "all"),
        (2.0, True, 1.0, True, "weights"),
        (2.0, True, 1.0, False, "all"),
        # A hook has ended it: it may be at a rung, and go on.
        (1.0, True, 1.0, True, "all"),
        (2.0, True, 0.5, True, "all"),
    ],
)
def test_only_a_trial_that_nobody_continues_leaves_its_optimizer_out(
    epoch: float, done: bool, fraction: float, saves_weights: bool, saved: str, tmp_path: Path
) -> None:
    written: list[str] = []
    trial = SimpleNamespace(
        step=lambda: SimpleNamespace(step=1, epoch=epoch, metrics={}, images=1, done=done),
        effective=dict,
        save=lambda path: written.append("all"),
        close=lambda: None,
    )
    if saves_weights:
        trial.save_weights = lambda path: written.append("weights")

    class Mine(TrialTrainable):
        def build(self, order: WorkOrder) -> Any:
            return trial

    worker = Mine.__new__(Mine)
    order = WorkOrder(
        trial="t0001",
        segment=0,
        config=tmp_path / "config.py",
        edits={},
        seed=0,
        epochs=2,
        report_every=Interval(),
        work_dir=tmp_path / "t0001",
        root=Path.cwd(),
        fraction=fraction,
    )
    worker.setup({"order": order.model_dump_json()})
    worker.step()
    assert written == [saved]
