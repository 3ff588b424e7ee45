"""Run a search without training: function trials, several workers, a virtual clock.

The engine is the real one; only the executor is simulated. Used by tests, benchmarks, and to try
out a sampler and a scheduler on a known function before paying for GPUs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import FINISHED, Assignment, Continue, Signal
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
class _Worker:
    """A worker that trains a pack until its members report next."""

    due: float
    order: int
    pack: str = field(compare=False)
    members: list[tuple[Assignment, int]] = field(compare=False)
    """Each with the epoch that it reports next."""


@dataclass
class Simulator:
    """Runs a search on `workers` virtual workers until it is finished.

    Args:
        search: a search whose ledger uses `clock`.
        objective: the metrics of a trial at an epoch.
        clock: shared with the ledger.
        workers: packs that run at once; a pack is one trial unless the spec asks for more.
        seconds: duration of one epoch of an assignment, alone.
        iterations: in one epoch of an assignment; they may follow its batch size.
        students: that a worker trains side by side; None: as the spec says, one where it is `auto`.
        common: the part of an epoch's duration that the members of a pack have in common, such as
            the data and the teacher.
    """

    search: Search
    objective: Objective
    clock: VirtualClock
    workers: int = 1
    seconds: Callable[[Assignment], float] = lambda assignment: 60.0
    iterations: Callable[[Assignment], int] = lambda assignment: 1
    students: int | None = None
    common: float = 0.0

    def __post_init__(self) -> None:
        self._running: list[_Worker] = []
        self._started = 0
        asked = self.search.spec.resources.students
        self._size = self.students or (asked if isinstance(asked, int) else 1)

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
            answer = self.search.next_pack(self._size)
            if isinstance(answer, Signal):
                return answer is FINISHED
            self._schedule(answer.id, self._placed(answer.members))
        return False

    def _placed(self, members: Iterable[Assignment]) -> list[tuple[Assignment, int]]:
        """Record that a worker has the trials; return them with the epochs they report next."""
        members = list(members)
        for member in members:
            self.search.placed(member.trial, node="simulated")
        return [(member, _epoch_of(member.checkpoint) + 1) for member in members]

    def _schedule(self, pack: str, members: list[tuple[Assignment, int]]) -> None:
        self._started += 1
        due = self.clock.now + sum(self._share(one, len(members)) for one, _ in members)
        heapq.heappush(self._running, _Worker(due, self._started, pack, members))

    def _share(self, assignment: Assignment, count: int) -> float:
        """Return what an epoch costs a trial that is trained beside others."""
        return self.seconds(assignment) * (1.0 - self.common + self.common / count)

    def _report(self, worker: _Worker) -> None:
        self.clock.now = worker.due
        count = len(worker.members)
        goes_on = [one for one in worker.members if self._goes_on(*one, count)]
        members = [(assignment, epoch + 1) for assignment, epoch in goes_on]
        room = self._size - len(members)
        if members and worker.pack and room:
            members += self._placed(self.search.refill(worker.pack, room))
        if members:
            self._schedule(worker.pack, members)

    def _goes_on(self, assignment: Assignment, epoch: int, count: int) -> bool:
        """Report an epoch of a trial; return whether the trial goes on."""
        try:
            metrics = self.objective(assignment, float(epoch))
        except Failure as failure:
            self.search.fail(assignment.trial, failure.kind, str(failure))
            return False
        decision = self.search.report(
            assignment.trial,
            step=epoch * self.iterations(assignment),
            epoch=float(epoch),
            metrics=metrics,
            seconds=self._share(assignment, count),
            images=100,
            checkpoint=f"{assignment.trial}/s{assignment.segment}/{epoch}",
        )
        if epoch >= assignment.epochs:
            self.search.complete(assignment.trial)
            return False
        return isinstance(decision, Continue)


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
        workers: packs that run at once; a pack is one trial unless the spec asks for more.
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
