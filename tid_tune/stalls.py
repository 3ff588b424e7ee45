"""Ends a process that makes no progress, and keeps the last words of one that crashes.

A step that never returns, a collective that waits for a dead partner, or a data loader that hangs
cannot be interrupted from inside. So a thread of the interpreter's own, which needs no lock of
Python's, ends the process: it writes the stacks of all threads to a file first. The same file gets
the stack of a crash, such as a segmentation fault.

A process that is stopped as a whole, or hangs in the system, cannot do that. So another one watches
it from outside: `tid_tune.guard`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from tid_tune import guard

_SHARE = 0.05
"""The clock is set back at most so often, in parts of the time that is allowed: that costs a thread
each time, and an iteration may take a millisecond."""


class _Outside:
    """The process that watches this one from outside; it ends with it."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid())]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet
        )

    def tell(self, line: str) -> None:
        """Say what happens in this process."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # somebody has ended it
            self._process.stdin.write(f"{line}\n".encode())


class Watch:
    """Watches this process; there is one at a time.

    Args:
        path: gets the stacks; emptied first.
        seconds: without progress, after which the process ends with exit code 1.
        outside: watches, too.
    """

    def __init__(self, path: Path, seconds: float, outside: _Outside) -> None:
        self._path = path
        self._outside = outside
        self._file: IO[str] = path.open("w")
        self._seconds = seconds
        self._due = 0.0
        faulthandler.enable(self._file)
        outside.tell(f"{guard.WATCH} {seconds} {path}")

    def set_back(self) -> None:
        """Begin to count anew."""
        now = time.monotonic()
        if now >= self._due:
            pause = _SHARE * self._seconds
            faulthandler.dump_traceback_later(self._seconds + pause, exit=True, file=self._file)
            self._due = now + pause
            self._outside.tell(guard.PROGRESS)

    def rest(self) -> None:
        """Do not count until the next `set_back`."""
        faulthandler.cancel_dump_traceback_later()
        self._due = 0.0
        self._outside.tell(guard.REST)

    def close(self) -> None:
        """Stop watching; there were no last words."""
        self.rest()
        self._outside.tell(guard.STOP)
        faulthandler.enable()
        self._file.close()
        self._path.unlink(missing_ok=True)


_watch: Watch | None = None
_outside: _Outside | None = None


def watch(path: Path, seconds: float) -> None:
    """Watch this process from now on; the counting begins with the first `progress`.

    Args:
        path: of a file for the stacks, emptied now.
        seconds: without progress that are allowed; 0: watch nothing.
    """
    global _watch, _outside
    stop()
    if seconds:
        _outside = _outside or _Outside()
        _watch = Watch(path, seconds, _outside)


def stop() -> None:
    """Watch nothing any more."""
    global _watch
    if _watch is not None:
        _watch.close()
    _watch = None


def progress() -> None:
    """Say that the process makes progress; a trainable calls this in a step that takes long."""
    if _watch is not None:
        _watch.set_back()


def rest() -> None:
    """Say that the process has nothing to do until the next `progress`."""
    if _watch is not None:
        _watch.rest()
