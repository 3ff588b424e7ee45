"""What Tune hears from its searcher, scheduler and callback. No Ray runs here."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tid_tune.cluster.adapters import EngineCallback, EngineScheduler, EngineSearcher
from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import Changes
from tid_tune.search.decision import FINISHED, WAIT


class Recorder:
    """Stands where the dispatcher does: answers what it is given and keeps what it is asked."""

    def __init__(self, answer: object = None) -> None:
        self.answer = answer
        self.calls: list[tuple[object, ...]] = []

    def order(self, ray_id: str) -> object:
        return self.answer

    def result(self, ray_id: str, result: dict[str, Any]) -> object:
        self.calls.append((ray_id, result))
        return self.answer

    def lost(self, ray_id: str, reason: str) -> None:
        self.calls.append((ray_id, reason))

    def started(self, ray_id: str, node: str) -> None:
        self.calls.append((ray_id, node))

    def __deepcopy__(self, memo: object) -> Recorder:
        return self


class TuneTrial:
    """The part of Tune's Trial that the adapters read."""

    trial_id = "ray-a"

    def __init__(self, error: object = None, node_ip: str | None = None) -> None:
        self.error = error
        self.node_ip = node_ip

    def get_error(self) -> object:
        return self.error


@pytest.mark.parametrize(
    ("answer", "heard"),
    [({"order": "{}"}, {"order": "{}"}), (WAIT, None), (FINISHED, Searcher.FINISHED)],
    ids=["a trial", "wait", "finished"],
)
def test_tunes_searcher_hands_on_the_order_or_its_own_signals(answer: object, heard: Any) -> None:
    searcher = EngineSearcher(cast("Dispatcher", Recorder(answer)))
    assert searcher.suggest("ray-a") == heard


class Worker:
    """A worker's handle: keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.change = self

    def remote(self, text: str) -> None:
        self.sent.append(text)


@pytest.mark.parametrize(
    ("changes", "heard", "sent"),
    [
        (Changes(), TrialScheduler.CONTINUE, []),
        (None, TrialScheduler.STOP, []),
        (
            Changes(leave=("t0002",)),
            TrialScheduler.CONTINUE,
            ['{"leave":["t0002"],"join":[]}'],
        ),
    ],
    ids=["goes on", "is done", "a member leaves"],
)
def test_tunes_scheduler_continues_or_stops_as_the_dispatcher_answers(
    changes: Changes | None, heard: str, sent: list[str]
) -> None:
    recorder, worker = Recorder(changes), Worker()
    scheduler = EngineScheduler(cast("Dispatcher", recorder))
    result: dict[str, object] = {"answers": "...", "worker": worker}
    assert scheduler.on_trial_result(None, TuneTrial(), result) == heard
    assert recorder.calls == [("ray-a", result)]
    assert worker.sent == sent


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Traceback ...\nActorDiedError: node 7 is gone\n"), "node 7 is gone"),
        (None, "the worker died"),
        (RuntimeError(""), "the worker died"),
    ],
    ids=["of ray", "none", "empty"],
)
def test_a_worker_that_died_is_lost_with_the_last_line_of_tunes_error(
    error: object, reason: str
) -> None:
    recorder = Recorder()
    EngineScheduler(cast("Dispatcher", recorder)).on_trial_error(None, TuneTrial(error))
    ((ray_id, recorded),) = recorder.calls
    assert ray_id == "ray-a"
    assert reason in str(recorded)
    assert "Traceback" not in str(recorded)


@pytest.mark.parametrize(("node", "recorded"), [("10.0.0.7", "10.0.0.7"), (None, "")])
def test_the_node_of_a_started_trial_is_handed_on(node: str | None, recorded: str) -> None:
    recorder = Recorder()
    callback = EngineCallback(cast("Dispatcher", recorder))
    callback.on_trial_start(1, [], TuneTrial(node_ip=node))
    assert recorder.calls == [("ray-a", recorded)]
