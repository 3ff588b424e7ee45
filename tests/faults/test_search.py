"""One search that meets what can happen to nodes, MLflow, the driver, the disk and the head.

Its tests are one story, in their order: each harms the search that the others have left. In the end
it has what a search has that nothing has happened to.
"""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.harmed import FULL
from faults.memory import fill, memory_to_fill
from faults.mlflow_server import MlflowServer, locked
from faults.scene import SPEC, Row, Scene, add_node, cluster
from faults.story import Story

from tid_tune.ledger.records import Status
from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import SearchSpec

pytestmark = pytest.mark.slow
PACE = 2.0
"""Seconds of an epoch: the search must be long enough for all that happens."""
GONE_SECONDS = 60.0
"""Without the MLflow server."""
RESUMES = "the same command resumes"


@pytest.fixture(scope="module")
def story(nodes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    root = tmp_path_factory.mktemp("story")
    scene = Scene.make(root, nodes.address, SPEC.replace("epochs: 8", "epochs: 300"), PACE)
    found = Story(scene, MlflowServer(root))
    yield found
    found.mlflow.stop()
    if scene.process is not None and scene.process.poll() is None:
        scene.process.kill()
        scene.finish()


def test_a_search_goes_on_when_the_mlflow_server_has_gone(story: Story) -> None:
    story.mlflow.start()
    story.track(story.mlflow.address)
    story.run(2)
    story.scene.wait(lambda: len(story.mlflow.reports()) > 1)
    story.mlflow.stop()
    story.gone = time.time()
    story.run()


def test_a_node_that_joins_is_used(nodes: Any, story: Story, rows: list[Row]) -> None:
    story.run()
    story.scene.mark()
    story.spare = add_node(nodes)
    story.scene.recover()
    row = story.scene.row("a node joins", "", "its CPU trains the next trial", "t0003")
    rows.append(row)
    assert row.seconds is not None


def test_trials_of_a_lost_node_go_on_elsewhere(nodes: Any, story: Story, rows: list[Row]) -> None:
    story.run(3)
    lost, story.spare = story.spare, add_node(nodes)
    story.scene.mark()
    nodes.remove_node(lost, allow_graceful=False)
    story.scene.recover()
    row = story.scene.row("a node is lost with its raylet and worker", "its node has died")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_a_node_that_is_announced_to_go_is_left_at_the_next_report(
    nodes: Any, story: Story, rows: list[Row]
) -> None:
    story.run(3)
    losses = sum(trial.losses for trial in story.scene.place.state().trials.values())
    going, story.spare = story.spare, add_node(nodes)
    client = importlib.import_module("ray._raylet").GcsClient(address=nodes.address)
    story.scene.mark()
    accepted, why = client.drain_node(going.node_id, 2, "spot", int((time.time() + 30) * 1000))
    assert accepted, why
    story.scene.recover()
    trials = story.scene.place.state().trials.values()
    assert sum(trial.losses for trial in trials) == losses, "it is not counted"
    row = story.scene.row("a node is announced to go (spot, drain)", "was announced to go away")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)
    nodes.remove_node(going, allow_graceful=False)


def test_what_an_mlflow_server_has_missed_is_copied_when_it_is_back(
    story: Story, rows: list[Row]
) -> None:
    time.sleep(max(0.0, story.gone + GONE_SECONDS - time.time()))
    assert story.missing()
    story.mlflow.start()
    back = time.time()
    story.run()
    until = time.time()
    story.scene.wait(lambda: story.copied(until))
    later = f"all is there {time.time() - back:.0f} s after its return"
    fault = f"the MLflow server is gone for {back - story.gone:.0f} s"
    rows.append(Row(fault, 0, 0, None, f"“Training continues; retrying”; {later}"))


def test_a_killed_driver_loses_nothing(nodes: Any, story: Story, rows: list[Row]) -> None:
    story.run()
    process = story.scene.process
    assert process is not None
    story.scene.mark()
    process.kill()
    story.scene.finish()
    if story.gone:
        assert "Training continues; retrying" in story.scene.said
    assert "(raylet)" not in story.scene.output
    for node in list(nodes.worker_nodes)[1:]:
        nodes.remove_node(node)  # one trial at a time is enough from here on
    story.run()
    row = story.scene.row("the driver is killed (SIGKILL)", "", f"nothing; {RESUMES}")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_ctrl_c_ends_a_search_whose_mlflow_server_is_gone_for_good(
    story: Story, rows: list[Row]
) -> None:
    story.mlflow.stop()
    code = story.end(signal.SIGINT)
    assert code == 130
    assert time.time() - story.scene.at < 60
    rest = "not everything is in MLflow yet"
    assert rest in story.scene.said
    said = story.scene.said
    story.track(f"sqlite:///{story.mlflow.database}")
    with locked(story.mlflow.database):
        story.run()
    story.scene.output = said
    row = story.scene.row("Ctrl-C", RESUMES, "exit code 130, leaderboard, ")
    gone = story.scene.row("the MLflow server is gone for good", rest)
    gone.seconds = None
    rows += [row, gone]
    assert (row.lost, row.repeated) == (0, 0)


def test_what_a_locked_database_has_missed_is_copied_and_sigterm_ends_cleanly(
    story: Story, rows: list[Row]
) -> None:
    """The database was locked while the search began again."""
    since = time.time()
    story.run()
    story.scene.wait(lambda: story.copied(since))
    later = f"all is there {time.time() - since:.0f} s later"
    code = story.end(signal.SIGTERM)
    assert code == 130
    assert not story.missing()
    said = story.scene.said
    story.run(harm="slow start")
    story.scene.output = said
    row = story.scene.row("SIGTERM", RESUMES, "exit code 130, leaderboard, ")
    rows += [row, Row("the database of MLflow (sqlite) is locked", 0, 0, None, f"nothing; {later}")]
    assert (row.lost, row.repeated) == (0, 0)


def test_ray_that_does_not_start_in_time_is_started_again(story: Story, rows: list[Row]) -> None:
    """It was, in the driver that runs now; with it, the disk gets full at a checkpoint."""
    story.run()
    story.scene.ask("full disk", "t0001", epoch=0)
    assert story.scene.finish() == 1
    story.scene.happened("full disk")
    said = story.scene.said
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert story.scene.place.state().trials["t0001"].status is Status.INTERRUPTED
    story.run(harm="full disk")
    story.scene.output = said
    row = story.scene.row("the disk is full at a checkpoint", "No space left", "exit code 1, ")
    slow = story.scene.row("Ray does not start within its 30 s", "trying again, 2 of 3")
    slow.seconds = None
    rows += [row, slow]
    assert (row.lost, row.repeated) == (0, 0)


def test_a_full_disk_at_the_ledger_ends_the_search_and_with_room_it_goes_on(
    story: Story, rows: list[Row]
) -> None:
    story.run(harm="full disk")
    full = story.scene.place.root / FULL
    story.scene.mark()
    full.touch()
    assert story.scene.finish() == 1
    said = story.scene.said
    full.unlink()
    assert "Traceback" not in said
    story.run()
    story.scene.output = said
    quote = "cannot record the search (No space left on device)"
    row = story.scene.row("the disk is full at the ledger", quote, "exit code 1, ")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_a_second_ctrl_c_ends_the_command_at_once(story: Story, rows: list[Row]) -> None:
    assert story.end(signal.SIGINT, signal.SIGINT) == 130
    said = story.scene.said
    story.run()
    story.scene.output = said
    row = story.scene.row("Ctrl-C twice", RESUMES, "exit code 130, ")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_a_lost_head_ends_the_command_and_the_search_goes_on_in_another_cluster(
    nodes: Any, story: Story, rows: list[Row], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other cluster also loses a worker to Ray's memory monitor, in another search."""
    story.run()
    story.scene.mark()
    nodes.head_node.kill_gcs_server()
    assert story.scene.finish() == 1
    ended, said = time.time() - story.scene.at, story.scene.said
    assert ended < 60
    assert "same command again" in said
    assert "t0001" in said, "the leaderboard"
    assert "Traceback" not in said
    memory = memory_to_fill(monkeypatch)
    with cluster() as found:
        story.scene.place.address = found.address
        story.run()
        story.scene.output = said
        quote = "the head of the Ray cluster"
        row = story.scene.row("the head is lost", quote, f"exit code 1 after {ended:.0f} s, ")
        rows.append(row)
        assert (row.lost, row.repeated) == (0, 0)
        _end_like_an_undisturbed_one(story)
        if memory:
            rows.append(fill(Scene.make(tmp_path, found.address), memory))


def _end_like_an_undisturbed_one(story: Story) -> None:
    """Let the search end, and compare it with one that nothing has happened to."""
    story.scene.set_pace(0.01)
    assert story.scene.finish() == 0
    state = story.scene.place.state()
    spec = SearchSpec.recorded(state.spec)
    expected = simulate(spec, _metrics, workers=2).state
    assert state.trials.keys() == expected.trials.keys()
    for name, trial in state.trials.items():
        alone = expected.trials[name]
        assert (trial.status, trial.params) == (alone.status, alone.params)
        assert [r.metrics for r in trial.reports] == [r.metrics for r in alone.reports]
    assert not story.missing()


def _metrics(assignment: Assignment, epoch: float) -> dict[str, float]:
    return {"coco/bbox_mAP": float(assignment.edits["optim_wrapper.optimizer.lr"]) * epoch}
