"""Whether the best trials are really better than the baseline.

The candidates and the baselines were trained again with the same new seeds; the values that made
the candidates candidates are not used, since the best of many noisy values is too good to be true.
The winner is the candidate with the best mean. Each candidate is compared with each baseline by
pairs of equal seeds; `paired` explains the intervals, which hold for all candidates together. Where
`none` is one of the compared methods, its tuned trials are baselines too: they show what
distillation adds to what tuning the other values adds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tid_tune.ledger.events import ConfirmationPlanned
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.search.stages.paired import margins
from tid_tune.search.stages.plan import NONE, confirm_plan
from tid_tune.search.stages.statistics import LEVEL, Estimate, estimate, t_quantile
from tid_tune.searchfile.model import SearchSpec

REAL_GAIN, UNCLEAR, WORSE = "real gain", "not distinguishable", "worse"
UNTIL_LEVEL = 0.975
"""Of the intervals where `until` adds seeds. It stops when an interval is narrow, which it is more
often where the scatter was underestimated: at this level such intervals keep 95 %, in simulation.
"""
MOST_SEEDS = 50
"""A difference that takes more seeds than these is not worth confirming."""


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
    trial's id, None where no rerun completed. The intervals of the comparisons with one baseline
    all hold together with a probability of 95 %.
    """

    winner: str | None
    candidates: tuple[Group, ...]
    baselines: tuple[Group, ...]
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
    others = [group for group in groups if group.method != NONE]
    found: dict[str, list[Comparison]] = {group.name: [] for group in groups}
    until = spec.confirm is not None and spec.confirm.until is not None
    level = UNTIL_LEVEL if until else LEVEL
    for family, references in ((others, [*baselines, *tuned]), (tuned, baselines)):
        for reference in references:
            for name, gap in differences(family, reference, sign, level).items():
                found[name].append(Comparison(reference.title, gap, word(gap)))
    compared = tuple(replace(group, comparisons=tuple(found[group.name])) for group in groups)
    winner = next((group for group in compared[:1] if group.values), None)
    return Verdict(
        winner=None if winner is None else winner.name,
        candidates=compared,
        baselines=baselines,
        text=_text(winner, spec, plan),
    )


def seeds_wanted(state: RunState, spec: SearchSpec) -> int:
    """Return how many seeds the confirmation takes: with `until`, as many as its interval needs.

    The width is looked at when all planned reruns have ended; their number at most doubles then.
    """
    confirm, plan = spec.confirm, state.confirmation
    if confirm is None or confirm.until is None or plan is None:
        return 0 if confirm is None else confirm.seeds
    count = max(len(plan.seeds), confirm.seeds)
    ended = {t.identity for t in state.trials.values() if t.stage == "confirm" and t.status.final}
    if any(planned.identity not in ended for planned in confirm_plan(state, spec)):
        return count
    verdict = judge(state, spec)
    best = None if verdict is None else verdict.best
    if best is None or not best.comparisons:
        return count
    half = best.comparisons[0].difference.half_width
    if half is not None and half <= confirm.until:
        return count
    needed = count + 1 if half is None else seeds_for(half, count, confirm.until)
    return max(count, min(needed, 2 * count, confirm.max_seeds))


def seeds_for(half: float, count: int, target: float) -> int:
    """Return about how many seeds make an interval of half width `half` as narrow as `target`.

    Args:
        half: with `count` seeds, at least 2.
        count: the seeds so far.
        target: the half width wanted.

    Returns:
        More than `count`, at most `MOST_SEEDS` + 1.
    """
    now = t_quantile(0.5 + LEVEL / 2, count - 1) / math.sqrt(count)
    more = range(count + 1, MOST_SEEDS + 1)
    enough = (
        seeds
        for seeds in more
        if half * t_quantile(0.5 + LEVEL / 2, seeds - 1) / math.sqrt(seeds) <= target * now
    )
    return next(enough, MOST_SEEDS + 1)


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


def differences(
    candidates: Sequence[Group], reference: Group, sign: float, level: float = LEVEL
) -> dict[str, Estimate]:
    """Return each candidate's difference to the reference, over the seeds that both have.

    Args:
        candidates: with the values of their reruns.
        reference: what they are compared with.
        sign: -1 where less is better; the differences are positive where a candidate is better.
        level: of all intervals together.

    Returns:
        By the name of each candidate that has values.
    """
    return {
        group.name: _difference(group, candidates, reference, sign, level)
        for group in candidates
        if group.values and reference.values
    }


def _difference(
    group: Group, candidates: Sequence[Group], reference: Group, sign: float, level: float
) -> Estimate:
    seeds = sorted(group.values.keys() & reference.values.keys())
    if len(seeds) < 2:
        means = [math.fsum(one.values.values()) / len(one.values) for one in (group, reference)]
        return Estimate(sign * (means[0] - means[1]), None, None, len(seeds))
    family = [one for one in candidates if one.values.keys() >= set(seeds)]
    theirs = np.array([reference.values[seed] for seed in seeds])
    values = np.array([[one.values[seed] for seed in seeds] for one in family])
    row = family.index(group)
    gap = sign * float(np.mean(values[row] - theirs))
    half = float(margins(values, theirs, level)[row])
    return Estimate(gap, gap - half, gap + half, len(seeds))


def word(gap: Estimate) -> str:
    """Return what an interval says: `real gain`, `not distinguishable` or `worse`."""
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
        elif comparison.verdict == UNCLEAR and gap.mean > 0:
            text += f" ({_advice(gap)})"
    return text


def _advice(gap: Estimate) -> str:
    """Return how many seeds a difference of this size takes."""
    half = gap.half_width
    seeds = MOST_SEEDS + 1 if half is None else seeds_for(half, gap.count, gap.mean)
    if seeds > MOST_SEEDS:
        return f"a difference of this size takes more than {MOST_SEEDS} seeds"
    return f"a difference of this size takes about {seeds} seeds: confirm.seeds={seeds}"


def seed_count(count: int) -> str:
    """Return `one seed`, `3 seeds`."""
    return "one seed" if count == 1 else f"{count} seeds"


def _interval(value: Estimate, sign: str = "") -> str:
    text = f"{value.mean:{sign}.4f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} [{value.low:{sign}.4f}, {value.high:{sign}.4f}]"
