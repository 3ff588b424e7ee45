"""Rungs: the lengths at which trials are compared, in epochs or in training images.

Lengths are in epochs. Where the fidelity is `data`, a rung of length L is a full training on the
fraction L / epochs of the training images, which costs the same; a trial that goes on from it is
trained again from scratch on the next larger fraction.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from tid_tune.ledger.records import Trial, reached
from tid_tune.models import Positive
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal, SchedulerOptions


class RungOptions(SchedulerOptions):
    """The options of schedulers that compare trials at rungs."""

    grace_epochs: Positive = 1
    """No trial is stopped before this many epochs."""
    reduction: Annotated[float, Field(gt=1, le=100)] = 3
    """One of `reduction` trials goes on from a rung."""
    fidelity: Literal["epochs", "data"] = "epochs"
    """`data` means rungs of full length on a growing fraction of the images."""

    def rungs(self, epochs: float) -> tuple[float, ...]:
        """Return the lengths of the rungs; where the fidelity is `data`, all have full length."""
        if self.fidelity == "data":
            return ()
        return tuple(rung_levels(self.grace_epochs, self.reduction, epochs))


def rung_levels(grace: float, reduction: float, epochs: float) -> list[float]:
    """Return grace * reduction^k for k = 0, 1, ... below the full length `epochs`."""
    levels = []
    level = grace
    while level < epochs - 1e-6:
        levels.append(level)
        level *= reduction
    return levels


def too_long(spec: SearchSpec, option: str) -> Iterator[Refusal]:
    """Yield a refusal if a scheduler's option, in epochs, is not below the full length.

    Its default is allowed: it means the same as no early stopping.
    """
    value = getattr(spec.scheduler, option)
    default = type(spec.scheduler).model_fields[option].default
    if value >= spec.epochs and value != default:
        text = f"{value:g} leaves nothing to stop: epochs = {spec.epochs}; lower it"
        yield Refusal(("scheduler", option), text)


@dataclass
class Rung:
    """The values (more is better) of the trials that came to one length."""

    level: float
    values: list[float] = field(default_factory=list)
    """Ascending."""

    def add(self, value: float) -> None:
        """Add the value of one more trial."""
        bisect.insort(self.values, value)

    def better_than(self, value: float) -> int:
        """Return how many values are strictly better."""
        return len(self.values) - bisect.bisect_right(self.values, value)


@dataclass
class Ladder:
    """The levels of one bracket, and which of them each trial has passed."""

    levels: list[float]
    epochs: float
    by_data: bool = False
    _passed: dict[str, int] = field(default_factory=dict)

    def arriving(self, trial: Trial, epoch: float) -> range:
        """Return the indices of the levels that a report at `epoch` is the first to reach."""
        passed = self._passed.get(trial.id, 0)
        length = epoch
        if self.by_data:
            length = trial.fraction * self.epochs if reached(epoch, self.epochs) else 0.0
        upto = passed
        while upto < len(self.levels) and reached(length, self.levels[upto]):
            upto += 1
        return range(passed, upto)

    def move(self, trial: Trial, epoch: float) -> None:
        """Remember the levels that a report has reached."""
        arrived = self.arriving(trial, epoch)
        if arrived:
            self._passed[trial.id] = arrived.stop

    def leave(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        self._passed.pop(trial.id, None)

    def place(self, level: float) -> str:
        """Return a level in words: `epoch 3`, or `0.25 of the data`."""
        return f"{level / self.epochs:.3g} of the data" if self.by_data else f"epoch {level:g}"

    @property
    def cost(self) -> float:
        """The epochs that a trial costs which passes every level.

        Where the fidelity is `data`, it is trained from scratch on each fraction of the images.
        """
        return (sum(self.levels) if self.by_data else 0) + self.epochs

    @property
    def first_fraction(self) -> float:
        """The fraction of the training images that a new trial begins with."""
        return self.levels[0] / self.epochs if self.by_data and self.levels else 1.0

    def next_fraction(self, index: int) -> float | None:
        """Return the fraction to train on after the rung `index`; None: the data do not change."""
        if not self.by_data:
            return None
        return self.levels[index + 1] / self.epochs if index + 1 < len(self.levels) else 1.0
