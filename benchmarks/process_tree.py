"""The processor's time of a command with all that it starts, whoever ends and waits for it."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MARK = "TID_TUNE_BENCHMARK"
_LOOK_SECONDS = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds of a command: on the clock until it ended, and of the processor until all ended."""

    wall: float
    cpu: float


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run a command; wait for all processes that come from it, also those it leaves behind.

    They are known by an environment variable, and their times are looked at twice a second: what
    nobody waits for, as Ray's workers, is counted in no parent.

    Raises:
        RuntimeError: it failed; the message has the end of its output, which goes to `log`.
    """
    mark = f"{_MARK}={uuid.uuid4().hex}"
    name, _, value = mark.partition("=")
    seconds: dict[int, float] = {}
    started = time.monotonic()
    with log.open("a") as file:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **env, name: value}, stdout=file, stderr=file
        )
    while process.poll() is None:
        seconds |= _marked(mark.encode())
        time.sleep(_LOOK_SECONDS)
    wall = time.monotonic() - started
    while found := _marked(mark.encode()):
        seconds |= found
        time.sleep(_LOOK_SECONDS)
    if process.returncode:
        tail = "\n".join(log.read_text().splitlines()[-30:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    return Cost(wall, sum(seconds.values()))


def _marked(mark: bytes) -> dict[int, float]:
    """Return the processor's seconds of the running processes with a mark in their environment."""
    found: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    found[int(folder.name)] = sum(map(int, fields[11:13])) / _TICKS
        except OSError:
            continue
    return found


def tree_cpu(root: int) -> float:
    """Return the processor's seconds so far of a process and all that come from it."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(folder.name)
        parents[process] = int(fields[1])
        seconds[process] = sum(map(int, fields[11:15])) / _TICKS  # with children that have ended
    total = 0.0
    for process, own in seconds.items():
        place = process
        while place not in (root, 0, 1):
            place = parents.get(place, 0)
        total += own if place == root else 0.0
    return total
