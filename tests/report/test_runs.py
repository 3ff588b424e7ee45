"""What `tid-tune show` prints of a trial whose values or data changed on the way."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Group
from rich.table import Table
from support.search_cases import make_spec, sampler_of, scheduler_of

from tid_tune import cli
from tid_tune.cli import runs
from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.report.tables import (
    changes_table,
    proof_table,
    report_table,
    running_text,
    training_lines,
)
from tid_tune.results.one_trial import ProofRow, changes, proof_rows
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.searchfile.model import Resources
from tid_tune.space import Integer, Uniform


def searched(folder: Path, **scheduler: Any) -> RunFolder:
    spec = make_spec(
        objectives={"map": "max"},
        epochs=4,
        space={"a.weight": Uniform(low=0, high=1)},
        trials=4,
        baseline=False,
        sampler=sampler_of("tpe"),
        scheduler=scheduler_of(**scheduler),
    )
    run = RunFolder(folder)
    with Ledger.open(run.ledger, clock=VirtualClock()) as ledger:
        simulate(spec, lambda work, epoch: {"map": work.params["a.weight"]}, ledger=ledger)
    return run


def columns(shown: Table | Group) -> dict[str, list[str]]:
    table = shown.renderables[0] if isinstance(shown, Group) else shown
    assert isinstance(table, Table)
    return {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}


def test_a_population_shows_whose_values_a_trial_took(tmp_path: Path) -> None:
    run = searched(tmp_path, type="pbt", interval_epochs=2, quantile=0.25)
    trials = run.state.trials.values()
    worst = min(trials, key=lambda t: t.reports[0].metrics["map"])
    shown = columns(changes_table(changes(run.ledger, worst), None))
    assert [text.split()[0] for text in shown["by"]] == ["tpe", "exploit"]
    assert float(shown["weight"][0]) < float(shown["weight"][1])
    best = max(trials, key=lambda t: t.reports[0].metrics["map"])
    assert len(changes(run.ledger, best)) == 1


def test_parts_of_the_data_are_shown(tmp_path: Path) -> None:
    run = searched(tmp_path, type="asha", reduction=2, fidelity="data")
    first = run.trial("t0001")
    assert columns(changes_table(changes(run.ledger, first), None))["data"] == ["0.25", "0.5", "1"]
    shown = columns(report_table(first, run.spec, None))
    assert shown["data"] == ["0.25"] * 4 + ["0.5"] * 4 + ["1"] * 4
    assert shown["epoch"] == ["1", "2", "3", "4"] * 3


def test_trials_of_a_killed_driver_do_not_run(tmp_path: Path) -> None:
    run = searched(tmp_path, type="none")
    lines = run.ledger.read_text().splitlines(keepends=True)
    first_report = next(at for at, line in enumerate(lines) if '"reported"' in line)
    run.ledger.write_text("".join(lines[: first_report + 1]))
    state = RunFolder.open(tmp_path).state
    assert not state.running
    (last,) = [t for t in state.trials.values() if not t.status.final]
    assert (last.status, last.reason) == (Status.INTERRUPTED, "the driver ended")
    with Ledger.open(run.ledger):
        state = RunFolder.open(tmp_path).state
    assert list(state.running) == [last.id]


def test_a_trial_that_has_trained_is_not_said_to_be_not_started(tmp_path: Path) -> None:
    run = searched(tmp_path, type="none")
    trial = run.trial("t0001")
    assert trial.reports
    assert columns(proof_table(trial, proof_rows(trial)))["in effect"] == ["not reported"]


def test_every_parameter_that_a_trial_had_in_turn_is_shown(tmp_path: Path) -> None:
    run = searched(tmp_path, type="pbt", interval_epochs=2, quantile=0.25)
    trial = next(t for t in run.state.trials.values() if t.origin.startswith("exploit"))
    first, later = changes(run.ledger, trial)
    more = replace(later, params={**later.params, "a.other": 3})
    assert columns(changes_table([first, more], None))["other"] == ["", "3"]


def test_values_that_are_in_effect_as_sampled_share_a_column_of_six_digits(tmp_path: Path) -> None:
    trial = searched(tmp_path, type="none").trial("t0001")
    trial.effective = dict(trial.edits)
    (value,) = trial.edits.values()
    assert isinstance(value, float)
    shown = columns(proof_table(trial, proof_rows(trial)))
    assert list(shown) == ["parameter", "sampled and in effect"]
    assert shown["sampled and in effect"] == [f"{float(f'{value:.6g}')}"]
    rows = [ProofRow("a", 0.12345678, "0.123457"), ProofRow("b", [1, 0.5], "[1, 0.25]")]
    shown = columns(proof_table(trial, rows))
    assert (shown["sampled"], shown["in effect"]) == (
        ["0.123457", "[1, 0.5]"],
        ["0.123457", "[1, 0.25]"],
    )


def test_status_shows_the_best_trial_and_what_to_open_next_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = searched(tmp_path / "run", type="none")
    assert run.winner is not None
    runs.status(str(tmp_path / "run"))
    shown = capsys.readouterr().out
    assert f"best: {run.winner.id} with map " in shown
    assert f"tid-tune export {tmp_path / 'run'}" in shown
    assert "teacher" not in shown


def test_columns_of_a_pipe_that_have_no_room_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path / "run", type="none")
    place = str(tmp_path / "run")
    monkeypatch.setenv("COLUMNS", str(len(place) + 40))
    runs.list_runs(str(tmp_path))
    narrow = capsys.readouterr().out
    assert re.search(r"columns have no room for .*epochs; --json has all", " ".join(narrow.split()))
    monkeypatch.setenv("COLUMNS", str(len(place) + 140))
    runs.list_runs(str(tmp_path))
    assert "no room" not in capsys.readouterr().out
    runs.status(place)
    assert "full length" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "tensorboard", "why"),
    [
        ("/proc/x.csv", False, "No such file"),
        ("folder.csv", False, "is a folder"),
        ("/proc/x.db", False, "No such file"),
        ("/proc/events", True, "No such file"),
    ],
)
def test_a_table_that_cannot_be_written_is_an_error_of_one_line(
    name: str, tensorboard: bool, why: str, tmp_path: Path
) -> None:
    searched(tmp_path / "run", type="none")
    (tmp_path / "folder.csv").mkdir()
    out = tmp_path / name
    with pytest.raises(UsageError, match=f"^{out}: cannot be written: .*{why}[^\n]*$"):
        runs.table(str(tmp_path / "run"), out, tensorboard=tensorboard)


@pytest.mark.parametrize("command", [runs.status, runs.show, runs.leaderboard, runs.stop])
def test_a_command_without_a_run_names_the_command_that_lists_them(command: Any) -> None:
    with pytest.raises(UsageError, match="tid-tune list"):
        command()


@pytest.mark.parametrize("name", ["best", "t0007"])
def test_a_trial_in_the_place_of_its_run_is_called_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"tid-tune show RUN {name}"):
        runs.show(name)


def test_each_of_several_errors_is_called_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise UsageError("the first", "the second")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines() == ["error: the first", "error: the second"]


BATCH = "train_dataloader.batch_size"


def test_a_trial_of_several_ranks_shows_its_batch_and_what_becomes_of_the_learning_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if the search was gone on with with other resources since."""
    config, scale = tmp_path / "config.py", "auto_scale_lr = dict(enable={}, base_batch_size=16)\n"
    config.write_text("train_dataloader = dict(batch_size=2)\n" + scale.format(True))
    fields: dict[str, Any] = {
        "trial": config,
        "objectives": {"map": "max"},
        "epochs": 1,
        "space": {BATCH: Integer(low=3, high=3)},
        "baseline": False,
    }
    run = RunFolder(tmp_path / "run")
    for ranks in (3, 1):
        resources = Resources(ranks=ranks)
        with Ledger.open(run.ledger, clock=VirtualClock()) as ledger:
            spec = make_spec(**fields, resources=resources, trials=4 - ranks)
            simulate(spec, lambda work, epoch: {"map": 1.0}, ledger=ledger)
    assert run.trial("t0001").reports
    assert run.spec.resources.ranks == 1
    runs.show(str(run.path), "t0001")
    shown = " ".join(capsys.readouterr().out.split())
    assert f"3 ranks, each with its own {BATCH}: 3 x 3 = 9 images a step; the learning" in shown
    assert "multiplied by images a step / 16 (auto_scale_lr)" in shown
    config.write_text(config.read_text() + scale.format(False))
    runs.show(str(run.path), "t0001")
    assert "stays as it is (auto_scale_lr is off)" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def packed(tmp_path: Path) -> RunFolder:
    """A search with a pack of three trials that run, of which one is proved."""
    spec = make_spec(
        objectives={"map": "max"},
        space={"model.distillation.weight": Uniform(low=0, high=1)},
        resources=Resources(students=3),
        trials=4,
        baseline=False,
    )
    run = RunFolder(tmp_path)
    with Ledger.open(run.ledger, clock=VirtualClock()) as ledger:
        search = Search.open(spec, ledger)
        search.next_pack(3)
        search.next_pack(3)
        search.proved("t0002", {}, {"teacher": "bfloat16"})
    return run


def test_status_counts_the_trials_that_run_and_their_packs(packed: RunFolder) -> None:
    assert running_text(RunState.read(packed.ledger)) == "4 trials run in 2 packs"


def test_a_trial_shows_its_pack_and_its_mode(packed: RunFolder) -> None:
    assert training_lines(packed.trial("t0002"), packed.state) == [
        "pack p0001, beside t0001, t0003",
        "mode teacher=bfloat16",
    ]
    assert training_lines(packed.trial("t0004"), packed.state) == ["pack p0002, alone"]


def test_a_trial_that_is_in_no_pack_shows_none(tmp_path: Path) -> None:
    run = searched(tmp_path, type="none")
    assert training_lines(run.trial("t0001"), run.state) == []


def test_the_table_has_a_column_for_the_mode_if_any_trial_has_one(packed: RunFolder) -> None:
    modes = [row["mode"] for row in sorted(packed.rows(), key=lambda row: str(row["trial"]))]
    assert modes == ["", "teacher=bfloat16", "", ""]
