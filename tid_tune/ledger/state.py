"""Fold the ledger's events into trial records: the one place where the ledger is interpreted.

The engine applies each event through `RunState.apply` both when it happens and when a ledger is
replayed, so a resumed search is in exactly the state that the interrupted one was in.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tid_tune.errors import UsageError
from tid_tune.ledger.decisions import CONTINUE, Cause
from tid_tune.ledger.events import (
    VERSION,
    Changed,
    Closed,
    ConfirmationPlanned,
    Ended,
    Event,
    Opened,
    Placed,
    Proved,
    Reported,
    ResultDecided,
    Started,
    Suggested,
    Transferred,
    TrialEvent,
)
from tid_tune.ledger.file import read_events
from tid_tune.ledger.packs import PackRecord
from tid_tune.ledger.records import Position, Status, Trial, joined_mode
from tid_tune.ledger.runs import take_end, take_report
from tid_tune.space.values import Value

T = TypeVar("T")
ALL_DONE = "all trials are done"
"""The reason of `Closed` when nothing was cut short."""


@dataclass
class Session:
    """One run of the driver: the times of its first and of its latest event."""

    opened: float
    last: float
    workers: int = 0
    """The most that ran at once."""


@dataclass
class RunState:
    """The state of a search after the events so far.

    `trials` is in order of suggestion, `spec` the latest spec as recorded.
    """

    spec: dict[str, Value] = field(default_factory=dict)
    run_id: str = ""
    config_hash: str | None = None
    """Of the trial config's text when the ledger was opened last."""
    trials: dict[str, Trial] = field(default_factory=dict)
    running: dict[str, None] = field(default_factory=dict)
    fractions: Counter[float] = field(default_factory=Counter)
    """Of the training images: how many of the running trials are trained on each."""
    waiting: list[tuple[int, str]] = field(default_factory=list)
    """Interrupted or never started, sorted by number."""
    packs: dict[str, PackRecord] = field(default_factory=dict)
    """All packs so far, also those that are over."""
    transfer: Transferred | None = None
    confirmation: ConfirmationPlanned | None = None
    result: ResultDecided | None = None
    sessions: list[Session] = field(default_factory=list)
    session_ends: list[Trial] = field(default_factory=list)
    """The trials that were completed, stopped or failed in this session, in order."""
    no_room: str = ""
    """Why a checkpoint could not be written in this session; empty: all were."""
    closed: str | None = None
    """The reason of the last `Closed`, unless the ledger was opened again."""
    _workers: Counter[str] = field(default_factory=Counter)
    """How many trials each worker trains, by its pack or its only trial."""

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
        """Take in one event; return the trial it belongs to, if any.

        Raises:
            UsageError: the trial of the event was never suggested, or the ledger is of a later
                version.
        """
        if self.sessions and not isinstance(event, Opened):
            self.sessions[-1].last = event.time
        match event:
            case Opened():
                self._open(event)
            case Suggested():
                return self._suggest(event)
            case Transferred():
                self.transfer = event
            case ConfirmationPlanned():
                self.confirmation = event
            case ResultDecided():
                self.result = event
            case Closed():
                self.closed = event.reason
            case _:
                return self._apply_to_trial(event)
        return None

    def _apply_to_trial(self, event: TrialEvent) -> Trial:
        trial = self.trials.get(event.trial)
        if trial is None:
            raise UsageError(
                f"the ledger has a {event.event!r} event of the trial {event.trial!r}, which was "
                "never suggested: lines are missing. Restore the ledger from a copy, or start over "
                "with --fresh"
            )
        match event:
            case Changed():
                self._change(trial, event)
            case Started():
                self._start(trial, event)
            case Placed():
                trial.node = event.node
                self._activate(trial, event.time)
            case Proved():
                trial.effective = event.effective
                trial.mode = joined_mode(trial.mode_before, event.mode)
            case Reported():
                self._report(trial, event)
            case Ended():
                self._end(trial, event)
        return trial

    @property
    def workers(self) -> int:
        """How many workers run: one for each pack, and for each trial that is in none."""
        return len(self._workers)

    def unreported_seconds(self, trial: Trial, now: float) -> float:
        """Return what a running trial is charged for the time since its last report or placing.

        In a pack, that is its share of the time.
        """
        if trial.active_since is None:
            return 0.0
        if trial.pack:
            return self.packs[trial.pack].reading(now) - trial.charged
        return max(0.0, now - trial.active_since)

    def wall_seconds(self, now: float) -> float:
        """Return how long drivers have run this search, the current one until `now`."""
        if not self.sessions:
            return 0.0
        past = sum(session.last - session.opened for session in self.sessions[:-1])
        return past + now - self.sessions[-1].opened

    def interrupt_running(self) -> None:
        """Mark the trials as interrupted that ran when their driver was killed."""
        for name in self.running:
            trial = self.trials[name]
            trial.status, trial.cause = Status.INTERRUPTED, Cause.DRIVER
            trial.reason = "the driver ended"
            trial.active_since = None
            self._wait(trial)
        for pack in {trial.pack for name in self.running if (trial := self.trials[name]).pack}:
            self.packs[pack].running.clear()
        for counted in (self.running, self.fractions, self._workers):
            counted.clear()

    def _open(self, event: Opened) -> None:
        if event.version > VERSION:
            raise UsageError(
                f"this run was recorded by a later tid-tune (ledger version {event.version}, "
                f"this one reads up to {VERSION}); upgrade tid-tune, or start over with --fresh"
            )
        self.spec = event.spec
        self.run_id, self.config_hash = event.run_id, event.config_hash
        self.sessions.append(Session(event.time, event.time))
        self.session_ends.clear()
        self.no_room = ""
        self.closed = None
        self.interrupt_running()

    def _suggest(self, event: Suggested) -> Trial:
        trial = Trial(
            id=event.trial,
            number=len(self.trials),
            stage=event.stage,
            label=event.label,
            params=event.params,
            edits=event.edits,
            seed=event.seed,
            epochs=event.epochs,
            origin=event.origin,
            method=event.method,
            fraction=event.fraction,
            of=event.of,
        )
        self.trials[trial.id] = trial
        self._wait(trial)
        return trial

    def _change(self, trial: Trial, event: Changed) -> None:
        trial.params, trial.edits = event.params, event.edits
        trial.origin, trial.fraction = event.origin, event.fraction
        if event.checkpoint is not None:
            trial.restart = Position(event.step, event.epoch, event.checkpoint, event.digest)
            trial.damaged.discard(event.checkpoint)
        trial.status = Status.INTERRUPTED
        self._wait(trial)

    def _start(self, trial: Trial, event: Started) -> None:
        trial.status = Status.RUNNING
        trial.segment, trial.node = event.segment, ""
        trial.position = trial.resume_point()
        trial.mode_before = None if trial.position.checkpoint is None else trial.mode
        trial.pack = event.pack
        if trial.pack:
            pack = self.packs.setdefault(trial.pack, PackRecord(trial.pack))
            pack.join(trial.id, event.time)
        # It holds nothing until a worker has taken it: waiting for one is not paid for.
        trial.active_since = None
        trial.reason, trial.cause = "", None
        trial.decision = CONTINUE
        trial.started = event.time if trial.started is None else trial.started
        self._unwait(trial)
        self.running[trial.id] = None
        self.fractions[trial.fraction] += 1
        self._workers[trial.pack or trial.id] += 1
        for session in self.sessions[-1:]:
            session.workers = max(session.workers, self.workers)

    def _report(self, trial: Trial, event: Reported) -> None:
        self._activate(trial, event.time)
        take_report(trial, event)

    def _end(self, trial: Trial, event: Ended) -> None:
        take_end(trial, event)
        if trial.id in self.running:
            del self.running[trial.id]
            _count_down(self.fractions, trial.fraction)
            _count_down(self._workers, trial.pack or trial.id)
        if trial.pack:
            self.packs[trial.pack].leave(trial.id, event.time)
        self._unwait(trial)
        if trial.status is Status.INTERRUPTED:
            self._wait(trial)
        elif trial.status.final and trial.status is not Status.DUPLICATE:
            self.session_ends.append(trial)
        if trial.cause is Cause.STORAGE:
            self.no_room = f"{trial.id}: {trial.reason}"

    def _activate(self, trial: Trial, time: float) -> None:
        """Charge the trial for its time from now on."""
        trial.active_since = time
        if trial.pack:
            trial.charged = self.packs[trial.pack].reading(time)

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


def _count_down(counts: Counter[T], key: T) -> None:
    """Take one of a kind away; what is counted no more is not kept."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
