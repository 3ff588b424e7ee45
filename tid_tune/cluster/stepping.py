"""What a trainable drives: a trial that is trained in steps, or a pack of trials side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


class StepReport(Protocol):
    """What `step()` of a trial returns; see `tid_tune.trial.report.TrialReport`."""

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
    """One trial."""

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


@runtime_checkable
class HasMode(Protocol):
    """A stepped trial that says what changes its numbers beside its config."""

    def mode(self) -> Mapping[str, str]:
        """Return it by subject, such as `{"teacher": "bfloat16"}`; empty: nothing."""


@runtime_checkable
class MeasuresMemory(Protocol):
    """A stepped trial that says how many like it fit into memory."""

    def fitting(self, *, cpus: float, gpus: float) -> int | None:
        """Return how many a worker with these resources can train side by side; None: unknown."""


class Interval(Protocol):
    """One trial's step."""

    @property
    def report(self) -> StepReport:
        """What the trial reports."""

    @property
    def seconds(self) -> float:
        """What the step has cost: the trial's share of the time."""


class TrialPack(Protocol):
    """Trials that are trained side by side; see `tid_tune.trial.pack.Pack`."""

    def add(self, name: str, build: Callable[[], Any]) -> None:
        """Build a trial and take it in; what `build` raises is raised, and harms no other one."""

    def run(self, name: str, action: Callable[[Any], T]) -> T:
        """Return what `action` returns for a trial."""

    def step(self) -> Mapping[str, Interval | Exception]:
        """Train one interval of each; return its report, or why it failed, and has left."""

    def remove(self, name: str) -> None:
        """Close a trial, if it is still here."""

    def close(self) -> None:
        """Close all trials; repeatable."""


@dataclass(frozen=True)
class _Step:
    report: StepReport
    seconds: float


class Alone:
    """The pack of a trainable that trains one trial at a time."""

    def __init__(self) -> None:
        self._trials: dict[str, SteppedTrial] = {}

    def add(self, name: str, build: Callable[[], SteppedTrial]) -> None:
        """Build the trial."""
        self._trials[name] = build()

    def run(self, name: str, action: Callable[[SteppedTrial], T]) -> T:
        """Return what `action` returns for the trial."""
        return action(self._trials[name])

    def step(self) -> dict[str, Interval | Exception]:
        """Train one interval."""
        found: dict[str, Interval | Exception] = {}
        for name, trial in list(self._trials.items()):
            started = time.monotonic()
            try:
                found[name] = _Step(trial.step(), time.monotonic() - started)
            except Exception as error:
                found[name] = error
                self.remove(name)
        return found

    def remove(self, name: str) -> None:
        """Close the trial."""
        trial = self._trials.pop(name, None)
        if trial is not None:
            trial.close()

    def close(self) -> None:
        """Close the trial."""
        for name in list(self._trials):
            self.remove(name)
