"""What is known of a running search at any moment, kept up to date event by event."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter

from tid_tune.ledger.events import Ended, Event, Reported, Suggested
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.course import TEACHER
from tid_tune.results.ranking import (
    gain_over_baseline,
    is_full_search_trial,
    is_undistilled,
    order,
    undistilled,
)
from tid_tune.search.engine import Search
from tid_tune.search.stages.budget import BudgetGuard

LEADERS = 5
"""So many of the best trials are kept."""


class Progress:
    """Counts, costs and the best trials of a running search.

    A view of the search's own state: constant work per event, however many trials there are.

    Args:
        search: the search to follow.
        planned: trainings it will do at most.
    """

    def __init__(self, search: Search, planned: int) -> None:
        self.search = search
        self.planned = planned
        trials = search.state.trials.values()
        self.ended = Counter(trial.status for trial in trials if _is_counted(trial))
        full = filter(is_full_search_trial, trials)
        self.leaders = heapq.nsmallest(LEADERS, full, key=self._order)
        """The best search trials of full length, ranked as in the leaderboard."""
        self.levels: dict[str, float] = {}
        """What the best one is to be compared with: the teacher, and baselines of full length."""
        self._undistilled = undistilled(search.state)
        self._budget = BudgetGuard(search.spec, 0)
        self._begun = search.spent.epochs
        for trial in trials:
            self._take_level(trial)

    def apply(self, event: Event, trial: Trial | None) -> None:
        """Take in an event that the search has taken in already."""
        if trial is None:
            return
        match event:
            case Suggested() if is_undistilled(trial):
                self._undistilled = [*self._undistilled, trial]
            case Reported() if trial.stage == "baseline" or "teacher" not in self.levels:
                self._take_level(trial)
            case Ended() if _is_counted(trial):
                self.ended[trial.status] += 1
                if is_full_search_trial(trial):
                    # A new list: the thread that draws may be reading the old one.
                    leaders = list(self.leaders)
                    bisect.insort(leaders, trial, key=self._order)
                    self.leaders = leaders[:LEADERS]

    def _order(self, trial: Trial) -> tuple[float, int]:
        return order(trial, self.search.spec)

    def _take_level(self, trial: Trial) -> None:
        """Take in what the report of a trial says of its teacher, or as a baseline."""
        objective = self.search.spec.first_objective
        last, value = trial.last, trial.value(objective)
        taught = None if last is None else last.metrics.get(TEACHER + objective)
        if taught is not None:
            self.levels.setdefault("teacher", taught)
        if trial.stage == "baseline" and trial.full_length and value is not None:
            self.levels[trial.label] = value

    @property
    def best(self) -> Trial | None:
        """The best search trial of full length."""
        return next(iter(self.leaders), None)

    def gain(self, trial: Trial) -> float | None:
        """Return the gain of a trial over no distillation, at equal length and seed."""
        return gain_over_baseline(trial, self._undistilled, self.search.spec)

    def epochs_a_minute(self, seconds: float) -> float | None:
        """Return the epochs a minute, of all trials, since it was made; None before a report.

        Args:
            seconds: since then.
        """
        gone = self.search.spent.epochs - self._begun
        return 60 * gone / seconds if gone and seconds else None

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""
        state = self.search.state
        # A copy first: the control loop may start a trial while the view's thread draws.
        return [state.trials[name] for name in list(state.running)]

    def remaining_seconds(self, concurrent: int) -> float | None:
        """Return a rough time to the end; None before the first trial has ended.

        From the mean cost of an ended trial, or to the end of the budget if that comes earlier.

        Args:
            concurrent: trials that run at once.
        """
        spent, ended = self.search.spent, sum(self.ended.values())
        if not ended or not spent.epochs:
            return None
        left = max(self.planned - ended, 0) * spent.seconds / ended
        room = self._budget.room(spent, self.search.wall_seconds(), concurrent)
        return min(left, room * spent.seconds / spent.epochs) / max(concurrent, 1)


def _is_counted(trial: Trial) -> bool:
    """Return whether a trial is over and was a training."""
    return trial.status.final and trial.status is not Status.DUPLICATE
