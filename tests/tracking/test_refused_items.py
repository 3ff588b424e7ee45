"""What MLflow refuses: it is named, and everything else arrives."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from sqlalchemy.exc import OperationalError
from support.mlflow_story import (
    MAP,
    STORY,
    children,
    end,
    history,
    mirror,
    report,
    start,
    suggest,
    track,
    trial_statuses,
)

from tid_tune.ledger.events import (
    Closed,
    Event,
)
from tid_tune.ledger.records import Status
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.outputs import Tracking
from tid_tune.tracking.failures import is_passing

ODD = {MAP: 0.5, "coco/AR@100": 0.6, "coco/salt & pepper_precision": 0.7, "coco/a//b": 0.8}


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
    assert len(run.data.metrics) == len(metrics) - 1 + 5, "rungs, costs and a term besides"
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
    assert trial_statuses(spec, uri) == ["FINISHED", "FINISHED", "FAILED"]


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


def test_a_database_that_is_locked_is_a_passing_error() -> None:
    """While a connection begins, MLflow hands on such an error as it is."""
    locked = sqlite3.OperationalError("database is locked")
    assert is_passing(OperationalError("PRAGMA main.table_info", {}, locked))
    missing = sqlite3.OperationalError("no such column: experiments.x")
    assert not is_passing(OperationalError("SELECT", {}, missing))
