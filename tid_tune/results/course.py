"""The course of a search: what it had cost when each trial ended, and levels to compare with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import devices, trial_cost
from tid_tune.searchfile.model import SearchSpec

TEACHER = "teacher/"
"""Prefix of the metrics a trial reports of its teacher."""


@dataclass(frozen=True)
class EndedTrial:
    """One ended search trial: what the whole search had cost when it ended, and its value."""

    trial: str
    epochs: float
    hours: float
    """Of devices."""
    value: float
    full_length: bool


def reference_levels(state: RunState, spec: SearchSpec) -> dict[str, float]:
    """Return the full-length values of the baselines, and the teacher's, by their label."""
    objective = spec.first_objective
    levels: dict[str, float] = {}
    for trial in state.trials.values():
        value = trial.value(objective)
        if trial.stage == "baseline" and trial.full_length and value is not None:
            levels[trial.label] = value
        for report in trial.reports[:1]:
            taught = report.metrics.get(TEACHER + objective)
            if taught is not None:
                levels["teacher"] = taught
    return levels


def ended_trials(state: RunState, spec: SearchSpec) -> list[EndedTrial]:
    """Return the ended search trials in order, with what all trials had cost by then."""
    held = devices(spec.resources)
    ended = [t for t in state.trials.values() if t.ended is not None and t.reports]
    points, epochs, seconds = [], 0.0, 0.0
    for trial in sorted(ended, key=lambda t: t.ended or 0.0):
        cost = trial_cost(trial)
        epochs, seconds = epochs + cost.epochs, seconds + cost.seconds
        value = trial.value(spec.first_objective)
        if value is not None and math.isfinite(value) and trial.stage == "search":
            full = trial.status is Status.COMPLETED
            points.append(EndedTrial(trial.id, epochs, seconds * held / 3600, value, full))
    return points
