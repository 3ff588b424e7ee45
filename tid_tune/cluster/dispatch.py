"""Between the search engine and Tune: which worker trains what, and what its answers mean.

Tune's searcher and scheduler interfaces are answered here from one engine, so that suggestions,
early stopping, budget and stages are decided in one place that knows nothing of Ray. To Tune, a
"trial" is one worker's life: it trains one trial of the search, or several side by side, and then
the next ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tid_tune.cluster.checkpoint_files import CheckpointFiles
from tid_tune.cluster.losses import forget, loss_of
from tid_tune.cluster.messages import (
    ORDER,
    Answers,
    Changes,
    IntervalFailed,
    PackOrder,
    StepAnswer,
    WorkOrder,
)
from tid_tune.console import say
from tid_tune.distill.cache.settings import cache_edits
from tid_tune.errors import TidTuneError
from tid_tune.ledger.decisions import Cause
from tid_tune.results.run_folder import TRIALS, RunFolder
from tid_tune.search.decision import WAIT, Assignment, Continue, Pack, Signal
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.search.stages.plan import NONE
from tid_tune.searchfile.checks.objectives import COSTS
from tid_tune.searchfile.model import SearchSpec
from tid_tune.words import counted

PARTS = 2
"""In so many parts is a batch trained that was too large for the memory."""


@dataclass
class _Worker:
    """What one worker trains: no trial any more, as long as it waits for its next order."""

    pack: str
    members: dict[str, Assignment]
    folder: Path
    """Of its first trial, where it leaves its last words."""
    node: str = ""
    node_id: str = ""
    others: dict[str, str] = field(default_factory=dict)
    """The addresses of the nodes of its other ranks, by their ids."""

    def going(self, draining: Collection[str]) -> str | None:
        """Return which of its nodes is about to go, or None."""
        nodes = {self.node_id: self.node, **self.others}
        return next((nodes[name] for name in nodes if name in draining), None)


class Dispatcher:
    """Answers Tune's questions from the engine. All calls come from Tune's control loop."""

    def __init__(
        self,
        spec: SearchSpec,
        search: Search,
        run: RunFolder,
        root: Path,
        capacity: Callable[[], int],
        draining: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._spec = spec
        self._search = search
        self._run = run
        self._root = root
        self._capacity = capacity
        self._draining = draining
        self._workers: dict[str, _Worker] = {}
        self._ahead: Pack | None = None
        self.broken: TidTuneError | None = None
        """Why the search could not be recorded any more."""
        self._fits: int | None = None
        """How many trials a worker can train side by side, where that is measured."""
        self._teacher_wanted = True
        self._checkpoints = CheckpointFiles(run, Retention(search), spec.keep.gib)

    def __deepcopy__(self, memo: dict[int, object]) -> Dispatcher:
        return self

    def __getstate__(self) -> dict[str, object]:
        # Tune pickles its searcher into snapshots nobody reads: the ledger is the truth.
        return {}

    def has_work(self) -> bool:
        """Return whether there is anything to run: asked before Ray is started."""
        answer = self._search.next_pack(self._students)
        self._ahead = answer if isinstance(answer, Pack) else None
        return self._ahead is not None

    @property
    def _students(self) -> int:
        """How many trials a worker trains side by side; one, as long as that is not measured."""
        wanted = self._spec.resources.students
        return wanted if isinstance(wanted, int) else self._fits or 1

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Remember what keeps the ledger from being written: Tune would hide it in a text."""
        try:
            yield
        except TidTuneError as error:
            self.broken = error
            raise

    def order(self, ray_id: str) -> dict[str, str] | Signal:
        """Return a worker's next work as a Tune config, WAIT (nothing to start now) or FINISHED."""
        if sum(bool(worker.members) for worker in self._workers.values()) >= self._capacity():
            return WAIT
        with self._recording():
            answer: Pack | Signal = self._ahead or self._search.next_pack(self._students)
        self._ahead = None
        if isinstance(answer, Signal):
            return answer
        members = {assignment.trial: assignment for assignment in answer.members}
        folder = self._folder(answer.members[0].trial)
        self._workers[ray_id] = _Worker(answer.id, members, folder)
        resources = self._spec.resources
        order = PackOrder(
            members=tuple(map(self._work_order, answer.members)),
            packs=resources.packs,
            measure=resources.students == "auto" and self._fits is None,
            cpus=resources.cpus,
            gpus=resources.gpus,
            ranks=resources.ranks,
            stall_seconds=self._spec.failures.stall_seconds,
        )
        return {ORDER: order.model_dump_json()}

    def _work_order(self, assignment: Assignment) -> WorkOrder:
        measure_teacher = self._teacher_wanted and assignment.label != NONE
        check_teacher = self._teacher_wanted and not measure_teacher
        if measure_teacher:
            self._teacher_wanted = False
        return WorkOrder(
            trial=assignment.trial,
            segment=assignment.segment,
            config=self._spec.trial,
            edits=copy.deepcopy(assignment.edits) | cache_edits(self._spec.cache),
            seed=assignment.seed,
            epochs=assignment.epochs,
            fraction=assignment.fraction,
            report_every=self._spec.reports,
            run=self._run.files.sent,
            work_dir=Path(TRIALS, assignment.trial),
            root=self._root,
            checkpoint=Path(assignment.checkpoint) if assignment.checkpoint else None,
            digest=assignment.digest,
            parts=PARTS if self._search.state.trials[assignment.trial].in_parts else 1,
            measure_teacher=measure_teacher,
            check_teacher=check_teacher,
            costs=tuple(name for name in COSTS if name in self._spec.objectives),
            areas=self._spec.report.areas,
        )

    def started(self, ray_id: str, node: str, node_id: str = "") -> None:
        """Record that a worker has taken the order."""
        worker = self._workers.get(ray_id)
        if worker is not None:
            worker.node, worker.node_id = node, node_id
            with self._recording():
                self._placed(worker, worker.members)

    def _placed(self, worker: _Worker, trials: Iterable[str]) -> None:
        for trial in trials:
            self._search.placed(trial, node=worker.node)

    def result(self, ray_id: str, result: Mapping[str, object]) -> Changes | None:
        """Pass a worker's answers to the engine.

        Returns:
            Which of its trials leave, and which join. None: it has nothing left to train.
        """
        worker = self._workers.get(ray_id)
        if worker is None or not worker.members:
            return None
        before, found = list(worker.members), Answers.read(result)
        worker.others = found.nodes
        with self._recording():
            for trial, answer in found.of(before).items():
                if not self._goes_on(trial, answer):
                    del worker.members[trial]
            if (going := worker.going(self._draining())) is not None:
                return self._moved(ray_id, going)
            left = tuple(trial for trial in before if trial not in worker.members)
            joining = self._joining(worker)
        self._checkpoints.tidy()
        return Changes(leave=left, join=joining) if worker.members else None

    def again(self, ray_id: str) -> str | None:
        """Return the next order, as JSON, of a worker that has nothing left to train, or None.

        Tune would make a trial of its own for it: several calls to the worker, and tens of
        kilobytes that it keeps. And it would let the worker take the place of one that starts, so
        that where trials are short, no more than two ever start.
        """
        idle = self._workers.get(ray_id)
        if idle is None or idle.members:
            return None
        del self._workers[ray_id]
        order = self.order(ray_id)
        if not isinstance(order, dict):
            return None
        self.started(ray_id, idle.node, idle.node_id)
        return order[ORDER]

    def _moved(self, ray_id: str, node: str) -> Changes:
        """Take the trials from a worker with a node that is about to go; they were just saved."""
        for trial in self._workers.pop(ray_id).members:
            self._search.fail(trial, Cause.PREEMPTED, f"its node {node} was announced to go away")
        return Changes(quit=True)

    def _goes_on(self, trial: str, answer: StepAnswer) -> bool:
        """Pass the answer of one trial to the engine; return whether the trial goes on."""
        if isinstance(answer, IntervalFailed):
            self._search.fail(trial, answer.cause, answer.text)
            return False
        if answer.effective is not None:
            self._search.proved(trial, answer.effective, answer.mode)
        if answer.fits is not None and answer.fits != self._fits:
            self._fits = answer.fits
            say(f"students: auto: a worker can train {counted(answer.fits, 'trial')} side by side")
        self._checkpoints.written(answer.checkpoint)
        decision = self._search.report(
            trial,
            step=answer.step,
            epoch=answer.epoch,
            metrics=answer.metrics,
            seconds=answer.seconds,
            images=answer.images,
            checkpoint=answer.checkpoint,
            digest=answer.digest,
        )
        if answer.done:
            self._search.complete(trial)
        return not answer.done and isinstance(decision, Continue)

    def _joining(self, worker: _Worker) -> tuple[WorkOrder, ...]:
        """Return the orders of trials that take the places of those that have left."""
        room = self._students - len(worker.members)
        if not worker.members or not worker.pack or room < 1:
            return ()
        joining = self._search.refill(worker.pack, room)
        worker.members |= {assignment.trial: assignment for assignment in joining}
        self._placed(worker, [assignment.trial for assignment in joining])
        return tuple(map(self._work_order, joining))

    def lost(self, ray_id: str, error: BaseException | None) -> None:
        """Record that a worker is gone without an answer: its node, process or memory failed.

        Args:
            ray_id: of the worker.
            error: what Ray answered in its place; None: unknown.
        """
        worker = self._workers.pop(ray_id, None)
        if worker is None or not worker.members:
            return
        elsewhere = "" if self._run.files.shared else worker.node
        loss = loss_of(error, worker.folder, self._spec.failures.stall_seconds, elsewhere)
        loss.write(map(self._folder, worker.members))
        forget(worker.folder)
        crowded = loss.cause is Cause.OOM and len(worker.members) > 1
        with self._recording():
            for trial in worker.members:
                self._search.fail(trial, Cause.CROWDED if crowded else loss.cause, loss.reason)

    def _folder(self, trial: str) -> Path:
        return self._run.trials / trial

    def interrupt_all(self) -> None:
        """Record that the driver ends with trials running: they resume from their checkpoints."""
        if self.broken is not None:
            return
        ahead = self._ahead.members if self._ahead is not None else ()
        held = [trial for worker in self._workers.values() for trial in worker.members]
        for trial in [*held, *(assignment.trial for assignment in ahead)]:
            self._search.interrupt(trial)
        self._workers.clear()
        self._ahead = None
