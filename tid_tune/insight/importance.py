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

from tid_tune.insight.arms import COPIED, Arm
from tid_tune.insight.lengths import Array
from tid_tune.ledger.records import Trial
from tid_tune.search.samplers.observations import Length
from tid_tune.words import counted

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

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
        return COPIED
    if not arm.searched:
        return "no parameter is searched that has more than one value"
    if arm.curves.longest(_enough(arm)) is None:
        return _few(max(arm.curves.counts, default=0))
    return ""


def _enough(arm: Arm) -> int:
    return max(LEAST, math.ceil(LEAST_SHARE * len(arm.trials)))


def _few(count: int) -> str:
    return (
        f"{counted(count, 'trial')} cannot say which parameters matter; it takes {LEAST} or more "
        "that were trained to the same length"
    )


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
        frozen = [_frozen(arm, trial) for trial in trials]
        raw = _measure(frozen, names, values)
        again = []
        for _ in range(RESAMPLES):
            drawn = rng.integers(0, count, count)
            again.append(_shares(_measure([frozen[at] for at in drawn], names, values[drawn])))
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


def _frozen(arm: Arm, trial: Trial) -> FrozenTrial:
    """Return a trial with its parameters as the codes that Optuna's samplers search."""
    from optuna.trial import create_trial

    there = {n: dist for n, dist in arm.searched.items() if n in trial.params}
    return create_trial(
        params={name: dist.to_optuna_code(trial.params[name]) for name, dist in there.items()},
        distributions={name: dist.optuna_codes() for name, dist in there.items()},
        value=0.0,
    )


def _measure(trials: Sequence[FrozenTrial], names: list[str], values: Array) -> Array:
    """Return the importances (parameters), not normalized, of values (trials), more is better."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    study = optuna.create_study()
    study.add_trials(trials)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_quantile(len(values)))
    # A drawn part may have no trial with a parameter.
    there = [name for name in names if any(name in trial.params for trial in trials)]
    found = evaluator.evaluate(study, there, target=lambda trial: -float(values[trial.number]))
    return np.array([found.get(name, 0.0) for name in names])
