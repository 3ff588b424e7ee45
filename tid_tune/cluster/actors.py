"""Tune's manager of actors, made to take any end of a worker as that: the end of one worker.

Ray's own ends the whole search where the memory monitor has killed a worker, and keeps what Ray
says of an end to itself. The classes are Ray's internals; tests/faults notices when they change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ray.air.execution._internal import RayActorManager, TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution import tune_controller


class Ends:
    """What Ray answered last in the place of a worker."""

    latest: BaseException | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> Ends:
        return self  # Tune copies its scheduler

    def __getstate__(self) -> dict[str, object]:
        return {}


@contextmanager
def tolerant_actors() -> Iterator[Ends]:
    """Let Tune use the tolerant manager inside the block; yield what it hears of ends."""
    ends = Ends()

    class Manager(RayActorManager):
        # Ray passes the arguments by these names.
        def _actor_task_failed(
            self, tracked_actor_task: TrackedActorTask, exception: Exception
        ) -> None:
            ends.latest = exception
            known = isinstance(exception, RayActorError | RayTaskError)
            if isinstance(exception, RayError) and not known:
                exception = RayActorError(error_msg=str(exception))
            super()._actor_task_failed(tracked_actor_task, exception)

        def _actor_start_failed(self, tracked_actor: TrackedActor, exception: Exception) -> None:
            ends.latest = exception
            super()._actor_start_failed(tracked_actor, exception)

    name = RayActorManager.__name__
    setattr(tune_controller, name, Manager)
    try:
        yield ends
    finally:
        setattr(tune_controller, name, RayActorManager)
