"""One trial in detail, and which trials of a large search are shown in detail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice

from tid_tune.ledger.records import Status, Trial
from tid_tune.report.charts.model import Axis, Chart, Line, Panel
from tid_tune.report.charts.palette import series
from tid_tune.report.page.blocks import Block, Code, Column, Details, TableBlock, Text
from tid_tune.report.page.study import Study, thinned
from tid_tune.report.page.words import outcome, signed, value_text, what
from tid_tune.report.tables import training_lines
from tid_tune.results.costs import device_name, trial_cost
from tid_tune.results.one_trial import proof_rows, rounded
from tid_tune.results.ranking import gain_over_baseline, ranked_full_length, undistilled
from tid_tune.words import counted

MOST = 40
LOG_LINES, LOG_BYTES = 15, 16_000
REASON = 4000
"""Characters of a failure's reason, which may be a stack."""


def chosen_trials(study: Study) -> list[Trial]:
    """Return the trials that are shown in detail: all of a small search, in order of suggestion."""
    trials = study.state.trials
    if len(trials) <= MOST:
        return list(trials.values())
    names = dict.fromkeys(trial.id for trial in _by_interest(study))
    return [trials[name] for name in sorted(list(names)[:MOST], key=lambda n: trials[n].number)]


def _by_interest(study: Study) -> Iterator[Trial]:
    trials = study.state.trials.values()
    if study.winner is not None:
        yield study.winner
    yield from islice((t for t in trials if t.stage == "baseline"), 8)
    plan = study.state.confirmation
    if plan is not None:
        yield from (study.state.trials[name] for name in plan.candidates[:8])
    yield from islice(ranked_full_length(study.state, study.spec), 8)
    yield from islice((study.state.trials[row.trial] for row in study.rows if row.front), 10)
    yield from islice((study.state.trials[name] for name in study.state.running), 6)
    yield from _first_of_each_cause(trials)
    stopped = [row.trial for row in study.rows if row.status is Status.STOPPED]
    yield from (study.state.trials[name] for name in stopped[:4])
    yield from ranked_full_length(study.state, study.spec)
    yield from (study.state.trials[name] for name in stopped)


def _first_of_each_cause(trials: Iterable[Trial]) -> Iterator[Trial]:
    seen: dict[object, int] = {}
    for trial in trials:
        if trial.status is Status.FAILED:
            seen[trial.cause] = seen.get(trial.cause, 0) + 1
            if seen[trial.cause] <= 3:
                yield trial


def trial_details(study: Study, trial: Trial) -> Details:
    """Return all that is known of one trial."""
    found = outcome(trial)
    value = trial.value(study.objective)
    gain = gain_over_baseline(trial, undistilled(study.state), study.spec)
    parts = [what(trial), found.word]
    if value is not None:
        parts.append(f"{study.objective} {value_text(value)} at epoch {trial.epoch:g}")
    if gain is not None and trial.label != "none":
        parts.append(f"gain {signed(gain)}")
    blocks = [
        Text(_facts(study, trial)),
        *_reason(trial),
        *_values(trial),
        *_curves(study, trial),
        *_diff(study, trial),
        *_log(study, trial),
    ]
    role = "best" if trial is study.winner else found.role
    return Details(f"{trial.id}: {', '.join(parts)}", blocks, trial.id, role)


def _facts(study: Study, trial: Trial) -> str:
    cost, resources = trial_cost(trial), study.spec.resources
    facts = [
        f"origin: {trial.origin.partition(' {')[0]}",
        f"seed {trial.seed}",
        f"{counted(round(cost.epochs, 6), 'epoch')} of {trial.epochs} trained",
        f"{60 * cost.device_hours(resources):.1f} {device_name(resources)}-minutes",
        *([f"node {trial.node}"] if trial.node else []),
        *training_lines(trial, study.state),
        *([f"equals {trial.of}"] if trial.status is Status.DUPLICATE and trial.of else []),
        *([f"lost its worker {counted(trial.losses, 'time')}"] if trial.losses else []),
    ]
    return "; ".join(facts) + "."


def _reason(trial: Trial) -> list[Block]:
    if not trial.reason:
        return []
    if trial.status is Status.FAILED:
        cause = f", {trial.cause.value}" if trial.cause else ""
        return [Code(trial.reason[:REASON], f"Why it failed{cause}", copy=False)]
    return [Text(f"{outcome(trial).word}: {trial.reason}.".capitalize())]


def _values(trial: Trial) -> list[Block]:
    rows = proof_rows(trial)
    if not rows:
        return []
    columns = [Column("path in the config"), Column("value", number=True)]
    cells = [[row.path, row.shown] for row in rows]
    if trial.effective is None:
        caption = "Its values; none was read back from the live objects."
    elif all(row.effective == row.shown for row in rows):
        caption = "Its values; those read back from the live objects are the same."
    else:
        caption = "Its values, and those read back from the live objects."
        columns.append(Column("read back", number=True))
        cells = [[row.path, row.shown, row.effective or "not reported"] for row in rows]
    return [TableBlock(caption, columns, cells)]


def _curves(study: Study, trial: Trial) -> list[Block]:
    reports = thinned(trial.reports, 300)
    xs = [report.epoch for report in reports]
    curves = {
        name: [report.metrics.get(name) for report in reports] for name in study.spec.objectives
    }
    panels = [
        Panel(Axis("epoch"), Axis(name), [Line("", xs, ys, "best", dots=True)], height=240)
        for name, ys in curves.items()
        if any(y is not None and math.isfinite(y) for y in ys)
    ]
    if not panels:
        return []
    terms = [name for name in reports[-1].metrics if name.startswith("train/loss_distill")][:6]
    if terms:
        lines = [
            Line(name.removeprefix("train/"), xs, [r.metrics.get(name) for r in reports], series(n))
            for n, name in enumerate(terms)
        ]
        panels.append(Panel(Axis("epoch"), Axis("loss term"), lines, height=240))
    alt = f"The values that {trial.id} reported, by epoch."
    return [Chart(f"trial_{trial.id}", "Its reports", "", panels, alt)]


def _diff(study: Study, trial: Trial) -> list[Block]:
    lines = []
    for path, value in trial.edits.items():
        known, before = study.configured(path)
        if known and before == value:
            continue
        if known:
            lines.append(f"-{path} = {rounded(before)!r}")
        lines.append(f"+{path} = {rounded(value)!r}")
    if not lines:
        return []
    name = study.spec.trial.name
    there = "" if study.config is not None else f"; `{name}` could not be read"
    return [Code("\n".join(lines), f"What differs from the config `{name}`{there}", kind="diff")]


def _log(study: Study, trial: Trial) -> list[Block]:
    tail = study.log_tail(trial, LOG_LINES, LOG_BYTES)
    caption = f"The end of its log, `{study.log_name(trial)}`"
    return [Code(tail, caption, copy=False)] if tail.strip() else []
