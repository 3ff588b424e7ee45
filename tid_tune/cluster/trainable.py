"""What runs in a Ray worker: a class Trainable around one trial.

A class trainable, not a function: it runs in the actor's main thread, keeps its working directory,
and can be stopped between two steps. Workers of ended trials are reused, which saves the imports;
`close()` of the trial is responsible for leaving nothing behind in the process.

Driver and worker exchange the messages of `tid_tune.cluster.messages`.
"""

from __future__ import annotations

import abc
import os
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from ray import tune

from tid_tune.cluster.messages import (
    ANSWER,
    ORDER,
    IntervalDone,
    IntervalFailed,
    WorkOrder,
)
from tid_tune.errors import TidTuneError, TrialError, printable
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import reached

__all__ = ["StepReport", "SteppedTrial", "TrialTrainable", "WorkOrder"]


class StepReport(Protocol):
    """What `step()` of a trial returns; see `tid_tune.trial.trial.TrialReport`."""

    @property
    def step(self) -> int:
        """Trained so far, in the trial's own count."""

    @property
    def epoch(self) -> float:
        """The same in epochs."""

    @property
    def metrics(self) -> dict[str, float]:
        """Of this interval; holds every objective."""

    @property
    def images(self) -> int:
        """Trained on in this interval."""

    @property
    def done(self) -> bool:
        """Whether the trial has reached its full length."""


class SteppedTrial(Protocol):
    """What a trainable drives."""

    def step(self) -> StepReport:
        """Train and evaluate one report interval."""

    def effective(self) -> Mapping[str, object]:
        """Return the values in effect of all that the order sets, read from the live objects."""

    def save(self, path: Path) -> None:
        """Write everything needed to go on from here, atomically."""

    def close(self) -> None:
        """Free everything and reset the process."""


@runtime_checkable
class SavesWeights(Protocol):
    """A stepped trial that can leave the optimizer out, where nothing is trained any further."""

    def save_weights(self, path: Path) -> None:
        """Write what evaluates the model, atomically."""


class TrialTrainable(tune.Trainable, metaclass=abc.ABCMeta):
    """Base of all trainables; a subclass defines how its trial is built."""

    @abc.abstractmethod
    def build(self, order: WorkOrder) -> SteppedTrial:
        """Build (and restore) the trial of `order`. Errors become the trial's failure."""

    def setup(self, config: dict[str, object]) -> None:
        """Accept an order. The trial is built at the first step, where failures are reported."""
        self._order = WorkOrder.model_validate_json(str(config[ORDER]))
        self._trial: SteppedTrial | None = None

    def step(self) -> dict[str, object]:
        """Run one report interval; a failure is an answer, not an exception."""
        started = time.monotonic()
        try:
            # Inside: a value in effect that JSON cannot hold fails its trial, not the worker.
            return {ANSWER: self._step(started).model_dump_json()}
        except Exception as error:
            self._close()
            return {ANSWER: describe(error).model_dump_json()}

    def _step(self, started: float) -> IntervalDone:
        effective = None
        if self._trial is None:
            os.chdir(self._order.root)
            self._order.work_dir.mkdir(parents=True, exist_ok=True)
            self._trial = self.build(self._order)
            effective = dict(self._trial.effective())
        report = self._trial.step()
        checkpoint = self._order.work_dir / checkpoint_name(report)
        # Old ones are deleted by the driver: it knows what is recorded and who needs them.
        if self._at_full_length(report) and isinstance(self._trial, SavesWeights):
            self._trial.save_weights(checkpoint)
        else:
            self._trial.save(checkpoint)
        if report.done:
            self._close()
        return IntervalDone(
            step=report.step,
            epoch=report.epoch,
            metrics=report.metrics,
            images=report.images,
            seconds=time.monotonic() - started,
            checkpoint=checkpoint,
            done=report.done,
            effective=effective,
        )

    def _at_full_length(self, report: StepReport) -> bool:
        """Return whether no one goes on from here.

        A trial that ends before, as by a hook, may be at a rung and go on.
        """
        order = self._order
        return report.done and order.fraction == 1.0 and reached(report.epoch, order.epochs)

    def reset_config(self, new_config: dict[str, object]) -> bool:
        """Take over the next trial in this worker."""
        self._close()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Free the trial; Tune calls this when it gives the worker back."""
        self._close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: the trial's own checkpoints are written before each report."""

    def load_checkpoint(self, checkpoint: dict[str, object] | None) -> None:
        """Do nothing: a trial is restored from its order's checkpoint."""

    def _close(self) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.close()


def checkpoint_name(report: StepReport) -> str:
    """Return the file name of the checkpoint that is written with a report.

    With the epoch: where the batch size changes, another epoch may end at the same step.
    """
    return f"epoch_{report.epoch:g}_step_{report.step}.pth"


def describe(error: Exception) -> IntervalFailed:
    """Return an exception as the failure of its trial."""
    if isinstance(error, TrialError):
        return IntervalFailed(cause=Cause.of_failure(error.kind), text=printable(str(error)))
    if isinstance(error, TidTuneError):
        return IntervalFailed(cause=Cause.USER, text=printable(str(error)))
    what = "".join(traceback.format_exception_only(error)).strip()
    where = "".join(traceback.format_tb(error.__traceback__)[-3:]).rstrip()
    # The error comes first: tables show the first line.
    return IntervalFailed(cause=Cause.CRASH, text=printable(f"{what}\n{where}"))
