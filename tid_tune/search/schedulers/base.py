"""The scheduler's contract: what happens to a trial at its reports.

A scheduler sees the search trials of one stream. The engine calls `suggested`, `started`,
`reported` and `ended` for every event in the ledger's order, live and on replay alike. `decide`
answers a report that is about to be recorded; like `continuations` and `closings` it changes
nothing. So a resumed search has the rungs it had.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import Decision
from tid_tune.searchfile.parts import SchedulerOptions, SearchPart


@dataclass(frozen=True)
class Continuation:
    """A paused trial that goes on."""

    trial: str
    donor: str | None = None
    """It continues from this trial's checkpoint at `epoch`, with perturbed values of that trial."""
    epoch: float = 0.0
    fraction: float | None = None
    """It is trained from scratch on this fraction of the training images."""


@dataclass(frozen=True)
class Closing:
    """A paused trial that will not go on, and why."""

    trial: str
    reason: str


OptionsT = TypeVar("OptionsT", bound=SchedulerOptions)


class Scheduler(SearchPart, abc.ABC, Generic[OptionsT]):
    """Decides at each report whether the trial goes on.

    A subclass sets `Options` and defines `decide` and `reported`; register it with
    `register_scheduler`.

    Args:
        options: of this scheduler, as the search space states them.
        epochs: the full length of a trial.
        seed: of all random choices.
    """

    Options: ClassVar[type[SchedulerOptions]]
    """The model of `options`; the default of its field `type` is the scheduler's name."""
    copies_trials: ClassVar[bool] = False
    """Whether a `Continuation` may name a donor, whose checkpoints must then be kept."""

    packs: bool = False
    """Whether trials are trained in packs; `make_scheduler` sets it. A trial that goes on from a
    rung should then pause there all the same, so that it goes on together with others."""

    def __init__(self, options: OptionsT, epochs: int, seed: int = 0) -> None:
        self.options = options
        self.epochs = epochs
        self.seed = seed

    @property
    def longest(self) -> float:
        """The epochs that a trial costs which is never stopped."""
        return float(self.epochs)

    @property
    def first_fraction(self) -> float:
        """The fraction of the training images that the next new trial begins with."""
        return 1.0

    def suggested(self, trial: Trial) -> None:
        """Take in a new trial."""

    def started(self, trial: Trial) -> None:
        """Take in that a trial starts, or goes on after a pause or an interruption."""

    @abc.abstractmethod
    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Answer the report of `value` (more is better) at `epoch`."""

    @abc.abstractmethod
    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Take in a report; `trial` already holds it, and the decision on it."""

    def ended(self, trial: Trial) -> None:
        """Take in that a trial is over, paused, or interrupted (then the engine continues it)."""

    def continuations(self, more: bool, idle: bool) -> Iterator[Continuation]:
        """Yield the paused trials that may go on now, before any new trial, the first one first.

        Nothing happens to the trials while the iterator is in use. Of what it yields, any part goes
        on: then it is asked again.

        Args:
            more: new trials are still to come.
            idle: nothing runs any more, so no other trial will arrive at a rung.
        """
        yield from ()

    def closings(self) -> list[Closing]:
        """Return the paused trials to end. Asked when no new trial comes and none continues."""
        return []
