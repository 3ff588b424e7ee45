"""The append-only record of a search: one event per line, the source of everything else.

An event is on disk before `append` returns: it is written, flushed and (by default) synced, so
neither `kill -9` nor a power failure loses an event that somebody acted upon. Syncing costs about
a third of a millisecond on a local disk; a report interval takes seconds or more.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.ledger.events import Event, is_complete, parse, to_line
from tid_tune.ledger.lock import FileLock, lock_path

logger = logging.getLogger(__name__)
LEDGER_NAME = "ledger.jsonl"
"""Of the ledger in a run folder."""
_CHUNK = 1 << 16
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EROFS}
"""What fsync answers on file systems that have none."""


class Ledger:
    """A ledger open for appending. Get one from `Ledger.open` or `Ledger.in_memory`.

    `append` stamps each event with `time` (seconds since 1970, from `clock`).
    """

    def __init__(
        self,
        path: Path | None,
        *,
        sync: bool = True,
        clock: Callable[[], float] = time.time,
        written: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self._sync = sync
        self._written = written
        self._memory: list[bytes] = []
        self._file: BinaryIO | None = None
        self._lock: FileLock | None = None
        self._batching = 0
        if path is not None:
            try:
                self._lock = FileLock(lock_path(path))
                self._file = _open_repaired(path)
            except OSError as error:
                self._unlock()
                raise UsageError(
                    f"{path}: cannot write the ledger ({error.strerror}); the run folder must be "
                    "on a disk that can be written to, and have room"
                ) from None
            except BaseException:
                self._unlock()
                raise

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        sync: bool = True,
        clock: Callable[[], float] = time.time,
        written: Callable[[], None] | None = None,
    ) -> Ledger:
        """Open or create the ledger at `path`, cut off a torn last line, lock out other writers.

        Args:
            path: the file; its folder is made if needed.
            sync: also survive a power failure (fsync); False survives only a killed process.
            clock: gives the time stamped on events.
            written: called when events are on disk, before `append` or `batch` returns; what it
                raises is theirs.

        Raises:
            UsageError: another driver is writing it, or it cannot be written.
        """
        return cls(Path(path), sync=sync, clock=clock, written=written)

    @classmethod
    def in_memory(cls, *, clock: Callable[[], float] = time.time) -> Ledger:
        """Return a ledger that lives in memory only, for simulations."""
        return cls(None, clock=clock)

    def append(self, event: Event) -> Event:
        """Record one event and return it as a later reader will see it.

        Raises:
            TidTuneError: it could not be written (disk full); the file is left as it was.
            TypeError: a later reader could not read it; nothing has been written.
        """
        line = to_line(replace(event, time=self.clock()))
        recorded = parse(line)
        if recorded is None:
            raise TypeError(f"an event with fields of a wrong type: {event!r}")
        if self._file is None:
            if self.path is not None:
                raise UsageError(f"{self.path}: the ledger is closed")
            self._memory.append(line)
        else:
            self._write(self._file, line + b"\n")
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
                self._secure(self._file)

    def events(self) -> Iterator[Event]:
        """Stream all events from the first one on."""
        if self.path is not None:
            return read_events(self.path)
        return (event for line in self._memory if (event := parse(line)) is not None)

    def close(self) -> None:
        """Release the file and its lock; calling it again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._unlock()

    def _unlock(self) -> None:
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
            self._secure(file)

    def _secure(self, file: BinaryIO) -> None:
        try:
            if self._sync:
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise self._unwritable(error) from error
        if self._written is not None:
            self._written()

    def _unwritable(self, error: OSError) -> TidTuneError:
        return TidTuneError(
            f"{self.path}: cannot record the search ({error.strerror}); "
            "free some space and run the same command again to resume"
        )


def read_events(path: Path | str) -> Iterator[Event]:
    """Stream the events of a ledger, also while its driver is writing to it.

    A torn last line is skipped; no lock is taken.

    Raises:
        UsageError: there is no such file, a line other than the last is damaged, or a line is an
            event of another version.
    """
    path = Path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: cannot read the ledger ({error.strerror})") from None
    with file:
        for at, line in enumerate(file, start=1):
            event = parse(line)
            if event is not None:
                yield event
            elif is_complete(line) or file.read(1):
                raise UsageError(
                    f"{path}, line {at}: damaged (not an event that this version knows). Restore "
                    "the file from a copy, or delete that line if you accept to lose it"
                )


class LedgerTail:
    """Follows a ledger that somebody else writes: the complete events since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_events(self) -> Iterator[Event]:
        """Yield new events; one counts as read when the consumer asks for the next."""
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                event = parse(line)
                if event is not None:
                    yield event
                self._offset += len(line)


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
    if parse(tail) is None and not is_complete(tail):
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
