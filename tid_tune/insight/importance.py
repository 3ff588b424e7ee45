"""Which parameters matter, by PED-ANOVA among trials of one length.

PED-ANOVA asks how differently the best trials are distributed over a parameter than all trials are
(Watanabe et al., 2023; as in Optuna). With few trials, it finds differences where nothing matters;
`chance` tells whether a parameter stands out from that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tid_tune.insight.arms import Arm
from tid_tune.insight.lengths import Array
from tid_tune.ledger.records import Trial
from tid_tune.search.samplers.observations import Length
from tid_tune.words import counted

if TYPE_CHECKING:
    from optuna.study import Study

LEAST, LEAST_SHARE = 10, 1 / 3
"""Trials of equal length below which no importance is shown, and their share of all trials: those
that came far are the better ones, and tell less of what made the others worse."""
MOST = 500
"""Trials that are used; of more, a drawn part."""
BEST, BEST_SHARE = 5, 0.1
"""How many trials count as the best: this share of them, and no fewer than so many."""
RESAMPLES = 30


@dataclass(frozen=True)
class Importance:
    """A parameter's importance; those of a table add up to 1.

    `low` and `high` hold 90 % of what resampled trials give.
    """

    name: str
    value: float
    low: float
    high: float
    trials: int
    """That have the parameter."""


@dataclass(frozen=True)
class ImportanceTable:
    """The importances of one method's parameters, the largest first; or a reason for none.

    Of the `known` trials with a value at `length`, `trials` were used; `best` of them are the best.
    `all_trials` reported at any length.
    """

    method: str
    length: Length | None
    trials: int
    known: int
    all_trials: int
    best: int
    rows: tuple[Importance, ...]
    reason: str = ""


def importance_table(arm: Arm) -> ImportanceTable:
    """Return the importances at the longest length that enough trials came to."""
    reason = _obstacle(arm)
    index = arm.curves.longest(_enough(arm))
    if reason or index is None:
        return ImportanceTable(arm.method, None, 0, 0, len(arm.trials), 0, (), reason)
    trials, values = _part(arm, index)
    length, known = arm.curves.lengths[index], arm.curves.counts[index]
    if len(trials) < LEAST or float(np.ptp(values)) == 0.0:
        reason = _few(len(trials)) if len(trials) < LEAST else "all trials have the same value"
        return ImportanceTable(arm.method, length, 0, known, len(arm.trials), 0, (), reason)
    rows = _rows(arm, trials, arm.spec.sign * values)
    best = math.ceil(_quantile(len(trials)) * len(trials))
    return ImportanceTable(arm.method, length, len(trials), known, len(arm.trials), best, rows)


def _obstacle(arm: Arm) -> str:
    if arm.copies:
        return (
            "its trials went on from each other's weights with other values, so that no result is "
            "of one set of values alone"
        )
    if not arm.searched:
        return "no parameter is searched that has more than one value"
    if arm.curves.longest(_enough(arm)) is None:
        return _few(max(arm.curves.counts, default=0))
    return ""


def _enough(arm: Arm) -> int:
    return max(LEAST, math.ceil(LEAST_SHARE * len(arm.trials)))


def _few(count: int) -> str:
    return f"{counted(count, 'trial')} cannot say; it takes {LEAST} of equal length"


def _part(arm: Arm, index: int) -> tuple[list[Trial], Array]:
    """Return the trials of the present space with a value at a length, a drawn part of many."""
    inside = {trial.id for trial in arm.inside}
    trials, values = arm.curves.at(index)
    kept = np.array([at for at, trial in enumerate(trials) if trial.id in inside], dtype=int)
    if len(kept) > MOST:
        kept = np.sort(np.random.default_rng(0).choice(kept, MOST, replace=False))
    return [trials[at] for at in kept], values[kept]


def _rows(arm: Arm, trials: Sequence[Trial], values: Array) -> tuple[Importance, ...]:
    from tid_tune.space.optuna_forms import quiet_optuna

    names = [name for name in arm.searched if any(name in trial.params for trial in trials)]
    rng = np.random.default_rng(0)
    count = len(trials)
    with quiet_optuna():
        study = _study(arm, trials)
        raw = _measure(study, names, values)
        again = []
        for _ in range(RESAMPLES):
            drawn = rng.integers(0, count, count)
            resampled = _study(arm, [trials[at] for at in drawn])
            again.append(_shares(_measure(resampled, names, values[drawn])))
    low, high = np.percentile(np.array(again), (5, 95), axis=0)
    total = float(raw.sum()) or 1.0
    rows = [
        Importance(
            name,
            float(raw[at] / total),
            float(min(low[at], raw[at] / total)),
            float(max(high[at], raw[at] / total)),
            sum(name in trial.params for trial in trials),
        )
        for at, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: -row.value))


def _shares(raw: Array) -> Array:
    found: Array = raw / (float(raw.sum()) or 1.0)
    return found


def _quantile(count: int) -> float:
    return min(0.5, max(BEST_SHARE, BEST / count))


def _study(arm: Arm, trials: Sequence[Trial]) -> Study:
    """Return trials as an Optuna study; parameters as the codes that Optuna's samplers search."""
    import optuna

    codes = {name: dist.optuna_codes() for name, dist in arm.searched.items()}
    study = optuna.create_study()
    frozen = []
    for at, trial in enumerate(trials):
        params = {
            name: dist.to_optuna_code(trial.params[name])
            for name, dist in arm.searched.items()
            if name in trial.params
        }
        distributions = {name: codes[name] for name in params}
        frozen.append(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=float(at), user_attrs={"at": at}
            )
        )
    study.add_trials(frozen)
    return study


def _measure(study: Study, names: list[str], values: Array) -> Array:
    """Return the importances (parameters), not normalized, of values (trials), more is better."""
    from optuna.importance import PedAnovaImportanceEvaluator

    evaluator = PedAnovaImportanceEvaluator(target_quantile=_quantile(len(values)))
    found = evaluator.evaluate(
        study, names, target=lambda trial: -float(values[trial.user_attrs["at"]])
    )
    return np.array([found[name] for name in names])
