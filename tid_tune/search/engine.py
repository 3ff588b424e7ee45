"""The search as a state machine: what to run next, and what a report means.

An executor (Ray, or the simulator) asks `next()`, runs what it gets, and reports. Every fact goes
through the ledger first and is then folded into the state by the same code that replays a ledger:
a search opened on an existing ledger is the search that wrote it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from tid_tune.errors import printable
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import (
    VERSION,
    Opened,
    Placed,
    Proved,
    Reported,
    Transferred,
)
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status, Trial, missing_objectives, reached
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import Cost
from tid_tune.results.table import TrialRow, trial_rows
from tid_tune.search.decision import (
    CONTINUE,
    Assignment,
    Continue,
    Decision,
    Fail,
    Pause,
    Signal,
    Stop,
    Suspend,
)
from tid_tune.search.director import Director, Effective, same_edits
from tid_tune.search.journal import Follower, Journal
from tid_tune.search.resume import (
    check_resumable,
    describe_resume,
    fingerprint,
    with_recorded_sampler,
)
from tid_tune.search.stream import StartPoint, check_points
from tid_tune.search.transfer import (
    is_current,
    lawful_points,
    narrowed,
    read_transfer,
    start_points,
)
from tid_tune.searchfile.model import SearchSpec

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

    def __init__(
        self,
        spec: SearchSpec,
        ledger: Ledger,
        transfer: Transferred | None,
        effective: Effective = same_edits,
    ) -> None:
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
        self._director = Director(spec, self._journal, start, effective)
        self._journal.follow([self._director.apply])

    @classmethod
    def open(cls, spec: SearchSpec, ledger: Ledger, effective: Effective = same_edits) -> Search:
        """Start a search on an empty ledger, or resume the one it holds.

        Args:
            spec: the search.
            ledger: where it is recorded.
            effective: brings edits with the same effect to the same form: such trials are
                duplicates.

        Raises:
            UsageError: the spec has changed so that it cannot continue this ledger, the run it
                starts from cannot be used, or no point satisfies its rules. Nothing has been
                written then.
        """
        before = RunState.fold(ledger.events())
        notes = []
        if before.trials:
            spec = with_recorded_sampler(before, spec)
            check_resumable(before, spec)
            notes = describe_resume(before, spec)
        fresh = None
        stale = not before.trials or not is_current(before.transfer, spec)
        if spec.transfer is not None and stale:
            fresh = read_transfer(spec)
        search = cls(spec, ledger, fresh or before.transfer, effective)
        check_points(search.spec)
        search.notes = [*notes, *search.notes]
        for event in ledger.events():
            search._journal.take_in(event)
        search._begin(spec, fresh)
        return search

    def _begin(self, spec: SearchSpec, transfer: Transferred | None) -> None:
        with self._journal.batch():
            self._journal.record(
                Opened(
                    spec=spec.model_dump(mode="json"),
                    version=VERSION,
                    run_id=self.state.run_id or uuid.uuid4().hex[:12],
                    config_hash=fingerprint(spec.trial),
                )
            )
            if transfer is not None:
                self._journal.record(transfer)
            self._finish_decided()

    @property
    def spent(self) -> Cost:
        """What the search has cost so far."""
        return self._director.spent

    def rows(self) -> list[TrialRow]:
        """Return one dictionary a trial, for `pandas.DataFrame(search.rows())`."""
        return trial_rows(self.state, self.spec)

    def wall_seconds(self) -> float:
        """Return how long drivers have run this search."""
        return self.state.wall_seconds(self.ledger.clock())

    def follow(self, follower: Follower) -> None:
        """Call `follower(event, trial)` after each event from now on; its errors end the search."""
        self._journal.follow([follower])

    def observe(self, observer: Follower) -> None:
        """Call `observer(event, trial)` after each event from now on; its errors are logged."""
        self._journal.observe(observer)

    def next(self) -> Assignment | Signal:
        """Return the next piece of work, WAIT (ask again later) or FINISHED."""
        with self._journal.batch():
            return self._director.next()

    def placed(self, trial: str, node: str) -> None:
        """Record that a worker on `node` has taken a trial. The time before that costs nothing."""
        self._journal.record(Placed(trial=trial, node=node))

    def proved(self, trial: str, effective: Mapping[str, object]) -> None:
        """Record the values in effect, read back from the live objects of a trial."""
        self._journal.record(Proved(trial=trial, effective=dict(effective)))

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
            step: iterations trained so far, in the trial's own count; only recorded.
            epoch: trained so far, from the start of the training. Reports are compared by it.
            metrics: must hold every objective as a finite number, else the trial fails as `nan`.
            seconds: this interval took.
            images: trained in this interval.
            checkpoint: where the trial can be continued after this report.
        """
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return Stop(f"{trial} has ended: {record.reason or record.status}")
        metrics = {name: float(value) for name, value in metrics.items()}
        repeated = record.has_reported(epoch)
        decision = CONTINUE if repeated else self._decide(record, epoch, metrics, seconds)
        with self._journal.batch():
            self._journal.record(
                Reported(
                    trial=trial,
                    step=int(step),
                    epoch=float(epoch),
                    metrics=metrics,
                    seconds=float(seconds),
                    images=int(images),
                    checkpoint=checkpoint,
                    repeated=repeated,
                    decision=decision,
                )
            )
            self._carry_out(decision, record)
        return decision

    def complete(self, trial: str) -> None:
        """Record that the trial has finished. After a stop or a pause this does nothing."""
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return
        if record.last is None:
            reason = f"it ended without reporting {', '.join(self.spec.objectives)}"
            self._journal.end(record, Status.FAILED, reason, Cause.USER)
        elif not record.full_length:
            reason = f"it ended by itself at epoch {record.epoch:g} of {record.epochs}"
            self._journal.end(record, Status.STOPPED, reason)
        else:
            self._journal.end(record, Status.COMPLETED)

    def fail(self, trial: str, cause: Cause | str, message: str) -> None:
        """Record that the trial failed. `lost` (infrastructure) is tried again, at most 3 times."""
        record = self.state.trials[trial]
        if record.status is not Status.RUNNING:
            return
        cause, message = Cause.of_failure(cause), printable(message[:MESSAGE_LENGTH])
        again = cause is Cause.LOST and record.losses < MAX_LOSSES
        status = Status.INTERRUPTED if again else Status.FAILED
        self._journal.end(record, status, message, cause)

    def interrupt(self, trial: str) -> None:
        """Record that the trial's run is ended from outside; it resumes at its last checkpoint."""
        record = self.state.trials[trial]
        if record.status is Status.RUNNING:
            reason = "the search was interrupted"
            self._journal.end(record, Status.INTERRUPTED, reason, Cause.SIGNAL)

    def _decide(
        self, trial: Trial, epoch: float, metrics: dict[str, float], seconds: float
    ) -> Decision:
        missing = missing_objectives(metrics, self.spec.objectives)
        if missing:
            return Fail(_missing_message(missing, metrics, epoch))
        if trial.fraction == 1.0 and reached(epoch, trial.epochs):
            return CONTINUE
        decision = self._director.decide(trial, epoch, metrics)
        if not isinstance(decision, Continue):
            return decision
        return self._director.hold(trial, epoch, seconds) or decision

    def _carry_out(self, decision: Decision, trial: Trial) -> None:
        """End the trial's run, unless the decision on its last report is to continue."""
        match decision:
            case Fail():
                self._journal.end(trial, Status.FAILED, decision.reason, decision.cause)
            case Stop():
                self._journal.end(trial, Status.STOPPED, decision.reason)
            case Pause():
                self._journal.end(trial, Status.PAUSED, decision.reason)
            case Suspend():
                self._journal.end(trial, Status.INTERRUPTED, decision.reason, decision.cause)

    def _finish_decided(self) -> None:
        """End the trials whose outcome was recorded before the driver could record their end."""
        for _, name in list(self.state.waiting):
            trial = self.state.trials[name]
            if trial.cause is not Cause.DRIVER or trial.last is None:
                continue
            if isinstance(trial.decision, Continue) and trial.full_length:
                self._journal.end(trial, Status.COMPLETED)
            elif missing_objectives(trial.last.metrics, self.spec.objectives):
                # In ledgers of version 1 such a failure is recorded as a stop.
                self._carry_out(Fail(trial.decision.reason), trial)
            else:
                self._carry_out(trial.decision, trial)


def _missing_message(missing: list[str], metrics: dict[str, float], epoch: float) -> str:
    name = missing[0]
    if name in metrics:
        return f"objective {name} is {metrics[name]} at epoch {epoch:g}"
    known = ", ".join(sorted(metrics)) or "nothing"
    return f"objective {name} was not reported at epoch {epoch:g}; reported: {known}"
