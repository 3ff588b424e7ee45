"""Run a search without training: function trials, nodes that come and go, a virtual clock.

The engine is the real one; only the executor is simulated. Used by tests, benchmarks, and to try
out a sampler and a scheduler on a known function before paying for GPUs.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import FINISHED, WAIT, Assignment, Continue, Signal
from tid_tune.search.engine import Search
from tid_tune.search.simulated_nodes import Node, Slot, Slots
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
    """A worker that trains a pack until its members report next, or that starts."""

    due: float
    order: int
    slot: Slot = field(compare=False)
    pack: str = field(compare=False)
    members: list[tuple[Assignment, int]] = field(compare=False)
    """Each with the epoch that it reports next."""


@dataclass
class Simulator:
    """Runs a search on virtual workers until it is finished.

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
        nodes: what the workers run on; empty: one node that stays, with room for `workers`.
    """

    search: Search
    objective: Objective
    clock: VirtualClock
    workers: int = 1
    seconds: Callable[[Assignment], float] = lambda assignment: 60.0
    iterations: Callable[[Assignment], int] = lambda assignment: 1
    students: int | None = None
    common: float = 0.0
    nodes: Sequence[Node] = ()

    def __post_init__(self) -> None:
        self._slots = Slots(self.nodes or [Node("simulated", self.workers)])
        self._running: list[_Worker] = []
        self._started = 0
        asked = self.search.spec.resources.students
        self._size = self.students or (asked if isinstance(asked, int) else 1)

    def run(self) -> None:
        """Run until FINISHED."""
        while self.step():
            pass

    def step(self) -> bool:
        """Fill the free workers, then let the next thing happen. False at the end.

        That is a report, the start of a worker, or that a node joins or leaves.
        """
        answer = self._fill()
        if answer is FINISHED:
            return False
        if not self._running and answer is WAIT:
            raise RuntimeError("the search waits although nothing is running")
        report = self._running[0].due if self._running else math.inf
        join = self._slots.next_join
        if report == join == math.inf:
            raise RuntimeError("every node has left, and none will join")
        if self._slots.next_leave <= min(report, join):
            self._leave()
        elif report <= join:
            self._advance(heapq.heappop(self._running))
        else:
            self.clock.now = join
        return True

    def _fill(self) -> Signal | None:
        """Start workers on the free slots; return why one stays free, None: none does."""
        while self._slots.first(self.clock.now) is not None:
            answer = self.search.next_pack(self._size)
            if isinstance(answer, Signal):
                return answer
            slot = self._slots.take()
            members = _with_next_epochs(answer.members)
            if slot.started or not slot.node.starting:
                self._begin(slot, answer.id, members)
            else:
                self._schedule(slot.node.starting, slot, answer.id, members)
        return None

    def _begin(self, slot: Slot, pack: str, members: list[tuple[Assignment, int]]) -> None:
        """Let a worker that has started train its first interval."""
        slot.started = True
        self._place(slot, members)
        self._train(slot, pack, members)

    def _place(self, slot: Slot, members: Iterable[tuple[Assignment, int]]) -> None:
        """Record that a worker has the trials."""
        for member, _ in members:
            self.search.placed(member.trial, node=slot.node.name)

    def _train(self, slot: Slot, pack: str, members: list[tuple[Assignment, int]]) -> None:
        seconds = sum(self._share(slot, one, len(members)) for one, _ in members)
        self._schedule(seconds, slot, pack, members)

    def _schedule(
        self, seconds: float, slot: Slot, pack: str, members: list[tuple[Assignment, int]]
    ) -> None:
        self._started += 1
        due = self.clock.now + seconds
        heapq.heappush(self._running, _Worker(due, self._started, slot, pack, members))

    def _share(self, slot: Slot, assignment: Assignment, count: int) -> float:
        """Return what an epoch costs a trial that is trained beside others."""
        share = 1.0 - self.common + self.common / count
        return self.seconds(assignment) * slot.node.pace * share

    def _leave(self) -> None:
        """Let the next node leave, with what its workers have trained since their last reports."""
        self.clock.now = self._slots.next_leave
        node = self._slots.leave()
        lost = [worker for worker in self._running if worker.slot.node is node]
        self._running = [worker for worker in self._running if worker.slot.node is not node]
        heapq.heapify(self._running)
        cause = Cause.PREEMPTED if node.notice else Cause.LOST
        for worker in lost:
            for member, _ in worker.members:
                self.search.fail(member.trial, cause, f"its node {node.name} died")

    def _advance(self, worker: _Worker) -> None:
        """Let a worker start, or report."""
        self.clock.now = worker.due
        if worker.slot.started:
            self._report(worker)
        else:
            self._begin(worker.slot, worker.pack, worker.members)

    def _report(self, worker: _Worker) -> None:
        count, slot = len(worker.members), worker.slot
        goes_on = [one for one in worker.members if self._goes_on(slot, *one, count)]
        if slot.node.is_going(self.clock.now):
            for member, _ in goes_on:
                reason = f"its node {slot.node.name} was announced to go away"
                self.search.fail(member.trial, Cause.PREEMPTED, reason)
            return
        members = [(assignment, epoch + 1) for assignment, epoch in goes_on]
        room = self._size - len(members)
        if members and worker.pack and room:
            joining = _with_next_epochs(self.search.refill(worker.pack, room))
            self._place(slot, joining)
            members += joining
        if members:
            self._train(slot, worker.pack, members)
        else:
            self._slots.give_back(slot)

    def _goes_on(self, slot: Slot, assignment: Assignment, epoch: int, count: int) -> bool:
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
            seconds=self._share(slot, assignment, count),
            images=100,
            checkpoint=f"{assignment.trial}/s{assignment.segment}/{epoch}",
        )
        if epoch >= assignment.epochs:
            self.search.complete(assignment.trial)
            return False
        return isinstance(decision, Continue)


def _with_next_epochs(work: Iterable[Assignment]) -> list[tuple[Assignment, int]]:
    """Return trials with the epochs that they report next."""
    return [(assignment, _epoch_of(assignment.checkpoint) + 1) for assignment in work]


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
