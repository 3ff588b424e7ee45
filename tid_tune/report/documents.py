"""What `--json` prints of a run. The keys are documented in docs/json.md; they only get more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from tid_tune.errors import ConfigError
from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.report.overview import RunRow, run_row
from tid_tune.results.costs import cost_rows, device_name, trial_cost, worker_time
from tid_tune.results.course import reference_levels
from tid_tune.results.disk import disk_sizes
from tid_tune.results.one_trial import changes, config_diff, trained_by
from tid_tune.results.ranking import gain_over_baseline, leaderboard, undistilled, winning_row
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.stages.verdict import Group, judge
from tid_tune.searchfile.model import SearchSpec

Document = dict[str, Any]


def runs_document(runs: Iterable[RunFolder]) -> Document:
    """Return one row a run; see `overview.RunRow`."""
    rows: list[RunRow] = [run_row(run) for run in runs]
    return {"runs": rows}


def leaderboard_document(run: RunFolder, top: int | None) -> Document:
    """Return the ranked trials; see `ranking.Row`. `top`: of the first so many rows; None: all."""
    rows = run.leaderboard()
    return {
        "run": run.shown(),
        "objectives": run.spec.objectives,
        "rows": rows if top is None else rows[:top],
    }


def status_document(run: RunFolder) -> Document:
    """Return the state of a run: what runs, what it has cost, its best trial, the verdict."""
    state, spec = run.state, run.spec
    trials = state.trials.values()
    sizes, used = disk_sizes(run), worker_time(state)
    return {
        "run": run.shown(),
        "name": spec.name,
        "standing": run.standing(),
        "ended": state.closed,
        "objectives": spec.objectives,
        "trials": {s.value: sum(t.status is s for t in trials) for s in Status},
        "running": [_running(state.trials[name], spec.first_objective) for name in state.running],
        "costs": cost_rows(state, spec),
        "device": device_name(spec.resources),
        "workers": {**asdict(used), "overhead": used.overhead},
        "disk": sizes,
        "levels": reference_levels(state, spec),
        "best": winning_row(leaderboard(state, spec), state, spec),
        "confirmation": _confirmation(run),
    }


def trial_document(run: RunFolder, trial: Trial) -> Document:
    """Return one trial: its values, sampled and in effect, its reports, its config as a diff."""
    spec = run.spec
    return {
        "run": run.shown(),
        "trial": trial.id,
        "stage": trial.stage,
        "label": trial.label,
        "method": trial.method,
        "origin": trial.origin,
        "status": trial.status,
        "reason": trial.reason,
        "cause": trial.cause,
        "seed": trial.seed,
        "epoch": trial.epoch,
        "epochs": trial.epochs,
        "fraction": trial.fraction,
        "gain": gain_over_baseline(trial, undistilled(run.state), spec),
        "params": trial.params,
        "edits": trial.edits,
        "effective": trial.effective,
        "mode": trial.mode,
        "node": trial.node,
        "pack": trial.pack,
        "ranks": trained_by(run.ledger, trial, spec).resources.ranks,
        "started": trial.started,
        "ended": trial.ended,
        "cost": trial_cost(trial),
        "changes": [
            {"by": one.origin, "fraction": one.fraction, "params": one.params}
            for one in changes(run.ledger, trial)
        ],
        "reports": [_report(report) for report in trial.reports],
        "diff": _diff(trial, spec),
    }


def _diff(trial: Trial, spec: SearchSpec) -> list[str] | None:
    """Return the config of a trial as a diff; None where the search's is not as it was."""
    try:
        return list(config_diff(trial, spec.trial))
    except ConfigError:
        return None


def _running(trial: Trial, objective: str) -> Document:
    return {
        "trial": trial.id,
        "stage": trial.stage,
        "label": trial.label,
        "method": trial.method,
        "node": trial.node,
        "pack": trial.pack,
        "epoch": trial.epoch,
        "epochs": trial.epochs,
        "value": trial.value(objective),
    }


def _report(report: Report) -> Document:
    names = ("step", "epoch", "fraction", "metrics", "seconds", "images", "checkpoint", "time")
    return {name: getattr(report, name) for name in names}


def _confirmation(run: RunFolder) -> Document | None:
    """Return what the confirmation found; None where none was planned."""
    verdict = judge(run.state, run.spec)
    if verdict is None:
        return None
    return {
        "winner": verdict.winner,
        "text": verdict.text,
        "candidates": [_group(group) for group in verdict.candidates],
        "baselines": [_group(group) for group in verdict.baselines],
    }


def _group(group: Group) -> Document:
    return {
        "name": group.name,
        "method": group.method,
        "values": group.values,
        "failures": group.failures,
        "estimate": group.estimate,
        "comparisons": group.comparisons,
    }
