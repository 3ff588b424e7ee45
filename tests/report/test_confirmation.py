"""The confirmation as a user reads it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table
from support.search_cases import make_spec

from tid_tune.ledger.file import LEDGER_NAME, Ledger
from tid_tune.ledger.state import RunState
from tid_tune.report.confirmation import confirmation_table, verdict_text
from tid_tune.report.leaderboard import to_text
from tid_tune.report.overview import run_row
from tid_tune.report.result import write_result
from tid_tune.report.tables import list_table
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.searchfile.model import Confirm, SearchSpec
from tid_tune.space import Uniform

METHOD = "model.distillation.method"
WORTH = {"none": 0.3, "fgd": 0.4, "tid": 0.5}


def value(assignment: Assignment, epoch: float) -> dict[str, float]:
    """What the method is worth, a little for the rate, a little noise by the seed."""
    method = assignment.edits.get(METHOD, "tid")
    rate = assignment.params.get("lr", 0.2)
    return {"map": WORTH[method] + 0.1 * rate + 0.001 * assignment.seed}


def confirmed(**changes: Any) -> tuple[RunState, SearchSpec]:
    spec = make_spec(
        **{
            "objectives": {"map": "max"},
            "epochs": 1,
            "space": {"lr": Uniform(low=0, high=1)},
            "trials": 6,
            "confirm": Confirm(top=1, seeds=3),
            **changes,
        }
    )
    state = simulate(spec, value).state
    return state, spec


def rows_of(table: Table | None) -> list[dict[str, Any]]:
    assert table is not None
    cells = zip(*(column.cells for column in table.columns), strict=True)
    names = [str(column.header) for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in cells]


def shown(state: RunState, spec: SearchSpec) -> Table:
    table = confirmation_table(state, spec)
    assert table is not None
    return table


def test_methods_stand_below_each_other_with_what_they_spent_and_gained() -> None:
    state, spec = confirmed(method=("none", "tid", "fgd"))
    rows = rows_of(confirmation_table(state, spec))
    assert [row["method"] for row in rows] == ["tid", "fgd", "none", "", "", ""]
    assert {row["epochs"] for row in rows[:3]} == {"2"}
    assert [row["confirmed"] for row in rows[3:]] == ["none", "tid defaults", "fgd defaults"]
    tid, none = rows[0], rows[2]
    # The same seeds for all, so the difference between methods is free of the seed.
    seeds = [float(x) for x in tid["by seed"].split()]
    assert [round(b - a, 3) for a, b in itertools.pairwise(seeds)] == [0.001, 0.001]
    assert float(tid["mean"]) == round(sum(seeds) / 3, 3)
    tuned = next(name for name in rows[0] if name.endswith("(none, tuned)"))
    gap = float(tid[tuned].split()[0])
    assert abs(gap - (float(tid["mean"]) - float(none["mean"]))) < 0.0015
    assert tid[tuned].endswith("real gain")
    assert none[tuned] == ""
    # tid's own defaults, not those of fgd: 0.5 + 0.1 * 0.2 is what they are worth.
    assert abs(float(tid["against its defaults"].split()[0]) - (seeds[0] - 0.521)) < 0.0015


def test_one_method_needs_no_column_of_methods() -> None:
    state, spec = confirmed()
    table = confirmation_table(state, spec)
    headers = [column.header for column in table.columns]
    assert headers == [
        "confirmed",
        "by seed",
        "mean",
        "against none",
        "against its defaults",
    ]
    assert [row["confirmed"] for row in rows_of(table)][1:] == ["none", "defaults"]


def test_one_seed_has_no_interval() -> None:
    state, spec = confirmed(confirm=Confirm(top=1, seeds=1))
    best = rows_of(confirmation_table(state, spec))[0]
    assert best["against none"].endswith("not distinguishable")
    assert "(" not in best["against none"]


def test_without_a_confirmation_there_is_no_table() -> None:
    state, spec = confirmed(confirm=None)
    assert confirmation_table(state, spec) is None


def test_the_table_fits_a_text_file() -> None:
    state, spec = confirmed(method=("none", "tid", "fgd"))
    lines = to_text(shown(state, spec)).splitlines()
    assert len(lines) == 1 + 6


def test_on_a_narrow_terminal_no_word_is_cut() -> None:
    state, spec = confirmed(method=("none", "tid", "fgd"))
    wide, narrow = (to_text(shown(state, spec), width) for width in (200, 80))
    assert max(map(len, narrow.splitlines())) <= 80
    assert sorted(wide.split()) == sorted(narrow.split())


def test_the_verdict_names_the_method_and_says_whether_it_is_final() -> None:
    state, spec = confirmed(method=("none", "tid", "fgd"))
    text = verdict_text(state, spec)
    assert "(tid): map 0.5" in text
    assert "(none, tuned): real gain" in text
    state.closed = None
    assert verdict_text(state, spec) == f"so far: {text}"
    assert verdict_text(*confirmed(confirm=None)) == ""


def test_the_figures_for_mlflow_are_the_confirmed_ones(tmp_path: Path) -> None:
    state, spec = confirmed(method=("none", "tid"))
    result = write_result(state, spec, RunFolder(tmp_path))
    table = rows_of(result.confirmation)
    figures = result.metrics
    assert figures["confirmed/mean"] == pytest.approx(float(table[0]["mean"]), abs=1e-3)
    assert figures["confirmed/low"] < figures["confirmed/mean"] < figures["confirmed/high"]
    gains = [name for name in figures if name.startswith("confirmed/gain_over/")]
    tuned = table[1]["confirmed"]
    assert f"confirmed/gain_over/{tuned} none tuned/mean" in gains
    assert "confirmed/gain_over/none/mean" in gains


def test_the_list_of_runs_shows_the_confirmed_mean(tmp_path: Path) -> None:
    state, spec = confirmed()
    (tmp_path / "old").mkdir()
    with Ledger.open(tmp_path / "old" / LEDGER_NAME, clock=VirtualClock()) as ledger:
        simulate(spec, value, ledger=ledger)
    drawn = list_table([*map(run_row, RunFolder.all_in(tmp_path))], None).renderables[0]
    assert isinstance(drawn, Table)
    listed = rows_of(drawn)[0]
    table = rows_of(confirmation_table(state, spec))
    assert (listed["best"], listed["value"]) == (table[0]["confirmed"], table[0]["mean"])
    assert listed["confirmed"] == "3 seeds: real gain"
    gain = table[0]["against none"].split()[0]
    assert listed["gain"] == gain
