"""The figures of each compared search, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tid_tune.report.page.study import Study
from tid_tune.results.costs import device_name, run_cost
from tid_tune.results.course import EndedTrial, ended_trials
from tid_tune.search.stages.statistics import Estimate


@dataclass(frozen=True)
class Figures:
    """One search. Values are of the first objective and of trials of full length.

    `gain` is over the search's own baseline without distillation at the same seed; `confirmed` and
    `confirmed_gain` are means over new seeds with 95 % intervals. `at_equal_cost` is the best value
    when the search had cost as many epochs as the cheapest one did in all. `to_level` are the
    epochs and device-hours after which a trial had reached the level; None: none has.
    """

    run: str
    standing: str
    trials: int
    epochs: float
    device_hours: float
    device: str
    best: str | None
    value: float | None
    gain: float | None
    at_equal_cost: float | None
    epochs_to_level: float | None
    hours_to_level: float | None
    confirmed: Estimate | None
    confirmed_gain: Estimate | None
    rank: int | None = None
    """By `at_equal_cost`, from 1; None where the searches cannot be ranked."""


def figures(study: Study, equal_epochs: float, level: float | None) -> Figures:
    """Return the figures of one search.

    Args:
        study: the search.
        equal_epochs: the cost at which all searches are compared.
        level: a value of the objective; None: there is none.
    """
    spec, best, sign = study.spec, study.best, study.spec.sign
    cost, ended = run_cost(study.state), ended_trials(study.state, spec)
    full = [trial for trial in ended if trial.full_length]
    affordable = [trial.value for trial in full if trial.epochs <= equal_epochs + 1e-6]
    reached = _first(full, lambda t: level is not None and sign * (t.value - level) >= 0)
    group = None if study.verdict is None else study.verdict.best
    against = [] if group is None else [c for c in group.comparisons if c.baseline == "none"]
    return Figures(
        run=study.run.shown(),
        standing=study.standing,
        trials=cost.trials,
        epochs=cost.epochs,
        device_hours=cost.device_hours(spec.resources),
        device=device_name(spec.resources),
        best=None if best is None else best.trial,
        value=None if best is None else best.values[study.objective],
        gain=None if best is None else best.gain,
        at_equal_cost=sign * max(sign * value for value in affordable) if affordable else None,
        epochs_to_level=None if reached is None else reached.epochs,
        hours_to_level=None if reached is None else reached.hours,
        confirmed=None if group is None else group.estimate,
        confirmed_gain=against[0].difference if against else None,
    )


def equal_cost(studies: Sequence[Study]) -> float:
    """Return the epochs that the cheapest of the searches has cost."""
    return min(run_cost(study.state).epochs for study in studies)


def common_level(studies: Sequence[Study]) -> float | None:
    """Return the best value that every search has reached; None where one has none."""
    values = [study.best.values[study.objective] for study in studies if study.best is not None]
    if len(values) < len(studies):
        return None
    sign = studies[0].spec.sign
    return sign * min(sign * value for value in values)


def _first(trials: Sequence[EndedTrial], wanted: Callable[[EndedTrial], bool]) -> EndedTrial | None:
    return next((trial for trial in trials if wanted(trial)), None)
