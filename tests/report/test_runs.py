"""What `tid-tune show` says of a trial whose values or data changed on the way."""

from pathlib import Path

from tid_tune.ledger.file import LEDGER_NAME, Ledger
from tid_tune.ledger.records import Status
from tid_tune.report.runs import course_table, open_run, report_table
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.searchfile.model import Scheduler, SearchSpec, Uniform


def searched(folder, **scheduler):
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=4,
        space={"a.weight": Uniform(low=0, high=1)},
        trials=4,
        baseline=False,
        scheduler=Scheduler(**scheduler),
    )
    with Ledger.open(folder / LEDGER_NAME, clock=VirtualClock()) as ledger:
        search = simulate(spec, lambda work, epoch: {"map": work.params["a.weight"]}, ledger=ledger)
    return search.state.trials.values(), spec


def columns(table):
    return {column.header: list(column.cells) for column in table.columns}


def test_a_population_shows_whose_values_a_trial_took(tmp_path):
    trials, _ = searched(tmp_path, type="pbt", interval_epochs=2, quantile=0.25)
    worst = min(trials, key=lambda t: t.reports[0].metrics["map"])
    course = columns(course_table(tmp_path, worst))
    assert [text.split()[0] for text in course["by"]] == ["tpe", "exploit"]
    assert float(course["weight"][0]) < float(course["weight"][1])
    best = max(trials, key=lambda t: t.reports[0].metrics["map"])
    assert course_table(tmp_path, best) is None


def test_parts_of_the_data_are_told_apart(tmp_path):
    trials, spec = searched(tmp_path, type="asha", reduction=2, fidelity="data")
    first = next(iter(trials))
    assert columns(course_table(tmp_path, first))["data"] == ["0.25", "0.5", "1"]
    shown = columns(report_table(first, spec))
    assert shown["data"] == ["0.25"] * 4 + ["0.5"] * 4 + ["1"] * 4
    assert shown["epoch"] == ["1", "2", "3", "4"] * 3


def test_trials_of_a_killed_driver_are_not_said_to_run(tmp_path):
    searched(tmp_path, type="none")
    ledger = tmp_path / LEDGER_NAME
    lines = ledger.read_text().splitlines(keepends=True)
    first_report = next(at for at, line in enumerate(lines) if '"report"' in line)
    ledger.write_text("".join(lines[: first_report + 1]))
    state, _ = open_run(tmp_path)
    assert not state.running
    (last,) = [t for t in state.trials.values() if not t.status.final]
    assert (last.status, last.reason) == (Status.INTERRUPTED, "the driver ended")
    with Ledger.open(ledger):
        state, _ = open_run(tmp_path)
    assert list(state.running) == [last.id]
