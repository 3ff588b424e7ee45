"""The values of the trials: parallel coordinates, and a slice for each parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tid_tune.insight.arms import Arm
from tid_tune.insight.importance import ImportanceTable
from tid_tune.insight.insight import ArmInsight
from tid_tune.insight.lengths import length_text
from tid_tune.ledger.records import Trial
from tid_tune.report.charts.layout import log_ticks
from tid_tune.report.charts.model import Axis, Chart, Dimension, Mark, Panel, Parallel, Points
from tid_tune.report.leaderboard import short_value
from tid_tune.report.page.blocks import Block, Section
from tid_tune.report.page.by_method import by_method
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import label_text, outcome
from tid_tune.space import Distribution, Value
from tid_tune.space.values import is_number
from tid_tune.words import counted

SLICES, LINES = 12, 8
"""Parameters that have a slice, and an axis of the parallel coordinates: the most important."""
SHOWN = 400
"""Trials that are drawn; of more, a fixed draw with the best ones."""
GROUPS = {
    "stopped": "stopped early",
    "failed": "failed",
    "running": "not ended",
    "search": "full length",
    "best": "best",
}
"""What has become of a trial, by role; those that come last are drawn above the others."""
LISTED = 12
"""Values of a list that have a tick each."""


def section(study: Study) -> Section | None:
    """Return the section, with a part for each method; None where there are fewer than 3 trials."""
    blocks = by_method(study.insight.arms, study, lambda one: _arm(one, study), _summary)
    if not blocks:
        return None
    intro = (
        "The same trials twice: as lines through their values, and each value against the result. "
        "Results are compared at one length only."
    )
    return Section("values", "The values and their results", intro, blocks)


def _summary(one: ArmInsight) -> str:
    return counted(len(one.arm.trials), "trial")


def _arm(one: ArmInsight, study: Study) -> list[Block]:
    arm = one.arm
    index = _length(arm, one.importance)
    if index is None or not arm.searched or arm.copies:
        return []
    trials, values = _drawn(*arm.curves.at(index), study)
    names = study.names
    order = [share.name for share in one.shares] or list(arm.searched)
    length, count = length_text(arm.curves.lengths[index]), arm.curves.counts[index]
    what = f"{study.objective} at {length}"
    drawn = (
        f" Drawn: {len(trials)} of {count} trials, a fixed draw with the best ones."
        if count > len(trials)
        else ""
    )
    parts = [(name, arm.searched[name]) for name in order]
    method = f" of {label_text(arm.method)}" if arm.method else ""
    suffix = f"_{arm.method}" if arm.method else ""
    lines = [_dimension(names[n], dist, n, trials) for n, dist in parts[:LINES]]
    return [
        Chart(
            f"parallel{suffix}",
            f"The trials{method} as lines through their values",
            f"Each line is a trial that came to {length}; its colour is its {study.objective} "
            "there. A trial that does not have a parameter passes its axis by."
            f"{_left_out([names[n] for n, _ in parts[LINES:]], bool(one.shares))}{drawn}",
            [_parallel(lines, trials, values, what)],
            wide=True,
        ),
        Chart(
            f"slices{suffix}",
            f"Each value{method} against the result",
            f"Each point is a trial at {length}, by what became of it. The other values differ, "
            f"too: what looks like an effect may be theirs.{drawn}",
            [_slice(names[n], dist, n, trials, values, study) for n, dist in parts[:SLICES]],
        ),
    ]


def _left_out(names: Sequence[str], by_share: bool) -> str:
    if not names:
        return ""
    which = "with the largest shares" if by_share else "that come first in the search file"
    return f" Shown are the {LINES} parameters {which}; left out: {', '.join(names)}."


def _length(arm: Arm, table: ImportanceTable) -> int | None:
    """Return the index of the length of the importances, else the longest of a third of trials."""
    if table.length is not None:
        return arm.curves.lengths.index(table.length)
    return arm.curves.longest(max(3, math.ceil(len(arm.trials) / 3)))


def _drawn(
    trials: Sequence[Trial], values: np.ndarray, study: Study
) -> tuple[list[Trial], list[float]]:
    if len(trials) > SHOWN:
        order = np.argsort(-study.spec.sign * values, kind="stable")
        best, rest = order[: SHOWN // 4], order[SHOWN // 4 :]
        drawn = np.random.default_rng(0).choice(rest, SHOWN - len(best), replace=False)
        kept = np.sort(np.concatenate([best, drawn]))
        return [trials[at] for at in kept], [float(value) for value in values[kept]]
    return list(trials), [float(value) for value in values]


def _parallel(
    lines: Sequence[Dimension], trials: Sequence[Trial], values: Sequence[float], what: str
) -> Panel:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    ticks = [(place, f"{low + place * span:.3f}") for place in (0.0, 0.5, 1.0)]
    end = Dimension("result", [(value - low) / span for value in values], ticks)
    texts = [f"{trial.id}: {value:.3f}" for trial, value in zip(trials, values, strict=True)]
    mark = Parallel([*lines, end], values, what, texts, [trial.id for trial in trials])
    return Panel(Axis(""), Axis(""), [mark], height=420)


def _dimension(label: str, dist: Distribution, name: str, trials: Sequence[Trial]) -> Dimension:
    places = [
        _place(dist, trial.params[name]) if name in trial.params else None for trial in trials
    ]
    return Dimension(label, places, _ticks(dist))


def _place(dist: Distribution, value: Value) -> float | None:
    """Return where a value lies between 0 and 1; None: it is outside the present space."""
    if not dist.contains(value):
        return None
    if dist.size is None:
        return dist.encode(value)
    index = dist.index_of(value)
    return 0.5 if index is None or dist.size < 2 else index / (dist.size - 1)


def _ticks(dist: Distribution) -> list[tuple[float, str]]:
    if dist.size is None:
        return [(place, short_value(dist.decode(place))) for place in (0.0, 0.5, 1.0)]
    step = max(1, math.ceil(dist.size / LISTED))
    return [
        (at / max(1, dist.size - 1), short_value(dist.value_at(at)))
        for at in range(0, dist.size, step)
    ]


def _slice(
    label: str,
    dist: Distribution,
    name: str,
    trials: Sequence[Trial],
    values: Sequence[float],
    study: Study,
) -> Panel:
    marks: list[Mark] = []
    best = study.winner
    for role, group in GROUPS.items():
        shown = [
            (_coordinate(dist, trial.params[name]), value, trial)
            for trial, value in zip(trials, values, strict=True)
            if name in trial.params and _role(trial, best) == role
        ]
        known = [(x, value, trial) for x, value, trial in shown if x is not None]
        if known:
            marks.append(
                Points(
                    group,
                    [x for x, _, _ in known],
                    [value for _, value, _ in known],
                    role,
                    [f"{t.id}: {short_value(t.params[name])}, {v:.3f}" for _, v, t in known],
                    [trial.id for _, _, trial in known],
                )
            )
    places = [float(x) for mark in marks if isinstance(mark, Points) for x in mark.xs]
    result = Axis(study.objective, limits=_limits(values))
    return Panel(_axis(label, dist, places), result, marks, height=260)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that all slices share."""
    low, high = min(values), max(values)
    more = 0.06 * (high - low) or 0.1
    return low - more, high + more


def _role(trial: Trial, best: Trial | None) -> str:
    return "best" if best is not None and trial.id == best.id else outcome(trial).role


def _coordinate(dist: Distribution, value: Value) -> float | None:
    """Return the place of a value on the axis of its slice: its number in a list, else itself."""
    if _is_listed(dist):
        index = dist.index_of(value)
        return None if index is None else float(index)
    return float(value) if is_number(value) else None


def _whole(dist: Distribution) -> list[tuple[float, str]]:
    """Return the ticks of few whole numbers, which have nothing between them."""
    if dist.kind != "integer" or dist.size is None or dist.size > LISTED:
        return []
    return [(float(str(value)), str(value)) for value in map(dist.value_at, range(dist.size))]


def _is_listed(dist: Distribution) -> bool:
    return dist.bounds is None or dist.is_unordered or dist.kind == "ordinal"


def _axis(label: str, dist: Distribution, places: Sequence[float]) -> Axis:
    """Return the axis of a parameter, which shows its whole range."""
    if _is_listed(dist):
        size = dist.size or 1
        step = max(1, math.ceil(size / LISTED))
        ticks = [(at, short_value(dist.value_at(at))) for at in range(0, size, step)]
        return Axis(label, ticks=ticks, limits=(-0.5, size - 0.5))
    if not getattr(dist, "is_log", False):
        return Axis(label, ticks=_whole(dist))
    ends = [*places, *(dist.bounds or ())]
    low, high = min(ends), max(ends)
    return Axis(label, log=True, ticks=log_ticks(low, high), limits=(low / 1.1, high * 1.1))
