"""What a running search shows: a compact live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from rich.console import Group
from rich.live import Live
from rich.text import Text

from tid_tune import console
from tid_tune.ledger.events import Changed, Ended, Event, Reported
from tid_tune.ledger.records import Status, Trial
from tid_tune.report.tables import plain_table
from tid_tune.results.costs import spent_text
from tid_tune.results.ranking import best_trial, is_full_search_trial, order
from tid_tune.search.engine import Search
from tid_tune.search.stages.budget import BudgetGuard

RUNNING_ROWS = 8
QUIET_SECONDS = 60.0
"""Off a terminal: print a line at the next report after so long without one."""


class Progress:
    """Counts, costs and the best trial of a running search, kept up to date event by event.

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
        self.best: Trial | None = best_trial(search.state, search.spec)
        """The best search trial of full length, ranked as in the leaderboard."""
        self._budget = BudgetGuard(search.spec, 0)

    def apply(self, event: Event, trial: Trial | None) -> None:
        """Take in an event that the search has taken in already."""
        if not isinstance(event, Ended) or trial is None or not _is_counted(trial):
            return
        self.ended[trial.status] += 1
        if is_full_search_trial(trial):
            spec = self.search.spec
            rivals = [trial] if self.best is None else [self.best, trial]
            self.best = min(rivals, key=lambda one: order(one, spec))

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


class View:
    """Shows a Progress while the search runs. Let it observe the search: `search.observe(view)`."""

    def __init__(self, progress: Progress, concurrent: Callable[[], int]) -> None:
        self._progress = progress
        self._objective = progress.search.spec.first_objective
        self._concurrent = concurrent
        self._started = self._last_line = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> View:
        if console.is_interactive():
            self._live = Live(console=console.out, refresh_per_second=2, get_renderable=self.render)
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event, trial: Trial | None) -> None:
        """Update the counts; off a terminal, print a line per ended trial, or now and then."""
        self._progress.apply(event, trial)
        if self._live is not None or trial is None:
            return
        quiet = time.monotonic() - self._last_line > QUIET_SECONDS
        match event:
            case Ended():
                console.say(self._ended_line(trial))
            case Changed(checkpoint=str()):
                console.say(f"  {trial.id} continues: {event.origin}")
            case Reported() if quiet:
                console.say(f"  {self._running_line()}   {self.summary()}")
            case _:
                return
        self._last_line = time.monotonic()

    def _running_line(self) -> str:
        """Return the running trials: `running: t0004 at epoch 3/12 0.213, t0005 ...`."""
        trials = self._progress.running
        shown = [f"{trial.id} at epoch {self._length(trial)}" for trial in trials[:RUNNING_ROWS]]
        more = [f"{len(trials) - RUNNING_ROWS} more"] if len(trials) > RUNNING_ROWS else []
        return "running: " + ", ".join([*shown, *more])

    def _length(self, trial: Trial) -> str:
        value = self._value(trial)
        return f"{trial.epoch_here:g}/{trial.epochs}" + (f" {value}" if value else "")

    def _ended_line(self, trial: Trial) -> str:
        value, at = self._value(trial), ""
        if value:
            at = f" at epoch {trial.epoch_here:g}: {self._objective} {value}"
        why = f" ({trial.reason.splitlines()[0]})" if trial.reason else ""
        return f"  {trial.id} {_label(trial)} {trial.status}{at}{why}   {self.summary()}"

    def _value(self, trial: Trial) -> str:
        last = trial.last_here
        value = None if last is None else last.metrics.get(self._objective)
        return "" if value is None else f"{value:.3f}"

    def summary(self) -> str:
        """Return one line: counts, cost, time left."""
        progress = self._progress
        ended, spec = progress.ended, progress.search.spec
        parts = [
            f"{ended[Status.COMPLETED]} completed",
            f"{ended[Status.STOPPED]} stopped early",
            *([f"{ended[Status.FAILED]} failed"] if ended[Status.FAILED] else []),
            spent_text(progress.search.spent, spec.resources),
        ]
        left = progress.remaining_seconds(self._concurrent())
        if left is not None:
            parts.append(f"about {_duration(left)} left")
        return ", ".join(parts)

    def render(self) -> Group:
        """Return the live table."""
        table = plain_table(
            "trial", "what", "epoch", self._objective, right=("epoch", self._objective)
        )
        running, best = self._progress.running, self._progress.best
        for trial in running[:RUNNING_ROWS]:
            length = f"{trial.epoch_here:g}/{trial.epochs}"
            table.add_row(trial.id, _label(trial), length, self._value(trial))
        if best is not None:
            table.add_row(best.id, "best so far", "", self._value(best), style="bold green")
        elapsed = _duration(time.monotonic() - self._started)
        more = len(running) - RUNNING_ROWS
        extra = f", {more} more running" if more > 0 else ""
        return Group(table, Text(f"{elapsed}: {self.summary()}{extra}", style="dim"))


def _is_counted(trial: Trial) -> bool:
    """Return whether a trial is over and was a training."""
    return trial.status.final and trial.status is not Status.DUPLICATE


def _label(trial: Trial) -> str:
    if trial.stage == "confirm":
        return f"confirm {trial.label}"
    return trial.label or trial.stage


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
