"""Asynchronous successive halving: of the trials at a rung, the best go on.

The rule of Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2018), in two forms.
Stopping: a trial is judged once, when it arrives, against those that arrived before it, and never
waits. Trials of equal value go on. The first one at a rung always goes on. Promotion, the form of
the paper: a trial waits at each rung, and goes on as soon as it is among the best there; see
`promotion`. It makes groups of trials of the same length, which are trained in packs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision, Pause, Stop
from tid_tune.search.schedulers.base import Closing, Continuation, Scheduler
from tid_tune.search.schedulers.promotion import Promotion
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.search.schedulers.rungs import Ladder, Rung, RungOptions, rung_levels, too_long
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal


class AshaOptions(RungOptions):
    """Asynchronous successive halving: trials below the best of a rung are stopped."""

    type: Literal["asha"] = "asha"
    rule: Literal["stop", "promote"] = "stop"
    """`stop`: a trial is judged when it arrives. `promote`: it waits until it is among the best."""


class _Stopping:
    """Judges a trial when it arrives at a rung."""

    def __init__(self, ladder: Ladder, reduction: float) -> None:
        self.ladder = ladder
        self._reduction = reduction
        self._rungs = [Rung(level) for level in ladder.levels]
        self._passed: dict[str, int] = {}
        """Trials that wait for their next fraction of the data, by the rung they passed."""

    def decide(self, trial: Trial, epoch: float, value: float, packs: bool) -> Decision:
        """Stop below the top fraction of the longest rung that this report reaches."""
        arrived = self.ladder.arriving(trial, epoch)
        if not arrived:
            return CONTINUE
        rung = self._rungs[arrived[-1]]
        count = len(rung.values) + 1
        quota = max(1, int(count / self._reduction))
        better = rung.better_than(value)
        if better >= quota:
            best = "the best one goes" if quota == 1 else f"the best {quota} go"
            return Stop(
                f"rank {better + 1} of {count} at {self.ladder.place(rung.level)}; {best} on"
            )
        fraction = self.ladder.next_fraction(arrived[-1])
        if fraction is None:
            return CONTINUE
        part = "all" if fraction == 1.0 else f"{fraction:.3g}"
        return Pause(f"goes on with {part} of the data")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        arrived = self.ladder.arriving(trial, epoch)
        for index in arrived:
            self._rungs[index].add(value)
        if arrived and self.ladder.by_data:
            self._passed[trial.id] = arrived[-1]
        self.ladder.move(trial, epoch)

    def started(self, trial: Trial) -> None:
        """Note that the trial does not wait any more."""
        self._passed.pop(trial.id, None)

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        if trial.status.final:
            self.ladder.leave(trial)
            self._passed.pop(trial.id, None)

    def continuations(self, more: bool, idle: bool) -> Iterator[tuple[float, Continuation]]:
        """Yield the rung and the continuation of each trial that waits for more data."""
        for trial, index in self._passed.items():
            level, fraction = self.ladder.levels[index], self.ladder.next_fraction(index)
            yield level, Continuation(trial, fraction=fraction)

    def closings(self) -> Iterator[Closing]:
        """Yield nothing: whoever waits goes on."""
        yield from ()


@register_scheduler
class Asha(Scheduler[AshaOptions]):
    """At `grace_epochs` * `reduction`^k epochs, the best 1 in `reduction` go on."""

    Options = AshaOptions

    def __init__(self, options: AshaOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        levels = rung_levels(options.grace_epochs, options.reduction, epochs)
        ladder = Ladder(levels, epochs, by_data=options.fidelity == "data")
        form = Promotion if options.rule == "promote" else _Stopping
        self._rule: Promotion | _Stopping = form(ladder, options.reduction)

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse a first rung at or behind the full length."""
        yield from too_long(spec, "grace_epochs")

    @property
    def longest(self) -> float:
        """The epochs that a trial costs which passes every rung."""
        return self._rule.ladder.cost

    @property
    def first_fraction(self) -> float:
        """The fraction of the training images that a new trial begins with."""
        return self._rule.ladder.first_fraction

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Answer by the rule at the longest rung that this report reaches."""
        return self._rule.decide(trial, epoch, value, self.packs)

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        self._rule.reported(trial, epoch, value)

    def started(self, trial: Trial) -> None:
        """Note that the trial does not wait any more."""
        self._rule.started(trial)

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        self._rule.ended(trial)

    def continuations(self, more: bool, idle: bool) -> Iterator[Continuation]:
        """Yield the trials that were promoted, or that wait for more data."""
        return (found for _, found in self._rule.continuations(more, idle))

    def closings(self) -> list[Closing]:
        """Return the trials that wait at a rung and will not be promoted."""
        return list(self._rule.closings())
