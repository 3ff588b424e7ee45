"""What a search says at its end."""

from pathlib import Path

import pytest

from tid_tune.report.result import write_result
from tid_tune.search.simulate import simulate
from tid_tune.spec.model import SearchSpec, Tracking, Uniform


@pytest.mark.parametrize(
    ("tracking", "curves"),
    [
        (Tracking(), "mlflow ui"),
        (Tracking(uri="http://tracker:5000"), "http://tracker:5000"),
        (Tracking(enabled=False), None),
    ],
)
def test_the_curves_are_said_to_be_where_they_are(tracking, curves, tmp_path, capsys):
    spec = SearchSpec(
        name="test",
        trial=Path("/configs/trial.py"),
        objectives={"map": "max"},
        epochs=2,
        space={"a.weight": Uniform(low=0, high=1)},
        trials=2,
        baseline=False,
        tracking=tracking,
    )
    state = simulate(spec, lambda work, epoch: {"map": work.params["a.weight"]}).state
    write_result(state, spec, tmp_path).show(seconds=1)
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if line.startswith("  curves ")]
    assert len(shown) == (curves is not None)
    assert all(curves in line for line in shown)
