"""Epochs as the whole steps of other tools."""

from __future__ import annotations

from tid_tune.ledger.records import ROUNDING
from tid_tune.ledger.state import RunState


def steps_per_epoch(state: RunState) -> int:
    """Return what epochs are multiplied by: 1, or 1000 where trials report within epochs."""
    epochs = [report.epoch for trial in state.trials.values() for report in trial.reports]
    return 1 if all(abs(epoch - round(epoch)) < ROUNDING for epoch in epochs) else 1000
