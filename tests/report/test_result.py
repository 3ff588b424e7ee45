"""What a search says at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.search_cases import make_spec

from tid_tune.report.result import write_result
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import Objective, simulate
from tid_tune.searchfile.model import Budget, Confirm
from tid_tune.searchfile.outputs import Tracking
from tid_tune.space import Uniform


def weight(work: Assignment, epoch: float) -> dict[str, float]:
    return {"map": work.params.get("a.weight", 0.0)}


def ending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], objective: Objective, **changes: Any
) -> str:
    fields: dict[str, Any] = {
        "objectives": {"map": "max"},
        "epochs": 2,
        "space": {"a.weight": Uniform(low=0, high=1)},
        "trials": 2,
        "tracking": Tracking(enabled=False),
    }
    spec = make_spec(**{**fields, **changes})
    state = simulate(spec, objective).state
    write_result(state, spec, RunFolder(tmp_path)).show(seconds=1)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("tracking", "curves"),
    [
        (Tracking(), "tid-tune ui"),
        (Tracking(uri="http://tracker:5000"), "http://tracker:5000"),
        (Tracking(enabled=False), None),
    ],
)
def test_the_curves_are_said_to_be_where_they_are(
    tracking: Tracking, curves: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ending(tmp_path, capsys, weight, tracking=tracking).splitlines()
    shown = [line for line in lines if line.startswith("  curves ")]
    assert len(shown) == (curves is not None)
    assert all(str(curves) in line for line in shown)


def test_a_budget_that_ended_the_search_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = "ended: budget: 8 of 8 epochs spent"
    assert ended in ending(tmp_path, capsys, weight, trials=9, budget=Budget(epochs=8))
    assert "ended:" not in ending(tmp_path, capsys, weight)


def test_defaults_that_the_search_did_not_beat_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def defaults_win(work: Assignment, epoch: float) -> dict[str, float]:
        return {"map": 0.9 if work.label == "defaults" else work.params.get("a.weight", 0) / 9}

    assert "defaults (t0002) score higher" in ending(tmp_path, capsys, defaults_win)
    assert "score higher" not in ending(tmp_path, capsys, weight)


def test_at_a_tie_the_defaults_are_not_said_to_be_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ending(tmp_path, capsys, lambda work, epoch: {"map": 0.25})
    assert "score higher" not in shown
    assert "none (t0001) score the same" in shown
    assert "defaults (t0002) score the same" in shown
    assert "nothing has learned" not in shown


@pytest.mark.parametrize("confirm", [None, Confirm(top=1, seeds=2)])
def test_where_all_is_zero_nothing_has_learned_yet(
    confirm: Confirm | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ending(tmp_path, capsys, lambda work, epoch: {"map": 0.0}, confirm=confirm)
    assert "score" not in shown
    (line,) = [line for line in shown.splitlines() if "nothing has learned yet" in line]
    assert "map is 0 in every trial" in line
    for place in ("learning rate", "epochs", "class names"):
        assert place in line


def test_an_objective_to_be_minimized_is_best_at_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def defaults_win(work: Assignment, epoch: float) -> dict[str, float]:
        return {"loss": 0.0 if work.label == "defaults" else 0.5}

    shown = ending(tmp_path, capsys, defaults_win, objectives={"loss": "min"})
    assert "defaults (t0002) score lower" in shown
    zero = ending(tmp_path, capsys, lambda work, epoch: {"loss": 0.0}, objectives={"loss": "min"})
    assert "nothing has learned" not in zero


def test_the_verdict_is_broken_between_its_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ending(tmp_path, capsys, weight, confirm=Confirm(top=1, seeds=3))
    lines = shown.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("best: t0004: map "))
    assert lines[at].endswith("over 3 seeds")
    assert [line.split(": ")[0].split()[-1] for line in lines[at + 1 : at + 3]] == [
        "none",
        "defaults",
    ]
    assert max(map(len, lines[at : at + 3])) <= 100


def test_the_report_is_the_last_thing_to_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "best_so_far.png").touch()  # of an earlier version
    *_, last = ending(tmp_path, capsys, weight).splitlines()
    assert last.split()[:2] == ["report", f"{tmp_path / 'report.html'}:"]
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert (tmp_path / "report/best_so_far.png").stat().st_size > 5000
    assert not (tmp_path / "best_so_far.png").exists()


def test_a_report_that_cannot_be_written_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.html").mkdir()
    (tmp_path / "report.html/in_the_way").touch()
    shown = ending(tmp_path, capsys, weight)
    assert "warning: the report" in shown
    assert f"`tid-tune report {tmp_path}` tries again" in " ".join(shown.split())
    assert "best: t0003 " in shown or "best: t0004 " in shown


def test_a_gain_of_one_seed_is_called_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doubt = "one seed; --set confirm.seeds=3"
    assert doubt in ending(tmp_path, capsys, weight, baseline=True)
    assert doubt in (tmp_path / "leaderboard.txt").read_text()
    confirm = Confirm(top=1, seeds=2)
    assert doubt not in ending(tmp_path, capsys, weight, baseline=True, confirm=confirm)
    assert doubt not in (tmp_path / "leaderboard.txt").read_text()


def test_only_a_search_that_is_over_evaluates_models_for_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can take a minute, for which somebody who pressed Ctrl-C would wait."""
    evaluated: list[Path] = []
    monkeypatch.setattr(
        "tid_tune.report.result._evaluate_models", lambda spec, run: evaluated.append(run.path)
    )
    spec = make_spec(objectives={"map": "max"}, epochs=1, trials=1, tracking=Tracking())
    state = simulate(spec, weight).state
    write_result(state, spec, RunFolder(tmp_path / "over"))
    state.closed = None
    write_result(state, spec, RunFolder(tmp_path / "interrupted"))
    assert evaluated == [tmp_path / "over"]
