"""Asynchronous successive halving: stop a trial at a rung unless it is among the best there.

The rule of Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2018), in its
stopping form: a trial is judged once, when it arrives, against those that arrived before it, and
never waits. Trials of equal value go on. The first one at a rung always goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision, Pause, Stop
from tid_tune.search.schedulers.base import Continuation, Scheduler
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.search.schedulers.rungs import Ladder, Rung, RungOptions, rung_levels, too_long
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal


class AshaOptions(RungOptions):
    """Asynchronous successive halving: trials below the best of a rung are stopped."""

    type: Literal["asha"] = "asha"


@register_scheduler
class Asha(Scheduler[AshaOptions]):
    """At `grace_epochs` * `reduction`^k epochs, the best 1 in `reduction` go on."""

    Options = AshaOptions

    def __init__(self, options: AshaOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        levels = rung_levels(options.grace_epochs, options.reduction, epochs)
        self.ladder = Ladder(levels, epochs, by_data=options.fidelity == "data")
        self.rungs = [Rung(level) for level in levels]
        self._passed: dict[str, int] = {}
        """Trials that wait for their next fraction of the data, by the rung they passed."""

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse a first rung at or behind the full length."""
        yield from too_long(spec, "grace_epochs")

    @property
    def longest(self) -> float:
        """The epochs that a trial costs which passes every rung."""
        return self.ladder.cost

    @property
    def first_fraction(self) -> float:
        """The fraction of the training images that a new trial begins with."""
        return self.ladder.first_fraction

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Stop below the top fraction of the longest rung that this report reaches."""
        arrived = self.ladder.arriving(trial, epoch)
        if not arrived:
            return CONTINUE
        rung = self.rungs[arrived[-1]]
        count = len(rung.values) + 1
        quota = max(1, int(count / self.options.reduction))
        better = rung.better_than(value)
        if better >= quota:
            best = "the best one goes" if quota == 1 else f"the best {quota} go"
            return Stop(
                f"rank {better + 1} of {count} at {self.ladder.place(rung.level)}; {best} on"
            )
        fraction = self.ladder.next_fraction(arrived[-1])
        if fraction is None:
            return CONTINUE
        part = "all" if fraction == 1.0 else f"{fraction:.3g}"
        return Pause(f"goes on with {part} of the data")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        arrived = self.ladder.arriving(trial, epoch)
        for index in arrived:
            self.rungs[index].add(value)
        if arrived and self.ladder.by_data:
            self._passed[trial.id] = arrived[-1]
        self.ladder.move(trial, epoch)

    def started(self, trial: Trial) -> None:
        """Note that the trial does not wait any more."""
        self._passed.pop(trial.id, None)

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        if trial.status.final:
            self.ladder.leave(trial)
            self._passed.pop(trial.id, None)

    def next_continuation(self, more: bool, idle: bool) -> Continuation | None:
        """Return the trial that waits for more data."""
        for trial, rung in self._passed.items():
            return Continuation(trial, fraction=self.ladder.next_fraction(rung))
        return None
