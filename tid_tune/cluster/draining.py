"""Nodes that are announced to go away: preempted by a cloud, or drained by hand or a scaler."""

from __future__ import annotations

from collections.abc import Collection

from tid_tune.cluster.recent import Recent

DRAINING_SECONDS = 2.0


class Draining(Recent[Collection[str]]):
    """The ids of the nodes that are about to go; none where this version of Ray does not say."""

    def __init__(self) -> None:
        super().__init__(_ask_ray, DRAINING_SECONDS)


def _ask_ray() -> Collection[str]:
    import ray

    if not ray.is_initialized():  # the search is over
        return frozenset()
    try:
        # Ray has no public way to ask; Ray Train reads the same list.
        from ray._private.state import state

        return frozenset(state.get_draining_nodes())
    except (ImportError, AttributeError):
        return frozenset()
