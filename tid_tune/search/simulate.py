"""Run a search without training: function trials, several workers, a virtual clock.

The engine is the real one; only the executor is simulated. Used by tests, benchmarks, and to try
out a sampler and a scheduler on a known function before paying for GPUs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import FINISHED, WAIT, Assignment, Continue
from tid_tune.search.engine import Search
from tid_tune.searchfile.model import SearchSpec

Objective = Callable[[Assignment, float], dict[str, float]]
"""(assignment, epoch) -> metrics. May raise: see `Failure`."""


class Failure(Exception):
    """Raised by an objective to fail its trial with a kind."""

    def __init__(self, kind: str, message: str = "simulated") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class VirtualClock:
    """A clock that the simulator moves."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the virtual time."""
        return self.now


@dataclass(order=True)
class _Running:
    due: float
    order: int
    assignment: Assignment = field(compare=False)
    epoch: int = field(compare=False)


@dataclass
class Simulator:
    """Runs a search on `workers` virtual workers until it is finished.

    Args:
        search: a search whose ledger uses `clock`.
        objective: the metrics of a trial at an epoch.
        clock: shared with the ledger.
        workers: trials that run at once.
        seconds: duration of one epoch of an assignment.
        iterations: in one epoch of an assignment; they may follow its batch size.
    """

    search: Search
    objective: Objective
    clock: VirtualClock
    workers: int = 1
    seconds: Callable[[Assignment], float] = lambda assignment: 60.0
    iterations: Callable[[Assignment], int] = lambda assignment: 1

    def __post_init__(self) -> None:
        self._running: list[_Running] = []
        self._started = 0

    def run(self) -> None:
        """Run until FINISHED."""
        while self.step():
            pass

    def step(self) -> bool:
        """Fill the free workers, then let the next report happen. False at the end."""
        finished = self._fill()
        if self._running:
            self._report(heapq.heappop(self._running))
            return True
        if not finished:
            raise RuntimeError("the search waits although nothing is running")
        return False

    def _fill(self) -> bool:
        while len(self._running) < self.workers:
            answer = self.search.next()
            if answer is WAIT:
                return False
            if answer is FINISHED:
                return True
            assert isinstance(answer, Assignment)
            self.search.placed(answer.trial, node="simulated")
            self._schedule(answer, _epoch_of(answer.checkpoint))
        return False

    def _schedule(self, assignment: Assignment, epoch: int) -> None:
        self._started += 1
        due = self.clock.now + self.seconds(assignment)
        heapq.heappush(self._running, _Running(due, self._started, assignment, epoch + 1))

    def _report(self, run: _Running) -> None:
        assignment = run.assignment
        self.clock.now = run.due
        try:
            metrics = self.objective(assignment, float(run.epoch))
        except Failure as failure:
            self.search.fail(assignment.trial, failure.kind, str(failure))
            return
        decision = self.search.report(
            assignment.trial,
            step=run.epoch * self.iterations(assignment),
            epoch=float(run.epoch),
            metrics=metrics,
            seconds=self.seconds(assignment),
            images=100,
            checkpoint=f"{assignment.trial}/s{assignment.segment}/{run.epoch}",
        )
        if run.epoch >= assignment.epochs:
            self.search.complete(assignment.trial)
        elif isinstance(decision, Continue):
            self._schedule(assignment, run.epoch)


def _epoch_of(checkpoint: str | None) -> int:
    """Return the epoch that a simulated checkpoint is of: its name ends with it."""
    return 0 if checkpoint is None else int(checkpoint.rpartition("/")[2])


def simulate(
    spec: SearchSpec,
    objective: Objective,
    *,
    workers: int = 1,
    ledger: Ledger | None = None,
    **options: Any,
) -> Search:
    """Run `spec` on a function and return the finished search.

    Args:
        spec: the search; its trial config is never read.
        objective: metrics of an assignment at an epoch.
        workers: trials that run at once.
        ledger: to continue or to keep; its clock must be a VirtualClock. None: in memory.
        options: of the Simulator.
    """
    clock = VirtualClock()
    if ledger is None:
        ledger = Ledger.in_memory(clock=clock)
    elif isinstance(ledger.clock, VirtualClock):
        clock = ledger.clock
    search = Search.open(spec, ledger)
    Simulator(search, objective, clock, workers, **options).run()
    return search
