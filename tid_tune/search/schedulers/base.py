"""The scheduler's contract: what happens to a trial at its reports.

A scheduler sees the search trials of one stream. It is told every event by `suggested`,
`reported` and `ended`, in the ledger's order, live and on replay alike; `decide` answers for a
report that is about to be recorded and changes nothing. So a resumed search has the rungs it had.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, field

from tid_tune.search.decision import CONTINUE, Decision
from tid_tune.search.records import Trial


@dataclass(frozen=True)
class Continuation:
    """A paused trial that goes on.

    `donor`: from this trial's checkpoint, with values next to its values (population-based
    training). `fraction`: from scratch on this fraction of the training images.
    """

    trial: str
    donor: str | None = None
    fraction: float | None = None


@dataclass(frozen=True)
class Closing:
    """A paused trial that will not go on, and why."""

    trial: str
    reason: str


@dataclass
class Scheduler(abc.ABC):
    """Base of all schedulers. `epochs` is the full length of a trial."""

    epochs: int
    first_fraction: float = field(default=1.0, init=False)
    """Of the training images, for a new trial."""

    def suggested(self, trial: Trial) -> None:  # noqa: B027 - most have nothing to do
        """A trial joins."""

    @abc.abstractmethod
    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Answer the report of `value` (more is better) at `epoch`; must not change anything."""

    @abc.abstractmethod
    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Take in a report; `trial` already holds it, and the decision on it."""

    def ended(self, trial: Trial) -> None:  # noqa: B027 - most have nothing to do
        """The trial is over (or interrupted: then it comes back)."""

    def next_continuation(self) -> Continuation | None:
        """Return a paused trial that goes on now, before any new trial is started."""
        return None

    def closings(self) -> list[Closing]:
        """Return the paused trials to end. Asked when no more trials come and nothing runs."""
        return []


@dataclass
class NoScheduler(Scheduler):
    """Every trial runs to its full length."""

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Go on."""
        return CONTINUE

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Nothing to remember."""
