"""What Tune hears from its searcher, scheduler and callback. No Ray runs here."""

from __future__ import annotations

import copy
from inspect import signature
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray import cloudpickle
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import tune_controller
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tid_tune.cluster.actors import Ends, tolerant_actors
from tid_tune.cluster.adapters import EngineCallback, EngineScheduler, EngineSearcher
from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.head import HeadLost, HeadWatch
from tid_tune.cluster.messages import Changes
from tid_tune.search.decision import FINISHED, WAIT


class Recorder:
    """Stands where the dispatcher does: answers what it is given and keeps what it is asked."""

    def __init__(self, answer: object = None, then: str | None = None) -> None:
        self.answer = answer
        self.next = then
        self.calls: list[tuple[object, ...]] = []

    def order(self, ray_id: str) -> object:
        return self.answer

    def result(self, ray_id: str, result: dict[str, Any]) -> object:
        self.calls.append((ray_id, result))
        return self.answer

    def again(self, ray_id: str) -> str | None:
        return self.next

    def lost(self, ray_id: str, error: object) -> None:
        self.calls.append((ray_id, error))

    def started(self, ray_id: str, node: str, node_id: str) -> None:
        self.calls.append((ray_id, node, node_id))

    def __deepcopy__(self, memo: object) -> Recorder:
        return self


class Asked:
    """A worker's handle: what it is asked is answered by Ray as `node` says."""

    def __init__(self, node: object) -> None:
        self.answer = node
        self.node = self

    def remote(self) -> object:
        return self.answer


class TuneTrial:
    """The part of Tune's Trial that the adapters read."""

    trial_id = "ray-a"

    def __init__(self, node: object = None) -> None:
        self.temporary_state = SimpleNamespace(ray_actor=Asked(node))


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
            ['{"leave":["t0002"],"join":[],"quit":false}'],
        ),
    ],
    ids=["goes on", "is done", "a member leaves"],
)
def test_tunes_scheduler_continues_or_stops_as_the_dispatcher_answers(
    changes: Changes | None, heard: str, sent: list[str]
) -> None:
    recorder, worker = Recorder(changes), Worker()
    scheduler = EngineScheduler(cast("Dispatcher", recorder), Ends())
    result: dict[str, object] = {"answers": "...", "worker": worker}
    assert scheduler.on_trial_result(None, TuneTrial(), result) == heard
    assert recorder.calls == [("ray-a", result)]
    assert worker.sent == sent


def test_a_worker_that_has_nothing_left_to_train_is_sent_the_next_order() -> None:
    recorder, worker = Recorder(None, then='{"members": []}'), Worker()
    trial = TuneTrial()
    trial.temporary_state.ray_actor = SimpleNamespace(renew=worker)
    scheduler = EngineScheduler(cast("Dispatcher", recorder), Ends())
    assert scheduler.on_trial_result(None, trial, {"answers": "..."}) == TrialScheduler.CONTINUE
    assert worker.sent == ['{"members": []}']


def test_a_worker_that_died_is_lost_with_what_ray_said_of_it_and_of_no_other() -> None:
    recorder, ends = Recorder(), Ends()
    scheduler = EngineScheduler(cast("Dispatcher", recorder), ends)
    ends.latest = RuntimeError("node 7 is gone")
    scheduler.on_trial_error(None, TuneTrial())
    scheduler.on_trial_error(None, TuneTrial())
    assert [str(error) for _, error in recorder.calls] == ["node 7 is gone", "None"]


@pytest.mark.parametrize(
    ("node", "recorded"),
    [(("10.0.0.7", "5f"), ("10.0.0.7", "5f")), (OSError("gone"), ("", ""))],
)
def test_the_node_of_a_started_trial_is_handed_on(
    node: object, recorded: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(answer: object, timeout: float) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("ray.get", get)
    recorder = Recorder()
    callback = EngineCallback(cast("Dispatcher", recorder), lambda: None)
    callback.on_trial_start(1, [], TuneTrial(node))
    assert recorder.calls == [("ray-a", *recorded)]


def test_a_lost_head_ends_the_loop_before_tune_waits_for_it() -> None:
    def check() -> None:
        raise HeadLost

    callback = EngineCallback(cast("Dispatcher", Recorder()), check)
    with pytest.raises(HeadLost):
        callback.on_step_begin(1, [])
    assert not issubclass(HeadLost, Exception), "Tune tidies up after an Exception, and waits"


def test_tune_can_copy_and_pickle_what_it_is_given() -> None:
    recorder, ends, head = Recorder(), Ends(), HeadWatch("127.0.0.1:6379")
    ends.latest = RuntimeError("gone")
    scheduler = EngineScheduler(cast("Dispatcher", recorder), ends)
    callback = EngineCallback(cast("Dispatcher", recorder), head.check)
    copied = copy.deepcopy(scheduler)
    copied.on_trial_error(None, TuneTrial())
    assert str(recorder.calls[0][1]) == "gone", "the copy hears what the manager of actors hears"
    assert cloudpickle.dumps([scheduler, callback])


def test_a_worker_without_memory_is_an_end_of_one_worker_to_tune() -> None:
    """Ray calls these methods by the names of their arguments."""
    heard: list[BaseException] = []
    with tolerant_actors() as ends:
        made = tune_controller.__dict__["RayActorManager"]
        assert issubclass(made, RayActorManager)
        for name in ("_actor_task_failed", "_actor_start_failed"):
            mine, rays = getattr(made, name), getattr(RayActorManager, name)
            assert [*signature(mine).parameters] == [*signature(rays).parameters]
        manager = made.__new__(made)
        manager._failed_actor_ids = set()
        manager._cleanup_actor = lambda tracked_actor: None
        actor = SimpleNamespace(actor_id=1, _on_error=lambda _, error: heard.append(error))
        task = SimpleNamespace(_tracked_actor=actor, _on_error=None)
        full = OutOfMemoryError("Memory on the node was full")
        manager._actor_task_failed(tracked_actor_task=task, exception=full)
        assert ends.latest is full
        assert isinstance(heard[0], RayActorError)
    assert tune_controller.__dict__["RayActorManager"] is RayActorManager
