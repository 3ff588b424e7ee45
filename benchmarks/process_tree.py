"""The processor's time of a command with all that it starts, whoever ends and waits for it."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


@dataclass(frozen=True)
class Cost:
    """Seconds of a command: on the clock until it ended, and of the processor until all ended."""

    wall: float
    cpu: float


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run a command; wait for all processes that come from it, also those it leaves behind.

    Raises:
        RuntimeError: it failed; the message has the end of its output, which goes to `log`.
    """
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)  # what loses its parent becomes our child
    started, before = time.monotonic(), _children()
    with log.open("a") as file:
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **env}, stdout=file, stderr=file, check=False
        )
    wall = time.monotonic() - started
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-30:])
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    return Cost(wall, _children() - before)


def tree_cpu(root: int) -> float:
    """Return the processor's seconds so far of a process and all that come from it."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(folder.name)
        parents[process] = int(fields[1])
        seconds[process] = sum(map(int, fields[11:15])) / ticks  # with children that have ended
    total = 0.0
    for process, own in seconds.items():
        place = process
        while place not in (root, 0, 1):
            place = parents.get(place, 0)
        total += own if place == root else 0.0
    return total


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
