"""What a running search shows: a compact live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tid_tune import console
from tid_tune.ledger.file import number
from tid_tune.ledger.records import status_after
from tid_tune.results.costs import Cost, devices
from tid_tune.search.stages.budget import Budget
from tid_tune.searchfile.model import SearchSpec

RUNNING_ROWS = 8
QUIET_SECONDS = 60.0
"""Off a terminal: after so long without a line, a report is worth one."""


@dataclass
class RunningTrial:
    """The line of a running trial."""

    trial: str
    label: str
    epochs: int
    epoch: float = 0.0
    value: float | None = None


class Progress:
    """Counts what happened from ledger events; constant work per event, whatever their number."""

    def __init__(self, spec: SearchSpec, planned: int) -> None:
        self.objective = spec.first_objective
        self._spec = spec
        self._budget = Budget(spec, 0)
        self.planned = planned
        self.outcomes: Counter[str] = Counter()
        self.running: dict[str, RunningTrial] = {}
        self.epochs = 0.0
        self.seconds = 0.0
        self.best: tuple[float, str] | None = None
        self._labels: dict[str, tuple[str, int]] = {}
        self._last: dict[str, tuple[float, float]] = {}
        self._fractions: dict[str, float] = {}

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in one ledger event."""
        kind, trial = event["event"], event.get("trial", "")
        if kind == "suggest":
            self._labels[trial] = (_label(event), event["epochs"])
            fraction = event.get("fraction", 1.0)
            if fraction != self._fractions.get(trial, 1.0):
                self._last.pop(trial, None)  # more data: its epochs begin again
            self._fractions[trial] = fraction
        elif kind == "start":
            label, epochs = self._labels.get(trial, ("", self._spec.epochs))
            epoch, value = self._last.get(trial, (0.0, None))
            self.running[trial] = RunningTrial(trial, label, epochs, epoch, value)
        elif kind == "report":
            self._report(event)
        elif kind == "end":
            self._end(event)

    def _report(self, event: Mapping[str, Any]) -> None:
        trial, epoch = event["trial"], number(event["epoch"])
        value = number(event["metrics"].get(self.objective, "nan"))
        self.seconds += number(event["seconds"])
        if event.get("repeated"):
            return
        fraction = self._fractions.get(trial, 1.0)
        self.epochs += fraction * (epoch - self._last.get(trial, (0.0, 0.0))[0])
        self._last[trial] = (epoch, value)
        if trial in self.running:
            self.running[trial].epoch, self.running[trial].value = epoch, value
        full = (
            fraction == 1.0 and epoch >= self._labels.get(trial, ("", self._spec.epochs))[1] - 1e-6
        )
        if full and (self.best is None or self._spec.sign * value > self._spec.sign * self.best[0]):
            self.best = (value, trial)

    def _end(self, event: Mapping[str, Any]) -> None:
        self.running.pop(event["trial"], None)
        self.outcomes[event["outcome"]] += 1
        if event["outcome"] != "interrupted":
            self._labels.pop(event["trial"], None)
            self._last.pop(event["trial"], None)
            self._fractions.pop(event["trial"], None)

    def device_hours(self) -> float:
        """GPU-hours held by trials so far; CPU-hours where a trial asks for no GPU."""
        return self.seconds * devices(self._spec.resources) / 3600

    def device(self) -> str:
        """The unit `device_hours` counts."""
        return "GPU" if self._spec.resources.gpus else "CPU"

    def remaining_seconds(self, concurrent: int, elapsed: float = 0.0) -> float | None:
        """A rough time to the end; None before the first trial has ended.

        From the mean cost of an ended trial, or to the end of the budget if that comes earlier.

        Args:
            concurrent: trials that run at once.
            elapsed: seconds this command has taken.
        """
        ended = sum(self.outcomes.values()) - self.outcomes["interrupted"]
        if not ended or not self.epochs:
            return None
        left = max(self.planned - ended, 0) * self.seconds / ended
        spent = Cost(epochs=self.epochs, seconds=self.seconds)
        room = self._budget.room(spent, elapsed, concurrent)
        return min(left, room * self.seconds / self.epochs) / max(concurrent, 1)


def _label(event: Mapping[str, Any]) -> str:
    label, stage = event.get("label", ""), event["stage"]
    return f"{stage} {label}" if label and stage == "confirm" else str(label or stage)


class View:
    """Shows a Progress while the search runs. Subscribe `on_event` to the ledger."""

    def __init__(self, progress: Progress, concurrent: Callable[[], int]) -> None:
        self._progress = progress
        self._concurrent = concurrent
        self._started = self._spoken = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> View:
        if console.is_interactive():
            self._live = Live(console=console.out, refresh_per_second=2, get_renderable=self.render)
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Update the counts; off a terminal, say a line per ended trial, or now and then."""
        name = event.get("trial", "")
        trial = self._progress.running.get(name)
        goes_on = event["event"] == "suggest" and bool(event.get("checkpoint"))
        self._progress.apply(event)
        if self._live is not None:
            return
        quiet = time.monotonic() - self._spoken > QUIET_SECONDS
        if event["event"] == "end":
            console.say(self._line(event, trial))
        elif goes_on:
            console.say(f"  {name} goes on: {event['origin']}")
        elif event["event"] == "report" and quiet:
            console.say(f"  {self._running_line()}   {self.summary()}")
        else:
            return
        self._spoken = time.monotonic()

    def _running_line(self) -> str:
        """The running trials in a line: `running: t0004 at epoch 3/12 0.213, t0005 ...`."""
        rows = list(self._progress.running.values())
        shown = [
            f"{row.trial} at epoch {row.epoch:g}/{row.epochs}"
            + ("" if row.value is None else f" {row.value:.3f}")
            for row in rows[:RUNNING_ROWS]
        ]
        more = [f"{len(rows) - RUNNING_ROWS} more"] if len(rows) > RUNNING_ROWS else []
        return "running: " + ", ".join([*shown, *more])

    def _line(self, event: Mapping[str, Any], trial: RunningTrial | None) -> str:
        name = f"{event['trial']} {trial.label}" if trial else str(event["trial"])
        at = ""
        if trial is not None and trial.value is not None:
            at = f" at epoch {trial.epoch:g}: {self._progress.objective} {trial.value:.3f}"
        reason = event.get("reason")
        why = f" ({str(reason).splitlines()[-1]})" if reason else ""
        return f"  {name} {status_after(event)}{at}{why}   {self.summary()}"

    def summary(self) -> str:
        """One line: counts, cost, time left."""
        p = self._progress
        parts = [f"{p.outcomes['completed']} completed", f"{p.outcomes['stopped']} stopped early"]
        if p.outcomes["failed"]:
            parts.append(f"{p.outcomes['failed']} failed")
        parts.append(f"{p.epochs:g} epochs, {p.device_hours():.2f} {p.device()}-hours")
        left = p.remaining_seconds(self._concurrent(), time.monotonic() - self._started)
        if left is not None:
            parts.append(f"about {_duration(left)} left")
        return ", ".join(parts)

    def render(self) -> Group:
        """The live table."""
        p = self._progress
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("trial", "what", "epoch", p.objective):
            table.add_column(column, justify="left" if column in ("trial", "what") else "right")
        # A copy: the control loop may start a trial while the view's thread draws.
        for row in list(p.running.values())[:RUNNING_ROWS]:
            value = "" if row.value is None else f"{row.value:.3f}"
            table.add_row(row.trial, row.label, f"{row.epoch:g}/{row.epochs}", value)
        if p.best is not None:
            table.add_row(p.best[1], "best so far", "", f"{p.best[0]:.3f}", style="bold green")
        elapsed = _duration(time.monotonic() - self._started)
        more = len(p.running) - RUNNING_ROWS
        extra = f", {more} more running" if more > 0 else ""
        return Group(table, Text(f"{elapsed}: {self.summary()}{extra}", style="dim"))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
