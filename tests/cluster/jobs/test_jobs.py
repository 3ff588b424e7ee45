"""`tid-tune submit` on a cluster that demands a token: attach, stop, resume after a change."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.doc_pages import ROOT, blocks
from support.ray_head import TOKEN, Head, ray_head
from support.workplace import CONFIG, SPEC, TOY

from tid_tune.ledger.file import read_events
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.results.run_folder import RunFolder

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
    return launch(project, [sys.executable, "-m", "tid_tune", *words], **environment)


def launch(project: Path, words: list[str], **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        words,
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
    assert re.search(r"submitted: job \S+-2;.*\n  the job before, \S+-1, was stopped", output)
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


def on_this_machine(text: str, head: Head, project: Path) -> list[str]:
    """A command of the page as words, for the cluster and the folder of the test."""
    found = text.replace("http://HEAD:8265", head.jobs).replace("/shared/project", str(project))
    found = found.replace("/shared/runs", str(project / "runs"))
    program, *words = shlex.split(found)
    return [str(Path(sys.executable).with_name(program)), *words]


def test_rays_own_command_does_the_same_and_the_retry_of_a_rayjob_resumes(
    head: Head, project: Path
) -> None:
    """The page's commands, word by word; then the entry point of the RayJob, until it is killed."""
    text = (project / "space.yaml").read_text().replace("trials: 8", "trials: 4")
    (project / "search.yaml").write_text(f"{text}baseline: false\n")
    run = RunFolder(project / "runs/toy")
    page = next(b for b in blocks("bash", "docs/cluster.md") if "ray job submit" in b.text)
    submit, stop = page.text.replace("\\\n", " ").strip().splitlines()
    first = launch(project, on_this_machine(submit, head, project), **WITH_TOKEN)
    wait_for(run.ledger, 10)
    code, output = finish(launch(project, on_this_machine(stop, head, project), **WITH_TOKEN))
    assert code == 0, output
    first.communicate(timeout=120)
    before = RunState.read(run.ledger)
    assert any(trial.status is Status.INTERRUPTED for trial in before.trials.values())
    assert not before.running
    assert before.closed is None

    job = yaml.safe_load((ROOT / "deploy/kuberay/rayjob.yaml").read_text())["spec"]
    entry = f"ray job submit --address http://HEAD:8265 -- {job['entrypoint']}"
    words = on_this_machine(entry, head, project)
    second = launch(project, words, **WITH_TOKEN)
    wait_for(run.ledger, run.ledger.read_bytes().count(b"\n") + 4)
    holder = run.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    assert finish(second)[0] == 1
    code, output = finish(launch(project, words, **WITH_TOKEN))
    assert code == 0, output
    state = RunState.read(run.ledger)
    assert state.closed is not None
    assert len(state.sessions) == 3
    assert len(state.trials) == 4
    for trial in state.trials.values():
        assert trial.repeated_seconds == 0
