"""The best student of a search is a registered model, once, and the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from support.mlflow_story import STORY, children, track

from tid_tune.ledger.events import Event, ResultDecided
from tid_tune.searchfile.model import SearchSpec

DECIDED = ResultDecided(winner="t0001", confirmed=True, text="t0001 is a real gain")
OVER: list[Event] = [*STORY[:-1], DECIDED, STORY[-1]]


@pytest.fixture
def best(tmp_path: Path) -> Path:
    folder = tmp_path / "best"
    folder.mkdir()
    (folder / "config.py").write_text("model = None")
    (folder / "checkpoint.pth").write_bytes(b"weights")
    return folder


def test_the_student_is_registered_once_and_is_the_champion(
    spec: SearchSpec, uri: str, tmp_path: Path, best: Path
) -> None:
    for _ in range(2):  # also when the command runs again
        ledger = tmp_path / "ledger.jsonl"
        ledger.unlink(missing_ok=True)
        assert track(spec, ledger, OVER, uri, [str(best)]).lines() == []
    client = MlflowClient(uri)
    (version,) = client.search_model_versions(f"name = '{spec.name}'")
    champion = client.get_model_version_by_alias(spec.name, "champion")
    assert (version.version, version.run_id) == (
        champion.version,
        children(spec, uri)["parent"].info.run_id,
    )
    assert version.tags["tid_tune.trial"] == "t0001"
    assert "t0001 is a real gain" in str(version.description)
    place = Path(str(client.get_model_version_download_uri(spec.name, version.version)))
    assert (place / "checkpoint.pth").read_bytes() == b"weights"


def test_a_search_that_is_not_decided_registers_nothing(
    spec: SearchSpec, uri: str, tmp_path: Path, best: Path
) -> None:
    track(spec, tmp_path / "ledger.jsonl", OVER[:-1], uri, [str(best)])
    assert not MlflowClient(uri).search_model_versions(f"name = '{spec.name}'")


def test_a_server_without_a_registry_gets_everything_else(
    spec: SearchSpec, uri: str, tmp_path: Path, best: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: MlflowClient, name: str, **options: Any) -> None:
        raise MlflowException("no registry here", 1)

    monkeypatch.setattr(MlflowClient, "create_registered_model", refuse)
    monkeypatch.setattr("tid_tune.tracking.mlflow_sync.is_passing", lambda error: False)
    (line,) = track(spec, tmp_path / "ledger.jsonl", OVER, uri, [str(best)]).lines()
    assert "the registered model" in line
    assert "no registry here" in line
    assert children(spec, uri)["parent"].info.status == "FINISHED"
