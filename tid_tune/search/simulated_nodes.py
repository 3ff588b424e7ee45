"""The nodes of a simulated cluster: they join and leave, announced or not, and differ in pace."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A machine that workers run on. Times are in seconds, on the simulation's clock."""

    name: str
    workers: int = 1
    """That run there at once."""
    pace: float = 1.0
    """How many times as long as usual an epoch takes there."""
    joins: float = 0.0
    leaves: float = math.inf
    notice: float = 0.0
    """So long before it leaves is that announced; 0: it leaves without a word."""
    starting: float = 0.0
    """A new worker takes so long to start."""

    def is_going(self, now: float) -> bool:
        """Return whether it was announced that the node will leave."""
        return self.notice > 0 and now >= self.leaves - self.notice


@dataclass
class Slot:
    """Room for one worker on a node."""

    node: Node
    started: bool = False
    """Whether there is a worker, which takes further work at once."""


class Slots:
    """The free slots of nodes that come and go.

    Args:
        nodes: all that there will ever be.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._free: deque[Slot] = deque()
        self._joining: list[tuple[float, int, Node]] = []
        self._leaving: list[tuple[float, int, Node]] = []
        for order, node in enumerate(nodes):
            self._joining.append((node.joins, order, node))
            if node.leaves < math.inf:
                self._leaving.append((node.leaves, order, node))
        heapq.heapify(self._joining)
        heapq.heapify(self._leaving)

    @property
    def next_join(self) -> float:
        """When the next node joins; infinity: none will."""
        return self._joining[0][0] if self._joining else math.inf

    @property
    def next_leave(self) -> float:
        """When the next node leaves; infinity: none will."""
        return self._leaving[0][0] if self._leaving else math.inf

    def leave(self) -> Node:
        """Return the node that leaves next; its slots are gone."""
        _, _, node = heapq.heappop(self._leaving)
        self._free = deque(slot for slot in self._free if slot.node is not node)
        return node

    def first(self, now: float) -> Slot | None:
        """Return the slot that has been free for longest; None: there is none now."""
        while self.next_join <= now:
            _, _, node = heapq.heappop(self._joining)
            self._free.extend(Slot(node) for _ in range(node.workers))
        while self._free and self._free[0].node.is_going(now):
            self._free.popleft()
        return self._free[0] if self._free else None

    def take(self) -> Slot:
        """Take the slot that `first` has returned."""
        return self._free.popleft()

    def give_back(self, slot: Slot) -> None:
        """Note that a slot is free again."""
        self._free.append(slot)
