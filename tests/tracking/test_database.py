"""A new MLflow database appears whole, whatever ends the driver while it is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tid_tune.tracking.database import make_database


def uri_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_new_database_can_be_used_and_leaves_no_other_file(tmp_path: Path) -> None:
    database = tmp_path / "a folder" / "mlflow.db"
    database.parent.mkdir()
    make_database(uri_of(database))
    assert list(database.parent.iterdir()) == [database]
    client = MlflowClient(uri_of(database))
    experiment = client.create_experiment("first")
    make_database(uri_of(database))
    assert client.get_experiment(experiment).name == "first"


def test_an_unfinished_database_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(client: MlflowClient, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "search_experiments", cut_short)
    with pytest.raises(KeyboardInterrupt):
        make_database(uri_of(tmp_path / "mlflow.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_made_meanwhile_by_another_search_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "mlflow.db"

    def another_is_faster(client: MlflowClient, **options: object) -> None:
        database.write_bytes(b"theirs")

    monkeypatch.setattr(MlflowClient, "search_experiments", another_is_faster)
    make_database(uri_of(database))
    assert database.read_bytes() == b"theirs"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite://", "databricks"])
def test_other_stores_are_left_to_mlflow(uri: str) -> None:
    make_database(uri)


def test_a_file_system_without_hard_links_has_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    make_database(uri_of(tmp_path / "mlflow.db"))
    assert list(tmp_path.iterdir()) == [tmp_path / "mlflow.db"]
