"""Numbers and outcomes as the page writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tid_tune.ledger.records import Status, Trial


def value_text(value: float | None) -> str:
    """Return a value of an objective: three decimals below 10, else four digits."""
    if value is None or not math.isfinite(value):
        return "none"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return ("+" if value >= 0 else "-") + value_text(abs(value))


@dataclass(frozen=True)
class Outcome:
    """What has become of a trial, in a word, and its role in the palette."""

    word: str
    role: str


_OUTCOMES = {
    Status.COMPLETED: Outcome("full length", "search"),
    Status.STOPPED: Outcome("stopped early", "stopped"),
    Status.FAILED: Outcome("failed", "failed"),
    Status.RUNNING: Outcome("running", "running"),
    Status.PAUSED: Outcome("waits at a rung", "running"),
    Status.INTERRUPTED: Outcome("interrupted", "running"),
    Status.PENDING: Outcome("not started", "running"),
    Status.DUPLICATE: Outcome("duplicate", "stopped"),
}


def outcome(trial: Trial) -> Outcome:
    """Return what has become of a trial."""
    return _OUTCOMES[trial.status]


def what(trial: Trial) -> str:
    """Return what a trial is to a reader: `baseline none`, `search`, `confirms t0004`."""
    if trial.stage == "confirm":
        return f"confirms {trial.label}"
    if trial.stage == "baseline":
        return f"baseline {trial.label}"
    return trial.method or trial.stage
