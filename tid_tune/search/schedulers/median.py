"""The median rule: stop a trial that is below what half of the others had at the same length.

A trial's best value so far is compared with the median of the values that other trials reported
at the same epoch (Golovin et al., "Google Vizier", 2017; taking the best so far, a noisy report
does not end a good trial).
"""

from __future__ import annotations

import bisect

from tid_tune.ledger.records import Trial, reached
from tid_tune.search.decision import CONTINUE, Decision, Stop
from tid_tune.search.schedulers.base import Scheduler


class Median(Scheduler):
    """Stops below the median once `min_trials` others have reported at that epoch."""

    def __init__(self, grace: float, min_trials: int) -> None:
        self._grace = grace
        self._min_trials = min_trials
        self._values: dict[float, list[float]] = {}
        """Ascending values by epoch."""
        self._best: dict[str, float] = {}

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Stop below the median of the others."""
        others = self._values.get(_key(epoch), [])
        if not reached(epoch, self._grace) or len(others) < self._min_trials:
            return CONTINUE
        median = (others[(len(others) - 1) // 2] + others[len(others) // 2]) / 2
        best = max(value, self._best.get(trial.id, value))
        if best >= median:
            return CONTINUE
        return Stop(f"below the median of {len(others)} trials at epoch {epoch:g}")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to those of its epoch."""
        bisect.insort(self._values.setdefault(_key(epoch), []), value)
        self._best[trial.id] = max(value, self._best.get(trial.id, value))

    def ended(self, trial: Trial) -> None:
        """Forget the best value of a trial that is over."""
        if trial.status.final:
            self._best.pop(trial.id, None)


def _key(epoch: float) -> float:
    return round(epoch, 6)
