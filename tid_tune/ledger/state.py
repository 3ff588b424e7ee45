"""Fold the ledger's events into trial records: the one place where the ledger is interpreted.

The engine applies each event through `RunState.apply` both when it happens and when a ledger is
replayed, so a resumed search stands exactly where the interrupted one stood.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tid_tune.errors import UsageError
from tid_tune.ledger.file import Event, number, read_events
from tid_tune.ledger.records import Report, Status, Trial, status_after

VERSION = 1
"""Of the events; a ledger of a later version is refused."""
ALL_DONE = "all trials are done"
"""Why a search closes that nothing kept from its end."""


@dataclass
class Session:
    """One run of the driver: when it opened the ledger and when it was last heard of."""

    opened: float
    last: float


@dataclass
class RunState:
    """What the events so far amount to.

    `trials` is in order of suggestion. `spec` is the latest spec as recorded, `stages` holds the
    latest `stage` event of each stage (transfer, confirm, result, ...).
    """

    spec: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    config_hash: str | None = None
    """Of the trial config's text when the ledger was opened last."""
    trials: dict[str, Trial] = field(default_factory=dict)
    running: dict[str, None] = field(default_factory=dict)
    waiting: list[tuple[int, str]] = field(default_factory=list)
    """Interrupted or never started, sorted by number."""
    stages: dict[str, Event] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    session_ends: list[Trial] = field(default_factory=list)
    """The trials that were completed, stopped or failed in this session, in order."""
    closed: str | None = None
    """The reason of the last `close`, unless the ledger was opened again."""

    @classmethod
    def read(cls, path: Path | str) -> RunState:
        """Return the state of the ledger at `path`, which may still be written to.

        Raises:
            UsageError: the file is missing, damaged, or of a later version.
        """
        return cls.fold(read_events(path))

    @classmethod
    def fold(cls, events: Iterable[Event]) -> RunState:
        """Return the state after `events`."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event) -> Trial | None:
        """Take in one event; return the trial it belongs to, if any."""
        kind = event["event"]
        if self.sessions and kind != "open":
            self.sessions[-1].last = event["time"]
        if kind == "open":
            self._open(event)
            return None
        if kind == "suggest":
            return self._suggest(event)
        if kind == "stage":
            self.stages[event["stage"]] = event
            return None
        if kind == "close":
            self.closed = event["reason"]
            return None
        trial = self.trials.get(event.get("trial", ""))
        if trial is None:
            raise UsageError(
                f"the ledger has a {kind!r} event of the trial {event.get('trial')!r}, which was "
                "never suggested: lines are missing. Restore it from a copy, or use --fresh"
            )
        if kind == "start":
            self._start(trial, event)
        elif kind == "place":
            trial.node = event["node"]
        elif kind == "report":
            self._report(trial, event)
        elif kind == "end":
            self._end(trial, event)
        return trial

    def wall_seconds(self, now: float) -> float:
        """Return how long drivers have been at work on this search, the current one until `now`."""
        if not self.sessions:
            return 0.0
        past = sum(session.last - session.opened for session in self.sessions[:-1])
        return past + now - self.sessions[-1].opened

    def interrupt_running(self) -> None:
        """What ran without a driver does not run any more: it waits to be continued."""
        for name in self.running:
            trial = self.trials[name]
            trial.status, trial.kind = Status.INTERRUPTED, "driver"
            trial.reason = "the driver ended"
            trial.active_since = None
            self._wait(trial)
        self.running.clear()

    def _open(self, event: Event) -> None:
        if event["version"] > VERSION:
            raise UsageError(
                f"this run was recorded by a later tid-tune (ledger version {event['version']}, "
                f"this one reads up to {VERSION}); upgrade, or start afresh with --fresh"
            )
        self.spec = event["spec"]
        self.run_id, self.config_hash = event["run_id"], event["config_hash"]
        self.sessions.append(Session(event["time"], event["time"]))
        self.session_ends.clear()
        self.closed = None
        self.interrupt_running()

    def _suggest(self, event: Event) -> Trial:
        trial = self.trials.get(event["trial"])
        if trial is not None:
            trial.params, trial.edits = event["params"], event["edits"]
            trial.origin, trial.fraction = event["origin"], event["fraction"]
            if event["checkpoint"] is not None:
                trial.restart = (event["checkpoint"], event["step"])
            trial.status = Status.INTERRUPTED
            self._wait(trial)
            return trial
        trial = Trial(
            id=event["trial"],
            number=len(self.trials),
            stage=event["stage"],
            label=event["label"],
            params=event["params"],
            edits=event["edits"],
            seed=event["seed"],
            epochs=event["epochs"],
            origin=event["origin"],
            method=event["method"],
            fraction=event["fraction"],
            of=event["of"],
        )
        self.trials[trial.id] = trial
        self._wait(trial)
        return trial

    def _start(self, trial: Trial, event: Event) -> None:
        trial.status = Status.RUNNING
        trial.segment, trial.node = event["segment"], event["node"]
        trial.active_since = event["time"]
        trial.reason = trial.kind = ""
        trial.decision, trial.decision_reason = "continue", ""
        trial.started = event["time"] if trial.started is None else trial.started
        self._unwait(trial)
        self.running[trial.id] = None

    def _report(self, trial: Trial, event: Event) -> None:
        trial.active_since = event["time"]
        if event["repeated"]:
            trial.repeated_seconds += event["seconds"]
            return
        trial.reports.append(
            Report(
                step=event["step"],
                epoch=event["epoch"],
                metrics={sys.intern(k): number(v) for k, v in event["metrics"].items()},
                seconds=event["seconds"],
                images=event["images"],
                checkpoint=event["checkpoint"],
                segment=trial.segment,
                fraction=trial.fraction,
                time=event["time"],
            )
        )
        trial.decision, trial.decision_reason = event["decision"], event["reason"]
        trial.decision_kind = event["kind"]
        trial.restart = None

    def _end(self, trial: Trial, event: Event) -> None:
        outcome, kind = event["outcome"], event["kind"]
        trial.reason, trial.kind, trial.ended = event["reason"], kind, event["time"]
        trial.of = event.get("of", trial.of)
        # Ledgers of earlier versions do not have it.
        trial.unreported_seconds += event.get("seconds", 0.0)
        trial.active_since = None
        self.running.pop(trial.id, None)
        self._unwait(trial)
        trial.status = status_after(event)
        if outcome == "interrupted":
            trial.losses += kind == "lost"
            if trial.status is Status.INTERRUPTED:
                self._wait(trial)
        elif trial.status is not Status.DUPLICATE:
            self.session_ends.append(trial)

    def _wait(self, trial: Trial) -> None:
        key = (trial.number, trial.id)
        at = bisect.bisect_left(self.waiting, key)
        if at == len(self.waiting) or self.waiting[at] != key:
            self.waiting.insert(at, key)

    def _unwait(self, trial: Trial) -> None:
        key = (trial.number, trial.id)
        at = bisect.bisect_left(self.waiting, key)
        if at < len(self.waiting) and self.waiting[at] == key:
            del self.waiting[at]
