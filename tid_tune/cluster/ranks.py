"""The ranks of a worker's trial: actors in the bundles of the worker's own placement group.

The worker itself is the first rank. What it does with a trial, the others do at the same time; all
that they exchange goes through torch.distributed. Any of them that fails leaves the group, so that
no other one waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import ray

from tid_tune import stalls
from tid_tune.cluster.losses import of_ray
from tid_tune.cluster.messages import IntervalFailed, PackOrder, WorkOrder
from tid_tune.cluster.placement import here
from tid_tune.cluster.rank_worker import Outcome, RankWorker
from tid_tune.cluster.stepping import Interval, TrialPack
from tid_tune.errors import TidTuneError, TrialError
from tid_tune.ledger.decisions import Cause

if TYPE_CHECKING:
    from tid_tune.cluster.trainable import TrialTrainable

T = TypeVar("T")
GRACE = 30.0
"""Seconds in which the other ranks have to notice that one has failed."""
START = 300.0
"""Seconds in which the processes of all ranks have to start."""
WAITING = 0.9
"""Of `failures.stall_minutes`: so long ranks wait for each other. One that makes no progress ends
itself a little later, so that its own stacks are the ones that are written."""
STALLED = 1.2
"""Of `failures.stall_minutes`: by then, a rank that makes no progress has ended itself."""


class RankLost(TrialError):
    """A rank died or did not answer: the worker cannot go on, and its trial is not to blame."""

    def __init__(self, message: str, kind: str = Cause.LOST) -> None:
        super().__init__(message, kind)


class RankFailed(TidTuneError):
    """A rank reports why the trial failed."""

    def __init__(self, failure: IntervalFailed) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Team:
    """The actors of all ranks but the first; they are started when first needed, and kept."""

    def __init__(self, trainable: type[TrialTrainable], order: PackOrder) -> None:
        self._trainable = trainable
        self._ranks, self._cpus, self._gpus = order.ranks, order.cpus, order.gpus
        self._stall_seconds = order.stall_seconds
        self._workers: list[Any] = []
        self._places: list[tuple[str, str]] = []
        """The address and the id of each one's node."""

    @property
    def nodes(self) -> dict[str, str]:
        """The addresses of the nodes that the other ranks are on, by their ids."""
        return {name: address for address, name in self._places}

    def meet(self, order: WorkOrder, build: Callable[[], None]) -> None:
        """Let all ranks meet and build a trial.

        Raises:
            RankLost: a rank died.
            RankFailed: a rank other than this one failed.
        """
        from tid_tune.trial.rendezvous import LOOPBACK, NEVER, Meeting, join, listen

        self._start()
        own, _ = here()
        host = LOOPBACK if set(self.nodes.values()) == {own} else own
        listener = listen(host)
        patience = WAITING * self._stall_seconds or NEVER
        meeting = Meeting(host, listener.getsockname()[1], self._ranks, patience)
        work = PackOrder(members=(order,), ranks=self._ranks, stall_seconds=self._stall_seconds)
        text = work.model_dump_json()

        def join_and_build() -> None:
            join(meeting, 0, own_address=own, listener=listener)
            build()

        self.together(lambda worker, rank: worker.build.remote(text, meeting, rank), join_and_build)

    def step(self, action: Callable[[], T]) -> T:
        """Do one step in all ranks, `action` in this one; return what it returns.

        Raises:
            RankLost: as `meet`.
            RankFailed: as `meet`.
        """
        return self.together(lambda worker, _: worker.step.remote(), action)

    def together(self, ask: Callable[[Any, int], Any], action: Callable[[], T]) -> T:
        """Ask all other ranks, and run `action` in this one meanwhile; see `step`."""
        from tid_tune.trial.rendezvous import is_about_others, leave

        asked = [ask(worker, rank) for rank, worker in enumerate(self._workers, start=1)]
        others = _Watch(asked)
        try:
            found = action()
        except Exception as error:
            leave()
            try:
                self._blame(asked)
                if is_about_others(error):
                    raise RankLost(f"the ranks of a trial lost each other: {error}") from error
                raise
            finally:
                self.kill()
        finally:
            others.end()
        try:
            self._blame(asked)
        except TidTuneError:
            self.kill()
            raise
        return found

    def _blame(self, asked: list[Any]) -> None:
        """Raise why the other ranks failed, if they did: the first one with a reason of its own."""
        seconds = GRACE + STALLED * self._stall_seconds if self._stall_seconds else None
        stalls.rest()  # they end themselves
        done, late = ray.wait(asked, num_returns=len(asked), timeout=seconds)
        stalls.progress()
        only_about_others = None
        for rank, reference in enumerate(asked, start=1):
            if reference not in done:
                continue
            try:
                outcome: Outcome = ray.get(reference)
            except ray.exceptions.RayError as error:
                loss = of_ray(error)
                where, _ = self._places[rank - 1]
                raise RankLost(f"rank {rank} on {where}: {loss.reason}", loss.cause) from error
            if outcome.failure is not None and not outcome.about_others:
                raise RankFailed(outcome.failure)
            only_about_others = outcome.failure or only_about_others
        if late:
            names = ", ".join(str(asked.index(reference) + 1) for reference in late)
            raise RankLost(f"rank {names} did not answer within {seconds:g} s of the others")
        if only_about_others is not None:
            raise RankLost(f"the ranks of a trial lost each other: {only_about_others.text}")

    def _start(self) -> None:
        if self._workers:
            return
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = ray.util.get_current_placement_group()
        assert group is not None, "Tune gives each worker a placement group"
        actor: Any = ray.remote(RankWorker)
        for rank in range(1, self._ranks):
            place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)
            options = {"num_cpus": self._cpus, "num_gpus": self._gpus}
            started = actor.options(scheduling_strategy=place, **options).remote(self._trainable)
            self._workers.append(started)
        asked = [worker.node.remote() for worker in self._workers]
        stalls.rest()  # Ray starts them
        try:
            self._places = ray.get(asked, timeout=START)
            stalls.progress()
        except (ray.exceptions.RayError, TimeoutError) as error:
            self.kill()
            loss = of_ray(error)
            raise RankLost(
                f"the ranks of a trial did not start: {loss.reason}", loss.cause
            ) from error

    def close(self) -> None:
        """Let all ranks free the trial and leave each other; they are kept for the next one."""
        from tid_tune.trial.rendezvous import leave

        leave()
        asked = [worker.close.remote() for worker in self._workers]
        try:
            ray.get(asked, timeout=GRACE)
        except (ray.exceptions.RayError, TimeoutError):
            self.kill()

    def kill(self) -> None:
        """End the processes of all other ranks, whatever they are doing."""
        workers, self._workers = self._workers, []
        for worker in workers:
            ray.kill(worker)


class _Watch:
    """Lets this rank's own waiting fail as soon as another rank has failed."""

    def __init__(self, asked: list[Any]) -> None:
        self._asked = asked
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _watch(self) -> None:
        from tid_tune.trial.rendezvous import give_up

        waiting = self._asked
        while waiting and not self._ended.is_set():
            done, waiting = ray.wait(waiting, num_returns=1, timeout=1.0)
            for reference in done:
                if _has_failed(reference) and not self._ended.is_set():
                    give_up()
                    return


def _has_failed(reference: Any) -> bool:
    try:
        outcome: Outcome = ray.get(reference)
    except ray.exceptions.RayError:
        return True
    return outcome.failure is not None


class RankedPack:
    """A pack of one trial, which all ranks of a team train."""

    def __init__(self, inner: TrialPack, team: Team, order_of: Callable[[str], WorkOrder]) -> None:
        self._inner, self._team, self._order_of = inner, team, order_of

    def add(self, name: str, build: Callable[[], Any]) -> None:
        """Build the trial in all ranks; see `Team.meet`."""
        self._team.meet(self._order_of(name), lambda: self._inner.add(name, build))

    def run(self, name: str, action: Callable[[Any], T]) -> T:
        """Return what `action` returns for the trial, in this rank."""
        return self._inner.run(name, action)

    def step(self) -> Mapping[str, Interval | Exception]:
        """Train one interval in all ranks.

        Raises:
            RankLost: a rank died.
        """
        names: list[str] = []

        def step() -> Mapping[str, Interval | Exception]:
            found = self._inner.step()
            names.extend(found)
            for outcome in found.values():
                if isinstance(outcome, Exception):
                    raise outcome
            return found

        try:
            return self._team.step(step)
        except RankLost:
            raise
        except Exception as error:
            for name in names:
                self._inner.remove(name)
            return dict.fromkeys(names, error)

    def remove(self, name: str) -> None:
        """Close the trial in all ranks."""
        self._team.close()
        self._inner.remove(name)

    def close(self) -> None:
        """Close the trial in all ranks; repeatable."""
        self._team.close()
        self._inner.close()
