"""A job whose trials have two ranks loses a node, then its driver, then the head of the cluster.

It is submitted again after each loss that ends it, and ends as if nothing had happened. Its run
folder is in an S3 store.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.scene import NODE, SECONDS, Row, Scene, cluster
from faults.two_ranks import OBJECTIVE, PLACE, value_at
from support.object_store import KEYS, s3_server, s3_uri

from tid_tune.ledger.events import Ended, Reported
from tid_tune.ledger.file import Ledger, read_events
from tid_tune.ledger.state import RunState
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.searchfile.model import SearchSpec
from tid_tune.storage.places import child

pytestmark = pytest.mark.slow
SPEC = """
name: toy
trial: config.py
trainable: two_ranks.py:RankedTrainable
epochs: 8
trials: 6
seed: 1
baseline: false
space:
  optim_wrapper.optimizer.lr: {log_uniform: [1e-4, 1e-1]}
sampler: {type: tpe, startup_trials: 2}
scheduler: {type: asha, grace_epochs: 2, reduction: 2}
resources: {cpus: 1, ranks: 2, concurrent: 1}
tracking: {enabled: false}
"""
"""One trial after the other: then what the search decides does not depend on the clock."""
JOBS: dict[str, Any] = {
    "include_dashboard": True,
    "dashboard_host": "127.0.0.1",
    "dashboard_agent_listen_port": 0,  # another Ray of this machine may have the usual one
}


class Story:
    """A search that is submitted, and what has been reported of it."""

    def __init__(self, scene: Scene, runs: str) -> None:
        self.scene, self.runs = scene, runs
        self.cluster: Any = None
        self.folders: list[Path] = []
        """Of the nodes."""
        self.lost = time.monotonic()
        """When the last loss was."""

    @property
    def run(self) -> RunFolder:
        """The run folder as it is now."""
        return RunFolder(child(self.runs, "toy"))

    def add_nodes(self, count: int) -> None:
        """Add nodes for one trial each; try again on a busy machine.

        Each has a folder of its own, as machines have: in one folder, each node would unpack the
        job's upload, and delete what the others have unpacked.
        """
        for _ in range(3):
            with contextlib.suppress(Exception):  # Ray raises no other
                while len(self.cluster.worker_nodes) < count:
                    # A short one: it holds sockets.
                    self.folders.append(Path(tempfile.mkdtemp(prefix="tt")))
                    place = {"num_cpus": 2, "temp_dir": str(self.folders[-1])}
                    self.cluster.add_node(**{**NODE, **place})
        assert len(self.cluster.worker_nodes) == count

    def submit(self, *words: str) -> None:
        """Submit the search, as a user does; the process follows the job."""
        address = ("--address", f"http://{self.cluster.webui_url}", "--runs", self.runs)
        place = f"{PLACE}={self.scene.place.root}"
        self.scene.process = self.scene.place.command(
            "submit", "space.yaml", *address, "--env", place, *words
        )

    def reported(self) -> int:
        """So many epochs were reported."""
        run = self.run
        return sum(len(t.reports) for t in run.state.trials.values()) if run.exists else 0

    def goes_on(self, epochs: int = 2) -> float:
        """Wait until so many more are reported; return the seconds from the loss to the first."""
        before, deadline, first = self.reported(), time.monotonic() + SECONDS, 0.0
        while (now := self.reported()) < before + epochs:
            if now > before:
                first = first or time.monotonic()
            process, late = self.scene.process, time.monotonic() > deadline
            if late or process is None or process.poll() not in (None, 0):
                self.scene.finish(1)
                raise AssertionError(f"it does not go on: {self.scene.output}")
            time.sleep(0.5)
        return round((first or time.monotonic()) - self.lost, 1)

    def lose_a_node(self) -> None:
        """Kill the node of the trial that runs: both of its ranks are there."""
        first, second = ((self.scene.place.root / f"node_{rank}").read_text() for rank in (0, 1))
        assert first == second, "resources.spread: pack"
        (node,) = (one for one in self.cluster.worker_nodes if one.node_id == first)
        self.lost = time.monotonic()
        self.cluster.remove_node(node, allow_graceful=False)

    def lose_the_driver(self) -> None:
        """Kill the process of the job."""
        os.kill(self.driver(), signal.SIGKILL)
        self.lost = time.monotonic()

    def driver(self) -> int:
        """The process of the job."""
        holder = self.run.holder()
        assert holder is not None
        return holder.pid

    def lose_the_head(self) -> None:
        """Kill the node of the job server and of the driver, which is gone soon after."""
        driver, deadline = self.driver(), time.monotonic() + 60
        self.lost = time.monotonic()
        self.cluster.remove_node(self.cluster.head_node, allow_graceful=False)
        while not has_ended(driver):
            assert time.monotonic() < deadline, "the driver is still there"
            time.sleep(0.2)


def has_ended(process: int) -> bool:
    """Whether a process is gone; it may be nobody's child."""
    try:
        return not Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return True


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A search whose nodes find this Python, and the store."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "120")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(Path(__file__).with_name("two_ranks.py"), project)
    with s3_server() as endpoint:
        found = Story(Scene.make(project, "", SPEC, pace=1.0), s3_uri(endpoint, "runs"))
        yield found
        for folder in found.folders:
            shutil.rmtree(folder, ignore_errors=True)


def reports(ledger: Path) -> Iterator[tuple[object, ...]]:
    """What was reported, in order, with what was decided on it."""
    for event in read_events(ledger):
        if isinstance(event, Reported) and not event.repeated:
            yield event.trial, event.epoch, event.metrics[OBJECTIVE], event.decision


def trials(state: RunState) -> list[tuple[object, ...]]:
    """The points that were tried, and what became of them."""
    return [(t.id, t.params, t.seed, t.status, t.value(OBJECTIVE)) for t in state.trials.values()]


def undisturbed(spec: SearchSpec, ledger: Path) -> RunState:
    """The same search on one worker to which nothing happens."""

    def trained(work: Any, epoch: float) -> dict[str, float]:
        return {OBJECTIVE: value_at(work.edits, round(epoch))}

    with Ledger.open(ledger, clock=VirtualClock()) as opened:
        return simulate(spec, trained, ledger=opened).state


def test_a_job_survives_the_loss_of_a_node_of_its_driver_and_of_the_head(
    story: Story, tmp_path: Path, rows: list[Row]
) -> None:
    scene = story.scene
    with cluster(0, **JOBS) as story.cluster:
        story.add_nodes(2)
        story.submit()
        story.goes_on()
        story.lose_a_node()
        of_node = story.goes_on()
        story.lose_the_driver()
        assert scene.finish() == 1
        assert "failed" in scene.said
        story.submit("--no-wait")
        of_driver = story.goes_on()
        assert scene.finish() == 0
        assert "which failed" in scene.said
        story.lose_the_head()
    with cluster(0, **JOBS) as story.cluster:
        story.add_nodes(1)
        story.submit()
        of_head = story.goes_on()
        scene.set_pace(0.05)
        assert scene.finish() == 0
    run = story.run
    calm = tmp_path / "calm.jsonl"
    events = list(read_events(run.ledger))
    assert any(isinstance(e, Ended) and "its node" in e.reason for e in events)
    assert trials(run.state) == trials(undisturbed(run.spec, calm))
    assert list(reports(run.ledger)) == list(reports(calm))
    assert len({type(decision) for *_, decision in reports(calm)}) > 1, "some were stopped"
    assert not any(isinstance(event, Reported) and event.repeated for event in events)
    rows += [
        Row("a job's trial of two ranks loses its node", 0, 0, of_node, "“its node”"),
        Row("a job's driver is killed, and it is submitted again", 0, 0, of_driver, "“failed”"),
        Row("its head is lost; a cluster is started and it is submitted again", 0, 0, of_head, ""),
    ]
