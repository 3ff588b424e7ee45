"""How the engine's decisions become events, and how events reach what follows them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Changed, Ended, Event, Started, Suggested
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Position, Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.search.decision import Assignment
from tid_tune.search.stages.plan import Planned
from tid_tune.space import Params

Follower = Callable[[Event, Trial | None], None]
"""Takes in an event that the state has taken in already, with the trial it belongs to."""
logger = logging.getLogger(__name__)


class Journal:
    """Writes events. Each is on disk, then in `state`, then in the followers, in their order.

    Args:
        ledger: where events are written.
        state: folds every event first.
    """

    def __init__(self, ledger: Ledger, state: RunState) -> None:
        self.ledger = ledger
        self.state = state
        self._followers: list[Follower] = []
        self._observers: list[Follower] = []

    def follow(self, followers: Sequence[Follower]) -> None:
        """Add parts of the search, which must take in every event; their errors end the search."""
        self._followers += followers

    def observe(self, observer: Follower) -> None:
        """Add somebody who only looks on; what it raises is logged, and the search goes on."""
        self._observers.append(observer)

    def batch(self) -> AbstractContextManager[None]:
        """Sync the ledger once for all events recorded inside."""
        return self.ledger.batch()

    def record(self, event: Event) -> None:
        """Write an event and take it in."""
        recorded = self.ledger.append(event)
        trial = self.take_in(recorded)
        for observer in self._observers:
            try:
                observer(recorded, trial)
            except Exception:
                logger.exception("an observer failed on %r; the search goes on", event.event)

    def take_in(self, event: Event) -> Trial | None:
        """Fold an event that is in the ledger already; return the trial it belongs to."""
        trial = self.state.apply(event)
        for follower in self._followers:
            follower(event, trial)
        return trial

    def suggest(self, planned: Planned, epochs: int, fraction: float = 1.0) -> Trial:
        """Record a new trial."""
        name = f"t{len(self.state.trials) + 1:04d}"
        self.record(
            Suggested(
                trial=name,
                stage=planned.stage,
                label=planned.label,
                params=planned.params,
                edits=planned.edits,
                seed=planned.seed,
                origin=planned.origin,
                method=planned.method,
                epochs=epochs,
                fraction=fraction,
                of=planned.of,
            )
        )
        return self.state.trials[name]

    def change(
        self,
        trial: Trial,
        origin: str,
        *,
        edits: Params | None = None,
        params: Params | None = None,
        fraction: float | None = None,
        restart: Position | None = None,
    ) -> None:
        """Record that a paused trial goes on with other values, data, or weights."""
        self.record(
            Changed(
                trial=trial.id,
                params=trial.params if params is None else params,
                edits=trial.edits if edits is None else edits,
                origin=origin,
                fraction=trial.fraction if fraction is None else fraction,
                checkpoint=None if restart is None else restart.checkpoint,
                step=0 if restart is None else restart.step,
                epoch=None if restart is None else restart.epoch,
                digest="" if restart is None else restart.digest,
            )
        )

    def start(self, trial: Trial, pack: str = "") -> Assignment:
        """Record that a trial is handed out, and return it as work.

        Args:
            trial: which.
            pack: that it is trained in; empty: it is trained by itself.
        """
        place = trial.resume_point()
        segment = trial.segment + 1
        self.record(
            Started(
                trial=trial.id,
                segment=segment,
                checkpoint=place.checkpoint,
                step=place.step,
                pack=pack,
            )
        )
        return Assignment(
            trial=trial.id,
            stage=trial.stage,
            label=trial.label,
            params=dict(trial.params),
            edits=dict(trial.edits),
            seed=trial.seed,
            epochs=trial.epochs,
            fraction=trial.fraction,
            checkpoint=place.checkpoint,
            digest=place.digest,
            step=place.step,
            segment=segment,
        )

    def end(
        self,
        trial: Trial,
        status: Status,
        reason: str = "",
        cause: Cause | None = None,
        of: str | None = None,
    ) -> None:
        """Record that a run of a trial is over, and how long it has run since it last reported."""
        seconds = self.state.unreported_seconds(trial, self.ledger.clock())
        self.record(
            Ended(
                trial=trial.id,
                status=status,
                reason=reason,
                cause=cause,
                epoch=trial.epoch,
                seconds=seconds,
                of=of,
            )
        )
