"""A trial that takes all the memory of its node."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.scene import Row, Scene

from tid_tune.ledger.records import Status


def memory_to_fill(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the memory monitor of the next cluster end a worker soon; the bytes that are enough.

    0: this machine has too little memory for that.
    """
    info = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(info[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
    if free < 10:
        return 0
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{1 - (free - 5) / total:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    return int(min(free - 1, 8) * 2**30)


def fill(scene: Scene, size: int) -> Row:
    """One trial takes all the memory that there is; the next one has it again."""
    (scene.place.root / "bytes").write_text(str(size))
    scene.ask("out of memory", "t0001", epoch=3)
    code, scene.output = scene.place.run("--set", "trials=2", "--set", "resources.concurrent=1")
    assert code == 0, scene.output
    assert "Traceback" not in scene.output
    first, second = scene.place.state().trials.values()
    assert (first.status, str(first.cause)) == (Status.FAILED, "oom")
    assert second.status is Status.COMPLETED
    assert scene.happened("out of memory") == first.id
    row = scene.row("the memory of a node is full", "was full", "the trial has failed: ", first.id)
    assert row.lost == 0
    return row
