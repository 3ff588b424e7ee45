"""The search as a state machine: what to run next, and what a report means.

An executor (Ray, or the simulator) asks `next()`, runs what it gets, and reports. Every fact goes
through the ledger first and is then folded into the state by the same code that replays a ledger:
a search opened on an existing ledger is the search that wrote it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path

from tid_tune.ledger.file import Event, Ledger
from tid_tune.ledger.records import Status, Trial, missing_objectives, reached
from tid_tune.ledger.state import VERSION, RunState
from tid_tune.search.decision import (
    CONTINUE,
    FINISHED,
    WAIT,
    Assignment,
    Continue,
    Decision,
    Pause,
    Signal,
    Stop,
)
from tid_tune.search.director import Director
from tid_tune.search.journal import Journal, recorded
from tid_tune.search.resume import check_resumable, describe_resume
from tid_tune.search.stream import StartPoint, check_points
from tid_tune.search.transfer import (
    is_current,
    lawful_points,
    narrowed,
    read_transfer,
    start_points,
)
from tid_tune.searchfile.model import SearchSpec

__all__ = [
    "CONTINUE",
    "FINISHED",
    "WAIT",
    "Assignment",
    "Continue",
    "Decision",
    "Pause",
    "Search",
    "Signal",
    "Stop",
]

MAX_LOSSES = 3
"""How often a trial is started again after its node or process was lost."""
MESSAGE_LENGTH = 4000


class Search:
    """One search. Not thread-safe: call it from one control loop. Get one from `Search.open`.

    Attributes:
        spec: as in effect; a narrowing transfer has shrunk its space.
        state: the trial records; read only.
        notes: what resuming or transferring does with which trial, for the user.
    """

    def __init__(self, spec: SearchSpec, ledger: Ledger, transfer: Event | None) -> None:
        self.notes: list[str] = []
        start: dict[str, list[StartPoint]] = {}
        if transfer is not None and spec.transfer is not None:
            start, self.notes = start_points(transfer, spec)
            if spec.transfer.narrow:
                space = narrowed(spec.space, lawful_points(transfer, spec))
                spec = spec.model_copy(update={"space": space})
        self.spec = spec
        self.ledger = ledger
        self.state = RunState()
        self._journal = Journal(ledger, self.state)
        self._director = Director(spec, self._journal, start)

    @classmethod
    def open(cls, spec: SearchSpec, ledger: Ledger) -> Search:
        """Start a search on an empty ledger, or go on with the one it holds.

        Raises:
            UsageError: the spec has changed so that it cannot continue this ledger, the run it
                starts from cannot be used, or no point satisfies its rules. Nothing has been
                written then.
        """
        before = RunState.fold(ledger.events())
        notes = []
        if before.trials:
            check_resumable(before, spec)
            notes = describe_resume(before, spec)
        transfer = before.stages.get("transfer")
        fresh = None
        stale = not before.trials or not is_current(transfer, spec)
        if spec.transfer is not None and stale:
            fresh = {"event": "stage", "stage": "transfer", **read_transfer(spec)}
        search = cls(spec, ledger, fresh or transfer)
        check_points(search.spec)
        search.notes = [*notes, *_config_note(before, spec), *search.notes]
        for event in ledger.events():
            search._apply(event)
        ledger.subscribe(search._apply, guarded=False)
        search._begin(spec, fresh)
        return search

    def _begin(self, spec: SearchSpec, transfer: Event | None) -> None:
        with self.ledger.batch():
            self.ledger.append(
                "open",
                spec=spec.model_dump(mode="json"),
                version=VERSION,
                run_id=self.state.run_id or uuid.uuid4().hex[:12],
                config_hash=_fingerprint(spec.trial),
            )
            if transfer is not None:
                self.ledger.append(**transfer)
            self._finish_decided()

    def next(self) -> Assignment | Signal:
        """Return the next piece of work, WAIT (ask again later) or FINISHED."""
        with self.ledger.batch():
            return self._director.next()

    def started(self, trial: str, node: str) -> None:
        """Record where a trial runs."""
        self.ledger.append("place", trial=trial, node=node)

    def proved(self, trial: str, effective: Mapping[str, object]) -> None:
        """Record the values in effect, read back from the live objects of a trial."""
        self.ledger.append("proof", trial=trial, effective=effective)

    def report(
        self,
        trial: str,
        step: int,
        epoch: float,
        metrics: dict[str, float],
        seconds: float,
        images: int,
        checkpoint: str | None = None,
    ) -> Decision:
        """Record one report interval and return what becomes of the trial.

        Args:
            trial: as assigned.
            step: counts the report intervals of the training, from 1.
            epoch: trained so far, from the start of the training.
            metrics: must hold every objective as a finite number, else the trial fails as `nan`.
            seconds: this interval took.
            images: trained in this interval.
            checkpoint: where the trial can be continued after this report.
        """
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return Stop(f"{trial} has ended: {record.reason or record.status}")
        last = record.last
        repeated = last is not None and last.fraction == record.fraction and step <= last.step
        decision = CONTINUE if repeated else self._decide(record, epoch, metrics, seconds)
        with self.ledger.batch():
            self.ledger.append(
                "report",
                trial=trial,
                step=step,
                epoch=epoch,
                metrics=metrics,
                seconds=seconds,
                images=images,
                checkpoint=checkpoint,
                repeated=repeated,
                **recorded(decision),
            )
            if not repeated:
                self._act(record)
        return decision

    def complete(self, trial: str) -> None:
        """The trial says it is done. After a stop or pause this does nothing."""
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return
        if record.last is None:
            objectives = ", ".join(self.spec.objectives)
            self._journal.end(record, "failed", f"it ended without reporting {objectives}", "user")
        elif not record.full_length:
            reason = f"it ended by itself at epoch {record.epoch:g} of {record.epochs}"
            self._journal.end(record, "stopped", reason)
        else:
            self._journal.end(record, "completed")

    def fail(self, trial: str, kind: str, message: str) -> None:
        """The trial failed. Kind `lost` (infrastructure) is tried again, at most 3 times."""
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return
        message = message[:MESSAGE_LENGTH]
        if kind == "lost" and record.losses < MAX_LOSSES:
            self._journal.end(record, "interrupted", message, kind)
        else:
            self._journal.end(record, "failed", message, kind)

    def interrupt(self, trial: str) -> None:
        """The trial's run is being ended from outside; it goes on at its last checkpoint."""
        record = self.state.trials[trial]
        if record.status is Status.RUNNING:
            self._journal.end(record, "interrupted", "the search was interrupted", "signal")

    def _apply(self, event: Event) -> None:
        self._director.apply(event, self.state.apply(event))

    def _decide(
        self, trial: Trial, epoch: float, metrics: dict[str, float], seconds: float
    ) -> Decision:
        missing = missing_objectives(metrics, self.spec.objectives)
        if missing:
            return Stop(_missing_message(missing, metrics, epoch))
        if trial.fraction == 1.0 and reached(epoch, trial.epochs):
            return CONTINUE
        decision = self._director.decide(trial, epoch, metrics)
        if isinstance(decision, Stop):
            return decision
        return self._director.hold(trial, epoch, seconds) or decision

    def _act(self, trial: Trial) -> None:
        """Carry out the decision recorded with the trial's last report."""
        last, reason = trial.last, trial.decision_reason
        if last is not None and missing_objectives(last.metrics, self.spec.objectives):
            self._journal.end(trial, "failed", reason, "nan")
        elif trial.decision == "stop":
            self._journal.end(trial, "stopped", reason)
        elif trial.decision == "pause":
            self._journal.end(trial, "interrupted", reason, trial.decision_kind)

    def _finish_decided(self) -> None:
        """End the trials whose fate was recorded before the driver could record their end."""
        for _, name in list(self.state.waiting):
            trial = self.state.trials[name]
            if trial.kind != "driver" or trial.last is None:
                continue
            if trial.decision != "continue":
                self._act(trial)
            elif trial.full_length:
                self._journal.end(trial, "completed")


def _fingerprint(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return None


def _config_note(before: RunState, spec: SearchSpec) -> list[str]:
    now = _fingerprint(spec.trial)
    if not before.trials or before.config_hash == now:
        return []
    return [
        f"{spec.trial} has changed since the last run: if the change has an effect, earlier and "
        "later trials are not comparable (--fresh starts over)"
    ]


def _missing_message(missing: list[str], metrics: dict[str, float], epoch: float) -> str:
    name = missing[0]
    if name in metrics:
        return f"objective {name} is {metrics[name]} at epoch {epoch:g}"
    known = ", ".join(sorted(metrics)) or "nothing"
    return f"objective {name} was not reported at epoch {epoch:g}; reported: {known}"
