"""Whether the best trials are really better than the baseline.

The candidates and the baselines were trained again with the same new seeds; the values that made
the candidates candidates are not used, since the best of many noisy values is too good to be true.
The winner is the candidate with the best mean. It is compared with each baseline by a t interval,
from how far the seeds scatter all candidates and baselines together: three seeds of one say little
about that. With k candidates the level is 1 - 0.05 / k (Bonferroni), because the winner was chosen
among them by the same values. Where `none` is one of the compared methods, its tuned trials are
baselines too: they tell what distillation adds from what tuning the other values adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from tid_tune.ledger.events import ConfirmationPlanned
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.search.stages.plan import NONE
from tid_tune.search.stages.statistics import (
    LEVEL,
    Estimate,
    Spread,
    difference,
    estimate,
    pooled_spread,
)
from tid_tune.searchfile.model import SearchSpec

REAL_GAIN, UNCLEAR, WORSE = "real gain", "not distinguishable", "worse"


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline; the difference is signed so that more is better."""

    baseline: str
    difference: Estimate
    verdict: str
    """`real gain`, `not distinguishable` or `worse`."""


@dataclass(frozen=True)
class Group:
    """The reruns of a candidate (its trial id) or of a baseline (its label)."""

    name: str
    method: str
    """Empty where a single method is searched, or for a baseline."""
    values: dict[int, float]
    """The first objective, by seed."""
    failures: int
    estimate: Estimate | None
    """95 % interval of the mean; None without a completed rerun."""
    comparisons: tuple[Comparison, ...] = ()

    @property
    def title(self) -> str:
        """What to call it as a reference: `t0004 (none, tuned)` for a trial without a teacher."""
        return f"{self.name} ({NONE}, tuned)" if self.method == NONE else self.name


@dataclass(frozen=True)
class Verdict:
    """The outcome of the confirmation.

    `candidates` are best first, by the seeds that all were rerun with; `winner` is a search
    trial's id, None where no rerun completed.
    `level` is that of the comparisons' intervals.
    """

    winner: str | None
    candidates: tuple[Group, ...]
    baselines: tuple[Group, ...]
    level: float
    text: str

    @property
    def best(self) -> Group | None:
        """The winner's group."""
        return None if self.winner is None else self.candidates[0]


def judge(state: RunState, spec: SearchSpec) -> Verdict | None:
    """Return the verdict on the latest confirmation, or None where none was planned."""
    plan = state.confirmation
    if plan is None:
        return None
    trials = [t for t in state.trials.values() if t.stage == "confirm"]
    baselines = tuple(_group(name, "", trials, spec) for name in plan.baselines)
    sign = spec.sign
    groups = [_group(n, state.trials[n].method, trials, spec) for n in plan.candidates]
    shared = _shared_seeds(plan.candidates, trials)
    groups.sort(key=lambda g: _standing(g, shared, sign), reverse=True)
    tuned = [group for group in groups if group.method == NONE]
    level = 1 - (1 - LEVEL) / max(1, len(groups) - len(tuned))
    spread = pooled_spread([list(group.values.values()) for group in (*groups, *baselines)])
    compare = partial(
        _compare, references=[*baselines, *tuned], spread=spread, level=level, sign=sign
    )
    compared = tuple(map(compare, groups))
    winner = next((group for group in compared[:1] if group.values), None)
    return Verdict(
        winner=None if winner is None else winner.name,
        candidates=compared,
        baselines=baselines,
        level=level,
        text=_text(winner, spec, plan),
    )


def _group(name: str, method: str, trials: list[Trial], spec: SearchSpec) -> Group:
    objective = spec.first_objective
    mine = [t for t in trials if t.label == name]
    values = {
        t.seed: value
        for t in mine
        if t.status is Status.COMPLETED and (value := t.value(objective)) is not None
    }
    failures = sum(t.status is Status.FAILED for t in mine)
    known = estimate(list(values.values())) if values else None
    return Group(name, method, values, failures, known)


def _shared_seeds(candidates: Sequence[str], trials: list[Trial]) -> set[int]:
    """Return the seeds that every candidate has been rerun with, or all where there is none."""
    ended = [{t.seed for t in trials if t.label == name and t.status.final} for name in candidates]
    return set.intersection(*ended) or set.union(*ended) if ended else set()


def _standing(group: Group, shared: set[int], sign: float) -> tuple[int, float]:
    """Return the sort key of a candidate: reruns that worked, then the mean.

    Only with the shared seeds: one rerun more, before the budget was spent, is no merit.
    """
    values = [value for seed, value in group.values.items() if seed in shared]
    return len(values), sign * (estimate(values).mean if values else 0.0)


def _compare(
    group: Group, references: list[Group], spread: Spread, level: float, sign: float
) -> Group:
    mine = [sign * value for value in group.values.values()]
    comparisons = []
    for reference in references:
        theirs = [sign * value for value in reference.values.values()]
        if mine and theirs and reference.name != group.name:
            gap = difference(mine, theirs, spread, level)
            comparisons.append(Comparison(reference.title, gap, _word(gap)))
    return replace(group, comparisons=tuple(comparisons))


def _word(gap: Estimate) -> str:
    if gap.low is None or gap.high is None or gap.low <= 0.0 <= gap.high:
        return UNCLEAR
    return REAL_GAIN if gap.low > 0.0 else WORSE


def _text(winner: Group | None, spec: SearchSpec, plan: ConfirmationPlanned) -> str:
    if winner is None or winner.estimate is None:
        return "no candidate could be confirmed: " + (
            "there was none" if not plan.candidates else "none of their reruns completed"
        )
    objective, mean = spec.first_objective, winner.estimate
    method = f" ({winner.method})" if winner.method else ""
    text = f"{winner.name}{method}: {objective} {_interval(mean)} over {seed_count(mean.count)}"
    for comparison in winner.comparisons:
        gap = comparison.difference
        text += f"; {_interval(gap, '+')} against {comparison.baseline}: {comparison.verdict}"
        if gap.low is None:
            text += " (one seed shows no spread)"
    return text


def seed_count(count: int) -> str:
    """Return `one seed`, `3 seeds`."""
    return "one seed" if count == 1 else f"{count} seeds"


def _interval(value: Estimate, sign: str = "") -> str:
    text = f"{value.mean:{sign}.4f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} [{value.low:{sign}.4f}, {value.high:{sign}.4f}]"
