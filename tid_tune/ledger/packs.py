"""Packs: trials that one worker trains side by side, and how its time is shared among them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class PackRecord:
    """One pack. Built by `RunState` only; read it, do not write it.

    The pack holds one worker, so its members share its time: while n of them run, a second costs
    each of them 1/n seconds. `charged` adds that up, so that what a member has cost between two
    moments is the difference of two readings.
    """

    id: str
    members: list[str] = field(default_factory=list)
    """Whoever was in it, in the order of joining."""
    running: dict[str, None] = field(default_factory=dict)
    charged: float = 0.0
    """Seconds that a member would have been charged which ran all the time."""
    _until: float = 0.0

    def join(self, trial: str, time: float) -> None:
        """Take in a trial that starts in the pack."""
        self._advance(time)
        if trial not in self.members:
            self.members.append(trial)
        self.running[trial] = None

    def leave(self, trial: str, time: float) -> None:
        """Take in that a trial does not run in the pack any more."""
        self._advance(time)
        self.running.pop(trial, None)

    def reading(self, time: float) -> float:
        """Return `charged` as it is at a time behind the last event."""
        count = len(self.running)
        return self.charged + (max(0.0, time - self._until) / count if count else 0.0)

    def _advance(self, time: float) -> None:
        self.charged = self.reading(time)
        self._until = max(self._until, time)
