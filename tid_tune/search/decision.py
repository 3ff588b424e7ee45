"""What the search answers its executor: what to run next, and whether a trial goes on."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from tid_tune.ledger.decisions import CONTINUE, Continue, Decision, Fail, Pause, Stop, Suspend

__all__ = [
    "CONTINUE",
    "FINISHED",
    "WAIT",
    "Assignment",
    "Continue",
    "Decision",
    "Fail",
    "Pack",
    "Pause",
    "Signal",
    "Stop",
    "Suspend",
]


@dataclass(frozen=True)
class Assignment:
    """One piece of work: run `trial` from `step` (0: from scratch) to `epochs`.

    `params` are the searched values in effect, by dotted path; `edits` are those plus what the
    stage sets besides (the distillation method of a baseline). Apply `edits` to the config.
    """

    trial: str
    stage: str
    """`baseline`, `search` or `confirm`."""
    label: str
    """What the trial is to a reader: `none`, `defaults`, the compared method, the candidate it
    reruns; empty for an ordinary search trial, which its `params` describe best."""
    params: dict[str, Any]
    edits: dict[str, Any]
    seed: int
    epochs: int
    fraction: float = 1.0
    """Of the training images to use."""
    checkpoint: str | None = None
    """Where to continue from; None: from scratch."""
    digest: str = ""
    """Of the checkpoint's content; empty: unknown."""
    step: int = 0
    """The report interval that `checkpoint` was written after."""
    segment: int = 0
    """Counts the runs of this trial: 0, then one more for each continuation."""


@dataclass(frozen=True)
class Pack:
    """Work for one worker: trials that are trained side by side, on the same batches.

    They start at the same epoch and have the same seed.
    """

    id: str
    """Empty where a worker trains one trial only."""
    members: tuple[Assignment, ...]
    """At least one."""


class Signal(enum.Enum):
    """The answers of `next()` and `next_pack()` besides work."""

    WAIT = "wait"
    """Nothing to start now; ask again after the next report or end."""
    FINISHED = "finished"
    """The search is over; nothing runs."""


WAIT = Signal.WAIT
FINISHED = Signal.FINISHED
