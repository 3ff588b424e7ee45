"""What runs in a Ray worker: a class Trainable around the trials that the worker trains.

A class trainable, not a function: it runs in the actor's main thread, keeps its working directory,
and can be stopped between two steps. Workers of ended trials are reused, which saves the imports;
`close()` of the trial is responsible for leaving nothing behind in the process.

Driver and worker exchange the messages of `tid_tune.cluster.messages`.
"""

from __future__ import annotations

import abc
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import ray
from ray import tune

from tid_tune import stalls
from tid_tune.cluster.losses import watch
from tid_tune.cluster.messages import (
    ANSWER,
    ORDER,
    WORKER,
    Answers,
    Changes,
    IntervalDone,
    IntervalFailed,
    PackOrder,
    WorkOrder,
)
from tid_tune.cluster.parcel import Parcel, begin
from tid_tune.cluster.placement import here
from tid_tune.cluster.ranks import RankedPack, RankFailed, RankLost, Team
from tid_tune.cluster.saving import bring, check, no_room, save, take_leave
from tid_tune.cluster.stepping import (
    Alone,
    HasMode,
    Interval,
    MeasuresMemory,
    SteppedTrial,
    StepReport,
    TrialPack,
)
from tid_tune.errors import TidTuneError, TrialError, printable
from tid_tune.files import is_full
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import reached
from tid_tune.storage.stored import worker_files

NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""How torch says that the host has no memory."""
__all__ = ["StepReport", "SteppedTrial", "TrialTrainable", "WorkOrder"]


class TrialTrainable(tune.Trainable, metaclass=abc.ABCMeta):
    """Base of all trainables; a subclass defines how its trial is built."""

    trains_packs: ClassVar[bool] = False
    """Whether several trials can be trained side by side: then `open_pack` returns more than
    `Alone`."""
    trains_ranks: ClassVar[bool] = False
    """Whether a trial can be one of several ranks: then what `build` returns finds the others
    through torch.distributed (`tid_tune.ranks`)."""
    parcel: ClassVar[Parcel | None] = None
    """What a worker on another machine reads in place of the driver's folder; set by `tune`."""
    _team: Team | None = None
    """The other ranks; they outlive a trial."""

    @abc.abstractmethod
    def build(self, order: WorkOrder) -> SteppedTrial:
        """Build (and restore) the trial of `order`. Errors become the trial's failure."""

    def open_pack(self) -> TrialPack:
        """Return an empty pack, for the trials that this worker trains."""
        return Alone()

    def setup(self, config: dict[str, object]) -> None:
        """Accept an order. Trials are built at the first step, where failures are reported."""
        order = PackOrder.model_validate_json(str(config[ORDER]))
        self._order = order
        self._orders: dict[str, WorkOrder] = {}
        self._joining = list(order.members)
        self._quits = False
        self._pack = self.open_pack()
        if order.ranks > 1:
            self._team = self._team or Team(type(self), order)
            self._pack = RankedPack(self._pack, self._team, self._orders.__getitem__)
        watch(order)

    def node(self) -> tuple[str, str]:
        """Return the address and the id of the node that this worker runs on."""
        return here()

    def change(self, changes: str) -> None:
        """Take in the driver's Changes, as JSON; it calls this between two steps."""
        decided = Changes.model_validate_json(changes)
        for name in decided.leave:
            self._leave(name)
        self._joining += decided.join
        self._quits = decided.quit

    def step(self) -> dict[str, object]:
        """Run one report interval of each trial; a failure is an answer, not an exception."""
        if self._quits:
            # Tune keeps a worker that has ended well, and starts its next trial in it.
            raise TrialError("the worker's node is about to go", Cause.PREEMPTED)
        stalls.progress()
        try:
            return self._step()
        finally:
            stalls.rest()

    def _step(self) -> dict[str, object]:
        answers: dict[str, str] = {}
        built = {}
        for order in self._joining:
            try:
                built[order.trial] = self._build(order)
            except RankLost:
                raise  # the worker ends: Ray gives back what its ranks hold, and the trial goes on
            except Exception as error:
                self._fail(order.trial, error, answers)
        self._joining = []
        for name, outcome in self._pack.step().items():
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                done = self._done(name, outcome, built.get(name))
                # Inside: a value in effect that JSON cannot hold fails its trial, not the worker.
                answers[name] = done.model_dump_json()
                if done.done:
                    self._leave(name)
            except Exception as error:
                self._fail(name, error, answers)
        nodes = {} if self._team is None else self._team.nodes
        found = Answers(answers=answers, nodes=nodes)
        result: dict[str, object] = {ANSWER: found.model_dump_json()}
        if self._order.packs:
            result[WORKER] = ray.get_runtime_context().current_actor
        return result

    def _build(self, order: WorkOrder) -> _Built:
        """Build a trial; return what its first report adds."""
        started = time.monotonic()
        self._orders[order.trial] = order
        order = begin(order, self.parcel)
        check(order)
        self._pack.add(order.trial, partial(self.build, order))
        effective, mode = self._pack.run(order.trial, _proof)
        return _Built(time.monotonic() - started, effective, mode)

    def _done(self, name: str, interval: Interval, built: _Built | None) -> IntervalDone:
        """Save a trial that has trained an interval, and return its answer."""
        started = time.monotonic()
        order, report = self._orders[name], interval.report
        checkpoint = f"{order.work_dir}/{checkpoint_name(report)}"
        path = worker_files(order.run).local / checkpoint
        # Old ones are deleted by the driver: it knows what is recorded and who needs them.
        last = _at_full_length(order, report)
        digest = self._pack.run(name, partial(save, path, last=last))
        bring(order, checkpoint)
        fits = self._pack.run(name, self._fitting) if self._order.measure else None
        seconds = interval.seconds + time.monotonic() - started
        return IntervalDone(
            step=report.step,
            epoch=report.epoch,
            metrics=report.metrics,
            images=report.images,
            seconds=seconds + (0.0 if built is None else built.seconds),
            checkpoint=checkpoint,
            digest=digest,
            done=report.done,
            effective=None if built is None else built.effective,
            mode={} if built is None else built.mode,
            fits=fits,
        )

    def _fitting(self, trial: SteppedTrial) -> int | None:
        if not isinstance(trial, MeasuresMemory):
            return None
        return trial.fitting(cpus=self._order.cpus, gpus=self._order.gpus)

    def _fail(self, name: str, error: Exception, answers: dict[str, str]) -> None:
        self._leave(name)
        answers[name] = describe(error).model_dump_json()

    def _leave(self, name: str) -> None:
        self._pack.remove(name)
        order = self._orders.pop(name, None)
        if order is not None:
            take_leave(order)

    def renew(self, order: str) -> None:
        """Begin another PackOrder, as JSON, in the place of what has been trained."""
        self.reset_config({ORDER: order})

    def reset_config(self, new_config: dict[str, object]) -> bool:
        """Take over the next trials in this worker."""
        self._clear()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Free the trials; Tune calls this when it gives the worker back."""
        self._clear()
        if self._team is not None:
            self._team.kill()
        stalls.stop()

    def _clear(self) -> None:
        for name in list(self._orders):
            self._leave(name)
        self._pack.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: the trials' own checkpoints are written before each report."""

    def load_checkpoint(self, checkpoint: dict[str, object] | None) -> None:
        """Do nothing: a trial is restored from its order's checkpoint."""


@dataclass(frozen=True)
class _Built:
    """What a trial's first report adds."""

    seconds: float
    effective: dict[str, object]
    mode: dict[str, str]


def _proof(trial: SteppedTrial) -> tuple[dict[str, object], dict[str, str]]:
    return dict(trial.effective()), dict(trial.mode()) if isinstance(trial, HasMode) else {}


def _at_full_length(order: WorkOrder, report: StepReport) -> bool:
    """Return whether no one goes on from here.

    A trial that ends before, as by a hook, may be at a rung and go on.
    """
    return report.done and order.fraction == 1.0 and reached(report.epoch, order.epochs)


def checkpoint_name(report: StepReport) -> str:
    """Return the file name of the checkpoint that is written with a report.

    With the epoch: where the batch size changes, another epoch may end at the same step.
    """
    return f"epoch_{report.epoch:g}_step_{report.step}.pth"


def describe(error: Exception) -> IntervalFailed:
    """Return an exception as the failure of its trial."""
    if isinstance(error, RankFailed):
        return error.failure
    if isinstance(error, TrialError):
        return IntervalFailed(cause=Cause.of_failure(error.kind), text=printable(str(error)))
    if isinstance(error, TidTuneError):
        return IntervalFailed(cause=Cause.USER, text=printable(str(error)))
    what = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, OSError) and is_full(error):
        place = Path(str(error.filename or "the disk"))
        return IntervalFailed(cause=Cause.STORAGE, text=printable(no_room(error, place)))
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY in what):
        return IntervalFailed(cause=Cause.OOM, text=printable(f"out of memory: {what}"))
    where = "".join(traceback.format_tb(error.__traceback__)[-3:]).rstrip()
    # The error comes first: tables show the first line.
    return IntervalFailed(cause=Cause.CRASH, text=printable(f"{what}\n{where}"))
