"""Hyperband with asynchronous promotion: trials wait at rungs, and only the best go on.

Trials are dealt to brackets that differ in their first rung, in the numbers of Li et al.,
"Hyperband" (2018), so that a parameter whose effect shows late is not lost in every bracket. As
there, one bracket is filled after the other, that with the earliest first rung first, then again
from the first: many short trials come before few long ones, and the first trial of full length is
the best of a whole bracket. In a bracket, trials are promoted from rung to rung; see `promotion`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import Decision, Pause
from tid_tune.search.schedulers.base import Closing, Continuation, Scheduler
from tid_tune.search.schedulers.promotion import Promotion
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.search.schedulers.rungs import Ladder, RungOptions, rung_levels, too_long
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal


class HyperbandOptions(RungOptions):
    """Hyperband: trials wait at rungs, in brackets with different first rungs."""

    type: Literal["hyperband"] = "hyperband"


@dataclass
class _Bracket:
    size: int
    """The trials that it gets before the next bracket gets any."""
    promotion: Promotion
    dealt: int = 0

    @property
    def ladder(self) -> Ladder:
        """The levels of its rungs."""
        return self.promotion.ladder


@register_scheduler
class Hyperband(Scheduler[HyperbandOptions]):
    """Brackets whose first rung is at `grace_epochs` * `reduction`^k; the last has no rung."""

    Options = HyperbandOptions

    def __init__(self, options: HyperbandOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        reduction = options.reduction
        levels = rung_levels(options.grace_epochs, reduction, epochs)
        self.brackets = []
        for skipped in range(len(levels) + 1):
            own = levels[skipped:]
            size = math.ceil((len(levels) + 1) / (len(own) + 1) * reduction ** len(own))
            ladder = Ladder(own, epochs, by_data=options.fidelity == "data")
            self.brackets.append(_Bracket(size, Promotion(ladder, reduction)))
        self._bracket_of: dict[str, _Bracket] = {}

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse a first rung at or behind the full length."""
        yield from too_long(spec, "grace_epochs")

    @property
    def longest(self) -> float:
        """The epochs that a trial costs which passes every rung of the first bracket."""
        return self.brackets[0].ladder.cost

    @property
    def first_fraction(self) -> float:
        """The fraction of the training images that the next new trial begins with."""
        return self._next_bracket().ladder.first_fraction

    def suggested(self, trial: Trial) -> None:
        """Deal the trial to a bracket."""
        bracket = self._next_bracket()
        bracket.dealt += 1
        self._bracket_of[trial.id] = bracket

    def started(self, trial: Trial) -> None:
        """Count the trial as promoted if it was waiting."""
        self._bracket_of[trial.id].promotion.started(trial)

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Pause at a rung, unless the trial is among its best already."""
        return self._bracket_of[trial.id].promotion.decide(trial, epoch, value, self.packs)

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        paused = isinstance(trial.decision, Pause)
        bracket = self._paused_in(trial, epoch) if paused else self._bracket_of[trial.id]
        bracket.promotion.reported(trial, epoch, value)

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        if trial.status.final and trial.id in self._bracket_of:
            self._bracket_of.pop(trial.id).promotion.ended(trial)

    def continuations(self, more: bool, idle: bool) -> Iterator[Continuation]:
        """Yield the promotable trials, those of the longest rung first."""
        each = (bracket.promotion.continuations(more, idle) for bracket in self.brackets)
        for _, found in heapq.merge(*each, key=lambda level_and_trial: -level_and_trial[0]):
            yield found

    def closings(self) -> list[Closing]:
        """Return every trial that still waits."""
        return [one for bracket in self.brackets for one in bracket.promotion.closings()]

    def _next_bracket(self) -> _Bracket:
        """Return the bracket that is being filled: the first of those that are the least full."""
        return min(self.brackets, key=lambda bracket: bracket.dealt // bracket.size)

    def _paused_in(self, trial: Trial, epoch: float) -> _Bracket:
        """Return the bracket of a trial that paused at `epoch`.

        Earlier versions dealt trials in another order: there, a pause shows a bracket with a rung
        at this length, and the trial is counted in that one.
        """
        bracket = self._bracket_of[trial.id]
        if bracket.ladder.arriving(trial, epoch):
            return bracket
        fitting = (b for b in reversed(self.brackets) if b.ladder.arriving(trial, epoch))
        found = next(fitting, bracket)
        bracket.ladder.leave(trial)
        bracket.dealt -= 1
        found.dealt += 1
        self._bracket_of[trial.id] = found
        return found
