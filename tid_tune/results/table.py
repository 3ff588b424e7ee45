"""All trials of a search as a table: one row a trial, one column a fact."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import trial_cost
from tid_tune.results.ranking import Row, leaderboard, mode_text
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.values import Value

TrialRow = dict[str, Any]
"""A trial's facts by column: those of `_facts`, the objectives, and its parameters by path."""


def trial_rows(state: RunState, spec: SearchSpec) -> list[TrialRow]:
    """Return one row a trial, in the leaderboard's order; confirmation reruns and duplicates last.

    All rows have the same columns. An objective is None without a report. A parameter that a trial
    does not have is None too; so is a value null. There is a column `mode` if any trial has one.
    """
    modes = any(trial.mode for trial in state.trials.values())
    names = list(dict.fromkeys(name for trial in state.trials.values() for name in trial.params))
    rows = []
    for trial, row in _ordered(state, spec):
        objectives = {name: trial.value(name) for name in spec.objectives}
        facts = _facts(trial, row) | ({"mode": mode_text(trial)} if modes else {})
        rows.append(facts | objectives | {n: trial.params.get(n) for n in names})
    return rows


def write_csv(state: RunState, spec: SearchSpec, path: Path) -> int:
    """Write `trial_rows` as CSV: UTF-8, commas; values that are no numbers or texts as JSON.

    Unlike in `trial_rows`, a value null is `null`, and only an absent parameter is an empty cell.

    Returns:
        How many trials were written.
    """
    rows = trial_rows(state, spec)
    names = list(rows[0]) if rows else []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            params = state.trials[row["trial"]].params
            writer.writerow(row | {name: _cell(value) for name, value in params.items()})
    return len(rows)


def _ordered(state: RunState, spec: SearchSpec) -> list[tuple[Trial, Row | None]]:
    rows = {row.trial: row for row in leaderboard(state, spec)}
    order = [*rows, *(name for name in state.trials if name not in rows)]
    return [(state.trials[name], rows.get(name)) for name in order]


def _facts(trial: Trial, row: Row | None) -> TrialRow:
    cost = trial_cost(trial)
    return {
        "rank": None if row is None else row.rank,
        "trial": trial.id,
        "stage": trial.stage,
        "label": trial.label,
        "method": trial.method,
        "status": trial.status.value,
        "reason": trial.reason,
        "epoch": trial.epoch,
        "fraction": trial.last.fraction if trial.last else trial.fraction,
        "gain": None if row is None else row.gain,
        "seconds": cost.seconds,
        "epochs_trained": cost.epochs,
        "seed": trial.seed,
    }


def _cell(value: Value) -> Value:
    return json.dumps(value) if isinstance(value, list | dict | bool | None) else value
