"""When a search has spent what it may spend.

The search stage leaves what the confirmation needs, but never more than half of a budget: a
result that nobody confirmed is worth little, a confirmation of nothing is worth less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tid_tune.results.costs import Cost, devices
from tid_tune.searchfile.model import SearchSpec

MAX_RESERVE = 0.5
"""Of a budget, at most, for the confirmation."""
TIME_MARGIN = 1.1
"""On estimates of time; epochs need none."""


@dataclass(frozen=True)
class Limit:
    """One spending limit. `per_epoch` is what an epoch costs in its unit, as known so far."""

    name: str
    total: float
    spent: float
    per_epoch: float
    reserve: float

    def room(self, share: bool) -> float:
        """Return how many epochs are left; `share`: leave the confirmation's part."""
        left = self.total - self.spent - (self.reserve if share else 0.0)
        if left <= 1e-9:
            return 0.0
        return math.inf if self.per_epoch == 0 else left / self.per_epoch


class BudgetGuard:
    """Answers whether a stage may go on, given what has been spent.

    Args:
        spec: its `budget`, `confirm`, `resources` and `epochs`.
        confirm_runs: full-length reruns the confirmation will need; lower it as they are made.
    """

    def __init__(self, spec: SearchSpec, confirm_runs: int) -> None:
        self._spec = spec
        self.confirm_runs = confirm_runs
        budget = spec.budget
        limits = (budget.epochs, budget.x, budget.gpu_hours, budget.wall_hours)
        self.unlimited = all(limit is None for limit in limits)
        """Whether no limit is set: nothing is ever spent then."""

    def limits(self, spent: Cost, wall_seconds: float, workers: int) -> list[Limit]:
        """Return the limits that are set, with what is spent of each."""
        budget = self._spec.budget
        pace = spent.seconds / spent.epochs if spent.epochs else 0.0
        hours = pace * devices(self._spec.resources) / 3600
        limits = []
        for name, total in (
            ("epochs", budget.epochs),
            ("x", None if budget.x is None else budget.x * self._spec.epochs),
        ):
            if total is not None:
                limits.append(self._limit(name, total, spent.epochs, 1.0))
        if budget.gpu_hours is not None:
            held = spent.device_hours(self._spec.resources)
            limits.append(self._limit("gpu_hours", budget.gpu_hours, held, hours))
        if budget.wall_hours is not None:
            wall = pace / 3600 / max(1, workers)
            limits.append(self._limit("wall_hours", budget.wall_hours, wall_seconds / 3600, wall))
        return limits

    def spent_reason(
        self, share: bool, spent: Cost, wall_seconds: float, workers: int, ahead: float
    ) -> str | None:
        """Return which limit ends a stage, or None while it may go on.

        Args:
            share: whether the stage leaves the confirmation's part.
            spent: so far.
            wall_seconds: that drivers have been at work.
            workers: the most trials that ran at once.
            ahead: epochs that will be spent for certain if the stage goes on.
        """
        for limit in self.limits(spent, wall_seconds, workers):
            if limit.room(share) < ahead - 1e-9:
                why = f"budget: {limit.spent:.4g} of {limit.total:.4g} {limit.name} spent"
                if limit.room(share=False) < ahead - 1e-9:
                    return why
                return f"{why}, {limit.reserve:.4g} kept for the confirmation"
        return None

    def room(self, spent: Cost, wall_seconds: float, workers: int) -> float:
        """Return how many epochs are left for the confirmation."""
        limits = self.limits(spent, wall_seconds, workers)
        return min((limit.room(share=False) for limit in limits), default=math.inf)

    def _limit(self, name: str, total: float, spent: float, per_epoch: float) -> Limit:
        total_name = "epochs" if name == "x" else name
        margin = 1.0 if total_name == "epochs" else TIME_MARGIN
        need = self.confirm_runs * self._spec.epochs * per_epoch * margin
        return Limit(total_name, total, spent, per_epoch, min(need, MAX_RESERVE * total))
