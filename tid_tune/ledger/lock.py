"""One writer per file: a lock that the operating system gives back when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tid_tune.errors import UsageError

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    pid: int
    host: str
    since: str
    """Local time of that host."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Whether it certainly has ended; unknown on another machine, so False there."""
        if not self.is_here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


_held: dict[str, Holder] = {}
"""Holders of the locks of this process: record locks do not exclude their own process, and are
lost as soon as the process closes any file handle on the same file."""


class FileLock:
    """An exclusive lock at `path`, held until `release()` or the end of the process.

    A POSIX record lock: the kernel drops it when the process dies, however it dies, and a forked
    child does not inherit it. So a lock left behind by a killed driver is never in the way. On a
    file system without locks the holder written in the file decides: if it ran on this host and
    is gone, the lock is taken over.

    Raises:
        UsageError: another process holds the lock; the message names it, and since when.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = str(path.resolve())
        if _is_held_here(self._key):
            raise UsageError(f"{path}: this process already has this ledger open for writing")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] | None = path.open("a+")
        try:
            self._acquire(self._file)
            _held[self._key] = self._write_holder(self._file)
        except BaseException:
            with contextlib.suppress(OSError):  # a full disk has no room for the rest either
                self._file.close()
            raise

    def release(self) -> None:
        """Give the lock back; calling it again does nothing."""
        if self._file is None:
            return
        self._file.truncate(0)
        self._file.close()
        self._file = None
        _held.pop(self._key, None)

    def _acquire(self, file: IO[str]) -> None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file)
            if error.errno in _NO_LOCKS and (holder is None or holder.is_gone):
                return
            raise UsageError(self._busy(holder, certain=error.errno not in _NO_LOCKS)) from None

    def _busy(self, holder: Holder | None, certain: bool) -> str:
        who = "another process" if holder is None else str(holder)
        fix = (
            "wait for it, or stop it first"
            if certain
            else f"if that process is gone, delete {self.path}"
        )
        return f"{self.path.parent}: this search is already being driven by {who}; {fix}"

    @staticmethod
    def _write_holder(file: IO[str]) -> Holder:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder = Holder(os.getpid(), socket.gethostname(), since)
        file.truncate(0)
        json.dump(asdict(holder), file)
        file.flush()
        return holder


def holder_of(target: Path) -> Holder | None:
    """Return the process that holds the lock of the file `target`, or None."""
    path = lock_path(target)
    key = str(path.resolve())
    if _is_held_here(key):
        return _held[key]
    if not path.is_file():
        return None
    with path.open() as file:  # for reading: the folder may be one that nobody can write to
        holder = _holder(file)
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            unlocked = error.errno in _NO_LOCKS and (holder is None or holder.is_gone)
            return None if unlocked else holder or Holder(0, "unknown", "unknown")
    return None


def lock_path(target: Path) -> Path:
    """Return where the lock of `target` is."""
    return target.with_name(target.name + ".lock")


def _is_held_here(key: str) -> bool:
    """Whether this very process holds the lock; a forked child only inherits the note of it."""
    return key in _held and _held[key].pid == os.getpid()


def _holder(file: IO[str]) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.load(file))
    except (ValueError, TypeError):
        return None
