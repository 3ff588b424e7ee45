"""Trials that are trained side by side in one process, on the same batches.

They share what is the same for all: one loader, one preprocessing, and the teacher's pass over a
batch (`distill.teacher` remembers the last one). Everything else is each trial's own: weights,
optimizer, schedule, hooks, random generators, log, checkpoints, evaluation and failure. A trial in
a pack computes what it would compute alone, whoever its neighbours are.

Its members must have the same data, teacher, seed and length, and stand at the same iteration;
the search engine sees to that.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch

from tid_tune.openmmlab.detector_types import Prepared
from tid_tune.openmmlab.models import prepares_alike, shared_prepared
from tid_tune.trial.guarding import out_of_memory
from tid_tune.trial.loop import IntervalLoop
from tid_tune.trial.process import ProcessState, random_state, set_random_state
from tid_tune.trial.report import TrialReport
from tid_tune.trial.trial import Trial

T = TypeVar("T")


@dataclass(frozen=True)
class Interval:
    """A report, and what the trial has cost since the last one: its share, in seconds."""

    report: TrialReport
    seconds: float


class _Member:
    """A trial with its own random generators."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._random = random_state()
        self.failure: Exception | None = None
        self.share = 0.0
        """Seconds of training in this interval."""
        self.until = 0
        """The iteration that this interval ends at."""

    @property
    def loop(self) -> IntervalLoop:
        loop: IntervalLoop = self.trial.runner.train_loop
        return loop

    @property
    def trains(self) -> bool:
        """Whether there is something left to train in this interval."""
        return self.failure is None and not self.loop.done and self.loop.iter < self.until

    def begin(self) -> None:
        """Begin an interval, in this trial's turn."""
        self.share, self.until = 0.0, self.trial.begin()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Let the trial go on where it left off."""
        set_random_state(self._random)
        try:
            with self.trial.turn():
                yield
        finally:
            self._random = random_state()

    def attempt(self, action: Callable[[], T], crowd: int) -> T | None:
        """Return what `action` returns in this trial's turn; a failure ends the trial alone.

        Args:
            action: what to do.
            crowd: trials in the pack: where there are others, memory would do for this one alone.
        """
        try:
            with self.turn():
                return action()
        except torch.cuda.OutOfMemoryError as error:
            self.failure = out_of_memory(error, others=crowd - 1)
        except Exception as error:
            self.failure = error
        return None


class Pack:
    """Trials by name. They share this process; it is restored when the last one has left."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._process: ProcessState | None = None

    def add(self, name: str, build: Callable[[], Trial]) -> None:
        """Build a trial and take it in; what `build` raises is raised, and harms no other one."""
        trial = build()
        before = trial.share_process()
        if self._process is None:
            self._process = before
        self._members[name] = _Member(trial)

    def run(self, name: str, action: Callable[[Trial], T]) -> T:
        """Return what `action` returns for a trial, in its turn."""
        member = self._members[name]
        with member.turn():
            return action(member.trial)

    def step(self) -> dict[str, Interval | Exception]:
        """Train one interval of every trial; return each one's report, or why it failed.

        A trial that failed has left.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._train()
            found = {name: self._finish(member) for name, member in self._members.items()}
        for name, outcome in found.items():
            if isinstance(outcome, Exception):
                self.remove(name)
        return found

    def remove(self, name: str) -> None:
        """Close a trial, if it is still here."""
        member = self._members.pop(name, None)
        if member is not None:
            member.trial.close()
        if not self._members and self._process is not None:
            process, self._process = self._process, None
            process.restore()

    def close(self) -> None:
        """Close all trials and restore the process; repeatable."""
        for name in list(self._members):
            self.remove(name)

    def _train(self) -> None:
        crowd = list(self._members.values())
        for member in crowd:
            member.attempt(member.begin, len(crowd))
        while training := [member for member in crowd if member.trains]:
            started = time.monotonic()
            self._iterate(training)
            for member in training:
                member.share += (time.monotonic() - started) / len(training)

    def _iterate(self, training: list[_Member]) -> None:
        """Train one iteration; the first trial's loader and preprocessor serve all."""
        crowd = len(self._members)
        for member in training:
            if not member.loop.epoch_is_open:
                member.attempt(member.loop.open_epoch, crowd)
        training = [member for member in training if member.failure is None]
        if not training:
            return
        source = training[0]
        batch = source.attempt(source.loop.fetch, crowd)
        if source.failure is not None:
            return  # the next trial's loader serves the others, and may fail as well
        prepared = source.attempt(lambda: _prepare(source, training, batch), crowd)
        for member in training:
            if member.failure is None:
                own = None if prepared is None else shared_prepared(prepared)
                member.attempt(partial(member.loop.train_on, batch, own), crowd)

    def _finish(self, member: _Member) -> Interval | Exception:
        started = time.monotonic()
        report = None
        if member.failure is None:
            report = member.attempt(
                lambda: member.trial.finish(lambda: member.share), len(self._members)
            )
        if report is None:
            assert member.failure is not None
            return member.failure
        return Interval(report, member.share + time.monotonic() - started)


def _prepare(source: _Member, training: list[_Member], batch: object) -> Prepared | None:
    """Return the preprocessed batch if it serves all trials, else None: each makes its own."""
    if len(training) == 1 or not all(prepares_alike(m.trial.model) for m in training):
        return None
    preprocessor: Any = source.trial.model.data_preprocessor
    prepared: Prepared = preprocessor(batch, True)
    return prepared
