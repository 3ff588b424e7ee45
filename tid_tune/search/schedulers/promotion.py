"""Promotion from rung to rung: trials wait at rungs, and the best of each go on.

A trial that arrives at a rung waits there until it is among the best 1 in `reduction` of those
that have arrived: no worker waits for a rung to fill, and no poor trial goes on because it came
first. Where no more trials come, the best of a rung that no trial has left goes on, so that a
ladder ends with a trial of full length.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from tid_tune.ledger.records import Trial
from tid_tune.search.decision import CONTINUE, Decision, Pause
from tid_tune.search.schedulers.base import Closing, Continuation
from tid_tune.search.schedulers.rungs import Ladder


@dataclass
class WaitingRung:
    """A rung that trials wait at. Of equal values, the earlier trial counts as the better one."""

    level: float
    ranked: list[tuple[float, int]] = field(default_factory=list)
    """(value, -number) of all trials that arrived, ascending."""
    waiting: dict[str, tuple[float, int]] = field(default_factory=dict)
    queue: list[tuple[float, int, str]] = field(default_factory=list)
    """(-value, number, trial) of the trials that wait, the best one first."""
    promoted: int = 0

    def arrive(self, trial: Trial, value: float, waits: bool) -> None:
        """Take in a trial; it either waits or has gone on already."""
        bisect.insort(self.ranked, (value, -trial.number))
        if waits:
            self.waiting[trial.id] = (value, -trial.number)
            bisect.insort(self.queue, (-value, trial.number, trial.id))
        else:
            self.promoted += 1

    def better_than(self, key: tuple[float, int]) -> int:
        """Return how many are ranked before (value, -number)."""
        return len(self.ranked) - bisect.bisect_right(self.ranked, key)

    def leave(self, trial: str) -> bool:
        """Remove a trial from those that wait; return whether it was one of them."""
        key = self.waiting.pop(trial, None)
        if key is None:
            return False
        value, number = key
        del self.queue[bisect.bisect_left(self.queue, (-value, -number, trial))]
        return True

    def promotable(self, reduction: float, last_call: bool) -> Iterator[str]:
        """Yield the trials that may go on, the best one first.

        Args:
            reduction: one in so many goes on.
            last_call: nothing runs and nothing new comes: if no trial has left, the best may.
        """
        quota = int(len(self.ranked) / reduction)
        for at, (value, number, trial) in enumerate(self.queue):
            is_last = last_call and self.promoted == 0 and at == 0
            if not is_last and self.better_than((-value, -number)) >= quota:
                return
            yield trial


@dataclass
class Promotion:
    """A ladder of rungs that trials wait at.

    Attributes:
        ladder: the levels, and which of them each trial has passed.
        reduction: one in so many goes on from a rung.
    """

    ladder: Ladder
    reduction: float

    def __post_init__(self) -> None:
        self.rungs = [WaitingRung(level) for level in self.ladder.levels]

    def started(self, trial: Trial) -> None:
        """Count the trial as promoted if it was waiting."""
        for rung in self.rungs:
            if rung.leave(trial.id):
                rung.promoted += 1

    def decide(self, trial: Trial, epoch: float, value: float, packs: bool) -> Decision:
        """Pause at a rung, unless the trial is among its best already.

        With `packs` it pauses then too, and goes on together with others.
        """
        arrived = self.ladder.arriving(trial, epoch)
        if not arrived:
            return CONTINUE
        rung = self.rungs[arrived[-1]]
        count, better = len(rung.ranked) + 1, rung.better_than((value, -trial.number))
        goes_on = better < int(count / self.reduction)
        if goes_on and not self.ladder.by_data and not packs:
            return CONTINUE
        place = self.ladder.place(rung.level)
        return Pause(f"waits at {place}: rank {better + 1} of {count}")

    def reported(self, trial: Trial, epoch: float, value: float) -> None:
        """Add the value to the rungs that this report is the first to reach."""
        paused = isinstance(trial.decision, Pause)
        arrived = self.ladder.arriving(trial, epoch)
        for index in arrived:
            self.rungs[index].arrive(trial, value, waits=paused and index == arrived[-1])
        self.ladder.move(trial, epoch)

    def ended(self, trial: Trial) -> None:
        """Forget a trial that is over."""
        if trial.status.final:
            self.ladder.leave(trial)
            for rung in self.rungs:
                rung.leave(trial.id)

    def continuations(self, more: bool, idle: bool) -> Iterator[tuple[float, Continuation]]:
        """Yield the level and the continuation of each promotable trial, the longest rung first."""
        for index in reversed(range(len(self.rungs))):
            rung, fraction = self.rungs[index], self.ladder.next_fraction(index)
            for trial in rung.promotable(self.reduction, last_call=idle and not more):
                yield rung.level, Continuation(trial, fraction=fraction)

    def closings(self) -> Iterator[Closing]:
        """Yield every trial that still waits."""
        for rung in self.rungs:
            count, place = len(rung.ranked), self.ladder.place(rung.level)
            for trial, key in rung.waiting.items():
                rank = rung.better_than(key) + 1
                yield Closing(trial, f"rank {rank} of {count} at {place}; {rung.promoted} went on")
