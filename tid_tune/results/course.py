"""The course of a search: what it had cost when each trial ended, and levels to compare with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import devices, trained_epochs, trial_cost
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
    """Return the ended search trials in order, with what all trials had cost by then.

    Trials that were still in training count with what they had reported.
    """
    held = devices(spec.resources)
    moments = sorted(moment for trial in state.trials.values() for moment in _moments(trial))
    ended = [t for t in state.trials.values() if t.ended is not None and t.reports]
    points, epochs, seconds, at = [], 0.0, 0.0, 0
    for trial in sorted(ended, key=lambda t: t.ended or 0.0):
        while at < len(moments) and moments[at][0] <= (trial.ended or 0.0):
            epochs, seconds, at = epochs + moments[at][1], seconds + moments[at][2], at + 1
        value = trial.value(spec.first_objective)
        if value is not None and math.isfinite(value) and trial.stage == "search":
            full = trial.status is Status.COMPLETED
            points.append(EndedTrial(trial.id, epochs, seconds * held / 3600, value, full))
    return points


def _moments(trial: Trial) -> Iterator[tuple[float, float, float]]:
    """Yield when a trial had cost what: a time, epochs, and seconds of a worker."""
    ended = math.inf if trial.ended is None else trial.ended
    rest = trial_cost(trial).seconds
    for before, report in zip([None, *trial.reports], trial.reports, strict=False):
        # Ledgers of earlier versions have no time of a report.
        yield report.time or ended, trained_epochs(before, report), report.seconds
        rest -= report.seconds
    yield ended, 0.0, rest
