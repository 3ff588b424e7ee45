"""No early stopping."""

from __future__ import annotations

from typing import Literal

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision
from tid_tune.search.schedulers.base import Scheduler
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.searchfile.parts import SchedulerOptions


class NoneOptions(SchedulerOptions):
    """Every trial runs to its full length."""

    type: Literal["none"] = "none"

    def rungs(self, epochs: float) -> tuple[float, ...]:
        """Return nothing: trials are compared at full length."""
        return ()


@register_scheduler
class NoScheduler(Scheduler[NoneOptions]):
    """Every trial runs to its full length."""

    Options = NoneOptions

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Continue, always."""
        return CONTINUE

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Remember nothing."""
