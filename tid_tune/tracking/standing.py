"""Where a search stands: what its runs in MLflow show of it, kept up to date event by event."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tid_tune.ledger.events import Ended, Event, Reported
from tid_tune.ledger.records import Report, Status, Trial, reached
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import Cost, trained_epochs
from tid_tune.results.course import TEACHER
from tid_tune.results.ranking import gain_at, is_full_search_trial, is_undistilled, order
from tid_tune.searchfile.model import SearchSpec

KEPT = 5
"""How many of the best trials are known."""


@dataclass(frozen=True)
class Gain:
    """What a report of a trial is better by than the student alone, at the same epoch and seed."""

    trial: Trial
    report: Report
    value: float


class Standing:
    """Follows a search by its events, in constant time for each.

    Of the metrics of reports, only the objectives are kept.

    Attributes:
        state: the search so far.
        ended: how many trials are completed, stopped, failed or duplicates.
        spent: what the search has cost.
        best: the best search trials of full length, the best one first.
        levels: the full-length values of the baselines and of the teacher, by label.
    """

    def __init__(self, spec: SearchSpec) -> None:
        self._spec = spec
        self.state = RunState()
        self.ended: Counter[Status] = Counter()
        self.spent = Cost()
        self.best: list[Trial] = []
        self.levels: dict[str, float] = {}
        self._alone: dict[int, Trial] = {}
        self._early: dict[int, list[tuple[Trial, Report]]] = {}
        self._new: Report | None = None

    def apply(self, event: Event) -> Trial | None:
        """Take in an event; return its trial, if any."""
        self._new = None
        if not isinstance(event, Reported):
            trial = self.state.apply(event)
            if trial is not None and event.event == "suggested":
                self._meet(trial)
            elif trial is not None and isinstance(event, Ended):
                self._end(trial, event)
            return trial
        kept = {
            name: event.metrics[name] for name in self._spec.objectives if name in event.metrics
        }
        trial = self.state.apply(replace(event, metrics=kept))
        assert trial is not None
        self._report(trial, event)
        return trial

    def gains(self, trial: Trial) -> Iterator[Gain]:
        """Yield the gains that are known since the report that was taken in last.

        They are that of the report itself, if the student alone has come as far; and if it is one
        of the student alone, those of trials that were there before it.
        """
        report = self._new
        if report is None or report.fraction != 1.0:
            return
        own = self.gain_at(trial, report)
        if own is not None:
            yield Gain(trial, report, own)
        elif self._may_come(trial):
            self._early.setdefault(trial.seed, []).append((trial, report))
        if self._alone.get(trial.seed) is trial:
            yield from self._late(trial)

    def gain_at(self, trial: Trial, report: Report | None) -> float | None:
        """Return the gain in the first objective at a report; None where it is not known."""
        alone = self._alone.get(trial.seed)
        if report is None or alone is None:
            return None
        return gain_at(report, trial.seed, [alone], self._spec)

    def gain(self, trial: Trial) -> float | None:
        """Return the gain at the last report of a trial."""
        return self.gain_at(trial, trial.last)

    @property
    def winner(self) -> Trial | None:
        """The confirmed best trial; before that, the best one so far."""
        result = self.state.result
        if result is not None and result.winner is not None:
            return self.state.trials.get(result.winner)
        return self.best[0] if self.best else None

    def _meet(self, trial: Trial) -> None:
        self.spent.trials += 1
        if is_undistilled(trial):
            self._alone.setdefault(trial.seed, trial)

    def _report(self, trial: Trial, event: Reported) -> None:
        self.spent.seconds += event.seconds
        if event.repeated:
            return
        report = self._new = trial.reports[-1]
        before = trial.reports[-2] if len(trial.reports) > 1 else None
        self.spent.epochs += trained_epochs(before, report)
        self.spent.images += report.images
        taught = event.metrics.get(TEACHER + self._spec.first_objective)
        if taught is not None:
            self.levels["teacher"] = taught

    def _end(self, trial: Trial, event: Ended) -> None:
        self.spent.seconds += event.seconds
        if not trial.status.final:
            return
        self.ended[trial.status] += 1
        if trial.status is Status.DUPLICATE:
            self.spent.trials -= 1
        value = trial.value(self._spec.first_objective)
        if trial.stage == "baseline" and trial.full_length and value is not None:
            self.levels[trial.label] = value
        if is_full_search_trial(trial):
            bisect.insort(self.best, trial, key=lambda one: order(one, self._spec))
            del self.best[KEPT:]
        if self._alone.get(trial.seed) is trial:
            self._early.pop(trial.seed, None)

    def _may_come(self, trial: Trial) -> bool:
        """Whether the student alone may still report with the seed of a trial."""
        alone = self._alone.get(trial.seed)
        if alone is None:  # it is suggested before the search, and within a confirmation
            return self._spec.baseline and trial.stage == "confirm"
        return not alone.status.final

    def _late(self, alone: Trial) -> Iterator[Gain]:
        early, left = self._early.pop(alone.seed, []), []
        for trial, report in early:
            value = self.gain_at(trial, report) if reached(alone.epoch, report.epoch) else None
            if value is None:
                left.append((trial, report))
            else:
                yield Gain(trial, report, value)
        if left:
            self._early[alone.seed] = left
