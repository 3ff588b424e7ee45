"""The append-only record of a search: one JSON object per line, the truth all else is built from.

An event is on disk before `append` returns: it is written, flushed and (by default) synced, so
neither `kill -9` nor a power failure loses an event that somebody acted upon. Syncing costs about
a third of a millisecond on a local disk, against the seconds a report stands for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import numbers
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.ledger.lock import FileLock, lock_path

Event = dict[str, Any]
Subscriber = Callable[[Event], None]
logger = logging.getLogger(__name__)
LEDGER_NAME = "ledger.jsonl"
"""Of the ledger in a run folder."""
_CHUNK = 1 << 16
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EROFS}
"""What fsync answers on file systems that have none."""


class Ledger:
    """A ledger open for appending. Get one from `Ledger.open` or `Ledger.in_memory`.

    `append` stamps each event with `time` (seconds since 1970, from `clock`) and hands it, as it
    will be read back, to every subscriber.
    """

    def __init__(
        self, path: Path | None, *, sync: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.clock = clock
        self._sync = sync
        self._subscribers: list[tuple[Subscriber, bool]] = []
        self._memory: list[str] = []
        self._file: BinaryIO | None = None
        self._lock: FileLock | None = None
        self._batching = 0
        if path is not None:
            self._lock = FileLock(lock_path(path))
            try:
                self._file = _open_repaired(path)
            except BaseException:
                self._lock.release()
                raise

    @classmethod
    def open(
        cls, path: Path | str, *, sync: bool = True, clock: Callable[[], float] = time.time
    ) -> Ledger:
        """Open or create the ledger at `path`, mend a torn last line, and lock out other writers.

        Args:
            path: the file; its folder is made if needed.
            sync: also survive a power failure (fsync); False survives only a killed process.
            clock: gives the time stamped on events.

        Raises:
            UsageError: another driver is writing it, or a line in its middle is damaged.
        """
        return cls(Path(path), sync=sync, clock=clock)

    @classmethod
    def in_memory(cls, *, clock: Callable[[], float] = time.time) -> Ledger:
        """Return a ledger that lives in memory only, for simulations."""
        return cls(None, clock=clock)

    def append(self, event: str, **fields: Any) -> Event:
        """Record one event and return it as a later reader will see it.

        Raises:
            TidTuneError: it could not be written (disk full); the file is left as it was.
        """
        line = json.dumps(
            {"event": event, "time": self.clock(), **_finite(fields)},
            separators=(",", ":"),
            allow_nan=False,
        )
        if self._file is None:
            if self.path is not None:
                raise UsageError(f"{self.path}: the ledger is closed")
            self._memory.append(line)
        else:
            self._write(self._file, line.encode() + b"\n")
        recorded: Event = json.loads(line)
        for subscriber, guarded in self._subscribers:
            try:
                subscriber(recorded)
            except Exception:
                if not guarded:
                    raise
                logger.exception("a ledger subscriber failed on %r; the search goes on", event)
        return recorded

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Sync once for all events appended inside."""
        self._batching += 1
        try:
            yield
        finally:
            self._batching -= 1
            if self._batching == 0 and self._file is not None:
                self._fsync(self._file)

    def events(self) -> Iterator[Event]:
        """Stream all events from the first one on."""
        if self.path is not None:
            return read_events(self.path)
        return (json.loads(line) for line in self._memory)

    def subscribe(self, subscriber: Subscriber, *, guarded: bool = True) -> None:
        """Call `subscriber(event)` after each event appended from now on, in subscription order.

        `guarded`: what it raises is logged and passed over (for observers such as tracking).
        """
        self._subscribers.append((subscriber, guarded))

    def close(self) -> None:
        """Release the file and its lock; calling it again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _write(self, file: BinaryIO, data: bytes) -> None:
        start = file.tell()
        try:
            written = file.write(data)
            while written < len(data):
                written += file.write(data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                file.truncate(start)
            raise self._unwritable(error) from error
        if not self._batching:
            self._fsync(file)

    def _fsync(self, file: BinaryIO) -> None:
        try:
            if self._sync:
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> TidTuneError:
        return TidTuneError(
            f"{self.path}: cannot record the search ({error.strerror}); "
            "free some space and run the same command again, it goes on from here"
        )


def read_events(path: Path | str) -> Iterator[Event]:
    """Stream the events of a ledger, also while its driver is writing to it.

    A torn last line is passed over; no lock is taken.

    Raises:
        UsageError: there is no such file, or a line other than the last is damaged.
    """
    path = Path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: cannot read the ledger ({error.strerror})") from None
    with file:
        for at, line in enumerate(file, start=1):
            event = _parse(line)
            if event is not None:
                yield event
            elif file.read(1):
                raise UsageError(
                    f"{path}, line {at}: damaged (not a JSON event). Restore the file from a "
                    "copy, or delete that line if you accept to lose it"
                )


def number(value: Any) -> float:
    """Return a recorded metric; "NaN", "Infinity" and "-Infinity" are recorded as strings."""
    return float(value)


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _open_repaired(path: Path) -> BinaryIO:
    """Open for unbuffered appending after cutting off a torn last line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "ab+", buffering=0)  # noqa: SIM115 - the ledger owns it
    end = file.seek(0, os.SEEK_END)
    start = _last_line_start(file, end)
    file.seek(start)
    tail = file.read(end - start)
    if not tail:
        return file
    if _parse(tail) is None:
        logger.warning("%s: cut off a torn last line of %d bytes", path, len(tail))
        file.truncate(start)
    elif not tail.endswith(b"\n"):
        file.write(b"\n")
    file.seek(0, os.SEEK_END)
    return file


def _last_line_start(file: BinaryIO, end: int) -> int:
    """Return the offset after the last newline that has something behind it."""
    position = end
    tail = b""
    while position > 0:
        step = min(_CHUNK, position)
        position -= step
        file.seek(position)
        tail = file.read(step) + tail
        found = tail.rfind(b"\n", 0, max(len(tail) - 1, 0))
        if found >= 0:
            return position + found + 1
    return 0


def _finite(value: Any) -> Any:
    """Return `value` with NaN and infinities as strings, so that every line is strict JSON."""
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    return value
