"""Where a search is copied to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.search_cases import make_spec

from tid_tune.errors import UsageError
from tid_tune.passwords import is_masked, without_secrets
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.outputs import Tracking
from tid_tune.tracking.address import (
    ID_VARIABLE,
    NAME_VARIABLE,
    URI_VARIABLE,
    Address,
    address_of,
    expanded,
    sqlite_uri,
)
from tid_tune.tracking.database import make_database


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (URI_VARIABLE, NAME_VARIABLE, ID_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def address(root: Path = Path("/work"), **tracking: str) -> Address:
    return address_of(make_spec(tracking=Tracking(**tracking)), root)


def test_by_default_it_is_a_database_in_the_folder_and_the_searchs_name() -> None:
    found = address()
    assert (found.uri, found.experiment) == ("sqlite:////work/mlflow.db", "test")
    assert found.is_default
    assert found.variables == ()


def test_mlflows_own_variables_are_used_where_the_spec_sets_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URI_VARIABLE, "http://tracker:5000")
    monkeypatch.setenv(NAME_VARIABLE, "ours")
    monkeypatch.setenv(ID_VARIABLE, "7")
    found = address()
    assert (found.uri, found.experiment, found.experiment_id) == (
        "http://tracker:5000",
        "ours",
        None,
    )
    assert found.variables == (URI_VARIABLE, NAME_VARIABLE)
    assert not found.is_default
    mine = address(uri="http://mine", experiment="mine")
    assert (mine.uri, mine.experiment, mine.variables) == ("http://mine", "mine", ())
    monkeypatch.delenv(NAME_VARIABLE)
    assert address().experiment_id == "7"
    assert address().variables == (URI_VARIABLE, ID_VARIABLE)


def test_the_home_folder_and_variables_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("PASSWORD", "p%40ss")
    assert expanded("sqlite:///~/runs/m.db") == "sqlite:////home/me/runs/m.db"
    assert expanded("file:~/runs") == "file:/home/me/runs"
    assert expanded("sqlite:///$HOME/m.db?timeout=9") == "sqlite:////home/me/m.db?timeout=9"
    assert expanded("http://me:${PASSWORD}@host:5000") == "http://me:p%40ss@host:5000"
    assert expanded("http://host/~me") == "http://host/~me"
    with pytest.raises(UsageError, match=r"tracking\.uri.*NOWHERE is not set.*%24"):
        expanded("sqlite:///$NOWHERE/m.db")
    with pytest.raises(UsageError, match=r"sqlite:///results/mlflow\.db"):
        expanded("results/mlflow.db")


@pytest.mark.parametrize("folder", ["a b", "50%20off", "who?", "c#", "größe"])
def test_a_database_lies_in_the_folder_of_any_name(folder: str, tmp_path: Path) -> None:
    database = tmp_path / folder / "mlflow.db"
    database.parent.mkdir()
    uri = sqlite_uri(database)
    make_database(uri)
    assert [path.name for path in database.parent.iterdir()] == ["mlflow.db"]
    MlflowClient(uri).create_experiment("first")
    assert database.is_file()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://me:***@host:5000/x"),
        ("cannot reach https://t0ken@host now", "cannot reach https://***@host now"),
        ("postgresql://me:s3c@ret@db/mlflow", "postgresql://me:***@db/mlflow"),
        ("mysql://me@db/x?password=abc&ssl=1", "mysql://me@db/x?password=***&ssl=1"),
        ("sqlite:////work/a@b:c/mlflow.db", "sqlite:////work/a@b:c/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
        ("http://me:$WORD@host", "http://me:$WORD@host"),
        ("http://me:${WORD}@host?token=$T&x=1", "http://me:${WORD}@host?token=$T&x=1"),
        ("http://me:$W0RD!@host", "http://me:***@host"),
        ("http://host?token=$T.x", "http://host?token=***"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
    assert Address(text, "x").shown == shown
    assert is_masked(shown) == ("***" in shown)


@pytest.mark.parametrize("uri", ["http://me:secret@host", "https://t0ken@host", "http://h?token=x"])
def test_a_recorded_spec_has_no_password_and_cannot_be_used_without_it(
    uri: str, tmp_path: Path
) -> None:
    spec = make_spec(tracking=Tracking(uri=uri))
    assert address_of(spec, tmp_path).uri == uri
    recorded = SearchSpec.recorded(json.loads(json.dumps(spec.model_dump(mode="json"))))
    with pytest.raises(UsageError, match=r"tracking\.uri: .*\*\*\*.*the ledger records none"):
        address_of(recorded, tmp_path)
