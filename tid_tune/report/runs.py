"""What there is to say about run folders: which there are, where one stands, what a trial was."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from tid_tune.errors import UsageError
from tid_tune.ledger.file import LEDGER_NAME, read_events
from tid_tune.ledger.lock import holder_of
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.results.costs import cost_table, total_cost
from tid_tune.results.ranking import leaderboard, winning_row, winning_trial
from tid_tune.search.stages.verdict import judge, seed_count
from tid_tune.searchfile.model import SearchSpec


def open_run(run: Path) -> tuple[RunState, SearchSpec]:
    """The state and spec of a run folder, also while it is running.

    Where a killed driver left trials running, they are interrupted.

    Raises:
        UsageError: there is no ledger in it.
    """
    if not (run / LEDGER_NAME).is_file():
        inside = Path("runs") / run
        if (inside / LEDGER_NAME).is_file():
            raise UsageError(f"{run} is no run folder; did you mean {inside}?")
        near = difflib.get_close_matches(run.name, [p.name for p in run_folders(run.parent)], n=1)
        hint = f"; did you mean {run.parent / near[0]}?" if near else "; `tid-tune list` shows runs"
        raise UsageError(f"{run} is no run folder: it has no {LEDGER_NAME}{hint}")
    state = RunState.read(run / LEDGER_NAME)
    if holder_of(run / LEDGER_NAME) is None:
        state.interrupt_running()
    return state, SearchSpec.model_validate(state.spec)


def run_folders(runs: Path) -> list[Path]:
    """The run folders below `runs`, by name."""
    return sorted(ledger.parent for ledger in runs.glob(f"*/{LEDGER_NAME}"))


def standing(run: Path, state: RunState) -> str:
    """`running`, `finished: REASON`, `failed: REASON` or `interrupted`."""
    holder = holder_of(run / LEDGER_NAME)
    if holder is not None:
        return f"running (process {holder['pid']} on {holder['host']} since {holder['since']})"
    if state.closed is None:
        return "interrupted"
    found = state.stages.get("result", {}).get("winner") is not None
    return f"finished: {state.closed}" if found else f"failed: no result; {state.closed}"


def list_table(runs: Path) -> Table:
    """One row per run folder: where it stands, its trials, and its best one.

    After a confirmation, value and gain are the means over its seeds.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "state", "trials", "epochs", "best", "value", "gain", "confirmed"):
        table.add_column(name, justify="right" if name in ("trials", "epochs") else "left")
    for run in run_folders(runs):
        state, spec = open_run(run)
        cost = total_cost(cost_table(state).values())
        counts = (str(len(state.trials)), f"{cost.epochs:g}")
        table.add_row(str(run), standing(run, state), *counts, *_best_cells(state, spec))
    return table


def _best_cells(state: RunState, spec: SearchSpec) -> tuple[str, str, str, str]:
    """The best trial, its value and gain, and what the confirmation said of it."""
    verdict = judge(state, spec) if "result" in state.stages else None
    if verdict is not None and verdict.best is not None and verdict.best.estimate is not None:
        known = verdict.best.estimate
        against = verdict.best.comparisons[:1]
        gain = "".join(f"{c.difference.mean:+.3f}" for c in against)
        words = ": ".join([seed_count(known.count), *(c.verdict for c in against)])
        return verdict.best.name, f"{known.mean:.3f}", gain, words
    best = winning_row(leaderboard(state, spec), state, spec)
    if best is None:
        return "", "", "", ""
    gain = "" if best.gain is None else f"{best.gain:+.3f}"
    return best.trial, f"{best.values[spec.first_objective]:.3f}", gain, ""


def cost_rows(state: RunState, spec: SearchSpec) -> Table:
    """What was spent on which stage and with which outcome."""
    device = "GPU-hours" if spec.resources.gpus else "CPU-hours"
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stage", "outcome", "trials", "epochs", device):
        table.add_column(name, justify="left" if name in ("stage", "outcome") else "right")
    costs = cost_table(state)
    for (stage, outcome), cost in costs.items():
        hours = f"{cost.device_hours(spec.resources):.2f}"
        table.add_row(stage, outcome, str(cost.trials), f"{cost.epochs:g}", hours)
    total = total_cost(costs.values())
    hours = f"{total.device_hours(spec.resources):.2f}"
    table.add_row("all", "", str(total.trials), f"{total.epochs:g}", hours, style="bold")
    return table


def running_table(state: RunState, spec: SearchSpec) -> Table:
    """The trials that run now."""
    objective = spec.first_objective
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("running", "what", "node", "epoch", objective):
        table.add_column(name)
    for name in state.running:
        trial = state.trials[name]
        value = trial.value(objective)
        shown = "" if value is None else f"{value:.3f}"
        what = f"{trial.stage} {trial.label}".rstrip()
        table.add_row(name, what, trial.node, f"{trial.epoch:g}/{trial.epochs}", shown)
    return table


def trial_of(state: RunState, run: Path, name: str) -> Trial:
    """The trial called `name` (or `best`). Raises UsageError naming the ones there are."""
    spec = SearchSpec.model_validate(state.spec)
    found = winning_trial(state, spec) if name == "best" else state.trials.get(name)
    if found is None:
        known = list(state.trials)
        shown = ", ".join(known if len(known) < 8 else [*known[:3], "...", known[-1]])
        raise UsageError(f"{run} has no trial {name}; it has {shown or 'none yet'}")
    return found


def course_table(run: Path, trial: Trial) -> Table | None:
    """The values and data a trial had in turn; None where they never changed."""
    found = [
        event
        for event in read_events(run / LEDGER_NAME)
        if event["event"] == "suggest" and event["trial"] == trial.id
    ]
    if len(found) < 2:
        return None
    parts = any(event["fraction"] != 1.0 for event in found)
    names = short_names([path for path in trial.params if path in found[0]["params"]])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("by", *(["data"] if parts else []), *names.values()):
        table.add_column(name, justify="left" if name == "by" else "right")
    for event in found:
        data = [f"{event['fraction']:.3g}"] if parts else []
        params = event["params"]
        values = [short_value(params[path]) if path in params else "" for path in names]
        table.add_row(event["origin"], *data, *values)
    return table


def proof_table(run: Path, trial: Trial) -> Table:
    """Sampled values beside the ones read back from the live objects when the trial was built."""
    effective: dict[str, Any] = {}
    for event in read_events(run / LEDGER_NAME):
        if event["event"] == "proof" and event["trial"] == trial.id:
            effective = event["effective"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("value", "sampled", "in effect"):
        table.add_column(name, overflow="fold")
    for path, value in trial.edits.items():
        found = repr(effective[path]) if path in effective else "not started"
        table.add_row(path, repr(value), found)
    return table


def report_table(trial: Trial, spec: SearchSpec) -> Table:
    """The reported epochs: objectives, the method's terms and the cost."""
    logged = [name for name in (trial.last.metrics if trial.last else ()) if "distill" in name]
    chosen = [*spec.objectives, *[n for n in logged if n.endswith(("_raw", "ratio"))]]
    table = Table(box=None, pad_edge=False, header_style="bold")
    parts = any(report.fraction != 1.0 for report in trial.reports)
    for name in (*(["data"] if parts else []), "epoch", *chosen, "seconds"):
        table.add_column(name.removeprefix("train/"), justify="right")
    for report in trial.reports:
        data = [f"{report.fraction:.3g}"] if parts else []
        values = [f"{report.metrics[n]:.4g}" if n in report.metrics else "" for n in chosen]
        table.add_row(*data, f"{report.epoch:g}", *values, f"{report.seconds:.1f}")
    return table


def config_diff(trial: Trial, spec: SearchSpec) -> Iterator[str]:
    """The trial's resolved config as a unified diff against the config of the search."""
    from tid_tune.openmmlab.configs import load_config

    before = load_config(spec.trial, imports=False).pretty_text
    after = load_config(spec.trial, trial.edits, imports=False).pretty_text
    yield from difflib.unified_diff(
        before.splitlines(), after.splitlines(), spec.trial.name, trial.id, n=1, lineterm=""
    )
