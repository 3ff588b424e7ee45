"""Between the search engine and Tune: which Tune trial runs what, and what an answer means.

Tune's searcher and scheduler interfaces are answered here from one engine, so that suggestions,
early stopping, budget and stages are decided in one place that knows nothing of Ray.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

from tid_tune.cluster.messages import ORDER, IntervalFailed, WorkOrder, read_answer
from tid_tune.distill.cache.settings import cache_edits
from tid_tune.ledger.decisions import Cause
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import WAIT, Assignment, Continue, Signal
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.search.stages.plan import NONE
from tid_tune.searchfile.checks.objectives import COSTS
from tid_tune.searchfile.model import SearchSpec

CHECKPOINTS = "*epoch_*_step_*.pth"
"""Matches the names that workers give to checkpoints, and to their unfinished files."""


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
        self._retention = Retention(search)
        self._search = search
        self._run = run
        self._root = root
        self._capacity = capacity
        self._running: dict[str, Assignment] = {}
        self._ahead: Assignment | None = None
        self._teacher_wanted = True
        # Before any worker writes: a trial begun anew on more data uses the same names again.
        self._delete_unneeded()
        self._delete_unrecorded()

    def __deepcopy__(self, memo: dict[int, object]) -> Dispatcher:
        return self

    def __getstate__(self) -> dict[str, object]:
        # Tune pickles its searcher into snapshots nobody reads: the ledger is the truth.
        return {}

    def has_work(self) -> bool:
        """Return whether there is anything to run: asked before Ray is started."""
        answer = self._search.next()
        self._ahead = answer if isinstance(answer, Assignment) else None
        return self._ahead is not None

    def order(self, ray_id: str) -> dict[str, str] | Signal:
        """Return the next trial as a Tune config, WAIT (nothing to start now) or FINISHED."""
        if len(self._running) >= self._capacity():
            return WAIT
        answer: Assignment | Signal = self._ahead or self._search.next()
        self._ahead = None
        if isinstance(answer, Signal):
            return answer
        self._running[ray_id] = answer
        return {ORDER: self._work_order(answer).model_dump_json()}

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
            report_every=self._spec.report_every,
            work_dir=self._run.trials / assignment.trial,
            root=self._root,
            checkpoint=self._run.path / assignment.checkpoint if assignment.checkpoint else None,
            measure_teacher=measure_teacher,
            check_teacher=check_teacher,
            costs=tuple(name for name in COSTS if name in self._spec.objectives),
        )

    def started(self, ray_id: str, node: str) -> None:
        """Record that a worker has taken the order."""
        if ray_id in self._running:
            self._search.placed(self._running[ray_id].trial, node=node)

    def result(self, ray_id: str, result: Mapping[str, object]) -> bool:
        """Pass a worker's answer to the engine; return whether the trial goes on."""
        answer = read_answer(result)
        assignment = self._running.get(ray_id)
        if assignment is None:
            return False
        trial = assignment.trial
        if isinstance(answer, IntervalFailed):
            del self._running[ray_id]
            self._search.fail(trial, answer.cause, answer.text)
            return False
        if answer.effective is not None:
            self._search.proved(trial, answer.effective)
        decision = self._search.report(
            trial,
            step=answer.step,
            epoch=answer.epoch,
            metrics=answer.metrics,
            seconds=answer.seconds,
            images=answer.images,
            # Relative, so that a run folder can be moved and renamed.
            checkpoint=str(answer.checkpoint.relative_to(self._run.path)),
        )
        if answer.done:
            self._search.complete(trial)
        going_on = not answer.done and isinstance(decision, Continue)
        if not going_on:
            del self._running[ray_id]
        self._delete_unneeded()
        return going_on

    def _delete_unneeded(self) -> None:
        """Delete checkpoints that no resume, donor or result can ask for any more."""
        for checkpoint in self._retention.drain():
            (self._run.path / checkpoint).unlink(missing_ok=True)

    def _delete_unrecorded(self) -> None:
        """Delete what workers of a killed driver have written, or half written, and not reported.

        Their trials go on from the checkpoints before.
        """
        kept = {self._run.path / checkpoint for checkpoint in self._retention.kept()}
        for path in self._run.trials.glob(f"*/{CHECKPOINTS}"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def lost(self, ray_id: str, reason: str) -> None:
        """Record that a worker is gone without an answer: its node, process or memory failed."""
        assignment = self._running.pop(ray_id, None)
        if assignment is not None:
            self._search.fail(assignment.trial, Cause.LOST, reason)

    def interrupt_all(self) -> None:
        """Record that the driver ends with trials running: they resume from their checkpoints."""
        held = [*self._running.values(), *([self._ahead] if self._ahead else [])]
        for assignment in held:
            self._search.interrupt(assignment.trial)
        self._running.clear()
        self._ahead = None
