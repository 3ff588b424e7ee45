"""Population-based training: poor trials continue from the weights of good ones, with new values.

All trials of the search are one population that advances in step (Jaderberg et al., 2017; the
barrier is ours): at each interval a trial pauses until every other one has come as far. So the
comparison is between equals, a donor's checkpoint is always of the same epoch, and the result
does not depend on how many workers there are. A trial in the worst quantile then goes on from the
checkpoint of one in the best, with that one's values perturbed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tid_tune.ledger.records import Trial
from tid_tune.models import Positive
from tid_tune.search.decision import CONTINUE, Decision, Pause
from tid_tune.search.samplers.base import rng_for
from tid_tune.search.schedulers.base import Continuation, Scheduler
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.search.schedulers.rungs import Ladder, too_long
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal, SchedulerOptions


class PbtOptions(SchedulerOptions):
    """Population-based training: poor trials copy the weights of good ones, with new values."""

    type: Literal["pbt"] = "pbt"
    interval_epochs: Positive = 1
    """Epochs between two perturbations."""
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """The fraction of the population that copies, and the fraction that is copied."""


@register_scheduler
class Pbt(Scheduler[PbtOptions]):
    """At each interval the worst `quantile` of the population copies the best `quantile`."""

    Options = PbtOptions
    copies_trials = True

    def __init__(self, options: PbtOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        interval = options.interval_epochs
        count = max(0, int((epochs - 1e-6) / interval))
        self.ladder = Ladder([interval * (k + 1) for k in range(count)], epochs)
        self._numbers: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        """Levels that each live trial has passed."""
        self._live = Counter[int]()
        """How many live trials have passed that many levels."""
        self._waiting: list[dict[str, None]] = [{} for _ in self.ladder.levels]
        self._values: list[dict[str, float]] = [{} for _ in self.ladder.levels]
        self._queue: tuple[tuple[int, int], list[Continuation]] = ((-1, 0), [])

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse an interval as long as a training."""
        yield from too_long(spec, "interval_epochs")

    def suggested(self, trial: Trial) -> None:
        """Join the population."""
        if trial.id not in self._numbers:
            self._numbers[trial.id] = trial.number
            self._passed[trial.id] = 0
            self._live[0] += 1
            self._forget_the_passed()

    def started(self, trial: Trial) -> None:
        """Note that the trial does not wait any more."""
        for waiting in self._waiting:
            waiting.pop(trial.id, None)

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Pause at each interval."""
        arrived = self.ladder.arriving(trial, epoch)
        if not arrived:
            return CONTINUE
        level = self.ladder.levels[arrived[-1]]
        return Pause(f"waits for the population at epoch {level:g}")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Remember the value of a trial that waits at the level it is the first to reach."""
        arrived = self.ladder.arriving(trial, epoch)
        if arrived:
            if isinstance(trial.decision, Pause):
                self._values[arrived[-1]][trial.id] = value
                self._waiting[arrived[-1]][trial.id] = None
            self._live[self._passed[trial.id]] -= 1
            self._live[arrived.stop] += 1
            self._passed[trial.id] = arrived.stop
        self.ladder.move(trial, epoch)

    def ended(self, trial: Trial) -> None:
        """Wait no longer for a trial that is over; its checkpoints may still be copied."""
        if trial.status.final and trial.id in self._passed:
            self._live[self._passed.pop(trial.id)] -= 1
            self.started(trial)
            self.ladder.leave(trial)

    def continuations(self, more: bool, idle: bool) -> Iterator[Continuation]:
        """Yield, once all trials have come as far, first those that copy, then the others."""
        index = next((i for i, waiting in enumerate(self._waiting) if waiting), None)
        if more or index is None or any(self._live[passed] for passed in range(index + 1)):
            return
        key = (index, len(self._values[index]))
        if self._queue[0] != key:
            self._queue = (key, self._continuations(index))
        queue, waiting = self._queue[1], self._waiting[index]
        while queue[-1].trial not in waiting:
            queue.pop()
        yield from (found for found in reversed(queue) if found.trial in waiting)

    def _forget_the_passed(self) -> None:
        """Drop the values of trials that have left a level, when a trial joins later.

        The trials of an earlier session (before `trials` was raised) have no checkpoint there.
        """
        for values, waiting in zip(self._values, self._waiting, strict=True):
            for name in [name for name in values if name not in waiting]:
                del values[name]

    def _continuations(self, index: int) -> list[Continuation]:
        """Return how each trial goes on from a level, the first one last."""
        donors, level = self._donors(index), self.ladder.levels[index]
        order = sorted(
            self._waiting[index], key=lambda name: (name not in donors, self._numbers[name])
        )
        return [Continuation(name, donor=donors.get(name), epoch=level) for name in order[::-1]]

    def _donors(self, index: int) -> dict[str, str]:
        """Return which trial each one of the worst quantile at a level copies."""
        values = self._values[index]
        ranked = sorted(values, key=lambda name: (-values[name], self._numbers[name]))
        count = min(max(1, int(len(ranked) * self.options.quantile)), len(ranked) // 2)
        donors = {}
        for name in ranked[len(ranked) - count :]:
            rng = rng_for(self.seed, "exploit", self._numbers[name], index)
            donor = ranked[int(rng.integers(count))]
            if values[donor] > values[name]:
                donors[name] = donor
        return donors
