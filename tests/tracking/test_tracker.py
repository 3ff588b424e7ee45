"""The thread that copies the ledger in the background: it loses nothing and stops nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.mlflow_story import (
    MAP,
    STORY,
    children,
    history,
    nobody,
    report,
    trial_statuses,
    write,
)

from tid_tune.ledger.events import (
    Event,
)
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.address import Address
from tid_tune.tracking.mlflow_sync import Mirror
from tid_tune.tracking.tracker import Tracker


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
    assert "127.0.0.1:9: no answer (Connection refused)" in line
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
    assert trial_statuses(spec, uri) == ["FINISHED", "FINISHED", "FAILED"]
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


def test_an_experiment_that_is_deleted_meanwhile_is_named_with_the_fix(
    spec: SearchSpec, uri: str, tmp_path: Path
) -> None:
    """Then the same command copies what is missing."""
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, STORY[:-3])
    tracker = Tracker(spec, "run", ledger, Address(uri, spec.name))
    tracker.start()
    assert tracker.finish({}, []).lines() == []
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(spec.name)
    client.delete_experiment(experiment.experiment_id)
    write(ledger, STORY[-3:])
    (line,) = tracker.finish({}, []).lines()
    assert f"restore --experiment-id {experiment.experiment_id}" in line
    assert "copies the rest" not in line
    client.restore_experiment(experiment.experiment_id)
    again = Tracker(spec, "run", ledger, Address(uri, spec.name))
    again.start()
    assert again.finish({}, []).lines() == []
    assert children(spec, uri)["parent"].info.status == "FINISHED"


def test_an_interrupted_search_is_not_left_running_in_mlflow(
    spec: SearchSpec, uri: str, tmp_path: Path
) -> None:
    """Also if the driver is killed before it has written the result, or ends with an error."""
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, STORY[:4])
    tracker = Tracker(spec, "run", ledger, Address(uri, spec.name))
    tracker.start()
    tracker.stop()
    assert children(spec, uri)["parent"].info.status == "KILLED"
