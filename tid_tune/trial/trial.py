"""A trial: one config with some of its values set, trained and evaluated interval by interval."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from torch import nn

from tid_tune import ranks
from tid_tune.device import pick_device
from tid_tune.errors import ConfigError, TrialError
from tid_tune.openmmlab.checkpoints import load_state, save_state
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.named_objects import discard_objects, make_current, names_since
from tid_tune.openmmlab.setup import prepare
from tid_tune.searchfile.model import Interval
from tid_tune.trial import proof, state
from tid_tune.trial.area_record import AreaRecorder
from tid_tune.trial.assembly import assemble
from tid_tune.trial.averages import report_line, speed, with_ratios
from tid_tune.trial.deployment import deployment_costs
from tid_tune.trial.evaluation import evaluate, evaluate_teacher
from tid_tune.trial.gradients import watch_gradients
from tid_tune.trial.guarding import guarded
from tid_tune.trial.memory import fitting_students
from tid_tune.trial.process import ProcessState, free_memory, seed_rank
from tid_tune.trial.report import AREAS_FILE, LOG_FILE, TrialReport
from tid_tune.trial.runner import RANK_LOG, TrialRunner
from tid_tune.trial.teacher_cache import CacheUse


class Trial:
    """Trains an mmdet config; `step()` is one report interval.

    Args:
        config: an mmdet config file; its relative paths start at the current folder.
        params: values to set in it, by dotted path.
        seed: of weights, image order, augmentation and everything else that is random.
        epochs: full length; the config's schedule is fitted to it (`trial.schedule`).
        report_every: epochs or iterations per step.
        work_dir: gets the log file; made if it is missing.
        restore_from: a checkpoint by `save`, of a trial that may have had other `params`.
        device: "auto", "cpu", "cuda:1".
        threads: of torch on the CPU; None leaves them.
        fraction: of the training images to train on.
        measure_teacher: report the distillation teacher's metrics too, once, under `teacher/`.
        costs: what to report of the student's cost where it will run; see `trial.deployment`.
        parts: in so many is each batch trained, for want of memory.
        areas: of so many validation images, record the key and weak areas at each report.

    Raises:
        ConfigError: the config or a checkpoint cannot be used.
        TrialError: kind `user`, nothing could be built from it; kind `oom`.
    """

    def __init__(
        self,
        config: Path,
        params: Mapping[str, object],
        *,
        seed: int,
        epochs: int,
        report_every: Interval,
        work_dir: Path,
        restore_from: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        fraction: float = 1.0,
        measure_teacher: bool = False,
        costs: Collection[str] = (),
        parts: int = 1,
        areas: int = 0,
    ) -> None:
        self._check(epochs, report_every)
        self._params, self._every = dict(params), report_every
        self._teacher_wanted = measure_teacher
        self._costs = costs
        self._parts = parts
        work_dir.mkdir(parents=True, exist_ok=True)
        self._log = work_dir / (RANK_LOG.format(ranks.rank()) if ranks.rank() else LOG_FILE)
        self._process: ProcessState | None = ProcessState(threads)
        self._names: dict[str, set[str]] = {}
        self._output: TextIO | None = None
        """The log, held open while the trial shares its process."""
        self._first = 0
        self._runner: TrialRunner | None = None
        self._areas: AreaRecorder | None = None
        self._shared: state.Shared | None = None
        """What a checkpoint has of all ranks, exchanged at the end of an interval."""
        try:
            with guarded(self._log, building=True):
                prepare()
                loaded = load_config(config, params)
                runner = assemble(
                    loaded,
                    seed=seed,
                    epochs=epochs,
                    work_dir=work_dir,
                    device=pick_device(device),
                    fresh=restore_from is None,
                    fraction=fraction,
                )
                self._runner = runner
                runner.train_loop.parts = parts
                if restore_from is not None:
                    state.apply(runner, load_state(restore_from))
                else:
                    seed_rank(seed, 0)
                self._cache = CacheUse(runner.detector)
                watch_gradients(runner, lambda v: runner.train_loop.averages.add(v))
                if areas and ranks.rank() == 0:
                    self._areas = AreaRecorder(runner, areas, work_dir / AREAS_FILE)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _check(epochs: int, report_every: Interval) -> None:
        if epochs < 1:
            raise ConfigError(f"epochs is {epochs}; expected 1 or more")
        if report_every.count < 1:
            raise ConfigError(
                f"report_every is {report_every.count} {report_every.unit}s; expected 1 or more"
            )

    @property
    def runner(self) -> TrialRunner:
        """The runner, for reading.

        Raises:
            TrialError: the trial is closed.
        """
        if self._runner is None:
            raise TrialError("the trial is closed")
        return self._runner

    @property
    def model(self) -> nn.Module:
        """The detector that is trained."""
        return self.runner.detector

    @property
    def done(self) -> bool:
        """Whether the trial has reached its full length."""
        return bool(self.runner.train_loop.done)

    def step(self) -> TrialReport:
        """Train one interval and evaluate.

        Raises:
            TrialError: kind `nan` for a loss that is not finite, `oom` for a full GPU.
        """
        with guarded(self._log):
            started = time.monotonic()
            self.runner.train_loop.advance(self.begin())
            return self.finish(lambda: time.monotonic() - started)

    def begin(self) -> int:
        """Begin an interval; return the iteration that it ends at."""
        loop = self.runner.train_loop
        self._first = loop.iter
        self._cache.begin()
        loop.runner.model.train()
        return self._every.next_stop(int(loop.iter), loop.per_epoch, int(loop.max_iters))

    def finish(self, seconds: Callable[[], float]) -> TrialReport:
        """End an interval that has been trained: evaluate.

        Args:
            seconds: tells how long the trial has trained since `begin`.

        Raises:
            TrialError: as `step`.
        """
        loop = self.runner.train_loop
        loop.check_finite()
        means = loop.take_averages()  # waits for the device, so that the clock is right
        trained, evaluating = seconds(), time.monotonic()
        metrics = evaluate(self.runner) | self._teacher_metrics() | self._cache.metrics()
        self.runner.logger.info(report_line(loop.iter / loop.per_epoch, means, metrics))
        if ranks.rank() == 0:
            metrics |= deployment_costs(self.runner, self._costs)
        self._shared = state.Shared.of(self.runner) if ranks.several() else None
        evaluated = time.monotonic() - evaluating
        if self._areas is not None:
            self._areas.record(loop.iter / loop.per_epoch)
        recorded = time.monotonic() - evaluating - evaluated
        images = (loop.iter - self._first) * self.runner.train_dataloader.batch_sampler.batch_size
        values = with_ratios(means) | speed(self.runner.device, images, trained, evaluated)
        return TrialReport(
            step=loop.iter,
            epoch=loop.iter / loop.per_epoch,
            metrics=metrics | {f"train/{k}": v for k, v in values.items() if math.isfinite(v)},
            seconds=trained + evaluated + recorded,
            images=images,
            done=loop.done,
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint a trial can be restored from; the old file stays until it is whole.

        Its `state_dict` has the weights that were evaluated.
        """
        save_state(state.capture(self.runner, self._shared), path)

    def save_weights(self, path: Path) -> None:
        """Write weights and meta as `save` does, without what only further training needs."""
        checkpoint = state.capture(self.runner, self._shared)
        kept = {"meta": checkpoint["meta"], "state_dict": checkpoint["state_dict"]}
        save_state(kept, path)

    def effective(self) -> dict[str, object]:
        """Return the value in effect of every one of `params`, read from the live objects."""
        return proof.effective(self.runner, self._params)

    def proof(self) -> None:
        """Check that every one of `params` is in effect.

        Raises:
            TrialError: kind `user`, naming the value wanted and the value in effect.
        """
        proof.prove(self.runner, self._params)

    def mode(self) -> dict[str, str]:
        """Return what changes the trial's numbers beside its config; empty: nothing."""
        mode = getattr(self.model, "mode", None)
        found = dict(mode()) if callable(mode) else {}
        return found | ({"batch": f"in {self._parts} parts"} if self._parts > 1 else {})

    def fitting(self, *, cpus: float, gpus: float) -> int | None:
        """Return how many trials like this one a worker can train side by side.

        None for one without a teacher, beside which nothing can be saved; see `trial.memory`.
        """
        if getattr(self.model, "teacher", None) is None:
            return None
        return fitting_students(self.runner, cpus=cpus, gpus=gpus)

    def close(self) -> None:
        """Free the trial and bring the process back to where it was before; repeatable."""
        runner, self._runner, self._areas = self._runner, None, None
        if runner is not None:
            runner.train_loop.stop_workers()
        process, self._process = self._process, None
        names, self._names = self._names, {}
        output, self._output = self._output, None
        if output is not None:
            output.close()
        del runner
        if process is not None:
            process.restore()
        elif names:
            discard_objects(names)
            free_memory()

    def share_process(self) -> ProcessState:
        """Leave the process to the caller, where several trials are trained in turn.

        Returns:
            The process as it was before this trial, for the caller to restore in the end. The
            trial itself restores nothing any more, and discards only what it has made.
        """
        process = self._process
        assert process is not None, "the trial is closed, or shares its process already"
        self._names, self._process = names_since(process.names), None
        self._output = self._log.open("a", buffering=1)
        return process

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Make this trial the current one of a shared process: its log, and what has names."""
        make_current(self._names)
        with contextlib.redirect_stdout(self._output):
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _teacher_metrics(self) -> dict[str, float]:
        teacher = getattr(self.model, "teacher", None)
        wanted, self._teacher_wanted = self._teacher_wanted, False
        if not wanted or teacher is None:
            return {}
        precision = str(getattr(self.model, "teacher_precision", None))
        found = evaluate_teacher(self.runner, teacher, precision)
        return {f"teacher/{k}": v for k, v in found.items()}
