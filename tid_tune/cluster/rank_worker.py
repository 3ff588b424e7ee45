"""One of the further ranks of a worker's trial, in an actor of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tid_tune import stalls
from tid_tune.cluster.losses import watch
from tid_tune.cluster.messages import IntervalFailed, PackOrder, WorkOrder
from tid_tune.cluster.parcel import begin
from tid_tune.cluster.placement import here
from tid_tune.cluster.saving import free
from tid_tune.cluster.stepping import TrialPack

if TYPE_CHECKING:
    from tid_tune.cluster.trainable import TrialTrainable


@dataclass(frozen=True)
class Outcome:
    """How a rank's part of a step ended."""

    failure: IntervalFailed | None = None
    about_others: bool = False
    """Whether the failure is only that another rank has failed."""


class RankWorker:
    """One of the further ranks, in an actor of its own."""

    def __init__(self, trainable: type[TrialTrainable]) -> None:
        # Not through Tune: this is a part of one of its workers.
        self._trainable = trainable.__new__(trainable)
        self._pack: TrialPack | None = None
        self._order: WorkOrder | None = None

    def node(self) -> tuple[str, str]:
        """Return the address and the id of this rank's node."""
        return here()

    def build(self, order: str, meeting: Any, rank: int) -> Outcome:
        """Meet the other ranks and build the trial of a PackOrder with one member."""
        return self._outcome(partial(self._build, order, meeting, rank))

    def _build(self, order: str, meeting: Any, rank: int) -> None:
        from tid_tune.trial.rendezvous import join

        work = PackOrder.model_validate_json(order)
        (self._order,) = work.members
        watch(work, rank)
        stalls.progress()
        member = begin(self._order, self._trainable.parcel)
        join(meeting, rank, own_address=here()[0])
        self._pack = self._trainable.open_pack()
        self._pack.add(member.trial, partial(self._trainable.build, member))

    def step(self) -> Outcome:
        """Do this rank's part of a report interval."""
        return self._outcome(self._step)

    def _step(self) -> None:
        assert self._pack is not None
        for outcome in self._pack.step().values():
            if isinstance(outcome, Exception):
                raise outcome

    def close(self) -> None:
        """Free the trial, and leave the other ranks."""
        from tid_tune.trial.rendezvous import leave

        pack, self._pack = self._pack, None
        order, self._order = self._order, None
        leave()
        if pack is not None:
            pack.close()
        if order is not None:
            free(order)
        stalls.stop()

    def _outcome(self, action: Callable[[], None]) -> Outcome:
        from tid_tune.cluster.trainable import describe
        from tid_tune.trial.rendezvous import is_about_others

        stalls.progress()
        try:
            action()
        except Exception as error:
            self.close()
            return Outcome(describe(error), is_about_others(error))
        finally:
            stalls.rest()
        return Outcome()
