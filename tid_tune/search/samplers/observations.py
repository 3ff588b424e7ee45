"""What a sampler knows: the trials of one stream, as results, partial results and pending points.

Everything here is a function of the ledger's events in their order, so a resumed search has the
same observations as the one that was interrupted.
"""

from __future__ import annotations

import bisect
import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tid_tune.space import Params

BEST = 150
RECENT = 200
"""Samplers with a model see the best and the most recent observations, no more than these."""


class Length(NamedTuple):
    """How far a training has come: epochs, on a fraction of the training images."""

    fraction: float
    epoch: float

    @property
    def cost(self) -> float:
        """In epochs on all images."""
        return self.fraction * self.epoch


@dataclass(frozen=True, slots=True)
class Observation:
    """One trial's result. `values` are signed so that more is better.

    `step` is None for a trial of full length; for one that was stopped, how far it came: only
    equal lengths compare, and a longer life is the better sign. `curve` has the first objective,
    signed too, at every length the trial reported, in order.
    """

    number: int
    params: Params
    values: tuple[float, ...]
    step: int | None = None
    curve: dict[Length, float] = field(default_factory=dict)

    @property
    def length(self) -> Length:
        """Where its curve ends."""
        return next(reversed(self.curve))

    @property
    def order(self) -> tuple[float, ...]:
        """Sort key: full lengths by value, then stopped trials by how far they came, by value."""
        if self.step is None:
            return (0.0, 0.0, -self.values[0], self.number)
        return (1.0, -float(self.step), -self.values[0], self.number)


class Observations:
    """Results and pending points of one stream, bounded where a model reads them."""

    def __init__(self, best: int = BEST, recent: int = RECENT) -> None:
        self.pending: dict[int, Params] = {}
        self.results: dict[int, Observation] = {}
        self.history: list[Observation] = []
        """Every final result, in the order they came."""
        self._ranked: list[tuple[tuple[float, ...], int]] = []
        self._recent: deque[int] = deque(maxlen=recent)
        self._best = best

    def suggested(self, number: int, params: Params) -> None:
        """Add a trial with these values that has no result yet."""
        self.pending[number] = params

    def observe(self, observation: Observation, final: bool = True) -> None:
        """Take in a result; it replaces an earlier partial one of the same trial."""
        self.forget(observation.number)
        if final:
            self.history.append(observation)
        self.results[observation.number] = observation
        bisect.insort(self._ranked, (observation.order, observation.number))
        self._recent.append(observation.number)

    def forget(self, number: int) -> None:
        """Drop a trial that is over without a result, or whose result will be replaced."""
        self.pending.pop(number, None)
        old = self.results.pop(number, None)
        if old is not None:
            del self._ranked[bisect.bisect_left(self._ranked, (old.order, number))]
            # A trial that waited at a rung for long is not among the recent ones any more.
            with contextlib.suppress(ValueError):
                self._recent.remove(number)

    def window(self) -> list[Observation]:
        """Return the best and the most recent results, in order of suggestion."""
        chosen = {number for _, number in self._ranked[: self._best]}
        chosen.update(self._recent)
        return [self.results[number] for number in sorted(chosen)]

    def complete_window(self) -> list[Observation]:
        """Return the results of full length among `window`."""
        return [observation for observation in self.window() if observation.step is None]


def signed(metrics: Mapping[str, Any], objectives: Mapping[str, str]) -> tuple[float, ...]:
    """Return the objectives of a report, signed so that more is better."""
    return tuple(
        metrics[name] if direction == "max" else -metrics[name]
        for name, direction in objectives.items()
    )
