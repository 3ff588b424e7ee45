"""What a running search shows."""

from pathlib import Path

import pytest

from tid_tune.ledger.file import Ledger
from tid_tune.report.progress import Progress, View
from tid_tune.results.costs import cost_table, total_cost
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import Budget, Confirm, Scheduler, SearchSpec, Uniform


def value(assignment, epoch):
    """Larger at the end of a part of the data than it will ever be on all of it."""
    fraction = assignment.edits.get("train_fraction", 1.0)
    return {"map": assignment.params.get("weight", 0.5) * epoch + (100 if fraction < 1 else 0)}


def test_counts_are_those_of_the_ledger_also_where_trials_get_more_data():
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=9,
        space={"weight": Uniform(low=0, high=1)},
        trials=9,
        baseline=False,
        scheduler=Scheduler(type="hyperband", fidelity="data"),
    )
    progress = Progress(spec, 9)
    ledger = Ledger.in_memory()
    ledger.subscribe(progress.apply)
    search = simulate(spec, value, ledger=ledger, workers=2)
    fractions = {r.fraction for t in search.state.trials.values() for r in t.reports}
    assert len(fractions) > 1
    cost = total_cost(cost_table(search.state).values())
    assert progress.epochs == pytest.approx(cost.epochs)
    assert progress.best[0] <= 9
    assert not progress.running
    assert progress.outcomes["completed"] == sum(
        t.status == "completed" for t in search.state.trials.values()
    )


def events_of(spec):
    ledger = Ledger.in_memory()
    found = []
    ledger.subscribe(found.append)
    simulate(spec, value, ledger=ledger, workers=2)
    return found


def test_off_a_terminal_a_long_silence_is_broken_by_a_report(capsys, monkeypatch):
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=3,
        space={"weight": Uniform(low=0, high=1)},
        trials=2,
        baseline=False,
        scheduler=Scheduler(type="none"),
    )
    now = [0.0]
    monkeypatch.setattr("tid_tune.report.progress.time.monotonic", lambda: now[0])
    with View(Progress(spec, 2), lambda: 2) as view:
        for event in events_of(spec):
            now[0] += 25.0
            view.on_event(event)
    lines = capsys.readouterr().out.splitlines()
    assert sum("completed at epoch 3" in line for line in lines) == 2
    running = [line for line in lines if "running: t0001 at epoch 1/3 0." in line]
    assert len(running) == 1
    assert len(lines) < len(events_of(spec)) / 2


def test_a_population_that_waits_and_exploits_is_told(capsys):
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=2,
        space={"weight": Uniform(low=0, high=1)},
        trials=4,
        baseline=False,
        scheduler=Scheduler(type="pbt", interval_epochs=1, quantile=0.5),
    )
    with View(Progress(spec, 4), lambda: 2) as view:
        for event in events_of(spec):
            view.on_event(event)
    lines = capsys.readouterr().out.splitlines()
    assert sum("paused at epoch 1" in line for line in lines) == 4
    assert not any("interrupted" in line for line in lines)
    assert sum("goes on: exploit t000" in line for line in lines) == 2


def test_the_time_left_ends_with_the_budget():
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=4,
        space={"weight": Uniform(low=0, high=1)},
        trials=50,
        baseline=False,
        scheduler=Scheduler(type="none"),
        budget=Budget(epochs=12),
    )
    progress = Progress(spec, 50)
    left = []
    for event in events_of(spec):
        progress.apply(event)
        left.append(progress.remaining_seconds(2))
    known = [seconds for seconds in left if seconds is not None]
    assert known[0] == pytest.approx(60 * (12 - 7) / 2, rel=0.5)
    assert known[-1] == 0


def test_reruns_are_told_from_what_they_repeat(capsys):
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=1,
        space={"weight": Uniform(low=0, high=1)},
        trials=1,
        confirm=Confirm(top=1, seeds=1),
    )
    with View(Progress(spec, 6), lambda: 1) as view:
        for event in events_of(spec):
            view.on_event(event)
    words = [" ".join(line.split()[1:3]) for line in capsys.readouterr().out.splitlines()]
    expected = ["none completed", "defaults completed", "search completed"]
    assert words == [*expected, "confirm t0003", "confirm none", "confirm defaults"]
