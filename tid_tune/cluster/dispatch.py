"""Between the search engine and Tune: which worker trains what, and what its answers mean.

Tune's searcher and scheduler interfaces are answered here from one engine, so that suggestions,
early stopping, budget and stages are decided in one place that knows nothing of Ray. To Tune, a
"trial" is one worker's work: one trial of the search, or several that are trained side by side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tid_tune.cluster.checkpoint_files import CheckpointFiles
from tid_tune.cluster.messages import (
    ORDER,
    Changes,
    IntervalFailed,
    PackOrder,
    StepAnswer,
    WorkOrder,
    read_answers,
)
from tid_tune.distill.cache.settings import cache_edits
from tid_tune.ledger.decisions import Cause
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import WAIT, Assignment, Continue, Pack, Signal
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.search.stages.plan import NONE
from tid_tune.searchfile.checks.objectives import COSTS
from tid_tune.searchfile.model import SearchSpec


@dataclass
class _Worker:
    """What one worker trains."""

    pack: str
    members: dict[str, Assignment]
    node: str = ""


class Dispatcher:
    """Answers Tune's questions from the engine. All calls come from Tune's control loop."""

    def __init__(
        self,
        spec: SearchSpec,
        search: Search,
        run: RunFolder,
        root: Path,
        capacity: Callable[[], int],
    ) -> None:
        self._spec = spec
        self._search = search
        self._run = run
        self._root = root
        self._capacity = capacity
        self._workers: dict[str, _Worker] = {}
        self._ahead: Pack | None = None
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

    def order(self, ray_id: str) -> dict[str, str] | Signal:
        """Return a worker's next work as a Tune config, WAIT (nothing to start now) or FINISHED."""
        if len(self._workers) >= self._capacity():
            return WAIT
        answer: Pack | Signal = self._ahead or self._search.next_pack(self._students)
        self._ahead = None
        if isinstance(answer, Signal):
            return answer
        members = {assignment.trial: assignment for assignment in answer.members}
        self._workers[ray_id] = _Worker(answer.id, members)
        resources = self._spec.resources
        order = PackOrder(
            members=tuple(map(self._work_order, answer.members)),
            packs=resources.packs,
            measure=resources.students == "auto" and self._fits is None,
            cpus=resources.cpus,
            gpus=resources.gpus,
            ranks=resources.ranks,
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
            work_dir=self._run.trials / assignment.trial,
            root=self._root,
            checkpoint=self._run.path / assignment.checkpoint if assignment.checkpoint else None,
            measure_teacher=measure_teacher,
            check_teacher=check_teacher,
            costs=tuple(name for name in COSTS if name in self._spec.objectives),
        )

    def started(self, ray_id: str, node: str) -> None:
        """Record that a worker has taken the order."""
        worker = self._workers.get(ray_id)
        if worker is not None:
            worker.node = node
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
        if worker is None:
            return None
        before = list(worker.members)
        for trial, answer in read_answers(result, before).items():
            if not self._goes_on(trial, answer):
                del worker.members[trial]
        left = tuple(trial for trial in before if trial not in worker.members)
        joining = self._joining(worker)
        self._checkpoints.tidy()
        if not worker.members:
            del self._workers[ray_id]
            return None
        return Changes(leave=left, join=joining)

    def _goes_on(self, trial: str, answer: StepAnswer) -> bool:
        """Pass the answer of one trial to the engine; return whether the trial goes on."""
        if isinstance(answer, IntervalFailed):
            self._search.fail(trial, answer.cause, answer.text)
            return False
        if answer.effective is not None:
            self._search.proved(trial, answer.effective, answer.mode)
        self._fits = answer.fits or self._fits
        # Relative, so that a run folder can be moved and renamed.
        checkpoint = str(answer.checkpoint.relative_to(self._run.path))
        self._checkpoints.written(checkpoint)
        decision = self._search.report(
            trial,
            step=answer.step,
            epoch=answer.epoch,
            metrics=answer.metrics,
            seconds=answer.seconds,
            images=answer.images,
            checkpoint=checkpoint,
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

    def lost(self, ray_id: str, reason: str) -> None:
        """Record that a worker is gone without an answer: its node, process or memory failed."""
        worker = self._workers.pop(ray_id, None)
        for trial in worker.members if worker is not None else ():
            self._search.fail(trial, Cause.LOST, reason)

    def interrupt_all(self) -> None:
        """Record that the driver ends with trials running: they resume from their checkpoints."""
        ahead = self._ahead.members if self._ahead is not None else ()
        held = [trial for worker in self._workers.values() for trial in worker.members]
        for trial in [*held, *(assignment.trial for assignment in ahead)]:
            self._search.interrupt(trial)
        self._workers.clear()
        self._ahead = None
