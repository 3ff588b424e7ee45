"""The leaderboard: trials of equal length against each other, and their gain over the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import trial_cost
from tid_tune.results.pareto import non_dominated
from tid_tune.searchfile.model import SearchSpec


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    `values` and `epoch` are those of the last report. `gain` is the first objective minus the
    no-distillation baseline's at the same epoch and seed, signed so that more is better; None
    where there is no such report. `rank` counts full-length trials only, from 1.
    """

    rank: int | None
    trial: str
    stage: str
    label: str
    method: str
    status: Status
    reason: str
    values: dict[str, float]
    epoch: float
    fraction: float
    gain: float | None
    params: dict[str, Any]
    seed: int
    seconds: float
    front: bool = False
    """Several objectives: no full-length trial is better in all of them."""
    mode: str = ""
    """What changes its numbers beside its values; see `mode_text`."""


def mode_text(trial: Trial) -> str:
    """Return `teacher=bfloat16, cache=float16`; empty for a trial in the default mode."""
    return ", ".join(f"{name}={value}" for name, value in sorted(trial.mode.items()))


def compared_modes(rows: Iterable[Row]) -> list[str]:
    """Return the modes of distilled trials with a result, each once; one: all are trained alike.

    The student alone has no teacher, and so none of its modes.
    """
    return list(dict.fromkeys(row.mode for row in rows if row.values and row.label != "none"))


def leaderboard(state: RunState, spec: SearchSpec) -> list[Row]:
    """Return baseline and search trials: full length by value, then the others by length reached.

    Confirmation reruns are left out: they are means, see `verdict`.
    """
    chosen = [t for t in state.trials.values() if t.stage != "confirm" and _is_listed(t)]
    full = [t for t in chosen if t.status is Status.COMPLETED]
    full.sort(key=lambda trial: order(trial, spec))
    rest = [t for t in chosen if t.status is not Status.COMPLETED]
    rest.sort(key=lambda trial: (-_length(trial), *order(trial, spec)))
    front = pareto_front(full, spec)
    baselines = undistilled(state)
    rows = []
    for rank, trial in enumerate([*full, *rest], start=1):
        ranked = rank if trial.status is Status.COMPLETED else None
        rows.append(_row(trial, ranked, baselines, spec, trial.id in front))
    return rows


def best_trial(state: RunState, spec: SearchSpec) -> Trial | None:
    """Return the full-length search trial with the best first objective."""
    full = filter(is_full_search_trial, state.trials.values())
    return min(full, key=lambda trial: order(trial, spec), default=None)


def winning_trial(state: RunState, spec: SearchSpec) -> Trial | None:
    """Return the search trial that was confirmed as the best; before that, the best one so far."""
    if state.result is not None and state.result.winner is not None:
        return state.trials[state.result.winner]
    return best_trial(state, spec)


def winning_row(rows: Iterable[Row], state: RunState, spec: SearchSpec) -> Row | None:
    """Return the leaderboard's row of `winning_trial`."""
    winner = winning_trial(state, spec)
    return next((row for row in rows if winner is not None and row.trial == winner.id), None)


def ranked_full_length(state: RunState, spec: SearchSpec) -> list[Trial]:
    """Return the search trials of full length, best first objective first."""
    full = filter(is_full_search_trial, state.trials.values())
    return sorted(full, key=lambda trial: order(trial, spec))


def is_full_search_trial(trial: Trial) -> bool:
    """Return whether a trial can be the best one: searched, and trained to its full length."""
    return trial.stage == "search" and trial.status is Status.COMPLETED


def order(trial: Trial, spec: SearchSpec) -> tuple[float, int]:
    """Return the sort key of trials of equal length: the better first objective comes first."""
    value = trial.value(spec.first_objective)
    return -spec.sign * _finite(value, spec.sign), trial.number


def pareto_front(trials: Iterable[Trial], spec: SearchSpec) -> set[str]:
    """Return the trials that no other one dominates: equals everywhere and beats somewhere."""
    trials = list(trials)
    signs = [1.0 if direction == "max" else -1.0 for direction in spec.objectives.values()]
    points = np.array(
        [
            [s * _finite(trial.value(o), s) for o, s in zip(spec.objectives, signs, strict=True)]
            for trial in trials
        ]
    ).reshape(len(trials), len(signs))
    front = non_dominated(points)
    return {trial.id for trial, best in zip(trials, front, strict=True) if best}


def undistilled(state: RunState) -> list[Trial]:
    """Return the trainings of the student alone, which gains are measured against."""
    return [trial for trial in state.trials.values() if is_undistilled(trial)]


def is_undistilled(trial: Trial) -> bool:
    """Return whether a trial trains the student alone, as a baseline or a rerun of it."""
    return trial.stage != "search" and trial.label == "none"


def baseline_called(state: RunState, label: str) -> Trial | None:
    """Return the baseline with a label, such as `none` or `defaults`; None: there is none."""
    trials = state.trials.values()
    return next((t for t in trials if t.stage == "baseline" and t.label == label), None)


def gain_over_baseline(trial: Trial, baselines: Iterable[Trial], spec: SearchSpec) -> float | None:
    """Return the gain at a trial's last report; see `gain_at`."""
    return None if trial.last is None else gain_at(trial.last, trial.seed, baselines, spec)


def gain_at(
    report: Report, seed: int, baselines: Iterable[Trial], spec: SearchSpec
) -> float | None:
    """Return the gain in the first objective at the same epoch and seed; more is better.

    Args:
        report: of the trial.
        seed: of the trial.
        baselines: those of them with this seed are compared with.
        spec: names the objective.
    """
    first, value = spec.first_objective, report.metrics.get(spec.first_objective)
    if report.fraction != 1.0 or value is None or not math.isfinite(value):
        return None
    for baseline in baselines:
        reference = baseline.value_at(first, report.epoch)
        if baseline.seed == seed and reference is not None:
            return spec.sign * (value - reference)
    return None


def _row(
    trial: Trial, rank: int | None, baselines: list[Trial], spec: SearchSpec, front: bool
) -> Row:
    last = trial.last
    return Row(
        rank=rank,
        trial=trial.id,
        stage=trial.stage,
        label=trial.label,
        method=trial.method,
        status=trial.status,
        reason=trial.reason,
        values={} if last is None else {o: last.metrics.get(o, math.nan) for o in spec.objectives},
        epoch=trial.epoch,
        fraction=trial.fraction if last is None else last.fraction,
        gain=gain_over_baseline(trial, baselines, spec),
        params=trial.params,
        seed=trial.seed,
        seconds=trial_cost(trial).seconds,
        front=front,
        mode=mode_text(trial),
    )


def _is_listed(trial: Trial) -> bool:
    return trial.status not in (Status.PENDING, Status.DUPLICATE)


def _length(trial: Trial) -> float:
    last = trial.last
    return 0.0 if last is None else last.epoch * last.fraction


def _finite(value: float | None, sign: float) -> float:
    """Return `value`, or the worst one where it is missing."""
    return -sign * math.inf if value is None or not math.isfinite(value) else value
