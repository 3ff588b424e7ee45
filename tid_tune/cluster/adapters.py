"""Tune's Searcher, TrialScheduler and Callback, each answered by the Dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ray.tune import Callback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from tid_tune.cluster.actors import Ends
from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import WORKER
from tid_tune.search.decision import FINISHED, WAIT

NODE_SECONDS = 10.0
"""A worker that has been started answers within milliseconds."""


class TuneTrial(Protocol):
    """The part of Tune's Trial that is read here."""

    trial_id: str

    temporary_state: Any


class EngineSearcher(Searcher):
    """Hands out the engine's assignments."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher

    def suggest(self, trial_id: str) -> Any:
        """Return `Dispatcher.order`; Tune's signals are None and "FINISHED".

        Tune's own annotation leaves "FINISHED" out.
        """
        answer = self._dispatcher.order(trial_id)
        if answer is FINISHED:
            return Searcher.FINISHED
        return None if answer is WAIT else answer

    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        """Do nothing: the scheduler has reported it to the engine already."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: a run is resumed from its ledger, not by Tune."""


class EngineScheduler(FIFOScheduler):
    """Passes every result to the engine and returns its decision."""

    def __init__(self, dispatcher: Dispatcher, ends: Ends) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own is untyped
        self._dispatcher = dispatcher
        self._ends = ends

    def on_trial_result(
        self, tune_controller: object, trial: TuneTrial, result: dict[str, object]
    ) -> str:
        """Return CONTINUE, or STOP for a worker for which there is no work.

        A Tune trial is a worker's life: it trains one trial, or several, and then the next ones. A
        paused trial leaves it, and goes on in another one.
        """
        changes = self._dispatcher.result(trial.trial_id, result)
        if changes is None:
            order = self._dispatcher.again(trial.trial_id)
            if order is None:
                return str(TrialScheduler.STOP)
            # Ray runs this before the next step: that is sent later, from the same process.
            trial.temporary_state.ray_actor.renew.remote(order)
            return str(TrialScheduler.CONTINUE)
        if changes.quit:
            trial.temporary_state.ray_actor.change.remote(changes.model_dump_json())
        elif changes.leave or changes.join:
            worker: Any = result[WORKER]
            # Ray runs this before the next step: that is sent later, from the same process.
            worker.change.remote(changes.model_dump_json())
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: object, trial: TuneTrial) -> None:
        """Record that a worker died, and what Ray answered in its place."""
        error, self._ends.latest = self._ends.latest, None
        self._dispatcher.lost(trial.trial_id, error)


class EngineCallback(Callback):
    """Records where trials run; ends the loop when the head of the cluster is lost."""

    def __init__(self, dispatcher: Dispatcher, check_head: Callable[[], None]) -> None:
        self._dispatcher = dispatcher
        self._check_head = check_head

    def on_step_begin(self, iteration: int, trials: Sequence[object], **info: object) -> None:
        """Look whether the head is there, before Tune waits for it."""
        self._check_head()

    def on_trial_start(
        self, iteration: int, trials: Sequence[object], trial: TuneTrial, **info: object
    ) -> None:
        """Record which node runs the trial; its worker is there and has nothing to do yet."""
        import ray

        try:
            worker = trial.temporary_state.ray_actor
            node, node_id = ray.get(worker.node.remote(), timeout=NODE_SECONDS)
        except Exception:  # it is gone already, which Tune is about to find
            node, node_id = "", ""
        self._dispatcher.started(trial.trial_id, node, node_id)
