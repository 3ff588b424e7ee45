"""What the search tells its executor: what to run next, and whether to go on with a trial."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


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
    checkpoint: str | None = None
    """Where to continue from; None: from scratch."""
    step: int = 0
    """Reports that need not be repeated."""
    segment: int = 0
    """Counts the runs of this trial: 0, then one more for each continuation."""


class Signal(enum.Enum):
    """The answers of `next()` that are no work."""

    WAIT = "wait"
    """Nothing to start now; ask again after the next report or end."""
    FINISHED = "finished"
    """The search is over; nothing runs."""


WAIT = Signal.WAIT
FINISHED = Signal.FINISHED


@dataclass(frozen=True)
class Decision:
    """The answer to a report: a `Continue`, `Stop` or `Pause`."""

    reason: str = ""


@dataclass(frozen=True)
class Continue(Decision):
    """The trial goes on."""


@dataclass(frozen=True)
class Stop(Decision):
    """The trial has ended as far as the search is concerned: free what it holds."""


@dataclass(frozen=True)
class Pause(Stop):
    """A stop that is not the end: the trial may come back from `next()`, from its checkpoint.

    `kind`: `scheduler` (waits at a rung), `budget` or `halted` (goes on if the search does).
    """

    kind: str = "scheduler"


CONTINUE = Continue()
