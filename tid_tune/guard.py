"""Kills a process that makes no progress and cannot end itself.

Such a one is stopped as a whole (SIGSTOP), or hangs in the system, as on a dead file server.
`tid_tune.stalls` runs `python guard.py PID` beside each process that it watches, and writes to its
standard input what happens there. A few modules of Python's own are imported, and nothing of ours:
so it starts within some hundredths of a second, and takes a few megabytes.
"""

import os
import select
import signal
import sys
import threading
import time

PROGRESS, REST, STOP, WATCH = "progress", "rest", "stop", "watch"
"""The lines that it reads; WATCH is followed by the seconds that are allowed, and a path."""
KILLED = "Killed from outside"
"""What the file at that path begins with where a process was killed."""
_SLACK = 1.15
"""Of the seconds: later than a process ends itself, and earlier than others stop waiting for it."""
_GRACE = 2.0
"""Seconds added to that."""
_WRITING = 5.0
"""Seconds that a line may take to be written."""
_LOOKS = 20
"""So often it looks in the time that is allowed."""


class Guard:
    """What is known of the process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._path = ""
        self._allowed = 0.0
        self._beat: float | None = None
        self._stopped: float | None = None
        """Since when it is stopped; that counts also while it has nothing to do."""

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return min(max(self._allowed / _LOOKS, 0.1), 10.0) if self._allowed else 10.0

    def read(self, line: str) -> None:
        """Take in what the process writes."""
        word, _, rest = line.partition(" ")
        if word == WATCH:
            seconds, _, self._path = rest.partition(" ")
            self._allowed = float(seconds) * _SLACK + _GRACE
        elif word == STOP:
            self._allowed = 0.0
        self._beat = time.monotonic() if word == PROGRESS else None

    def set_back(self) -> None:
        """Begin to count anew."""
        self._stopped = None
        self._beat = self._beat and time.monotonic()

    def is_due(self) -> bool:
        """Return whether the process is to be killed now."""
        now = time.monotonic()
        self._stopped = (self._stopped or now) if self._is_stopped() else None
        since = [at for at in (self._beat, self._stopped) if at is not None]
        return bool(self._allowed and since) and now - min(since) > self._allowed

    def kill(self) -> None:
        """Leave a line where it leaves its own last words, and kill it.

        The line is there before others see the end, unless the file is on a server that hangs.
        """
        writer = threading.Thread(target=self._leave_words, daemon=True)
        writer.start()
        writer.join(_WRITING)
        os.kill(self._pid, signal.SIGKILL)
        writer.join(_WRITING)

    def _leave_words(self) -> None:
        what = "was stopped as a whole (SIGSTOP)" if self._stopped else "hung in the system"
        with open(self._path, "a") as file:
            if not file.tell():
                file.write(f"{KILLED}: {what}\n")

    def _is_stopped(self) -> bool:
        try:
            with open(f"/proc/{self._pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] == b"T"
        except (OSError, IndexError):  # it is gone, or this is no Linux
            return False


def main() -> None:
    """Watch the process that has started this one until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid, rest = int(sys.argv[1]), ""
    guard = Guard(pid)
    while os.getppid() == pid:
        before, pause = time.monotonic(), guard.pause
        if select.select([0], [], [], pause)[0]:
            text = os.read(0, 65536).decode()
            if not text:
                return
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                guard.read(line)
        elif time.monotonic() - before > 3 * pause + 1:
            guard.set_back()  # both were stopped, as by Ctrl-Z
        elif guard.is_due():
            guard.kill()
            return


if __name__ == "__main__":
    main()
