"""What a user of `mlflow ui` relies on: one child per trial, nothing twice, nothing lost."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient
from support.mlflow_story import (
    MAP,
    STORY,
    children,
    copy_all,
    end,
    history,
    mirror,
    report,
    start,
    suggest,
    trial_statuses,
)

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import (
    Changed,
    Closed,
    Event,
    Proved,
    ResultDecided,
)
from tid_tune.ledger.records import Status
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.tags import OUTCOME_TAG, PARENT_TAG, RUN_TAG, TRIAL_TAG


def test_a_search_becomes_a_parent_and_one_child_per_trial(spec: SearchSpec, uri: str) -> None:
    writer = mirror(spec, uri)
    copy_all(writer, STORY)
    runs = children(spec, uri)
    assert set(runs) == {"parent", "t0001", "t0002", "t0003"}
    statuses = {name: run.info.status for name, run in runs.items()}
    assert statuses == {
        "parent": "FINISHED",
        "t0001": "FINISHED",
        "t0002": "FINISHED",
        "t0003": "FAILED",
    }
    outcomes = {name: run.data.tags.get(OUTCOME_TAG) for name, run in runs.items()}
    assert outcomes == {
        "parent": None,
        "t0001": "completed",
        "t0002": "stopped",
        "t0003": "failed",
    }
    assert runs["t0001"].data.tags[PARENT_TAG] == runs["parent"].info.run_id
    assert runs["t0001"].data.params == {"lr": "0.001", "log10/lr": "-3"}
    assert history(uri, runs["t0001"], MAP) == [(1, 0.1), (2, 0.3)]
    assert runs["t0002"].data.metrics["rungs/bbox_mAP_epoch_1"] == 0.05
    assert "best third" in runs["t0002"].data.tags["tid_tune.reason"]


@pytest.mark.parametrize("cut", range(1, len(STORY) + 1, 2))
def test_replaying_after_a_cut_adds_what_is_missing_and_nothing_twice(
    spec: SearchSpec, uri: str, cut: int
) -> None:
    first = mirror(spec, uri)
    copy_all(first, STORY[:cut])
    second = mirror(spec, uri)
    copy_all(second, STORY)
    runs = children(spec, uri)
    assert len(runs) == 4
    assert history(uri, runs["t0001"], MAP) == [(1, 0.1), (2, 0.3)]
    assert runs["t0002"].data.tags[OUTCOME_TAG] == "stopped"
    assert runs["t0002"].data.metrics["cost/reports"] == 1


def test_what_a_run_gets_at_one_time_takes_one_call(
    spec: SearchSpec, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values, epochs, counts and reasons: a call costs milliseconds, whatever is in it."""
    sent, send = list[str](), MlflowClient.log_batch

    def counted(client: MlflowClient, run: str, **items: Any) -> None:
        sent.append(run)
        send(client, run, **items)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    copy_all(mirror(spec, uri), STORY)
    runs = children(spec, uri)
    assert sorted(sent) == sorted(run.info.run_id for run in runs.values())


def test_an_interrupted_trial_goes_on_in_its_run(spec: SearchSpec, uri: str) -> None:
    interrupted: list[Event] = [
        suggest("t0001"),
        start("t0001"),
        report("t0001", 1, 0.1),
        end("t0001", Status.INTERRUPTED, cause=Cause.DRIVER),
    ]
    first = mirror(spec, uri)
    copy_all(first, interrupted)
    assert children(spec, uri)["t0001"].info.status == "KILLED"
    second = mirror(spec, uri)
    resumed = start("t0001", step=1)
    copy_all(second, (*interrupted, resumed))
    assert children(spec, uri)["t0001"].info.status == "RUNNING"
    copy_all(second, (report("t0001", 2, 0.2), end("t0001", Status.COMPLETED)))
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
    copy_all(first, WAITING[:cut])
    expected = {4: ["SCHEDULED"], 8: ["SCHEDULED", "SCHEDULED"], 9: ["SCHEDULED", "RUNNING"]}
    if cut in expected:
        assert trial_statuses(spec, uri) == expected[cut]
    second = mirror(spec, uri)
    copy_all(second, WAITING)
    assert trial_statuses(spec, uri) == ["FINISHED", "FINISHED"]
    runs = children(spec, uri)
    assert runs["t0001"].data.tags["tid_tune.reason"] == "rank 2 of 2 at epoch 1"


def test_values_that_are_no_numbers_are_left_out(spec: SearchSpec, uri: str) -> None:
    metrics = {MAP: 0.1, "train/grad_norm": math.nan, "train/lr": math.inf}
    broken = replace(report("t0001", 1, 0.1), metrics=metrics)
    writer = mirror(spec, uri)
    story: list[Event] = [suggest("t0001"), start("t0001"), broken, replace(broken, repeated=True)]
    copy_all(writer, story)
    found = children(spec, uri)["t0001"].data.metrics
    assert set(found) == {MAP, "rungs/bbox_mAP_epoch_1", "cost/seconds", "cost/reports"}


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
        copy_all(made, events)
    run = children(spec, uri)["t0001"]
    assert history(uri, run, f"data_0.5/{MAP}") == [(1, 0.1), (2, 0.2)]
    assert history(uri, run, MAP) == [(1, 0.15), (2, 0.4)]
    assert run.data.metrics["data_0.5/rungs/bbox_mAP_epoch_2"] == 0.2
    assert run.data.metrics["rungs/bbox_mAP_epoch_2"] == 0.4
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
    copy_all(made, story)
    run = children(spec, uri)["t0001"]
    assert run.data.params["lr"] == "0.001"
    assert run.data.tags["now.lr"] == "0.002"
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
        copy_all(made, events)
    run = children(spec, uri)["t0001"]
    assert history(uri, run, MAP) == [(1, 0.1), (2, 0.2), (3, 0.3)]


def test_a_run_that_an_earlier_version_copied_gets_nothing_twice(
    spec: SearchSpec, uri: str
) -> None:
    """It has neither a count of reports nor an outcome; the rest comes by the present names."""
    client = MlflowClient(uri)
    experiment = client.create_experiment(spec.name)
    tags = {RUN_TAG: f"run-{spec.name}", TRIAL_TAG: "t0002", "tid_tune.reports": "1"}
    run = client.create_run(experiment, run_name="t0002 lr=0.002", tags=tags).info.run_id
    client.log_metric(run, MAP, 0.05, timestamp=2000, step=1)
    client.log_metric(run, f"rungs/{MAP}_1", 0.05, timestamp=2000, step=1)
    client.set_terminated(run, "KILLED")
    for _ in range(2):
        copy_all(mirror(spec, uri), STORY)
    found = children(spec, uri)["t0002"]
    assert found.info.run_id == run
    assert history(uri, found, MAP) == [(1, 0.05)]
    assert found.data.metrics["rungs/bbox_mAP_epoch_1"] == 0.05
    assert (found.info.status, found.data.tags[OUTCOME_TAG]) == ("FINISHED", "stopped")
    assert found.info.run_name == "t0002 epoch 1: 0.050"


@pytest.mark.parametrize(("winner", "status"), [("t0001", "FINISHED"), (None, "FAILED")])
def test_a_search_without_a_result_has_failed(
    winner: str | None, status: str, spec: SearchSpec, uri: str
) -> None:
    made = mirror(spec, uri)
    decided = ResultDecided(winner=winner, confirmed=False, text="")
    copy_all(made, [decided, Closed(reason="all trials are done")])
    assert children(spec, uri)["parent"].info.status == status


def test_the_pack_and_the_mode_of_a_trial_are_tags(spec: SearchSpec, uri: str) -> None:
    events: list[Event] = [
        suggest("t0001"),
        replace(start("t0001"), pack="p0001"),
        Proved(trial="t0001", effective={}, mode={"teacher": "bfloat16"}),
        replace(report("t0001", 1, 0.1), checkpoint="one.pth"),
        replace(start("t0001", step=1), pack="p0007", checkpoint="one.pth"),
        Proved(trial="t0001", effective={}),
        report("t0001", 2, 0.2),
    ]
    for _ in range(2):  # also when it is copied again
        made = mirror(spec, uri)
        copy_all(made, [STORY[0], *events])
    tags = children(spec, uri)["t0001"].data.tags
    assert tags["tid_tune.pack"] == "p0007"
    assert tags["tid_tune.mode.teacher"] == "bfloat16 then default"
