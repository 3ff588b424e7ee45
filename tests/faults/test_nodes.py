"""What becomes of a search when nodes join, leave, or are lost."""

from __future__ import annotations

import importlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from faults.scene import NODE, Row, Scene, cluster

from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState

pytestmark = pytest.mark.slow
LONG = ("--set", "epochs=25")
PACE = 2.0
"""Seconds of an epoch: a second worker takes longer to start than a short trial to end."""


@pytest.fixture
def scene(nodes: Any, tmp_path: Path) -> Scene:
    return Scene.make(tmp_path, nodes.address, pace=PACE)


def hurry(scene: Scene) -> None:
    """Let trials that are built from now on end soon."""
    (scene.place.root / "pace").write_text("0.1")


def all_report(epochs: int) -> Any:
    def holds(state: RunState) -> bool:
        running = [state.trials[name] for name in state.running]
        return len(running) >= 2 and all(len(trial.reports) >= epochs for trial in running)

    return holds


def test_a_lost_node_and_one_that_joins(nodes: Any, scene: Scene, rows: list[Row]) -> None:
    third = nodes.add_node(**NODE)
    process = scene.place.command("run", "space.yaml", *LONG)
    scene.wait(lambda state: len(state.running) == 3 and all_report(2)(state), process)
    scene.mark()
    nodes.remove_node(third, allow_graceful=False)
    scene.wait(lambda state: any(t.losses for t in state.trials.values()), process)
    again = nodes.add_node(**NODE)
    started = time.time()
    scene.wait(lambda state: len(state.running) == 3 and all_report(3)(state), process)
    joined = time.time() - started
    hurry(scene)
    output, _ = process.communicate(timeout=180)
    nodes.remove_node(again)
    assert process.returncode == 0, output
    assert all(t.status is Status.COMPLETED for t in scene.place.state().trials.values())
    row = scene.row("a node is lost", "its node")
    rows.append(row)
    rows.append(Row("a node joins", 0, 0, round(joined, 1), "its trials run"))
    assert (row.lost, row.repeated) == (0, 0)
    assert row.seconds is not None


def test_a_node_that_is_announced_to_go_is_left_at_the_next_report(
    nodes: Any, scene: Scene, rows: list[Row]
) -> None:
    client = importlib.import_module("ray._raylet").GcsClient(address=nodes.address)
    third = nodes.add_node(**NODE)
    process = scene.place.command("run", "space.yaml", *LONG)
    scene.wait(lambda state: len(state.running) == 3 and all_report(2)(state), process)
    scene.mark()
    until = int((time.time() + 30) * 1000)
    accepted, why = client.drain_node(third.node_id, 2, "spot", until)
    assert accepted, why
    scene.wait(lambda state: any(t.segment > 0 for t in state.trials.values()), process)
    hurry(scene)
    output, _ = process.communicate(timeout=180)
    nodes.remove_node(third, allow_graceful=False)
    assert process.returncode == 0, output
    trials = scene.place.state().trials.values()
    assert all(t.status is Status.COMPLETED and t.losses == 0 for t in trials)
    row = scene.row("a node is drained", "announced to go away")
    rows.append(row)
    assert row.seen
    assert (row.lost, row.repeated) == (0, 0)


def test_a_lost_head_ends_the_driver_within_a_minute(tmp_path: Path, rows: list[Row]) -> None:
    with cluster() as found:
        scene = Scene.make(tmp_path, found.address, pace=PACE)
        process = scene.place.command("run", "space.yaml", *LONG)
        scene.wait(all_report(2), process)
        scene.mark()
        found.head_node.kill_gcs_server()
        output, _ = process.communicate(timeout=120)
        ended = time.time() - scene.at
    assert process.returncode == 1, output
    assert ended < 60
    assert "the head of the Ray cluster" in output
    assert "same command again" in " ".join(output.split())
    assert "t0001" in output, "the leaderboard"
    assert "Traceback" not in output
    with cluster() as found:
        hurry(scene)
        scene.place.address = found.address
        hurry(scene)
    code, again = scene.place.run(*LONG)
    assert code == 0, again
    row = scene.row("the head is lost", "the head of the Ray cluster", output)
    row.seconds = round(ended, 1)
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_memory_that_is_full_ends_one_trial_and_not_the_search(
    tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(info[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
    if free < 8:
        pytest.skip("it needs 8 GiB of free memory")
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{1 - (free - 3) / total:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    with cluster() as found:
        scene = Scene.make(tmp_path, found.address)
        (tmp_path / "bytes").write_text(str(int(min(free - 1, 5.5) * 2**30)))
        scene.ask("out of memory")
        code, output = scene.place.run()
        assert code == 0, output
        first = scene.place.state().trials["t0002"]
        assert (first.status, str(first.cause)) == (Status.FAILED, "oom")
        row = scene.row("out of memory", "the memory", kind="out of memory")
        rows.append(row)
        assert row.lost == 0
        assert "Traceback" not in output


@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT,) * 2])
def test_a_driver_that_is_told_to_end_says_how_to_go_on(
    numbers: tuple[signal.Signals, ...], scene: Scene, rows: list[Row]
) -> None:
    process = scene.place.command("run", "space.yaml", *LONG)
    scene.wait(all_report(2), process)
    scene.mark()
    for number in numbers:
        os.kill(process.pid, number)
        time.sleep(0.3)
    output, _ = process.communicate(timeout=60)
    ended = time.time() - scene.at
    assert process.returncode == 130, output
    assert "same command resumes" in " ".join(output.split())
    assert "Traceback" not in output
    hurry(scene)
    code, again = scene.place.run(*LONG)
    assert code == 0, again
    name = " twice".join((numbers[0].name, "")) if len(numbers) > 1 else numbers[0].name
    row = scene.row(name, "same command resumes", output)
    row.seconds = round(ended, 1)
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)
