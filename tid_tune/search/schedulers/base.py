"""The scheduler's contract: what happens to a trial at its reports.

A scheduler sees the search trials of one stream. It is told every event by `suggested`,
`started`, `reported` and `ended`, in the ledger's order, live and on replay alike; `decide`
answers for a report that is about to be recorded, and like `next_continuation` and `closings`
changes nothing. So a resumed search has the rungs it had.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision


@dataclass(frozen=True)
class Continuation:
    """A paused trial that goes on.

    `donor`: from this trial's checkpoint at `epoch`, with values next to its values
    (population-based training). `fraction`: from scratch on this part of the training images.
    """

    trial: str
    donor: str | None = None
    epoch: float = 0.0
    fraction: float | None = None


@dataclass(frozen=True)
class Closing:
    """A paused trial that will not go on, and why."""

    trial: str
    reason: str


class Scheduler(abc.ABC):
    """Base of all schedulers."""

    @property
    def first_fraction(self) -> float:
        """Of the training images, for the next new trial."""
        return 1.0

    def suggested(self, trial: Trial) -> None:  # noqa: B027 - most have nothing to do
        """A trial joins."""

    def started(self, trial: Trial) -> None:  # noqa: B027 - most have nothing to do
        """A trial starts, or goes on after a pause or an interruption."""

    @abc.abstractmethod
    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Answer the report of `value` (more is better) at `epoch`."""

    @abc.abstractmethod
    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Take in a report; `trial` already holds it, and the decision on it."""

    def ended(self, trial: Trial) -> None:  # noqa: B027 - most have nothing to do
        """The trial is over, paused, or interrupted (then it comes back by itself)."""

    def next_continuation(self, more: bool, idle: bool) -> Continuation | None:
        """Return a paused trial that goes on now, before any new trial is started.

        Args:
            more: new trials are still to come.
            idle: nothing runs any more, so nobody else will arrive at a rung.
        """
        return None

    def closings(self) -> list[Closing]:
        """Return the paused trials to end. Asked when no trials come and none goes on."""
        return []


class NoScheduler(Scheduler):
    """Every trial runs to its full length."""

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Go on."""
        return CONTINUE

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Nothing to remember."""
