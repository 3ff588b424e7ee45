"""Nodes that are announced to go away: preempted by a cloud, or drained by hand or a scaler."""

from __future__ import annotations

import time
from collections.abc import Collection

DRAINING_SECONDS = 2.0


class Draining:
    """The ids of the nodes that are about to go; the answer is kept for two seconds."""

    def __init__(self) -> None:
        self._known: Collection[str] = ()
        self._until = 0.0

    def __call__(self) -> Collection[str]:
        """Return them; none where this version of Ray does not say."""
        if time.monotonic() >= self._until:
            self._known = _ask()
            self._until = time.monotonic() + DRAINING_SECONDS
        return self._known


def _ask() -> Collection[str]:
    import ray

    if not ray.is_initialized():  # the search is over
        return frozenset()
    try:
        # Ray has no public way to ask; Ray Train reads the same list.
        from ray._private.state import state

        return frozenset(state.get_draining_nodes())
    except (ImportError, AttributeError):
        return frozenset()
