"""What a user of `mlflow ui` relies on: one child per trial, nothing twice, nothing lost."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import (
    Changed,
    Closed,
    Ended,
    Event,
    Opened,
    Reported,
    ResultDecided,
    Started,
    Suggested,
    to_line,
)
from tid_tune.ledger.records import Status
from tid_tune.searchfile.model import SearchSpec, Tracking
from tid_tune.space import LogUniform
from tid_tune.tracking.address import Address
from tid_tune.tracking.mlflow_sync import PARENT_TAG, REPORTS_TAG, TRIAL_TAG, Mirror, child_name
from tid_tune.tracking.tracker import Copied, Tracker

MAP = "coco/bbox_mAP"
Params = dict[str, Any]


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests: making it takes seconds; each test has its own experiment."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> SearchSpec:
    return SearchSpec(
        name=request.node.name.replace("[", "-").replace("]", ""),
        trial=Path("config.py"),
        epochs=2,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-2)},
    )


def suggest(trial: str, params: Params | None = None, label: str = "") -> Suggested:
    return Suggested(
        time=1.0,
        trial=trial,
        stage="search",
        label=label,
        params=params or {},
        edits=params or {},
        seed=3,
        origin="tpe",
        method="",
        epochs=2,
    )


def report(trial: str, step: int, value: float) -> Reported:
    return Reported(
        time=1.0 + step,
        trial=trial,
        step=step,
        epoch=float(step),
        metrics={MAP: value, "train/distill/key_raw": 0.5},
        seconds=2.0,
        images=8,
        checkpoint=None,
    )


def start(trial: str, step: int = 0) -> Started:
    return Started(time=1.0, trial=trial, segment=0, step=step)


def end(trial: str, status: Status, reason: str = "", cause: Cause | None = None) -> Ended:
    return Ended(time=9.0, trial=trial, status=status, reason=reason, cause=cause, epoch=1.0)


STORY: list[Event] = [
    Opened(spec={}, version=2, run_id="run", config_hash=None),
    suggest("t0001", {"optim_wrapper.optimizer.lr": 0.001}),
    start("t0001"),
    report("t0001", 1, 0.1),
    suggest("t0002", {"optim_wrapper.optimizer.lr": 0.002}),
    start("t0002"),
    report("t0001", 2, 0.3),
    end("t0001", Status.COMPLETED),
    report("t0002", 1, 0.05),
    end("t0002", Status.STOPPED, "rung 1: 0.05 is not in the best third"),
    suggest("t0003", {"optim_wrapper.optimizer.lr": 0.009}),
    start("t0003"),
    end("t0003", Status.FAILED, "the loss is not finite", Cause.NAN),
    Closed(time=10.0, reason="finished"),
]


def mirror(spec: SearchSpec, uri: str) -> Mirror:
    made = Mirror(spec, f"run-{spec.name}", Address(uri, spec.name))
    made.connect()
    return made


def children(spec: SearchSpec, uri: str) -> dict[str, Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(spec.name)
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags.get(TRIAL_TAG, "parent"): run for run in runs}


def trial_statuses(spec: SearchSpec, uri: str) -> list[str]:
    runs = children(spec, uri)
    return [runs[trial].info.status for trial in sorted(runs) if trial != "parent"]


def history(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    points = MlflowClient(uri).get_metric_history(run.info.run_id, metric)
    return [(p.step, p.value) for p in points]


def test_a_search_becomes_a_parent_and_one_child_per_trial(spec: SearchSpec, uri: str) -> None:
    writer = mirror(spec, uri)
    for event in STORY:
        writer.apply(event)
    runs = children(spec, uri)
    assert set(runs) == {"parent", "t0001", "t0002", "t0003"}
    statuses = {name: run.info.status for name, run in runs.items()}
    assert statuses == {
        "parent": "FINISHED",
        "t0001": "FINISHED",
        "t0002": "KILLED",
        "t0003": "FAILED",
    }
    assert runs["t0001"].data.tags[PARENT_TAG] == runs["parent"].info.run_id
    assert runs["t0001"].data.params == {"optim_wrapper.optimizer.lr": "0.001"}
    assert history(uri, runs["t0001"], MAP) == [(1, 0.1), (2, 0.3)]
    assert runs["t0002"].data.metrics[f"rungs/{MAP}_1"] == 0.05
    assert "best third" in runs["t0002"].data.tags["tid_tune.reason"]


@pytest.mark.parametrize("cut", range(1, len(STORY) + 1, 2))
def test_replaying_after_a_cut_adds_what_is_missing_and_nothing_twice(
    spec: SearchSpec, uri: str, cut: int
) -> None:
    first = mirror(spec, uri)
    for event in STORY[:cut]:
        first.apply(event)
    second = mirror(spec, uri)
    for event in STORY:
        second.apply(event)
    runs = children(spec, uri)
    assert len(runs) == 4
    assert history(uri, runs["t0001"], MAP) == [(1, 0.1), (2, 0.3)]
    assert runs["t0002"].info.status == "KILLED"


def test_an_interrupted_trial_goes_on_in_its_run(spec: SearchSpec, uri: str) -> None:
    interrupted: list[Event] = [
        suggest("t0001"),
        start("t0001"),
        report("t0001", 1, 0.1),
        end("t0001", Status.INTERRUPTED, cause=Cause.DRIVER),
    ]
    first = mirror(spec, uri)
    for event in interrupted:
        first.apply(event)
    assert children(spec, uri)["t0001"].info.status == "KILLED"
    second = mirror(spec, uri)
    resumed = start("t0001", step=1)
    for event in (*interrupted, resumed):
        second.apply(event)
    assert children(spec, uri)["t0001"].info.status == "RUNNING"
    for event in (report("t0001", 2, 0.2), end("t0001", Status.COMPLETED)):
        second.apply(event)
    run = children(spec, uri)["t0001"]
    assert run.info.status == "FINISHED"
    assert history(uri, run, MAP) == [(1, 0.1), (2, 0.2)]


WAITING: list[Event] = [
    suggest("t0001"),
    start("t0001"),
    report("t0001", 1, 0.1),
    end("t0001", Status.PAUSED, "waits at epoch 1"),
    suggest("t0002"),
    start("t0002"),
    report("t0002", 1, 0.2),
    end("t0002", Status.PAUSED, "waits at epoch 1"),
    start("t0002", step=1),
    report("t0002", 2, 0.3),
    end("t0002", Status.COMPLETED),
    end("t0001", Status.STOPPED, "rank 2 of 2 at epoch 1"),
]


@pytest.mark.parametrize("cut", range(1, len(WAITING) + 1))
def test_a_paused_trial_is_scheduled_until_it_goes_on_or_is_stopped(
    spec: SearchSpec, uri: str, cut: int
) -> None:
    first = mirror(spec, uri)
    for event in WAITING[:cut]:
        first.apply(event)
    expected = {4: ["SCHEDULED"], 8: ["SCHEDULED", "SCHEDULED"], 9: ["SCHEDULED", "RUNNING"]}
    if cut in expected:
        assert trial_statuses(spec, uri) == expected[cut]
    second = mirror(spec, uri)
    for event in WAITING:
        second.apply(event)
    assert trial_statuses(spec, uri) == ["KILLED", "FINISHED"]
    runs = children(spec, uri)
    assert runs["t0001"].data.tags["tid_tune.reason"] == "rank 2 of 2 at epoch 1"


def test_values_that_are_no_numbers_are_left_out(spec: SearchSpec, uri: str) -> None:
    metrics = {MAP: 0.1, "train/grad_norm": math.nan, "train/lr": math.inf}
    broken = replace(report("t0001", 1, 0.1), metrics=metrics)
    writer = mirror(spec, uri)
    story: list[Event] = [suggest("t0001"), start("t0001"), broken, replace(broken, repeated=True)]
    for event in story:
        writer.apply(event)
    found = children(spec, uri)["t0001"].data.metrics
    assert set(found) == {MAP, f"rungs/{MAP}_1", "seconds"}


def test_a_trial_that_gets_more_data_goes_on_in_its_run(spec: SearchSpec, uri: str) -> None:
    """Its steps begin again with every fraction, also for a mirror that comes later."""
    half = replace(suggest("t0001"), fraction=0.5)
    whole = Changed(trial="t0001", params={}, edits={}, origin="all images", fraction=1.0)
    story: list[Event] = [
        half,
        start("t0001"),
        report("t0001", 1, 0.1),
        report("t0001", 2, 0.2),
        end("t0001", Status.PAUSED),
        whole,
        start("t0001"),
        report("t0001", 1, 0.15),
        report("t0001", 2, 0.4),
        end("t0001", Status.COMPLETED),
    ]
    for events in (story[:6], story, story):
        made = mirror(spec, uri)
        for event in events:
            made.apply(event)
    run = children(spec, uri)["t0001"]
    assert history(uri, run, f"data_0.5/{MAP}") == [(1, 0.1), (2, 0.2)]
    assert history(uri, run, MAP) == [(1, 0.15), (2, 0.4)]
    assert run.data.metrics[f"data_0.5/rungs/{MAP}_2"] == 0.2
    assert run.data.metrics[f"rungs/{MAP}_2"] == 0.4
    assert run.info.status == "FINISHED"
    assert run.data.tags["tid_tune.origin"] == "all images"


def test_values_that_change_within_a_trial_are_tags(spec: SearchSpec, uri: str) -> None:
    lr = "optim_wrapper.optimizer.lr"
    values = {lr: 0.002}
    exploit = Changed(
        trial="t0001",
        params=values,
        edits=values,
        origin="exploit t0002 at epoch 1",
        fraction=1.0,
        checkpoint="t0002.pth",
        step=1,
    )
    made = mirror(spec, uri)
    story: list[Event] = [
        suggest("t0001", {lr: 0.001}),
        start("t0001"),
        report("t0001", 1, 0.1),
        exploit,
        start("t0001", 1),
        report("t0001", 2, 0.2),
    ]
    for event in story:
        made.apply(event)
    run = children(spec, uri)["t0001"]
    assert run.data.params[lr] == "0.001"
    assert run.data.tags[f"now.{lr}"] == "0.002"
    assert run.data.tags["tid_tune.origin"] == "exploit t0002 at epoch 1"


def test_the_epochs_of_a_trial_whose_batch_grows_are_all_copied(spec: SearchSpec, uri: str) -> None:
    """It reports 12 iterations twice: after epoch 1 of 12, and after epoch 2 of 6."""
    story: list[Event] = [
        suggest("t0001"),
        start("t0001"),
        replace(report("t0001", 12, 0.1), epoch=1.0),
        replace(report("t0001", 12, 0.2), epoch=2.0, time=14.0),
        replace(report("t0001", 18, 0.3), epoch=3.0, time=15.0),
    ]
    for events in (story[:4], story):
        made = mirror(spec, uri)
        for event in events:
            made.apply(event)
    run = children(spec, uri)["t0001"]
    assert history(uri, run, MAP) == [(1, 0.1), (2, 0.2), (3, 0.3)]


def test_a_run_that_an_earlier_version_copied_gets_nothing_twice(
    spec: SearchSpec, uri: str
) -> None:
    story = STORY[:4]
    for events in (story, story):
        made = mirror(spec, uri)
        for event in events:
            made.apply(event)
        run = children(spec, uri)["t0001"]
        MlflowClient(uri).delete_tag(run.info.run_id, REPORTS_TAG)
    assert history(uri, run, MAP) == [(1, 0.1)]


def test_a_child_is_named_by_what_differs() -> None:
    event = suggest("t0007", {"model.distillation.key_weight": 0.3141592})
    assert child_name(event) == "t0007 key_weight=0.314"
    assert child_name(replace(event, label="fgd")) == "t0007 fgd key_weight=0.314"
    assert child_name(event, fixed=["model.distillation.key_weight"]) == "t0007"
    assert child_name(replace(event, stage="baseline", label="none")) == "t0007 none"
    rerun = replace(event, stage="confirm", label="t0003", seed=2)
    assert child_name(rerun) == "t0007 confirm t0003 seed 2"


@pytest.mark.parametrize(("winner", "status"), [("t0001", "FINISHED"), (None, "FAILED")])
def test_a_search_without_a_result_has_failed(
    winner: str | None, status: str, spec: SearchSpec, uri: str
) -> None:
    made = mirror(spec, uri)
    made.apply(ResultDecided(winner=winner, confirmed=False, text=""))
    made.apply(Closed(reason="all trials are done"))
    assert children(spec, uri)["parent"].info.status == status


def nobody(spec: SearchSpec) -> Address:
    """An address where no server answers."""
    return Address("http://127.0.0.1:9", spec.name)


def write(path: Path, events: list[Event]) -> None:
    with path.open("ab") as stream:
        stream.writelines(to_line(event) + b"\n" for event in events)


def test_the_tracker_copies_in_the_background_and_adds_the_result(
    spec: SearchSpec, uri: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, STORY[:4])
    tracker = Tracker(spec, "run", ledger, Address(uri, spec.name))
    tracker.start()
    write(ledger, STORY[4:])
    tracker.notify(STORY[-1], None)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"png")
    best = tmp_path / "best"
    best.mkdir()
    (best / "config.py").write_text("model = None")
    assert tracker.finish({"best": 0.3}, [str(picture), str(best)]).lines() == []
    runs = children(spec, uri)
    assert len(runs) == 4
    assert runs["parent"].data.metrics["best"] == 0.3
    client, parent = MlflowClient(uri), runs["parent"].info.run_id
    files = [item.path for place in (None, "best") for item in client.list_artifacts(parent, place)]
    assert {"picture.png", "best/config.py"} <= set(files)


def test_a_dead_server_is_said_in_a_line_and_never_raised(
    spec: SearchSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, STORY)
    tracker = Tracker(spec, "run", ledger, nobody(spec))
    tracker.start()
    tracker.notify(STORY[-1], None)
    (line,) = tracker.finish({}, [], timeout=20).lines()
    assert "127.0.0.1:9" in line
    assert "The same command copies the rest" in line


def test_a_server_that_fails_in_the_middle_loses_nothing_once_it_answers_again(
    spec: SearchSpec, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tid_tune.tracking.tracker.RETRY_SECONDS", 0.0)
    apply = Mirror.apply
    failing = [report("t0001", 2, 0.3), STORY[-1]]

    def sometimes(self: Mirror, event: Event) -> None:
        if event in failing:
            failing.remove(event)
            raise ConnectionError("the server is restarted")
        apply(self, event)

    monkeypatch.setattr(Mirror, "apply", sometimes)
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, STORY)
    tracker = Tracker(spec, "run", ledger, Address(uri, spec.name))
    tracker.start()
    tracker.notify(STORY[-1], None)
    wait_for(lambda: not failing)
    assert tracker.finish({}, []).lines() == []
    assert trial_statuses(spec, uri) == ["FINISHED", "KILLED", "FAILED"]
    assert history(uri, children(spec, uri)["t0001"], MAP) == [(1, 0.1), (2, 0.3)]


def test_a_tracker_whose_search_ended_with_an_error_leaves_no_thread(
    spec: SearchSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker(spec, "run", tmp_path / "ledger.jsonl", nobody(spec))
    tracker.start()
    tracker.stop()
    names = [thread.name for thread in threading.enumerate()]
    assert "mlflow-tracker" not in names


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


ODD = {MAP: 0.5, "coco/AR@100": 0.6, "coco/salt & pepper_precision": 0.7, "coco/a//b": 0.8}


def track(spec: SearchSpec, ledger: Path, events: list[Event], uri: str) -> Copied:
    """Copy a whole search, as one command does."""
    write(ledger, events)
    tracker = Tracker(spec, "run", ledger, Address(uri, spec.name))
    tracker.start()
    tracker.notify(events[-1], None)
    return tracker.finish({"best": 0.5}, [])


def odd_story() -> list[Event]:
    odd = replace(report("t0001", 1, 0.5), metrics=ODD)
    return [STORY[0], suggest("t0001"), start("t0001"), odd, end("t0001", Status.COMPLETED)]


def test_names_that_mlflow_refuses_are_replaced_and_named_once(
    spec: SearchSpec, uri: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    story = [*odd_story(), Closed(time=10.0, reason="finished")]
    (line,) = track(spec, ledger, story, uri).lines()
    assert "3 names" in line
    assert "coco/AR@100 is coco/AR_at_100" in line
    run = children(spec, uri)["t0001"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["coco/AR_at_100"] == 0.6
    assert run.data.metrics["coco/salt _and_ pepper_precision"] == 0.7
    assert run.data.metrics[MAP] == 0.5
    assert children(spec, uri)["parent"].info.status == "FINISHED"
    assert children(spec, uri)["parent"].data.metrics["best"] == 0.5


def test_an_item_that_mlflow_refuses_is_named_and_everything_else_arrives(
    spec: SearchSpec, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = MlflowClient.log_batch

    def strict(client: MlflowClient, run: str, **items: Any) -> None:
        if any(metric.key == "train/odd" for metric in items.get("metrics", ())):
            raise MlflowException("train/odd is not for us", INVALID_PARAMETER_VALUE)
        send(client, run, **items)

    monkeypatch.setattr(MlflowClient, "log_batch", strict)
    metrics = {MAP: 0.5, "train/odd": 1.0, **{f"train/m{i}": float(i) for i in range(150)}}
    odd = replace(report("t0001", 1, 0.5), metrics=metrics)
    story = [*odd_story()[:3], odd, report("t0001", 2, 0.6), end("t0001", Status.COMPLETED)]
    (line,) = track(spec, tmp_path / "ledger.jsonl", story, uri).lines()
    assert "refused 1 item: metric train/odd (train/odd is not for us)" in line
    run = children(spec, uri)["t0001"]
    assert len(run.data.metrics) == len(metrics) - 1 + 4, "rungs, seconds and a term besides"
    assert history(uri, run, MAP) == [(1, 0.5), (2, 0.6)]
    assert run.info.status == "FINISHED"


def test_a_deleted_experiment_is_no_passing_error(
    spec: SearchSpec, uri: str, tmp_path: Path
) -> None:
    client = MlflowClient(uri)
    number = client.create_experiment(spec.name)
    client.delete_experiment(number)
    ledger = tmp_path / "ledger.jsonl"
    (line,) = track(spec, ledger, STORY, uri).lines()
    assert f"restore --experiment-id {number}" in line
    assert "tracking.experiment" in line
    assert "copies the rest" not in line
    assert "does not pass by itself" in line
    client.restore_experiment(number)
    assert track(spec, ledger, [Closed(time=11.0, reason="finished")], uri).lines() == []
    assert trial_statuses(spec, uri) == ["FINISHED", "KILLED", "FAILED"]


def test_a_search_that_was_interrupted_is_killed_until_it_goes_on(
    spec: SearchSpec, uri: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    track(spec, ledger, STORY[:4], uri)
    assert children(spec, uri)["parent"].info.status == "KILLED"
    track(spec, ledger, [STORY[0], *STORY[4:]], uri)
    assert children(spec, uri)["parent"].info.status == "FINISHED"


def test_no_password_is_shown_or_copied(
    spec: SearchSpec, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (line,) = track(spec, tmp_path / "l.jsonl", STORY, "http://me:secret@127.0.0.1:9").lines()
    assert "secret" not in line
    tracked = spec.model_copy(update={"tracking": Tracking(uri="http://me:secret@host")})
    mirror(tracked, uri)
    run = children(spec, uri)["parent"].info.run_id
    text = Path(MlflowClient(uri).download_artifacts(run, "spec.yaml", str(tmp_path))).read_text()
    assert "http://me:***@host" in text


def test_a_database_in_a_folder_that_is_missing_is_said_to_be(
    spec: SearchSpec, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/missing/mlflow.db"
    (line,) = track(spec, tmp_path / "ledger.jsonl", STORY, uri).lines()
    assert f"no folder {tmp_path}/missing" in line
    assert "does not pass by itself" in line
