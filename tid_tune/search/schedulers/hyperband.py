"""Hyperband with asynchronous promotion: trials wait at rungs, and only the best go on.

Trials are dealt to brackets that differ in their first rung, in the numbers of Li et al.,
"Hyperband" (2018), so that a parameter whose effect shows late is not lost in every bracket. As
there, one bracket is filled after the other, that with the earliest first rung first, then again
from the first: many short trials come before few long ones, and the first trial of full length is
the best of a whole bracket. In a bracket, a trial pauses at each rung and goes on as soon as it is
among the best 1 in `reduction` there: no worker waits for a rung to fill, and no poor trial goes on
because it came first. Where no more trials come, the best of a rung that no trial has left goes on,
so that every bracket ends with a trial of full length.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision, Pause
from tid_tune.search.schedulers.base import Closing, Continuation, Scheduler
from tid_tune.search.schedulers.registry import register_scheduler
from tid_tune.search.schedulers.rungs import Ladder, RungOptions, rung_levels, too_long
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal


class HyperbandOptions(RungOptions):
    """Hyperband: trials wait at rungs, in brackets with different first rungs."""

    type: Literal["hyperband"] = "hyperband"


@dataclass
class _Rung:
    """A rung that trials wait at. Of equal values, the earlier trial counts as the better one."""

    level: float
    ranked: list[tuple[float, int]] = field(default_factory=list)
    """(value, -number) of all trials that arrived, ascending."""
    waiting: dict[str, tuple[float, int]] = field(default_factory=dict)
    heap: list[tuple[float, int, str]] = field(default_factory=list)
    """(-value, number, trial) of the trials that wait, and of some that have left since."""
    promoted: int = 0

    def arrive(self, trial: Trial, value: float, waits: bool) -> None:
        """Take in a trial; it either waits or has gone on already."""
        bisect.insort(self.ranked, (value, -trial.number))
        if waits:
            self.waiting[trial.id] = (value, -trial.number)
            heapq.heappush(self.heap, (-value, trial.number, trial.id))
        else:
            self.promoted += 1

    def better_than(self, key: tuple[float, int]) -> int:
        """Return how many are ranked before (value, -number)."""
        return len(self.ranked) - bisect.bisect_right(self.ranked, key)

    def leave(self, trial: str) -> bool:
        """Remove a trial from those that wait; return whether it was one of them."""
        found = self.waiting.pop(trial, None) is not None
        while self.heap and self.heap[0][2] not in self.waiting:
            heapq.heappop(self.heap)
        return found


@dataclass
class _Bracket:
    size: int
    """The trials that it gets before the next bracket gets any."""
    ladder: Ladder
    rungs: list[_Rung]
    dealt: int = 0


@register_scheduler
class Hyperband(Scheduler[HyperbandOptions]):
    """Brackets whose first rung is at `grace_epochs` * `reduction`^k; the last has no rung."""

    Options = HyperbandOptions

    def __init__(self, options: HyperbandOptions, epochs: int, seed: int = 0) -> None:
        super().__init__(options, epochs, seed)
        reduction = options.reduction
        levels = rung_levels(options.grace_epochs, reduction, epochs)
        self.brackets = []
        for skipped in range(len(levels) + 1):
            own = levels[skipped:]
            size = math.ceil((len(levels) + 1) / (len(own) + 1) * reduction ** len(own))
            ladder = Ladder(own, epochs, by_data=options.fidelity == "data")
            self.brackets.append(_Bracket(size, ladder, [_Rung(v) for v in own]))
        self._bracket_of: dict[str, _Bracket] = {}

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse a first rung at or behind the full length."""
        yield from too_long(spec, "grace_epochs")

    @property
    def longest(self) -> float:
        """The epochs that a trial costs which passes every rung of the first bracket."""
        return self.brackets[0].ladder.cost

    @property
    def first_fraction(self) -> float:
        """The fraction of the training images that the next new trial begins with."""
        return self._next_bracket().ladder.first_fraction

    def suggested(self, trial: Trial) -> None:
        """Deal the trial to a bracket."""
        bracket = self._next_bracket()
        bracket.dealt += 1
        self._bracket_of[trial.id] = bracket

    def started(self, trial: Trial) -> None:
        """Count the trial as promoted if it was waiting."""
        for rung in self._bracket_of[trial.id].rungs:
            if rung.leave(trial.id):
                rung.promoted += 1

    def decide(self, trial: Trial, epoch: float, value: float) -> Decision:
        """Pause at a rung, unless the trial is among its best already."""
        bracket = self._bracket_of[trial.id]
        arrived = bracket.ladder.arriving(trial, epoch)
        if not arrived:
            return CONTINUE
        rung = bracket.rungs[arrived[-1]]
        count, better = len(rung.ranked) + 1, rung.better_than((value, -trial.number))
        if better < int(count / self.options.reduction) and not bracket.ladder.by_data:
            return CONTINUE
        place = bracket.ladder.place(rung.level)
        return Pause(f"waits at {place}: rank {better + 1} of {count}")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        paused = isinstance(trial.decision, Pause)
        bracket = self._paused_in(trial, epoch) if paused else self._bracket_of[trial.id]
        arrived = bracket.ladder.arriving(trial, epoch)
        for index in arrived:
            bracket.rungs[index].arrive(trial, value, waits=paused and index == arrived[-1])
        bracket.ladder.move(trial, epoch)

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        if trial.status.final and trial.id in self._bracket_of:
            bracket = self._bracket_of.pop(trial.id)
            bracket.ladder.leave(trial)
            for rung in bracket.rungs:
                rung.leave(trial.id)

    def next_continuation(self, more: bool, idle: bool) -> Continuation | None:
        """Return the promotable trial of the longest rung."""
        found: tuple[float, Continuation] | None = None
        for bracket in self.brackets:
            for index, rung in enumerate(bracket.rungs):
                trial = self._promotable(rung, last_call=idle and not more)
                if trial is not None and (found is None or rung.level > found[0]):
                    fraction = bracket.ladder.next_fraction(index)
                    found = (rung.level, Continuation(trial, fraction=fraction))
        return None if found is None else found[1]

    def closings(self) -> list[Closing]:
        """Return every trial that still waits."""
        return [
            Closing(
                trial,
                f"rank {rung.better_than(key) + 1} of {len(rung.ranked)} at "
                f"{bracket.ladder.place(rung.level)}; {rung.promoted} went on",
            )
            for bracket in self.brackets
            for rung in bracket.rungs
            for trial, key in rung.waiting.items()
        ]

    def _promotable(self, rung: _Rung, last_call: bool) -> str | None:
        if not rung.heap:
            return None
        value, number, trial = rung.heap[0]
        quota = int(len(rung.ranked) / self.options.reduction)
        if last_call and rung.promoted == 0:
            return trial
        return trial if rung.better_than((-value, -number)) < quota else None

    def _next_bracket(self) -> _Bracket:
        """Return the bracket that is being filled: the first of those that are the least full."""
        return min(self.brackets, key=lambda bracket: bracket.dealt // bracket.size)

    def _paused_in(self, trial: Trial, epoch: float) -> _Bracket:
        """Return the bracket of a trial that paused at `epoch`.

        Earlier versions dealt trials in another order: there, a pause shows a bracket with a rung
        at this length, and the trial is counted in that one.
        """
        bracket = self._bracket_of[trial.id]
        if bracket.ladder.arriving(trial, epoch):
            return bracket
        fitting = (b for b in reversed(self.brackets) if b.ladder.arriving(trial, epoch))
        found = next(fitting, bracket)
        bracket.ladder.leave(trial)
        bracket.dealt -= 1
        found.dealt += 1
        self._bracket_of[trial.id] = found
        return found
