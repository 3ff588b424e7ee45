"""The front door for scripts: its names, and searches that are looked at from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec

import tid_tune
from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.search.simulate import VirtualClock
from tid_tune.searchfile.model import Confirm


def test_every_public_name_is_there_and_documented() -> None:
    assert 8 <= len(tid_tune.__all__) <= 20
    for name in tid_tune.__all__:
        assert getattr(tid_tune, name).__doc__, name
        assert name in dir(tid_tune)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tid_tune.nothing  # noqa: B018 - the access is the test


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "ray", "mmengine", "optuna", "mlflow", "pydantic", "rich")
    code = f"import sys, tid_tune; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture
def folder(tmp_path: Path) -> tid_tune.RunFolder:
    spec = make_spec(trials=6, epochs=3, confirm=Confirm(top=1, seeds=1))
    run = tid_tune.RunFolder(tmp_path / "runs" / "test")
    with Ledger.open(run.ledger, clock=VirtualClock()) as ledger:
        tid_tune.simulate(spec, learning_curve, ledger=ledger)
    return run


def test_a_run_becomes_a_data_frame(folder: tid_tune.RunFolder) -> None:
    table = pandas.DataFrame(folder.rows())
    assert set(table["trial"]) == set(folder.state.trials)
    searched = table[(table.stage == "search") & (table.status == "completed")]
    winner = folder.winner
    assert winner is not None
    assert searched[OBJECTIVE].max() == pytest.approx(
        max(
            t.value(OBJECTIVE) or 0
            for t in folder.state.trials.values()
            if t.stage == "search" and t.full_length
        )
    )
    assert {"weight", "threshold", "select", "quantile"} <= set(table.columns)
    other = table[table["select"] == "threshold"]
    assert other["quantile"].isna().all()


def test_a_simulated_search_has_the_same_rows(folder: tid_tune.RunFolder) -> None:
    search = tid_tune.simulate(folder.spec, learning_curve)
    assert search.rows() == folder.rows()


def test_a_search_is_resumed_from_its_folder_with_what_changed(
    folder: tid_tune.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def run(spec: tid_tune.SearchSpec, **options: object) -> tid_tune.RunFolder:
        asked.update(options, spec=spec)
        return folder

    monkeypatch.setattr("tid_tune.api.run", run)
    assert tid_tune.resume(folder, trials=9) is folder
    assert asked["spec"] == folder.spec.model_copy(update={"trials": 9})
    assert asked["runs"] == folder.path.parent


def test_overrides_belong_to_a_file() -> None:
    with pytest.raises(TypeError, match="model_copy"):
        tid_tune.run(make_spec(), overrides={"trials": 3})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `resume` passes to `run`."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(
        "tid_tune.api.run", lambda spec, **options: found.update(options, spec=spec)
    )
    return found


def test_resuming_takes_the_latest_spec_whatever_the_callers_folder_has_read_before(
    folder: tid_tune.RunFolder, asked: dict[str, Any]
) -> None:
    assert folder.spec.trials == 6
    more = folder.spec.model_copy(update={"trials": 9})
    with Ledger.open(folder.ledger, clock=VirtualClock()) as ledger:
        tid_tune.simulate(more, learning_curve, ledger=ledger)
    tid_tune.resume(folder)
    assert asked["spec"].trials == 9


def test_the_current_folder_can_be_resumed(
    folder: tid_tune.RunFolder, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path)
    tid_tune.resume(".")
    assert (asked["spec"].name, asked["runs"]) == ("test", folder.path.parent)


def test_a_change_that_no_search_has_is_refused(folder: tid_tune.RunFolder) -> None:
    with pytest.raises(UsageError, match="trails"):
        tid_tune.resume(folder, trails=9)
