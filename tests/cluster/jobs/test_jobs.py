"""`tid-tune submit` on a cluster that demands a token: attach, stop, resume after a change."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ray_head import TOKEN, Head, ray_head
from support.workplace import CONFIG, SPEC, TOY

from tid_tune.ledger.file import read_events
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState

pytestmark = pytest.mark.slow
WITH_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
TRIALS = ("--set", "trials=12")


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose teacher Git ignores."""
    folder = tmp_path / "project"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights/teacher.pth").touch()
    (folder / ".gitignore").write_text("weights/\n")
    (folder / "config.py").write_text(CONFIG.replace("teacher.pth", "weights/teacher.pth"))
    (folder / "teacher.py").write_text('model = dict(type="GFL")')
    (folder / "space.yaml").write_text(SPEC.replace(str(TOY), "toy.py"))
    shutil.copy(TOY, folder / "toy.py")
    return folder


def start(project: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tid_tune", *words],
        cwd=project,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def wait_for(ledger: Path, events: int) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if ledger.exists() and ledger.read_bytes().count(b"\n") >= events:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {events} events in {ledger}")


def test_a_missing_token_is_named_as_what_is_missing(head: Head, project: Path) -> None:
    words = ("submit", "space.yaml", "--address", head.jobs, "--runs", "/shared/runs")
    code, output = finish(start(project, *words, RAY_AUTH_MODE="disabled"))
    assert code == 2, output
    assert "RAY_AUTH_TOKEN" in output
    run = ("run", "space.yaml", "--address", head.address)
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "another-token"}
    code, output = finish(start(project, *run, **wrong))
    assert code == 2, output
    assert "RAY_AUTH_TOKEN" in output
    assert "no Ray cluster answers" not in output
    assert "Traceback" not in output


def test_a_search_is_submitted_attached_to_stopped_and_resumed_after_a_change(
    head: Head, project: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "shared/runs"
    ledger = runs / "toy/ledger.jsonl"
    words = ("submit", "space.yaml", "--address", head.jobs, "--runs", str(runs), *TRIALS)
    code, output = finish(start(project, *words, "--no-wait", **WITH_TOKEN))
    assert code == 0, output
    assert "weights/teacher.pth" in output, "ignored by Git, and uploaded"
    wait_for(ledger, 8)

    follower = start(project, *words, **WITH_TOKEN)
    assert follower.stdout is not None
    for line in follower.stdout:
        if "from another shell" in line:  # of the job's own output
            break
    follower.send_signal(signal.SIGINT)
    code, output = finish(follower)
    assert code == 130, output
    assert "goes on" in output

    code, output = finish(start(project, *words, "--stop", **WITH_TOKEN))
    assert code == 0, output
    assert "has ended" in output
    before = RunState.read(ledger)
    assert before.closed is None
    assert not before.running, "its trials were recorded as interrupted"
    assert any(trial.status is Status.INTERRUPTED for trial in before.trials.values())

    (project / "config.py").write_text((project / "config.py").read_text() + "# changed\n")
    code, output = finish(start(project, *words, **WITH_TOKEN))
    assert code == 0, output
    assert re.search(r"resumed after \S+-1, which was stopped: job \S+-2;", output)
    assert "best: t" in output, "the job's own output"
    state = RunState.read(ledger)
    assert state.closed is not None
    assert len(state.sessions) == 2
    assert len(state.trials) == 14
    for trial in state.trials.values():
        steps = [report.step for report in trial.reports]
        assert steps == sorted(set(steps))
    assert (runs / "mlflow.db").is_file(), "not in the package"
    assert sum(1 for _ in read_events(ledger))
    logs = [path for path in head.folder.rglob("*.log") if path.is_file()]
    assert logs
    for path in [ledger, *logs]:
        assert TOKEN.encode() not in path.read_bytes(), path
