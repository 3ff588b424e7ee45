"""Connecting to Ray: what a user reads when it does not work."""

from __future__ import annotations

import socket
import threading

import pytest
import ray
from ray.exceptions import AuthenticationError

from tid_tune.cluster import session, token
from tid_tune.cluster.session import Capacity, RaySession
from tid_tune.errors import TidTuneError, UsageError
from tid_tune.searchfile.model import Resources

NODE = {"CPU": 3.0}


@pytest.fixture(autouse=True)
def no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """No head node is asked."""
    monkeypatch.setattr(token, "GcsClient", lambda address: None)


def connect(address: str | None) -> None:
    with RaySession(address, Resources(), workers=1, modules=[]) as ray_session:
        ray_session.connect()


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", init)


def test_an_address_without_a_cluster_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(ConnectionError("refused"), monkeypatch)
    with pytest.raises(UsageError, match=r"10\.0\.0\.1:6379.*ray start"):
        connect("10.0.0.1:6379")


def test_a_cluster_that_demands_a_token_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = ConnectionError("Failed to connect")
    refusal.__cause__ = AuthenticationError("the token is invalid")
    fail_with(refusal, monkeypatch)
    with pytest.raises(UsageError, match=r"10\.0\.0\.1:6379.*RAY_AUTH_TOKEN") as refused:
        connect("10.0.0.1:6379")
    assert "no Ray cluster answers" not in str(refused.value)


def test_a_head_that_refuses_the_token_is_not_tried_for_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(address: str) -> None:
        raise AuthenticationError(f"the token is not that of {address}")

    monkeypatch.setattr(token, "GcsClient", refuse)
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("it would wait"))
    with pytest.raises(UsageError, match="RAY_AUTH_TOKEN"):
        connect("10.0.0.1:6379")


def test_what_listens_but_is_no_head_is_not_tried_for_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = threading.Event()
    monkeypatch.setattr(token, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(token, "GcsClient", lambda address: silent.wait(20))
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("it would wait"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"no Ray cluster answers at {address}.*ray start"):
            connect(address)
    silent.set()


def test_a_ray_that_starts_too_slowly_is_one_message_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(Exception("The current node timed out during startup.\nMore."), monkeypatch)
    with pytest.raises(TidTuneError, match=r"timed out.*run the same command again"):
        connect(None)


@pytest.mark.parametrize(
    ("resources", "workers", "preloads"),
    [
        (Resources(cpus=1), 8, True),
        (Resources(cpus=1), 7, True),
        (Resources(cpus=1), 6, False),
        (Resources(cpus=4), 8, False),
        (Resources(cpus=1, ranks=2), 4, True),
        (Resources(cpus=1, gpus=1), 8, False),
    ],
)
def test_workers_import_early_where_nearly_every_process_gets_a_trial(
    resources: Resources, workers: int, preloads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(session, "start", lambda address, options, *, local: given.update(options))
    monkeypatch.setattr(session, "leave", lambda: None)
    with RaySession("local", resources, workers, ["a.module"]) as here:
        here.begin()
    assert ("_system_config" in given) == preloads


def test_ray_starts_while_the_search_is_checked_and_ends_where_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, done = threading.Event(), []
    monkeypatch.setattr(session, "start", lambda *_, **__: started.wait(60))
    monkeypatch.setattr(session, "leave", lambda: done.append("left"))

    def check() -> None:
        with RaySession("local", Resources(), 1, []) as here:
            here.begin()
            assert not done
            started.set()
            raise UsageError("no such file")

    with pytest.raises(UsageError, match="no such file"):
        check()
    assert done == ["left"]


def test_what_is_shown_is_never_asked_of_a_ray_that_may_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "NodeID": "a", "Resources": NODE}])
    capacity = Capacity(Resources(cpus=1))
    assert capacity.latest is None
    assert capacity() == 3
    monkeypatch.setattr(ray, "nodes", lambda: pytest.fail("its head is gone: it would wait"))
    assert capacity.latest == 3
