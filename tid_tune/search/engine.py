"""The search as a state machine: what to run next, and what a report means.

An executor (Ray, or the simulator) asks `next()`, runs what it gets, and reports. Every fact goes
through the ledger first and is then folded into the state by the same code that replays a ledger:
a search opened on an existing ledger is the search that wrote it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

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
from tid_tune.results.moved import fingerprint
from tid_tune.results.table import TrialRow, trial_rows
from tid_tune.search.decision import (
    CONTINUE,
    Assignment,
    Continue,
    Decision,
    Fail,
    Pack,
    Signal,
    Stop,
)
from tid_tune.search.director import Director
from tid_tune.search.endings import Endings, missing_message
from tid_tune.search.journal import Follower, Journal
from tid_tune.search.resume import (
    check_resumable,
    describe_resume,
    with_recorded_sampler,
)
from tid_tune.search.stream import StartPoint, check_points
from tid_tune.search.suggestions import Effective, same_edits
from tid_tune.search.transfer import (
    is_current,
    lawful_points,
    narrowed,
    read_transfer,
    start_points,
)
from tid_tune.searchfile.model import SearchSpec


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
        self._endings = Endings(self._journal, spec.objectives, spec.failures)
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
            self._endings.finish_decided()

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
        """Return the next piece of work, WAIT (ask again later) or FINISHED.

        For an executor whose workers train one trial each; others ask `next_pack`.
        """
        with self._journal.batch():
            answer = self._director.next_pack(1, named=False)
        return answer if isinstance(answer, Signal) else answer.members[0]

    def next_pack(self, size: int) -> Pack | Signal:
        """Return work for one worker, WAIT (ask again later) or FINISHED.

        Args:
            size: how many trials the worker can train side by side. The pack may have fewer; more
                than `resources.students` it never has.
        """
        resources = self.spec.resources
        most = size if resources.students == "auto" else min(size, resources.students)
        with self._journal.batch():
            return self._director.next_pack(max(most, 1), named=resources.packs)

    def refill(self, pack: str, size: int) -> list[Assignment]:
        """Return trials that join a pack now, from where its members stand: often there are none.

        Ask when all running members have reported the same interval and the worker has room.

        Args:
            pack: its id.
            size: at most so many.
        """
        with self._journal.batch():
            return self._director.refill(pack, size)

    def placed(self, trial: str, node: str) -> None:
        """Record that a worker on `node` has taken a trial. The time before that costs nothing."""
        self._journal.record(Placed(trial=trial, node=node))

    def proved(
        self, trial: str, effective: Mapping[str, object], mode: Mapping[str, str] | None = None
    ) -> None:
        """Record the values in effect, read back from the live objects of a trial.

        Args:
            trial: as assigned.
            effective: by dotted path.
            mode: what changes its numbers beside the config, for example
                `{"teacher": "bfloat16"}`; empty or None: nothing.
        """
        self._journal.record(Proved(trial=trial, effective=dict(effective), mode=dict(mode or {})))

    def report(
        self,
        trial: str,
        step: int,
        epoch: float,
        metrics: dict[str, float],
        seconds: float,
        images: int,
        checkpoint: str | None = None,
        digest: str = "",
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
            digest: of the checkpoint's content.
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
                    digest=digest,
                    repeated=repeated,
                    decision=decision,
                )
            )
            self._endings.carry_out(decision, record)
        return decision

    def complete(self, trial: str) -> None:
        """Record that the trial has finished. After a stop or a pause this does nothing."""
        self._endings.complete(self.state.trials[trial])

    def fail(self, trial: str, cause: Cause | str, message: str) -> None:
        """Record that the trial failed.

        `lost` (infrastructure) is tried again, at most `failures.retries` times. `crowded` (out of
        memory beside the others of its pack) is tried again once, alone; after that it is `oom`,
        which is tried again once with `failures.smaller_parts`. `preempted`, `damaged` (the
        checkpoint that it was to go on from) and `storage` go on, and do not count.

        Args:
            trial: as assigned.
            cause: a Cause; another name is a crash.
            message: for the user.
        """
        self._endings.fail(self.state.trials[trial], Cause.of_failure(cause), message)

    def interrupt(self, trial: str) -> None:
        """Record that the trial's run is ended from outside; it resumes at its last checkpoint."""
        self._endings.interrupt(self.state.trials[trial])

    def _decide(
        self, trial: Trial, epoch: float, metrics: dict[str, float], seconds: float
    ) -> Decision:
        missing = missing_objectives(metrics, self.spec.objectives)
        if missing:
            return Fail(missing_message(missing[0], metrics, epoch))
        if trial.fraction == 1.0 and reached(epoch, trial.epochs):
            return CONTINUE
        decision = self._director.decide(trial, epoch, metrics)
        if not isinstance(decision, Continue):
            return decision
        return self._director.hold(trial, epoch, seconds) or decision
