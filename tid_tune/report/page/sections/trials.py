"""All trials as a table, and the most interesting ones in detail."""

from __future__ import annotations

import math

from tid_tune.ledger.records import Status
from tid_tune.report.leaderboard import short_names, short_value, shown_parameters
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock, Text
from tid_tune.report.page.study import Study
from tid_tune.report.page.trial import chosen_trials, trial_details
from tid_tune.report.page.words import outcome, signed, value_text, what
from tid_tune.results.ranking import Row
from tid_tune.search.stages.plan import NONE
from tid_tune.words import capitalized, counted, shortened

MOST_ROWS = 300
REASON = 60


def section(study: Study) -> Section | None:
    """Return the section, if a trial was started."""
    if not study.rows:
        return None
    chosen = chosen_trials(study)
    named = {trial.id for trial in chosen}
    all_of_them = len(chosen) == len(study.state.trials)
    more = (
        "Each trial"
        if all_of_them
        else f"{counted(len(chosen), 'trial')} of {len(study.state.trials)}: the best, the "
        "baselines, the Pareto front, what was confirmed, some of the longest that were stopped, "
        "those that run, and failures of each cause; "
        f"`tid-tune show {study.run.pasted()} TRIAL` shows any other"
    )
    intro = f"{more}: values, curves, end of the log, and what differs from the config."
    details = [trial_details(study, trial) for trial in chosen]
    blocks: list[Block] = [_table(study, named), Text(capitalized(intro)), *details]
    return Section("trials", "Trials", "", blocks)


def _table(study: Study, detailed: set[str]) -> TableBlock:
    shown = study.rows[:MOST_ROWS]
    kept = {row.trial for row in shown}
    shown += [r for r in study.rows if r.stage == "baseline" and r.trial not in kept]
    names = short_names(shown_parameters(shown, study.spec))
    modes, gains = any(row.mode for row in shown), any(row.gain is not None for row in shown)
    columns = [
        Column("rank", number=True),
        Column("trial"),
        Column("what"),
        Column("outcome"),
        Column("epochs", number=True),
        *(Column(name, number=True) for name in study.spec.objectives),
        *([Column("gain", number=True)] if gains else []),
        *([Column("mode")] if modes else []),
        *(Column(name, number=True) for name in names.values()),
    ]
    rows = [
        [
            *_facts(study, row, detailed),
            *([_gain(row)] if gains else []),
            *([row.mode] if modes else []),
            *_values(row, names),
        ]
        for row in shown
    ]
    caption = (
        "Trials of full length by value, then the others by the length they reached: a value "
        "belongs to that length."
    )
    if gains:
        caption += " The gain is over no distillation at the same epoch and seed."
    if len(study.rows) > len(shown):
        caption += (
            f" The first {len(shown)} of {len(study.rows)}; `tid-tune table {study.run.pasted()} "
            "FILE.csv` writes all."
        )
    marked = next((at for at, row in enumerate(shown) if row is study.best), None)
    return TableBlock(caption, columns, rows, sortable=True, marked=marked)


def _facts(study: Study, row: Row, detailed: set[str]) -> list[Cell | str]:
    trial = study.state.trials[row.trial]
    found = outcome(trial)
    word = found.word
    if row.status is Status.FAILED:
        word += f": {shortened(row.reason, REASON)}" if trial.cause is None else f": {trial.cause}"
    elif row.front and len(study.spec.objectives) > 1:
        word += ", Pareto front"
    part = "" if row.fraction == 1.0 else f" x {row.fraction:.3g}"
    return [
        Cell("" if row.rank is None else str(row.rank), row.rank),
        Cell(row.trial, to=row.trial if row.trial in detailed else ""),
        what(trial),
        Cell(word, role="best" if row is study.best else found.role),
        Cell(f"{row.epoch:g}{part}", row.epoch * row.fraction),
        *(_value(row.values.get(name)) for name in study.spec.objectives),
    ]


def _gain(row: Row) -> Cell:
    gain = row.gain if row.label != NONE else None
    return Cell("" if gain is None else signed(gain), gain)


def _value(value: float | None) -> Cell:
    if value is None or not math.isfinite(value):
        return Cell("" if value is None else value_text(value))
    return Cell(value_text(value), value)


def _values(row: Row, names: dict[str, str]) -> list[Cell]:
    return [_parameter(row.params[path]) if path in row.params else Cell("") for path in names]


def _parameter(value: object) -> Cell:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(short_value(value), float(value) if number else None)  # type: ignore[arg-type]
