"""Rows of `tid_tune.results` as terminal tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table

from tid_tune.ledger.events import Changed, Suggested
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.report.fitting import Column, fitted_table
from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.report.overview import RunRow
from tid_tune.results.costs import OUTCOME_WORDS, CostRow, device_name
from tid_tune.results.one_trial import ProofRow
from tid_tune.results.ranking import mode_text
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.insight.measuring import Measuring


def plain_table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table without lines; the columns in `right` are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def list_table(rows: Sequence[RunRow], width: int | None) -> Group:
    """Draw one line a run; columns that do not fit a width are left out, and named below."""
    values = ["" if row.value is None else f"{row.value:.3f}" for row in rows]
    gains = ["" if row.gain is None else f"{row.gain:+.3f}" for row in rows]
    columns = [
        Column("run", [row.run for row in rows], stays=True),
        Column("state", [row.standing for row in rows], stays=True),
        Column("best", [row.best or "" for row in rows]),
        Column("value", values, right=True),
        Column("gain", gains, right=True),
        Column("confirmed", [row.confirmed for row in rows]),
        Column("trials", [str(row.trials) for row in rows], right=True),
        Column("epochs", [f"{row.epochs:g}" for row in rows], right=True),
    ]
    return fitted_table(columns, width)


def cost_table(rows: Sequence[CostRow], resources: Resources) -> Table:
    """Draw what was spent on which stage and with which outcome."""
    numbers = ("trials", "epochs", f"{device_name(resources)}-hours")
    table = plain_table("stage", "outcome", *numbers, right=numbers)
    for row in rows:
        figures = (str(row.trials), f"{row.epochs:g}", f"{row.device_hours:.2f}")
        style = "bold" if row is rows[-1] else None
        table.add_row(row.stage, OUTCOME_WORDS[row.outcome], *figures, style=style)
    return table


def running_text(state: RunState) -> str:
    """Return how many trials run, and in how many packs: `7 trials run in 2 packs`."""
    trials = counted(len(state.running), "trial")
    verb = "runs" if len(state.running) == 1 else "run"
    packs = {state.trials[name].pack for name in state.running} - {""}
    return f"{trials} {verb}" + (f" in {counted(len(packs), 'pack')}" if packs else "")


def training_lines(trial: Trial, state: RunState) -> list[str]:
    """Return the pack that a trial was trained in last, and its mode, if it has any of them."""
    lines = []
    if trial.pack:
        others = [name for name in state.packs[trial.pack].members if name != trial.id]
        beside = f", beside {', '.join(others)}" if others else ", alone"
        lines.append(f"pack {trial.pack}{beside}")
    mode = mode_text(trial)
    return [*lines, *([f"mode {mode}"] if mode else [])]


def running_table(state: RunState, spec: SearchSpec) -> Table:
    """Draw the trials that run now."""
    objective = spec.first_objective
    table = plain_table("running", "what", "node", "epoch", objective)
    for name in state.running:
        trial = state.trials[name]
        value = trial.value(objective)
        shown = "" if value is None else f"{value:.3f}"
        what = f"{trial.stage} {trial.label}".rstrip()
        table.add_row(name, what, trial.node, f"{trial.epoch:g}/{trial.epochs}", shown)
    return table


def changes_table(changes: Sequence[Suggested | Changed], width: int | None) -> Group:
    """Draw the values and data that a trial had in turn; what does not fit a width is named."""
    parts = any(event.fraction != 1.0 for event in changes)
    # Whichever it had at any time: a choice decides which others apply.
    names = short_names(list(dict.fromkeys(path for event in changes for path in event.params)))
    columns = [Column("by", [event.origin for event in changes], stays=True)]
    if parts:
        shares = [f"{event.fraction:.3g}" for event in changes]
        columns.append(Column("data", shares, True, stays=True))
    for path, name in names.items():
        held = [event.params for event in changes]
        cells = [short_value(params[path]) if path in params else "" for params in held]
        columns.append(Column(name, cells, True))
    return fitted_table(columns, width)


def proof_table(trial: Trial, rows: Sequence[ProofRow]) -> Table:
    """Draw the sampled values, and the ones read back from the live objects where they differ."""
    if all(row.effective == row.shown for row in rows):
        table = plain_table("parameter", "sampled and in effect")
        for row in rows:
            table.add_row(row.path, row.shown)
        return table
    # Read back with the first report of a run, and by some trainables not at all.
    missing = "not started" if trial.segment < 0 else "not reported"
    table = plain_table("parameter", "sampled", "in effect")
    for row in rows:
        table.add_row(row.path, row.shown, row.effective or missing)
    return table


def report_table(trial: Trial, spec: SearchSpec, width: int | None) -> Group:
    """Draw the reported epochs: objectives, the cost, and the method's terms that fit a width."""
    logged = [name for name in (trial.last.metrics if trial.last else ()) if "distill" in name]
    chosen = [*spec.objectives, *[n for n in logged if n.endswith(("_raw", "ratio"))]]
    found = trial.reports
    columns = [Column("epoch", [f"{report.epoch:g}" for report in found], True, stays=True)]
    if any(report.fraction != 1.0 for report in found):
        parts = [f"{report.fraction:.3g}" for report in found]
        columns.insert(0, Column("data", parts, True, stays=True))
    for name in chosen:
        cells = [f"{one.metrics[name]:.4g}" if name in one.metrics else "" for one in found]
        stays = name == spec.first_objective
        columns.append(Column(name.removeprefix("train/"), cells, True, stays=stays))
    seconds = [f"{report.seconds:.1f}" for report in found]
    return fitted_table([*columns, Column("seconds", seconds, True, stays=True)], width)


def steps_table(found: Measuring, spec: SearchSpec) -> Table:
    """Draw what each change from the defaults to the best trial gained, as far as is measured."""
    path, numbers = found.path, ("default", found.path.best.id, "gain", spec.first_objective)
    table = plain_table("change", *numbers, right=numbers)
    values = ["" if value is None else f"{value:.3f}" for value in found.values]
    table.add_row("defaults", "", "", "", values[0])
    names = short_names([step.name for step in path.steps])
    for step, gain, value in zip(path.steps, found.gains(spec.sign), values[1:], strict=True):
        ends = short_value(step.before), short_value(step.after)
        table.add_row(names[step.name], *ends, "" if gain is None else f"{gain:+.3f}", value)
    return table
