"""What a search says at its end."""

from pathlib import Path

import pytest

from tid_tune.report.result import write_result
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import Budget, SearchSpec, Tracking
from tid_tune.space import Uniform


def weight(work, epoch):
    return {"map": work.params.get("a.weight", 0.0)}


def ending(tmp_path, capsys, objective, **changes):
    fields = {
        "name": "test",
        "trial": Path("/configs/trial.py"),
        "objectives": {"map": "max"},
        "epochs": 2,
        "space": {"a.weight": Uniform(low=0, high=1)},
        "trials": 2,
        "tracking": Tracking(enabled=False),
    }
    spec = SearchSpec(**fields | changes)
    state = simulate(spec, objective).state
    write_result(state, spec, RunFolder(tmp_path)).show(seconds=1)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("tracking", "curves"),
    [
        (Tracking(), "mlflow ui"),
        (Tracking(uri="http://tracker:5000"), "http://tracker:5000"),
        (Tracking(enabled=False), None),
    ],
)
def test_the_curves_are_said_to_be_where_they_are(tracking, curves, tmp_path, capsys):
    lines = ending(tmp_path, capsys, weight, tracking=tracking).splitlines()
    shown = [line for line in lines if line.startswith("  curves ")]
    assert len(shown) == (curves is not None)
    assert all(curves in line for line in shown)


def test_a_budget_that_ended_the_search_is_named(tmp_path, capsys):
    ended = "ended: budget: 8 of 8 epochs spent"
    assert ended in ending(tmp_path, capsys, weight, trials=9, budget=Budget(epochs=8))
    assert "ended:" not in ending(tmp_path, capsys, weight)


def test_defaults_that_the_search_did_not_beat_are_named(tmp_path, capsys):
    def defaults_win(work, epoch):
        return {"map": 0.9 if work.label == "defaults" else work.params.get("a.weight", 0) / 9}

    assert "defaults (t0002) score higher" in ending(tmp_path, capsys, defaults_win)
    assert "score higher" not in ending(tmp_path, capsys, weight)
