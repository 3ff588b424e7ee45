"""One driver per run folder in a store, though a store has no locks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from support.object_store import Outage

from tid_tune.errors import UsageError
from tid_tune.ledger.lock import Holder
from tid_tune.storage import lock
from tid_tune.storage.lock import NAME, StoreLock, holder_in
from tid_tune.storage.objects import Objects, StoreError
from tid_tune.storage.places import Uri

ELSEWHERE = Holder(4711, "another-host", "2026-01-01 00:00:00")


@pytest.fixture
def objects(folder: str, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Of a run folder; nobody waits for long."""
    for name, seconds in (("BEAT", 0.05), ("STALE", 0.4), ("_LOOK", 0.02), ("_SETTLE", 0.0)):
        monkeypatch.setattr(lock, name, seconds)
    return Objects(Uri.parse(folder).child("toy"))


def put(objects: Objects, holder: Holder, beat: int = 1, token: str = "other") -> None:
    """Let another driver have the lock."""
    record = {"holder": asdict(holder), "token": token, "beat": beat, "time": time.time()}
    objects.write(NAME, json.dumps(record).encode())


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_driver_that_lives_keeps_others_out_until_it_ends(objects: Objects) -> None:
    first = StoreLock(objects)
    here = holder_in(objects)
    assert here is not None
    assert here.pid == os.getpid()
    with pytest.raises(UsageError, match=f"already being driven by process {os.getpid()} on"):
        StoreLock(objects)
    first.release()
    assert holder_in(objects) is None
    StoreLock(objects).release()
    assert objects.sizes() == {}


def test_a_lock_without_a_sign_of_life_is_taken_over(
    objects: Objects, capsys: pytest.CaptureFixture[str]
) -> None:
    put(objects, ELSEWHERE)
    started = time.monotonic()
    StoreLock(objects).release()
    assert time.monotonic() - started >= lock.STALE
    said = capsys.readouterr().out
    assert "process 4711 on another-host" in said
    assert "taken over" in said


def test_the_lock_of_a_driver_that_was_killed_here_is_taken_over_at_once(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    first = StoreLock(objects)
    here = holder_in(objects)
    first.release()
    assert here is not None
    put(objects, replace(here, pid=child.pid))
    assert holder_in(objects) is None
    monkeypatch.setattr(lock, "STALE", 1000.0)
    StoreLock(objects).release()


def test_a_driver_whose_lock_was_taken_over_records_nothing_more(objects: Objects) -> None:
    mine = StoreLock(objects)
    mine.require()
    put(objects, ELSEWHERE)
    until(lambda: not mine._thread.is_alive())
    with pytest.raises(UsageError, match="driven by process 4711 on another-host"):
        mine.require()
    mine.release()
    assert NAME in objects.sizes(), "it is not this driver's to delete"


def test_a_driver_that_slept_asks_before_it_goes_on(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT", 1000.0)
    mine = StoreLock(objects)
    put(objects, ELSEWHERE)
    mine.require()  # the last beat has just reached the store
    mine._seen -= lock.STALE
    with pytest.raises(UsageError, match="another-host"):
        mine.require()
    mine._ended.set()


def test_a_driver_waits_for_a_store_that_is_down_before_it_goes_on(
    objects: Objects, monkeypatch: pytest.MonkeyPatch, outage: Outage
) -> None:
    monkeypatch.setattr(lock, "BEAT", 1000.0)
    mine = StoreLock(objects)
    objects.patience = 300.0
    mine._seen -= lock.STALE
    outage.left = 6
    mine.require()
    assert outage.left == 0
    assert outage.slept > 30
    mine.release()


def test_missed_beats_are_made_up_for(objects: Objects, outage: Outage) -> None:
    mine = StoreLock(objects)
    outage.left = -1
    until(lambda: outage.left < -3)
    with pytest.raises(StoreError):
        StoreLock(objects)
    outage.left = 0
    beat = mine._beat
    until(lambda: mine._beat > beat)
    mine.require()
    mine.release()
