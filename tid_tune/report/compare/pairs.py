"""Differences between searches, over trainings that share a seed.

Compared are the confirmed best of each search (of each method, where one compares several) and, to
see whether the searches are trained alike at all, their baselines without distillation. The value
that made a trial the best of many is not used: it is too good to be true.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tid_tune.ledger.records import Status
from tid_tune.report.page.study import Study
from tid_tune.results.ranking import undistilled
from tid_tune.search.stages.statistics import Estimate, estimate
from tid_tune.search.stages.verdict import Group, differences, word
from tid_tune.words import counted


@dataclass(frozen=True)
class Pair:
    """An arm against the reference, over the seeds that both have; more is better."""

    arm: str
    reference: str
    seeds: tuple[int, ...]
    difference: Estimate
    """With a 95 % interval; all intervals against one reference hold together."""
    verdict: str
    """`real gain`, `not distinguishable` or `worse`."""


@dataclass(frozen=True)
class Pairs:
    """What could be compared by pairs; `missing` says why something could not."""

    best: tuple[Pair, ...]
    undistilled: tuple[Pair, ...]
    missing: tuple[str, ...]


def pairs(studies: Sequence[Study]) -> Pairs:
    """Compare each search with the first one."""
    arms = [arm for study in studies for arm in _best_arms(study)]
    missing = [
        f"{study.run.shown()} has no confirmed trial: add `confirm: {{seeds: 3}}` and run it again"
        for study in studies
        if not _best_arms(study)
    ]
    sign = studies[0].spec.sign
    best, unpaired = _against_first(arms, sign)
    alone = [arm for study in studies if (arm := _undistilled(study)).values]
    undistilled, _ = _against_first(alone, sign)
    return Pairs(tuple(best), tuple(undistilled), (*missing, *unpaired))


def _best_arms(study: Study) -> list[Group]:
    """Return the best confirmed candidate of each method."""
    verdict, found = study.verdict, {}
    for group in () if verdict is None else verdict.candidates:
        if group.values and group.method not in found:
            found[group.method] = group
    run = study.run.shown()
    several = len(found) > 1
    return [
        replace(group, name=f"{run}: {group.method} {group.name}" if several else f"{run}: {name}")
        for group in found.values()
        if (name := group.name)
    ]


def _undistilled(study: Study) -> Group:
    """Return the trainings of the student alone, at full length, by seed."""
    values = {
        trial.seed: value
        for trial in undistilled(study.state)
        if trial.status is Status.COMPLETED and (value := trial.value(study.objective)) is not None
    }
    known = estimate(list(values.values())) if values else None
    return Group(study.run.shown(), "", values, 0, known)


def _against_first(arms: Sequence[Group], sign: float) -> tuple[list[Pair], list[str]]:
    """Return the differences to the first arm, and what shares no seed with it."""
    if len(arms) < 2:
        return [], []
    reference, *others = arms
    paired = [arm for arm in others if arm.values.keys() & reference.values.keys()]
    found = differences(paired, reference, sign)
    made = [
        Pair(
            arm.name,
            reference.name,
            _shared(arm, reference),
            found[arm.name],
            _word(found[arm.name]),
        )
        for arm in paired
    ]
    missing = [
        f"{arm.name} ({seeds_text(arm.values)}) and {reference.name} "
        f"({seeds_text(reference.values)}) share no seed: there are no pairs; give both searches "
        "the same `seed`"
        for arm in others
        if arm not in paired
    ]
    return made, missing


def _shared(arm: Group, reference: Group) -> tuple[int, ...]:
    return tuple(sorted(arm.values.keys() & reference.values.keys()))


def seeds_text(seeds: Collection[int]) -> str:
    """Return which seeds they are: `seed 0`, `seeds 0, 1, 2`."""
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, sorted(seeds)))}"


def _word(gap: Estimate) -> str:
    return word(gap) if gap.low is not None else f"{counted(gap.count, 'seed')} shows no spread"
