"""The search as a state machine: what to run next, and what a report means.

An executor (Ray, or the simulator) asks `next()`, runs what it gets, and reports. Every fact goes
through the ledger first and is then folded into the state by the same code that replays a ledger:
a search opened on an existing ledger is the search that wrote it.
"""

from __future__ import annotations

import uuid
from typing import Any

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
from tid_tune.search.ledger import Event, Ledger
from tid_tune.search.plan import Planned, baseline_plan, methods
from tid_tune.search.records import Status, Trial, missing_objectives, reached
from tid_tune.search.space import config_key
from tid_tune.search.state import VERSION, RunState
from tid_tune.search.stream import Stream, method_edits
from tid_tune.spec.model import SearchSpec

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
    """One search. Not thread-safe: call it from one control loop.

    Attributes:
        state: the trial records; read only.
        notes: what resuming does with which trial, for the user.
    """

    def __init__(self, spec: SearchSpec, ledger: Ledger) -> None:
        self.spec = spec
        self.ledger = ledger
        self.state = RunState()
        self.notes: list[str] = []
        share = -(-spec.trials // len(methods(spec)))
        self.streams = {m: Stream(spec, m, share) for m in methods(spec)}
        self._baseline = baseline_plan(spec)
        self._planned: dict[tuple[str, str, int], str] = {}
        self._keys: dict[str, str] = {}

    @classmethod
    def open(cls, spec: SearchSpec, ledger: Ledger) -> Search:
        """Start a search on an empty ledger, or go on with the one it holds."""
        search = cls(spec, ledger)
        for event in ledger.events():
            search._apply(event)
        ledger.subscribe(search._apply, guarded=False)
        with ledger.batch():
            ledger.append(
                "open",
                spec=spec.model_dump(mode="json"),
                version=VERSION,
                run_id=search.state.run_id or uuid.uuid4().hex[:12],
            )
            search._finish_decided()
        return search

    def next(self) -> Assignment | Signal:
        """Return the next piece of work, WAIT (ask again later) or FINISHED."""
        with self.ledger.batch():
            return self._next()

    def started(self, trial: str, node: str) -> None:
        """Record where a trial runs."""
        self.ledger.append("place", trial=trial, node=node)

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
        missing = missing_objectives(metrics, self.spec.objectives)
        decision: Decision = CONTINUE
        if missing and not repeated:
            decision = Stop(_missing_message(missing, metrics, epoch))
        elif not repeated:
            decision = self._decide(record, epoch, metrics)
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
                **_recorded(decision),
            )
            if missing and not repeated:
                self._end(record, "failed", decision.reason, "nan")
            else:
                self._act(record)
        return decision

    def complete(self, trial: str) -> None:
        """The trial says it is done. After a stop or pause this does nothing."""
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return
        if record.last is None:
            objectives = ", ".join(self.spec.objectives)
            self._end(record, "failed", f"it ended without reporting {objectives}", "user")
        elif not record.full_length:
            reason = f"it ended by itself at epoch {record.epoch:g} of {record.epochs}"
            self._end(record, "stopped", reason)
        else:
            self._end(record, "completed", "")

    def fail(self, trial: str, kind: str, message: str) -> None:
        """The trial failed. Kind `lost` (infrastructure) is tried again, at most 3 times."""
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return
        message = message[:MESSAGE_LENGTH]
        if kind == "lost" and record.losses < MAX_LOSSES:
            self._end(record, "interrupted", message, kind)
        else:
            self._end(record, "failed", message, kind)

    def interrupt(self, trial: str) -> None:
        """The trial's run is being ended from outside; it goes on at its last checkpoint."""
        record = self.state.trials[trial]
        if record.status is Status.RUNNING:
            self._end(record, "interrupted", "the search was interrupted", "signal")

    def _apply(self, event: Event) -> None:
        trial = self.state.apply(event)
        if trial is None:
            return
        if event["event"] == "suggest":
            self._planned[trial.stage, trial.label, trial.seed] = trial.id
            self._keys.setdefault(config_key(trial.edits, trial.seed), trial.id)
        if trial.stage == "search" and trial.method in self.streams:
            self.streams[trial.method].apply(event, trial)

    def _next(self) -> Assignment | Signal:
        if self.state.closed is not None:
            return FINISHED
        for _, name in self.state.waiting:
            return self._start(self.state.trials[name])
        for planned in self._baseline:
            if (planned.stage, planned.label, planned.seed) not in self._planned:
                return self._start(self._suggest(planned))
        while (stream := self._next_stream()) is not None:
            trial = self._search_trial(stream)
            if trial is not None:
                return self._start(trial)
        if self.state.running:
            return WAIT
        self.ledger.append("close", reason="all trials are done")
        return FINISHED

    def _next_stream(self) -> Stream | None:
        """Return the stream with the fewest trials, then epochs: equal budgets at any time."""
        ready = [stream for stream in self.streams.values() if stream.open]
        return min(ready, key=lambda stream: (stream.count, stream.epochs), default=None)

    def _search_trial(self, stream: Stream) -> Trial | None:
        seed = self.spec.seed
        extra = method_edits(stream.method)

        proposal = stream.propose(lambda p: config_key({**p, **extra}, seed) in self._keys)
        if proposal is None:
            return None
        label = stream.method if len(self.spec.method) > 1 else ""
        edits = {**proposal.params, **extra}
        twin = self._keys.get(config_key(edits, seed))
        trial = self._suggest(
            Planned(
                "search",
                label,
                proposal.params,
                edits,
                seed,
                proposal.origin,
                stream.method,
                proposal.of,
            )
        )
        if twin is None:
            return trial
        self._end(trial, "duplicate", f"the same values and seed as {twin}", of=twin)
        return None

    def _suggest(self, planned: Planned) -> Trial:
        name = f"t{len(self.state.trials) + 1:04d}"
        self.ledger.append(
            "suggest",
            trial=name,
            stage=planned.stage,
            label=planned.label,
            params=planned.params,
            edits=planned.edits,
            seed=planned.seed,
            origin=planned.origin,
            method=planned.method,
            epochs=self.spec.epochs,
            fraction=1.0,
            of=planned.of,
        )
        return self.state.trials[name]

    def _start(self, trial: Trial) -> Assignment:
        point = trial.resume_point()
        checkpoint = None if point is None else point.checkpoint
        step = 0 if point is None else point.step
        segment = trial.segment + 1
        self.ledger.append(
            "start", trial=trial.id, segment=segment, node="", checkpoint=checkpoint, step=step
        )
        return Assignment(
            trial=trial.id,
            stage=trial.stage,
            label=trial.label,
            params=dict(trial.params),
            edits=dict(trial.edits),
            seed=trial.seed,
            epochs=trial.epochs,
            checkpoint=checkpoint,
            step=step,
            segment=segment,
        )

    def _decide(self, trial: Trial, epoch: float, metrics: dict[str, float]) -> Decision:
        if trial.stage != "search" or reached(epoch, trial.epochs):
            return CONTINUE
        return self.streams[trial.method].decide(trial, epoch, metrics)

    def _act(self, trial: Trial) -> None:
        """Carry out the decision recorded with the trial's last report."""
        if trial.decision == "stop":
            self._end(trial, "stopped", trial.decision_reason)
        elif trial.decision == "pause":
            self._end(trial, "interrupted", trial.decision_reason, "scheduler")

    def _finish_decided(self) -> None:
        """End the trials whose fate was recorded before the driver could record their end."""
        for _, name in list(self.state.waiting):
            trial = self.state.trials[name]
            last = trial.last
            if last is None or trial.kind != "driver":
                continue
            missing = missing_objectives(last.metrics, self.spec.objectives)
            if missing:
                self._end(trial, "failed", trial.decision_reason, "nan")
            elif trial.decision != "continue":
                self._act(trial)
            elif trial.full_length:
                self._end(trial, "completed", "")

    def _end(
        self, trial: Trial, outcome: str, reason: str, kind: str = "", of: str | None = None
    ) -> None:
        self.ledger.append(
            "end",
            trial=trial.id,
            outcome=outcome,
            reason=reason,
            kind=kind,
            epoch=trial.epoch,
            **({} if of is None else {"of": of}),
        )


def _recorded(decision: Decision) -> dict[str, Any]:
    match decision:
        case Pause(exploit=donor):
            return {"decision": "pause", "reason": decision.reason, "exploit": donor}
        case Stop():
            return {"decision": "stop", "reason": decision.reason}
    return {"decision": "continue", "reason": ""}


def _missing_message(missing: list[str], metrics: dict[str, float], epoch: float) -> str:
    name = missing[0]
    if name in metrics:
        return f"objective {name} is {metrics[name]} at epoch {epoch:g}"
    known = ", ".join(sorted(metrics)) or "nothing"
    return f"objective {name} was not reported at epoch {epoch:g}; reported: {known}"
