"""A scheduler in a package of its own: it stops a trial that has not improved for a while.

The package declares it in its pyproject.toml, and search spaces then say
`scheduler: {type: patience, epochs_without: 3}`:

    [project.entry-points."tid_tune.schedulers"]
    patience = "patience_scheduler"
"""

from typing import Literal

from pydantic import Field

from tid_tune import Scheduler, register_scheduler
from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision, Stop
from tid_tune.search.schedulers import SchedulerOptions


class PatienceOptions(SchedulerOptions):
    """A trial is stopped that has not improved for some epochs."""

    type: Literal["patience"] = "patience"
    epochs_without: float = Field(default=2, gt=0)
    """A trial is stopped after so many epochs without a better value."""


@register_scheduler
class Patience(Scheduler[PatienceOptions]):
    """Compares each trial with itself only."""

    Options = PatienceOptions

    def __init__(self, options: PatienceOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        self._best: dict[str, tuple[float, float]] = {}
        """The best value of each trial, and its epoch."""

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Stop a trial whose best value is old. Nothing is remembered here."""
        best, since = self._best.get(trial.id, (value, epoch))
        if value > best or epoch - since < self.options.epochs_without:
            return CONTINUE
        return Stop(f"no better value since epoch {since:g}")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Remember the best value; called for each report, also when a ledger is replayed."""
        if trial.id not in self._best or value > self._best[trial.id][0]:
            self._best[trial.id] = value, epoch

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        if trial.status.final:
            self._best.pop(trial.id, None)
