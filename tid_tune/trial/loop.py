"""The training loop of a trial: mmengine's epochs, stopped and taken up at any iteration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import DataLoader

from tid_tune import ranks
from tid_tune.openmmlab.batch_parts import train_in_parts
from tid_tune.openmmlab.detector_types import Prepared
from tid_tune.openmmlab.models import train_step
from tid_tune.openmmlab.runner import EpochBasedTrainLoop
from tid_tune.trial.averages import Averages
from tid_tune.trial.data_order import ResumableBatches

if TYPE_CHECKING:
    from tid_tune.trial.runner import TrialRunner

CHECK_EVERY = 25
"""Iterations between two looks at the loss: each one waits for the device."""


class IntervalLoop(EpochBasedTrainLoop):  # type: ignore[misc]  # mmengine is untyped
    """Runs hooks, model and schedulers as mmengine's epoch loop does, an interval at a time.

    `runner.train()` builds everything and calls `run`, which only announces the start; from then
    on `advance` trains. Evaluation is left to the caller. Hooks see epoch and iteration numbers
    like those of an uninterrupted run; a trial restored in the middle of an epoch calls
    `before_train_epoch` for that epoch again, since hooks prepare the epoch in there.
    """

    dataloader: DataLoader[object]

    def __init__(
        self, runner: TrialRunner, dataloader: DataLoader[object], max_epochs: int
    ) -> None:
        super().__init__(runner, dataloader, max_epochs)
        self.averages = Averages()
        self.parts = 1
        """In so many is each batch trained."""
        self._batches: Iterator[object] | None = None
        self._open = False

    @property
    def per_epoch(self) -> int:
        """Iterations per epoch."""
        return len(self.dataloader)

    @property
    def done(self) -> bool:
        """Whether the full length is reached, or a hook has asked to stop."""
        return bool(self._iter >= self._max_iters or self.stop_training)

    @property
    def epoch_is_open(self) -> bool:
        """Whether hooks and model are prepared for the epoch of the next batch."""
        return self._open

    def run(self) -> nn.Module:
        """Announce the start of training, as the last act of `runner.train()`."""
        self.runner.call_hook("before_train")
        model: nn.Module = self.runner.model
        return model

    def resume_at(self, iteration: int) -> None:
        """Go on after `iteration` iterations; to be called before the first `advance`."""
        self._iter, self._epoch = iteration, iteration // self.per_epoch

    def advance(self, until: int) -> None:
        """Train until `until` iterations are done in all.

        Raises:
            TrialError: kind `nan`, a loss is not finite; the last ones are for the caller to check.
        """
        while self._iter < until and not self.done:
            self.open_epoch()
            self.train_on(self.fetch())

    def open_epoch(self) -> None:
        """Prepare hooks and model for the epoch that the next batch belongs to; repeatable."""
        if not self._open:
            self._open = True
            self.runner.call_hook("before_train_epoch")
            self.runner.model.train()

    def fetch(self) -> object:
        """Return the next iteration's batch from this trial's own loader."""
        if self._batches is None:
            sampler = self.dataloader.batch_sampler
            if isinstance(sampler, ResumableBatches):
                sampler.epoch, sampler.skip = self._epoch, self._iter % self.per_epoch
            self._batches = iter(self.dataloader)
        return next(self._batches)

    def train_on(self, batch: Any, prepared: Prepared | None = None) -> None:
        """Train one iteration, and add what the model reports to `averages`.

        Args:
            batch: what the loader gave.
            prepared: what the model's preprocessor made of it; None: the model does that.

        Raises:
            TrialError: as `advance`.
        """
        runner, index = self.runner, self._iter % self.per_epoch
        runner.call_hook("before_train_iter", batch_idx=index, data_batch=batch)
        if ranks.several():
            runner.model.idle = self._is_idle(index)
        if self.parts > 1:
            values = train_in_parts(runner.model, batch, runner.optim_wrapper, self.parts)
        elif prepared is None:
            values = runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
        else:
            values = train_step(runner.model, prepared, runner.optim_wrapper)
        self.averages.add(values)
        self.averages.add({"lr": runner.optim_wrapper.param_groups[0]["lr"]})
        runner.call_hook("after_train_iter", batch_idx=index, data_batch=batch, outputs=values)
        self._iter += 1
        if self._iter % CHECK_EVERY == 0:
            self.check_finite()
        if self._iter % self.per_epoch == 0:
            self._close_epoch()

    def check_finite(self) -> None:
        """Check the losses so far; waits for the device.

        Raises:
            TrialError: kind `nan`, one is not finite.
        """
        where = f"by iteration {self._iter} (epoch {self._iter / self.per_epoch:.2f})"
        self.averages.check_finite(where)

    def take_averages(self) -> dict[str, float]:
        """Return the means since the last call, without values that are not finite."""
        averages, self.averages = self.averages, Averages()
        return {k: v for k, v in averages.means(together=True).items() if math.isfinite(v)}

    def stop_workers(self) -> None:
        """Let go of the open epoch and its worker processes."""
        self._batches = None
        workers, self.dataloader._iterator = getattr(self.dataloader, "_iterator", None), None
        if workers is not None and hasattr(workers, "_shutdown_workers"):
            workers._shutdown_workers()

    def _is_idle(self, index: int) -> bool:
        """Return whether this rank has no image of a batch, by its number in the epoch."""
        sampler = self.dataloader.batch_sampler
        return isinstance(sampler, ResumableBatches) and index in sampler.idle

    def _close_epoch(self) -> None:
        self._batches, self._open = None, False
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1
