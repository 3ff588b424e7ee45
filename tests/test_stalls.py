"""A process that makes no progress ends itself, and says where it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_a_crash_leaves_its_stack(tmp_path: Path) -> None:
    found = run("ctypes.string_at(0)", tmp_path / "words.txt", seconds=60)
    assert found.returncode < 0
    text = (tmp_path / "words.txt").read_text()
    assert text.startswith("Fatal Python error: Segmentation fault")
