"""What `tid-tune show` prints of a trial whose values or data changed on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table
from support.search_cases import make_spec, sampler_of, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.report.tables import changes_table, proof_table, report_table
from tid_tune.results.one_trial import changes, proof_rows
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.space import Uniform


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


def columns(table: Table) -> dict[str, list[str]]:
    return {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}


def test_a_population_shows_whose_values_a_trial_took(tmp_path: Path) -> None:
    run = searched(tmp_path, type="pbt", interval_epochs=2, quantile=0.25)
    trials = run.state.trials.values()
    worst = min(trials, key=lambda t: t.reports[0].metrics["map"])
    shown = columns(changes_table(worst, changes(run.ledger, worst)))
    assert [text.split()[0] for text in shown["by"]] == ["tpe", "exploit"]
    assert float(shown["weight"][0]) < float(shown["weight"][1])
    best = max(trials, key=lambda t: t.reports[0].metrics["map"])
    assert len(changes(run.ledger, best)) == 1


def test_parts_of_the_data_are_shown(tmp_path: Path) -> None:
    run = searched(tmp_path, type="asha", reduction=2, fidelity="data")
    first = run.trial("t0001")
    assert columns(changes_table(first, changes(run.ledger, first)))["data"] == ["0.25", "0.5", "1"]
    shown = columns(report_table(first, run.spec))
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
    assert columns(changes_table(trial, [first, more]))["other"] == ["", "3"]
