"""The median rule: stop a trial that is below what half of the others had at the same length.

A trial's best value so far is compared with the median of the values that other trials reported
at the same epoch (Golovin et al., "Google Vizier", 2017; taking the best so far, a noisy report
does not end a good trial). Where others report at other epochs (in iterations, with several batch
sizes), their first report behind that epoch counts [ours].
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Literal

from tid_tune.ledger.records import ROUNDING, Trial, reached
from tid_tune.models import Count, Positive
from tid_tune.search.decision import CONTINUE, Decision, Stop
from tid_tune.search.schedulers.base import Scheduler
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.search.schedulers.rungs import too_long
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal, SchedulerOptions
from tid_tune.words import counted


class MedianOptions(SchedulerOptions):
    """The median rule: trials below the median of the others at the same epoch are stopped."""

    type: Literal["median"] = "median"
    grace_epochs: Positive = 1
    """No trial is stopped before this many epochs."""
    min_trials: Count = 4
    """No trial is stopped before this many others have reached the same epoch."""


@register_scheduler
class Median(Scheduler[MedianOptions]):
    """Stops below the median once `min_trials` others have reported at that epoch."""

    Options = MedianOptions

    def __init__(self, options: MedianOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        self._curves: dict[str, list[tuple[float, float]]] = {}
        """Epochs and values of each trial, in order."""
        self._best: dict[str, float] = {}

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse a grace period as long as a training."""
        yield from too_long(spec, "grace_epochs")

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Stop below the median of the others."""
        others = self._others(trial, epoch)
        few = len(others) < self.options.min_trials
        if few or not reached(epoch, self.options.grace_epochs):
            return CONTINUE
        median = (others[(len(others) - 1) // 2] + others[len(others) // 2]) / 2
        best = max(value, self._best.get(trial.id, value))
        if best >= median:
            return CONTINUE
        return Stop(f"below the median of {counted(len(others), 'trial')} at epoch {epoch:g}")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to those of its epoch."""
        self._curves.setdefault(trial.id, []).append((epoch, value))
        self._best[trial.id] = max(value, self._best.get(trial.id, value))

    def ended(self, trial: Trial) -> None:
        """Forget the best value of a trial that is over."""
        if trial.status.final:
            self._best.pop(trial.id, None)

    def _others(self, trial: Trial, epoch: float) -> list[float]:
        """Return what the other trials reported first at or behind `epoch`, ascending."""
        found = []
        for name, curve in self._curves.items():
            if name == trial.id or not reached(curve[-1][0], epoch):
                continue
            at = bisect.bisect_left(curve, epoch, key=lambda point: point[0] + ROUNDING)
            found.append(curve[at][1])
        return sorted(found)
