"""Asynchronous successive halving: stop a trial at a rung unless it is among the best there.

The rule of Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2018), in its
stopping form: a trial is judged once, when it arrives, against those that arrived before it, and
never waits. Ties go on. The first one at a rung always goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tid_tune.search.decision import CONTINUE, Decision, Stop
from tid_tune.search.records import Trial
from tid_tune.search.schedulers.base import Scheduler
from tid_tune.search.schedulers.rungs import Rung, crossed, rung_levels


@dataclass
class Asha(Scheduler):
    """At `grace` * `reduction`^k epochs, the best 1 in `reduction` go on."""

    grace: float
    reduction: float
    rungs: list[Rung] = field(init=False)

    def __post_init__(self) -> None:
        self.rungs = [Rung(v) for v in rung_levels(self.grace, self.reduction, self.epochs)]
        self._epochs: dict[str, float] = {}

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Stop below the top fraction of the longest rung that this report reaches."""
        arrived = self._crossed(trial, epoch)
        if not arrived:
            return CONTINUE
        rung = self.rungs[arrived[-1]]
        count = len(rung.values) + 1
        quota = max(1, int(count / self.reduction))
        better = rung.better_than(value)
        if better < quota:
            return CONTINUE
        return Stop(f"rank {better + 1} of {count} at epoch {rung.level:g}; the best {quota} go on")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        for index in self._crossed(trial, epoch):
            self.rungs[index].add(value)
        self._epochs[trial.id] = epoch

    def ended(self, trial: Trial) -> None:
        """Forget where a trial was that is over."""
        if trial.status.final:
            self._epochs.pop(trial.id, None)

    def _crossed(self, trial: Trial, epoch: float) -> list[int]:
        levels = [rung.level for rung in self.rungs]
        return crossed(levels, self._epochs.get(trial.id, 0.0), epoch)
