"""Tune's Searcher, TrialScheduler and Callback, each answered by the Dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ray.tune import Callback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import WORKER
from tid_tune.search.decision import FINISHED, WAIT


class TuneTrial(Protocol):
    """The part of Tune's Trial that is read here."""

    trial_id: str

    def get_error(self) -> object:
        """Return why its worker died, as far as Tune knows."""


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

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own is untyped
        self._dispatcher = dispatcher

    def on_trial_result(
        self, tune_controller: object, trial: TuneTrial, result: dict[str, object]
    ) -> str:
        """Return CONTINUE, or STOP for a worker that has nothing left to train.

        A Tune trial is a worker's work: one trial or several. A paused trial leaves it, and goes on
        in another one.
        """
        changes = self._dispatcher.result(trial.trial_id, result)
        if changes is None:
            return str(TrialScheduler.STOP)
        if changes.leave or changes.join:
            worker: Any = result[WORKER]
            # Ray runs this before the next step: that is sent later, from the same process.
            worker.change.remote(changes.model_dump_json())
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: object, trial: TuneTrial) -> None:
        """Record that a worker died; the reason is Tune's."""
        reason = str(trial.get_error() or "the worker died").strip().splitlines()
        self._dispatcher.lost(trial.trial_id, reason[-1] if reason else "the worker died")


class EngineCallback(Callback):
    """Records where trials run."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def on_trial_start(
        self, iteration: int, trials: Sequence[object], trial: TuneTrial, **info: object
    ) -> None:
        """Record which node runs the trial."""
        node = getattr(trial, "node_ip", None) or ""
        self._dispatcher.started(trial.trial_id, str(node))
