"""The answers to a report: what becomes of the trial that sent it.

A scheduler returns one, the ledger records it, and the trial's record holds it: one object all the
way.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal


class Cause(enum.StrEnum):
    """Why a trial failed, or why its run ended before it was over."""

    USER = "user"
    """Failed: the config or the code of the trial is wrong."""
    NAN = "nan"
    """Failed: an objective is missing or not finite."""
    OOM = "oom"
    """Out of memory. Failed, or interrupted and tried again in smaller parts of a batch."""
    CRASH = "crash"
    """Failed: any other error."""
    LOST = "lost"
    """Its process or node was lost. Interrupted and tried again; failed after several losses."""
    DRIVER = "driver"
    """Interrupted: the driver was killed."""
    SIGNAL = "signal"
    """Interrupted: the driver was asked to stop."""
    PREEMPTED = "preempted"
    """Interrupted: its node was announced to go away. It goes on elsewhere."""
    DAMAGED = "damaged"
    """Interrupted: the checkpoint to go on from is missing or damaged. The one before it serves."""
    STORAGE = "storage"
    """Interrupted: a checkpoint could not be written. It goes on when the search does."""
    CROWDED = "crowded"
    """Interrupted: out of memory beside the others of its pack. It goes on alone."""
    BUDGET = "budget"
    """Interrupted: the budget is spent."""
    HALTED = "halted"
    """Interrupted: too many trials have failed."""

    @classmethod
    def of_failure(cls, name: str) -> Cause:
        """Return the cause that a trial's error names; CRASH for a name of the trial's own."""
        try:
            return cls(name)
        except ValueError:
            return cls.CRASH


@dataclass(frozen=True, slots=True)
class Continue:
    """The trial goes on."""

    reason: str = ""
    answer: Literal["continue"] = "continue"


@dataclass(frozen=True, slots=True)
class Stop:
    """The trial is over: free what it holds."""

    reason: str = ""
    answer: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Pause:
    """The trial waits at a rung: free what it holds. The scheduler may continue it later."""

    reason: str = ""
    answer: Literal["pause"] = "pause"


@dataclass(frozen=True, slots=True)
class Suspend:
    """The search may not go on now: free what the trial holds. It goes on if the search does."""

    reason: str = ""
    cause: Cause = Cause.BUDGET
    answer: Literal["suspend"] = "suspend"


@dataclass(frozen=True, slots=True)
class Fail:
    """The report makes the trial a failure: free what it holds."""

    reason: str = ""
    cause: Cause = Cause.NAN
    answer: Literal["fail"] = "fail"


Decision = Continue | Stop | Pause | Suspend | Fail
CONTINUE = Continue()
