"""The commands that look at runs, on a ledger made by the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy import toy_metrics
from support.workplace import CONFIG
from typer.testing import CliRunner, Result

from tid_tune.cli import app
from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.searchfile.model import LogUniform, SearchSpec


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run folder `runs/toy`, seen from the folder it was made in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG)
    spec = SearchSpec(
        name="toy",
        trial=tmp_path / "config.py",
        epochs=3,
        trials=5,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-1)},
    )
    with Ledger.open(tmp_path / "runs/toy/ledger.jsonl", clock=VirtualClock()) as ledger:
        search = simulate(spec, toy_metrics, ledger=ledger)
        search.proved("t0003", {"optim_wrapper.optimizer.lr": 0.123})
    return Path("runs/toy")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(item) for item in arguments])


def refused(*arguments: object) -> str:
    """The message of a command that must be refused without a traceback."""
    error = call(*arguments).exception
    assert isinstance(error, UsageError)
    return str(error)


def test_status_tells_how_it_ended_and_the_cost_by_stage(run: Path) -> None:
    from tid_tune.report.runs import cost_rows, open_run, standing

    state, spec = open_run(run)
    assert call("status", run).exit_code == 0
    assert standing(run, state) == "finished: all trials are done"
    trials = list(cost_rows(state, spec).columns[2].cells)
    assert trials[0] == "2", "the baseline"
    assert trials[-1] == "7", "all"


def test_show_puts_the_value_in_effect_beside_the_sampled_one(run: Path) -> None:
    from tid_tune.report.runs import open_run, proof_table, trial_of

    state, _ = open_run(run)
    trial = trial_of(state, run, "t0003")
    cells = [list(column.cells) for column in proof_table(run, trial).columns]
    sampled = trial.params["optim_wrapper.optimizer.lr"]
    assert cells == [["optim_wrapper.optimizer.lr"], [repr(sampled)], ["0.123"]]


def test_show_has_the_resolved_config_as_a_diff(run: Path) -> None:
    from tid_tune.report.runs import config_diff, open_run

    state, spec = open_run(run)
    trial = state.trials["t0003"]
    added = [line for line in config_diff(trial, spec) if line.startswith("+")]
    assert any(str(trial.params["optim_wrapper.optimizer.lr"]) in line for line in added)


def test_a_name_without_its_folder_is_understood(run: Path) -> None:
    assert "did you mean runs/toy" in refused("status", "toy")
    assert "did you mean runs/toy" in refused("status", "runs/toi")


def test_an_unknown_trial_is_refused_with_the_known_ones(run: Path) -> None:
    assert "has no trial t9999; it has t0001" in refused("show", run, "t9999")


def test_the_ledger_becomes_a_table(run: Path, tmp_path: Path) -> None:
    assert call("table", run, tmp_path / "trials.csv").exit_code == 0
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1 + 2 + 5
    assert "no folder" in refused("table", run, tmp_path / "none" / "t.csv")
    assert ".csv, .db" in refused("table", run, tmp_path / "trials.txt")


def test_a_run_that_is_over_cannot_be_stopped(run: Path) -> None:
    assert call("stop", run).exit_code == 0


def test_a_run_that_is_under_way_is_not_moved_aside(run: Path, tmp_path: Path) -> None:
    """Its workers write into the folder."""
    from tid_tune.cluster.driver import _move_aside

    with Ledger.open(run / "ledger.jsonl"), pytest.raises(UsageError, match="already"):
        _move_aside(tmp_path / run)
    assert (run / "ledger.jsonl").is_file()
    _move_aside(tmp_path / run)
    assert not run.exists()
    assert (tmp_path / "runs/toy.1/ledger.jsonl").is_file()


def test_a_search_that_found_nothing_is_listed_as_failed(tmp_path: Path) -> None:
    from tid_tune.report.runs import standing
    from tid_tune.search.simulate import Failure

    def broken(assignment: object, epoch: float) -> dict[str, float]:
        raise Failure("user", "no such file")

    spec = SearchSpec(
        name="toy",
        trial=tmp_path / "config.py",
        epochs=3,
        trials=2,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-1)},
    )
    search = simulate(spec, broken)
    assert standing(tmp_path, search.state).startswith("failed: no result")


def test_a_crash_is_described_by_its_exception_first() -> None:
    from tid_tune.cluster.trainable import describe

    try:
        Path("/nowhere/at/all").read_text()
    except OSError as error:
        described = describe(error)
    assert described["kind"] == "crash"
    first, *rest = described["text"].splitlines()
    assert first.startswith("FileNotFoundError: ")
    assert any("read_text" in line for line in rest), "and where it came from"
