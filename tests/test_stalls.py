"""A process that makes no progress ends itself, and says where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tid_tune import guard

SCRIPT = """
import ctypes, pathlib, sys, time
from tid_tune import stalls

def never_returns():
    time.sleep(60)

stalls.watch(pathlib.Path(sys.argv[1]), float(sys.argv[2]))
{body}
print("went on", flush=True)
"""


def run(body: str, words: Path, seconds: float = 0.5) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(body=body), str(words), str(seconds)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_a_process_that_makes_no_progress_ends_and_leaves_its_stacks(tmp_path: Path) -> None:
    found = run("stalls.progress()\nnever_returns()", tmp_path / "words.txt")
    assert (found.returncode, found.stdout) == (1, "")
    assert "in never_returns" in (tmp_path / "words.txt").read_text()


def test_progress_and_rest_set_the_clock_back(tmp_path: Path) -> None:
    body = """
for _ in range(30):
    stalls.progress()
    time.sleep(0.1)
stalls.rest()
time.sleep(2)
"""
    found = run(body, tmp_path / "words.txt", seconds=1.5)
    assert (found.returncode, found.stdout) == (0, "went on\n")


def test_nothing_is_watched_where_no_time_is_set(tmp_path: Path) -> None:
    found = run("stalls.progress()\ntime.sleep(1)", tmp_path / "words.txt", seconds=0)
    assert found.stdout == "went on\n"
    assert not (tmp_path / "words.txt").exists()


@pytest.mark.parametrize("state", ["stalls.progress()", "stalls.rest()"])
def test_a_process_that_is_stopped_as_a_whole_is_killed_from_outside(
    state: str, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    started = time.monotonic()
    found = run(f"{state}\nimport os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", words)
    assert found.returncode == -signal.SIGKILL
    assert time.monotonic() - started > 2
    assert words.read_text() == "Killed from outside: was stopped as a whole (SIGSTOP)\n"


def test_a_process_that_hangs_in_the_system_is_killed_after_a_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a one is not stopped, and its own thread does not end it."""
    monkeypatch.setattr(guard, "_GRACE", 0.5)
    with subprocess.Popen(["sleep", "60"]) as process:
        watcher = guard.Guard(process.pid)
        watcher.read(f"watch 0.1 {tmp_path / 'the last words.txt'}")
        watcher.read("progress")
        assert not watcher.is_due()
        time.sleep(0.7)
        assert watcher.is_due()
        watcher.set_back()
        assert not watcher.is_due(), "who watches was stopped, too"
        watcher.read("rest")
        time.sleep(0.7)
        assert not watcher.is_due()
        watcher.kill()
        assert process.wait(20) == -signal.SIGKILL
    words = (tmp_path / "the last words.txt").read_text()
    assert words == "Killed from outside: hung in the system\n"


def test_who_watches_from_outside_ends_with_the_process(tmp_path: Path) -> None:
    body = "import os\nprint(stalls._outside._process.pid, flush=True)\nos.kill(os.getpid(), 9)"
    watcher = int(run(body, tmp_path / "words.txt", 60).stdout)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(watcher, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def test_a_crash_leaves_its_stack(tmp_path: Path) -> None:
    found = run("ctypes.string_at(0)", tmp_path / "words.txt", seconds=60)
    assert found.returncode < 0
    text = (tmp_path / "words.txt").read_text()
    assert text.startswith("Fatal Python error: Segmentation fault")
