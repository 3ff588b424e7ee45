"""One writer per file: a lock that the operating system gives back when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import IO

from tid_tune.errors import UsageError

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_held: dict[str, dict[str, object]] = {}
"""Holders of the locks of this process: record locks do not exclude their own process, and are
lost as soon as the process closes any file handle on the same file."""


class FileLock:
    """An exclusive lock at `path`, held until `release()` or the end of the process.

    A POSIX record lock: the kernel drops it when the process dies, however it dies, and a forked
    child does not inherit it. So a lock left behind by a killed driver is never in the way. On a
    file system without locks the holder written in the file decides: if it ran on this host and
    is gone, the lock is taken over.

    Raises:
        UsageError: somebody else holds the lock; the message says who, since when.
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
        except BaseException:
            self._file.close()
            raise
        _held[self._key] = self._write_holder(self._file)

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
            if error.errno in _NO_LOCKS and _is_gone(holder):
                return
            raise UsageError(self._busy(holder, certain=error.errno not in _NO_LOCKS)) from None

    def _busy(self, holder: dict[str, object], certain: bool) -> str:
        who = (
            f"process {holder['pid']} on {holder['host']} since {holder['since']}"
            if holder
            else "another process"
        )
        mend = (
            "wait for it, or stop it first"
            if certain
            else f"if that process is gone, delete {self.path}"
        )
        return f"{self.path.parent}: this search is already being driven by {who}; {mend}"

    @staticmethod
    def _write_holder(file: IO[str]) -> dict[str, object]:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder: dict[str, object] = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": since,
        }
        file.truncate(0)
        json.dump(holder, file)
        file.flush()
        return holder


def holder_of(target: Path) -> dict[str, object] | None:
    """Return who holds the lock of the file `target` (`pid`, `host`, `since`), or None."""
    path = lock_path(target)
    key = str(path.resolve())
    if _is_held_here(key):
        return _held[key]
    if not path.is_file():
        return None
    with path.open("a+") as file:
        holder = _holder(file)
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return holder if error.errno not in _NO_LOCKS or not _is_gone(holder) else None
    return None


def lock_path(target: Path) -> Path:
    """Return where the lock of `target` is."""
    return target.with_name(target.name + ".lock")


def _is_held_here(key: str) -> bool:
    """Whether this very process holds the lock; a forked child only inherits the note of it."""
    return key in _held and _held[key]["pid"] == os.getpid()


def _holder(file: IO[str]) -> dict[str, object]:
    file.seek(0)
    try:
        holder = json.load(file)
    except ValueError:
        return {}
    complete = isinstance(holder, dict) and {"pid", "host", "since"} <= holder.keys()
    return holder if complete else {}


def _is_gone(holder: dict[str, object]) -> bool:
    if not holder:
        return True
    pid = holder["pid"]
    if holder["host"] != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
