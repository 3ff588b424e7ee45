"""What the search has spent, and what it may still start."""

from __future__ import annotations

from tid_tune.ledger.decisions import Cause, Suspend
from tid_tune.ledger.events import Ended, Event
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.costs import Cost, Meter
from tid_tune.search.journal import Journal
from tid_tune.search.stages.budget import BudgetGuard
from tid_tune.search.stages.plan import baseline_plan, baseline_reruns, confirm_runs
from tid_tune.search.suggestions import Suggestions
from tid_tune.searchfile.model import SearchSpec


class Spending:
    """Compares what was spent, and is being spent, with the budget. Fed by `apply`."""

    def __init__(self, spec: SearchSpec, journal: Journal, suggestions: Suggestions) -> None:
        self._spec = spec
        self._journal = journal
        self._state = journal.state
        self._suggestions = suggestions
        self._baseline = baseline_plan(spec)
        self._baseline_reruns = baseline_reruns(spec)
        self._budget = BudgetGuard(spec, confirm_runs(spec))
        self._meter = Meter()
        self._any_completed = False

    @property
    def spent(self) -> Cost:
        """What the search has cost so far."""
        return self._meter.spent

    def apply(self, event: Event, trial: Trial) -> None:
        """Take in an event of a trial, after it has been folded into `trial`."""
        self._meter.apply(trial)
        if isinstance(event, Ended):
            self._ended(trial)

    @property
    def _workers(self) -> int:
        """The most that ran at once."""
        return max((session.workers for session in self._state.sessions), default=0)

    def _ended(self, trial: Trial) -> None:
        if trial.status is Status.COMPLETED and trial.stage == "search":
            self._any_completed = True
        if trial.status.final and trial.identity in self._baseline_reruns:
            # It has been paid for: no budget need be kept for it any more.
            self._budget.confirm_runs -= 1

    def hold(self, trial: Trial, epoch: float, seconds: float) -> Suspend | None:
        """Return why a trial that is about to report, and would go on, may not."""
        if self._budget.unlimited:
            return None
        now = Cost(epochs=(epoch - trial.epoch_here) * trial.fraction, seconds=seconds)
        now.add(self._meter.spent)
        # What the others are at, and this trial's next interval.
        share = trial.stage == "search" and not self._is_first_result(running=1)
        reason = self._reason(share, now, self._in_flight())
        return None if reason is None else Suspend(reason, Cause.BUDGET)

    def by_one_more(self, stage: str) -> str | None:
        """Return why no further trial of the stage may start."""
        if self._budget.unlimited:
            return None
        interval = self._meter.interval(self._spec)
        share = stage == "search" and not self._is_first_result(running=0)
        return self._reason(share, self._meter.spent, self._in_flight() + interval)

    def by_a_rerun(self) -> str | None:
        """Return which limit leaves no room for a full training; None: none does."""
        return self._reason(False, self._meter.spent, ahead=self._spec.epochs)

    def affords_a_rerun(self) -> bool:
        """Return whether the budget covers one more full training besides those that run."""
        running = [self._state.trials[name] for name in self._state.running]
        committed = sum(trial.epochs - trial.epoch for trial in running)
        room = self._budget.room(self._meter.spent, self._wall(), self._workers)
        return room >= committed + self._spec.epochs - 1e-6

    def _reason(self, share: bool, spent: Cost, ahead: float) -> str | None:
        return self._budget.spent_reason(share, spent, self._wall(), self._workers, ahead)

    def _is_first_result(self, running: int) -> bool:
        """Whether a search trial, alone, may use the confirmation's share: so far it has no use."""
        alone = len(self._state.running) <= running
        return alone and not self._any_completed and not self._suggestions.missing(self._baseline)

    def _in_flight(self) -> float:
        """Return the epochs of the intervals that are being trained now."""
        interval = self._meter.interval(self._spec)
        return interval * sum(part * count for part, count in self._state.fractions.items())

    def _wall(self) -> float:
        return self._state.wall_seconds(self._journal.ledger.clock())
