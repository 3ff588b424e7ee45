"""`tid-tune ui`: which server it starts, or names, for the runs of a search."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mlflow_story import STORY, copy_all, mirror, write
from typer.testing import CliRunner, Result

from tid_tune.cli import app
from tid_tune.errors import UsageError
from tid_tune.ledger.events import Opened
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking import interface
from tid_tune.tracking.interface import Place

Started = list[tuple[str, int | None]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """What servers were started over, at which port; each ends at once, as with Ctrl-C."""
    calls: Started = []

    @contextlib.contextmanager
    def serving(uri: str, port: int | None = None) -> Iterator[str]:
        calls.append((uri, port))
        yield "http://127.0.0.1:5000"

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(interface, "serving", serving)
    monkeypatch.setattr(signal, "pause", interrupted)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return calls


def recorded(spec: SearchSpec, folder: Path, **tracking: object) -> Path:
    """Return a run folder of a search that is copied there."""
    spec = spec.model_copy(update={"tracking": spec.tracking.model_copy(update=tracking)})
    opened = Opened(
        spec=spec.model_dump(mode="json"), version=2, run_id=f"run-{spec.name}", config_hash=None
    )
    folder.mkdir()
    write(folder / "ledger.jsonl", [opened, *STORY[1:]])
    return folder


def ui(*options: object) -> Result:
    return CliRunner().invoke(app, ["ui", *map(str, options)])


def test_a_server_is_started_over_the_database_of_a_search(
    spec: SearchSpec, uri: str, tmp_path: Path, started: Started
) -> None:
    made = mirror(spec, uri)
    copy_all(made, STORY)
    shown = ui(recorded(spec, tmp_path / "run", uri=uri), "--port", 5000)
    assert shown.exit_code == 0, shown.output
    assert started == [(uri, 5000)]
    lines = "".join(shown.output.split())
    assert made.place.trials_url("http://127.0.0.1:5000") in lines
    assert made.place.search_url("http://127.0.0.1:5000") in lines


def test_no_server_is_started_for_a_search_that_is_copied_to_one(
    spec: SearchSpec, tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "find_place", lambda address, run: Place("7", "abc"))
    shown = ui(recorded(spec, tmp_path / "run", uri="https://me:secret@mlflow:5000"))
    assert isinstance(shown.exception, UsageError), "the ledger has no password"
    shown = ui(tmp_path / "run", "--uri", "https://me:secret@mlflow:5000")
    assert shown.exit_code == 0, shown.output
    assert "secret" not in shown.output
    assert "@mlflow:5000/#/experiments/7/runs/abc?" in "".join(shown.output.split())
    assert started == []


def test_a_search_that_is_not_copied_is_named_with_the_fix(
    spec: SearchSpec, tmp_path: Path, started: Started
) -> None:
    shown = ui(recorded(spec, tmp_path / "run", enabled=False))
    assert isinstance(shown.exception, UsageError)
    assert "tracking.enabled=true" in str(shown.exception)
    assert started == []
