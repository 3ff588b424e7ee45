"""Addresses that do not answer, heads that are lost, a Ray that starts slowly."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from tid_tune.cluster import head, starting
from tid_tune.cluster.head import HeadLostError, HeadWatch, require_answer
from tid_tune.cluster.session import RaySession
from tid_tune.errors import TidTuneError, UsageError
from tid_tune.searchfile.model import Resources


@pytest.fixture
def listening() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "what"),
    [("http://head:8265", "the job server"), ("ray://head:10001", "a Ray client's server")],
)
def test_the_address_of_another_server_of_a_cluster_is_refused_with_the_one_to_use(
    address: str, what: str
) -> None:
    with pytest.raises(UsageError, match=rf"{what}.*--address head:6379.*tid-tune submit"):
        RaySession(address, Resources(), 1, [])


def test_an_address_that_does_not_answer_is_refused_within_seconds(
    listening: socket.socket,
) -> None:
    address = address_of(listening)
    require_answer(address)
    listening.close()
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"127\.0\.0\.1.*ray start --head"):
        require_answer(address)
    assert time.monotonic() - started < 10


def test_what_is_no_address_is_left_to_ray() -> None:
    require_answer("anyscale://cluster")


def test_a_head_that_does_not_answer_any_more_ends_the_search(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "LOST_SECONDS", 1.5)
    watch = HeadWatch(address_of(listening))

    def search() -> None:
        with watch.running():
            watch.check()
            listening.close()
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                watch.check()
                time.sleep(0.05)

    with pytest.raises(HeadLostError, match="same command again") as caught:
        search()
    assert caught.value.at_once


def test_ray_that_does_not_start_is_started_again_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tries: list[str] = []

    def init(address: str, **options: object) -> None:
        tries.append(address)
        if len(tries) < 3:
            raise Exception("The current node timed out during startup.\nMore.")

    monkeypatch.setattr("ray.init", init)
    starting.start("local", {}, local=True)
    assert len(tries) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "timed out during startup.); trying again, 3 of 3" in said
    tries.clear()
    monkeypatch.setattr(starting, "STARTS", 2)
    with pytest.raises(TidTuneError, match=r"2 times.*run the same command again"):
        starting.start("local", {}, local=True)


def test_what_a_ray_that_did_not_start_leaves_behind_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[object] = []

    class Made:
        def __init__(self) -> None:
            raise Exception("The current node timed out during startup.")

        def kill_all_processes(self, **options: bool) -> None:
            ended.append(options)

    monkeypatch.setattr("ray._private.node.Node", Made)
    monkeypatch.setattr("ray.init", lambda *arguments, **options: Made())
    with pytest.raises(TidTuneError, match="timed out"):
        starting.start("local", {}, local=True)
    assert ended == [{"check_alive": False, "allow_graceful": False}] * starting.STARTS


@pytest.mark.parametrize("slowly", [False, True])
def test_a_ray_that_leaves_slowly_is_not_asked_about_what_is_freed_meanwhile(
    slowly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own code would end the process with exit code 1."""
    from ray._private.worker import global_worker

    left = threading.Event()
    monkeypatch.setattr(starting, "LEAVE_SECONDS", 0.05 if slowly else 20)
    monkeypatch.setattr("ray.shutdown", (lambda: left.wait(20)) if slowly else lambda: None)
    vars(global_worker)["core_worker"] = "there"
    starting.leave()
    left.set()
    assert vars(global_worker).pop("core_worker", "gone") == ("gone" if slowly else "there")
