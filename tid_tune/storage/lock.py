"""One driver per search, where files cannot be locked: an object with a heartbeat.

A store has no locks that end with their holder. So the driver writes the object anew every `BEAT`
seconds; one that has not changed for `STALE` seconds belongs to a driver that is gone. Who wants
the lock watches it for so long: clocks of different machines are not compared.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from dataclasses import asdict, dataclass

from tid_tune.console import explain
from tid_tune.errors import TidTuneError, UsageError
from tid_tune.ledger.lock import Holder
from tid_tune.storage.objects import Objects, StoreError

NAME = "lock.json"
BEAT = 10.0
STALE = 60.0
_LOOK = 2.0
"""Seconds between two looks at a lock that may be stale."""
_SETTLE = 0.5
"""Seconds in which two drivers that take a free lock at once see each other's."""


@dataclass(frozen=True)
class _Record:
    """What the object holds."""

    holder: Holder
    token: str
    beat: int
    time: float
    """Of the last beat, by the holder's clock."""


def holder_in(objects: Objects) -> Holder | None:
    """Return the driver whose lock is there and has beaten lately, or None."""
    record = _read(objects)
    if record is None or record.holder.is_gone or time.time() - record.time > STALE:
        return None
    return record.holder


class StoreLock:
    """The lock of a run folder in a store, held until `release()`.

    Args:
        objects: of the run folder; `require` has their patience.

    Raises:
        UsageError: another driver holds it.
        StoreError: the store does not answer.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._hasty = objects.hasty()
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._holder = Holder(os.getpid(), socket.gethostname(), since)
        self._token = secrets.token_hex(8)
        self._beat = 0
        self._taken_by: Holder | None = None
        self._ended = threading.Event()
        self._await_end()
        self._write(objects)
        time.sleep(_SETTLE)
        self._look(objects)
        self.require()
        self._thread = threading.Thread(target=self._beat_on, name="store lock", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Check that the lock is still held; the store is asked only after missed beats.

        Raises:
            UsageError: another driver has taken it over, because no beat had reached the store.
            StoreError: the store does not answer.
        """
        if self._taken_by is None and time.monotonic() - self._seen > STALE / 2:
            self._look(self._objects)
        if self._taken_by is not None:
            raise self._busy(self._taken_by)

    def release(self) -> None:
        """Give the lock back; what the store says to that does not matter any more."""
        self._ended.set()
        self._thread.join(_LOOK)
        if time.monotonic() - self._seen > STALE:  # it does not keep anybody out any more
            return
        try:
            record = _read(self._hasty)
            if record is not None and record.token == self._token:
                self._hasty.delete(NAME)
        except TidTuneError:
            return

    def _await_end(self) -> None:
        """Return when nobody holds the lock."""
        found = _read(self._objects)
        if found is None or found.holder.is_gone:
            return
        explain(
            f"{self._objects.uri} was last driven by {found.holder}; waiting up to {STALE:g} s for "
            "a sign of it"
        )
        deadline = time.monotonic() + STALE
        while time.monotonic() < deadline:
            time.sleep(_LOOK)
            now = _read(self._objects)
            if now is None:
                return
            if (now.token, now.beat) != (found.token, found.beat):
                raise self._busy(now.holder)
        explain("there was none: its lock is taken over")

    def _busy(self, holder: Holder) -> UsageError:
        return UsageError(
            f"{self._objects.uri}: this search is already being driven by {holder}; wait for it, "
            "or stop it first"
        )

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                self._look(self._hasty)
            except StoreError:
                continue
            if self._taken_by is not None:
                return

    def _look(self, objects: Objects) -> None:
        """Beat, unless somebody else has the lock."""
        record = _read(objects)
        if record is not None and record.token != self._token:
            self._taken_by = record.holder
        elif not self._ended.is_set():
            self._write(objects)

    def _write(self, objects: Objects) -> None:
        self._beat += 1
        record = _Record(self._holder, self._token, self._beat, time.time())
        asked = time.monotonic()
        objects.write(NAME, json.dumps(asdict(record)).encode())
        self._seen = asked


def _read(objects: Objects) -> _Record | None:
    try:
        found = json.loads(objects.read(NAME))
        return _Record(**{**found, "holder": Holder(**found["holder"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):  # of another version: who holds it is unknown
        return None
