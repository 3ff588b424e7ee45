"""What runs in a Ray worker: a class Trainable around one trial.

A class trainable, not a function: it runs in the actor's main thread, keeps its working directory,
and can be stopped between two steps. Workers of ended trials are reused, which saves the imports;
`close()` of the trial is responsible for leaving nothing behind in the process.

The worker talks to the driver in one JSON string per step. Tune would otherwise flatten nested
results, and metric names contain slashes.
"""

from __future__ import annotations

import abc
import json
import os
import time
import traceback
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict
from ray import tune

from tid_tune.errors import TidTuneError, TrialError
from tid_tune.searchfile.model import Interval

ORDER = "order"
MESSAGE = "message"


class WorkOrder(BaseModel):
    """One assignment of the search engine as it is sent to a worker."""

    model_config = ConfigDict(frozen=True)

    trial: str
    segment: int
    config: Path
    edits: dict[str, Any]
    seed: int
    epochs: int
    report_every: Interval
    work_dir: Path
    root: Path
    """The folder `tid-tune run` was started in: relative data paths of the config start here."""
    checkpoint: Path | None = None
    measure_teacher: bool = False
    check_teacher: bool = False
    """Build the teacher once, though the trial needs none: one that does not fit fails at once."""
    costs: tuple[str, ...] = ()
    """The objectives that are costs of the student; see `spec.objectives.COSTS`."""


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

    def effective(self) -> dict[str, Any]:
        """The values in effect of everything the order sets, read from the live objects."""

    def save(self, path: Path) -> None:
        """Write everything needed to go on from here, atomically."""

    def close(self) -> None:
        """Free everything and reset the process."""


class TrialTrainable(tune.Trainable, metaclass=abc.ABCMeta):
    """Base of all trainables; a subclass says how its trial is built."""

    @abc.abstractmethod
    def build(self, order: WorkOrder) -> SteppedTrial:
        """Build (and restore) the trial of `order`. Errors become the trial's failure."""

    def setup(self, config: dict[str, Any]) -> None:
        """Accept an order. The trial is built at the first step, where failures are reported."""
        self._order = WorkOrder.model_validate_json(config[ORDER])
        self._trial: SteppedTrial | None = None

    def step(self) -> dict[str, Any]:
        """Run one report interval; a failure is an answer, not an exception."""
        started = time.monotonic()
        try:
            return {MESSAGE: json.dumps(self._step(started))}
        except Exception as error:
            self._close()
            return {MESSAGE: json.dumps({"failure": describe(error)})}

    def _step(self, started: float) -> dict[str, Any]:
        message: dict[str, Any] = {}
        if self._trial is None:
            os.chdir(self._order.root)
            self._order.work_dir.mkdir(parents=True, exist_ok=True)
            self._trial = self.build(self._order)
            message["effective"] = self._trial.effective()
        report = self._trial.step()
        checkpoint = self._order.work_dir / f"step_{report.step:06d}.pth"
        # Old ones are deleted by the driver: it knows what is recorded and who needs them.
        self._trial.save(checkpoint)
        if report.done:
            self._close()
        return message | {
            "step": report.step,
            "epoch": report.epoch,
            "metrics": report.metrics,
            "images": report.images,
            # Wall time of the whole step: the budget pays for building and saving too.
            "seconds": time.monotonic() - started,
            "checkpoint": str(checkpoint),
            "done": report.done,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over the next trial in this worker."""
        self._close()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Called by Tune when the worker is given back."""
        self._close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune's own checkpoints are not used: the trial's are written before each report."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """See `save_checkpoint`; a trial is restored from its order's checkpoint."""

    def _close(self) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.close()


def describe(error: Exception) -> dict[str, str]:
    """Turn an exception into the failure's kind and message for the ledger."""
    if isinstance(error, TrialError):
        return {"kind": error.kind, "text": str(error)}
    if isinstance(error, TidTuneError):
        return {"kind": "user", "text": str(error)}
    what = "".join(traceback.format_exception_only(error)).strip()
    where = "".join(traceback.format_tb(error.__traceback__)[-3:]).rstrip()
    # What first: tables show the first line.
    return {"kind": "crash", "text": f"{what}\n{where}"}
