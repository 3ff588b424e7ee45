"""Whether short trainings can be trusted, and what training all for a while would have cost."""

from __future__ import annotations

from collections.abc import Sequence

from tid_tune.insight.correlation import Interval, RankCorrelation
from tid_tune.insight.insight import ArmInsight
from tid_tune.insight.lengths import length_text
from tid_tune.insight.topk import Plans, TopK
from tid_tune.report.charts.model import Axis, Chart, Heat, Panel
from tid_tune.report.page.blocks import Block, Cell, Column, Details, Section, TableBlock
from tid_tune.report.page.by_method import by_method
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import label_text
from tid_tune.results.costs import total_cost, trial_cost
from tid_tune.search.samplers.observations import Length
from tid_tune.words import capitalized, counted

TRUSTED = 0.5
"""A rank correlation from which a shorter training is said to rank trials as a longer one does."""


def section(study: Study) -> Section | None:
    """Return the section; None where no two lengths have trials in common."""
    arms = [one for one in study.insight.arms if any(c.spearman for c in one.correlations)]
    if not arms:
        return None
    blocks = by_method(arms, study, lambda one: _arm(one, study), _answer)
    one = study.insight.winning
    first = one if one in arms else arms[0]
    method = f"With {label_text(first.arm.method)}: " if first.arm.method else ""
    intro = f"{method}{_answer(first)}"
    return Section("rungs", "Are short trainings to be trusted?", capitalized(intro), blocks)


def _arm(one: ArmInsight, study: Study) -> list[Block]:
    blocks: list[Block] = [_heat(one)]
    plans = one.plans
    if plans is not None and plans.plans:
        blocks.append(_plans(plans, one, study))
    return [*blocks, Details("All rank correlations, with their intervals", [_table(one)])]


def _answer(one: ArmInsight) -> str:
    """Return whether the shortest length, and each rung, ranks trials as the longest does."""
    last = one.arm.curves.lengths[-1]
    rungs = _rungs(one)
    to_last = [c for c in one.correlations if c.late == last and c.spearman is not None]
    shown = [c for c in to_last if c.early.epoch in rungs] or to_last[:1]
    text = ". ".join(capitalized(_trust(c)) if at else _trust(c) for at, c in enumerate(shown))
    return f"{text}." if text else f"too few trials came to {length_text(last)}."


def _rungs(one: ArmInsight) -> set[float]:
    """Return the lengths at which the scheduler compares trials."""
    return set(one.arm.spec.scheduler.rungs(one.arm.spec.epochs) or ())


def _trust(found: RankCorrelation) -> str:
    early, late = length_text(found.early), length_text(found.late)
    value = found.spearman
    assert value is not None
    shown = f"rank correlation {_interval(value)}, {counted(found.count, 'trial')}"
    if value.low is not None and value.high is not None:
        if value.low >= TRUSTED:
            return f"{early} ranks trials much as {late} does ({shown})"
        if value.high < TRUSTED:
            return f"{early} does not rank trials as {late} does ({shown})"
    return f"whether {early} ranks trials as {late} does cannot be told ({shown})"


def _heat(one: ArmInsight) -> Chart:
    shown = [found for found in one.correlations if found.spearman is not None]
    there = {length for found in shown for length in (found.early, found.late)}
    lengths = [length for length in one.arm.curves.lengths if length in there]
    known = {(found.early, found.late): found for found in one.correlations}
    rows, columns = lengths[:-1], lengths[1:]
    cells = [[known.get((early, late)) for late in columns] for early in rows]
    names = list(map(_short, rows)), list(map(_short, columns))
    heat = Heat(
        "Spearman",
        names[0],
        names[1],
        [[_value(found) for found in row] for row in cells],
        "diverging",
        (-1, 1),
        [[_cell_text(found) for found in row] for row in cells],
    )
    axes = Axis("ranked again at", names=names[1]), Axis("ranked at", names=names[0])
    panel = Panel(*axes, [heat], height=110 + 46 * len(rows))
    caption = (
        "Spearman's rank correlation of the trials that came to both lengths, and their number in "
        "brackets. Where a scheduler stopped trials, those that went on are no random part of all, "
        "and how the stopped ones would have ended is not known."
    )
    if any(length.fraction != 1.0 for length in lengths):
        caption += " A percentage is the part of the training images."
    method = f" ({label_text(one.arm.method)})" if one.arm.method else ""
    name = f"rungs_{one.arm.method}" if one.arm.method else "rungs"
    return Chart(name, f"Do two lengths rank trials alike?{method}", caption, [panel])


def _short(length: Length) -> str:
    """Return `epoch 3`, or `epoch 3, 25 %` on a part of the training images."""
    part = "" if length.fraction == 1.0 else f", {100 * length.fraction:.0f} %"
    return f"epoch {length.epoch:g}{part}"


def _value(found: RankCorrelation | None) -> float | None:
    return None if found is None or found.spearman is None else found.spearman.value


def _cell_text(found: RankCorrelation | None) -> str:
    value = _value(found)
    return "" if found is None or value is None else f"{value:.2f} ({found.count})"


def _table(one: ArmInsight) -> TableBlock:
    columns = [
        Column("ranked at"),
        Column("ranked again at"),
        Column("trials", number=True),
        Column("left out", number=True),
        Column("Spearman", number=True),
        Column("Kendall", number=True),
    ]
    rows: list[list[Cell | str]] = [
        [
            Cell(capitalized(length_text(found.early)), found.early.cost),
            Cell(capitalized(length_text(found.late)), found.late.cost),
            str(found.count),
            str(found.left),
            Cell(_interval(found.spearman), _value(found)),
            Cell(_interval(found.kendall), found.kendall.value if found.kendall else None),
        ]
        for found in one.correlations
    ]
    method = f"with {label_text(one.arm.method)}, " if one.arm.method else ""
    caption = capitalized(
        f"{method}rank correlations with their 95 % intervals. Left out: trials that did not come "
        "to the longer length."
    )
    return TableBlock(caption, columns, rows, sortable=True)


def _plans(plans: Plans, one: ArmInsight, study: Study) -> TableBlock:
    columns = [
        Column("train all to"),
        Column("trials", number=True),
        Column("then the best", number=True),
        Column("epochs", number=True),
        Column(f"keeps {plans.winner}"),
        Column("regret", number=True),
        Column("end not known (trials)", number=True),
    ]
    spent = total_cost(map(trial_cost, one.arm.trials)).epochs
    stopped = (
        f" {counted(plans.stopped, 'trial')} did not come to the end: one of them might have been "
        "better, and what they would have reached cannot be known."
        if plans.stopped
        else ""
    )
    method = f"with {label_text(one.arm.method)}, " if one.arm.method else ""
    caption = capitalized(
        f"{method}what it would have cost to train all trials for a while, and only the best of "
        f"them to the end. The search itself trained {counted(round(spent, 1), 'epoch')}; all "
        f"{counted(max(one.arm.curves.counts), 'trial')} to the end are "
        f"{counted(plans.all_to_the_end, 'epoch')}. Regret: how much worse in "
        f"{study.objective} the best of those kept is than {plans.winner}, at most. End "
        f"not known: of those kept, how many were stopped before the end.{stopped}"
    )
    rungs = _rungs(one)
    shown = [p for p in plans.plans if p.length.epoch in rungs] or plans.plans
    return TableBlock(caption, columns, [_plan(plan) for plan in shown])


def _plan(plan: TopK) -> Sequence[Cell | str]:
    return [
        capitalized(length_text(plan.length)),
        str(plan.trials),
        str(plan.keep),
        f"{plan.cost:g}",
        "yes" if plan.found else "no",
        "not known" if plan.regret is None else f"{plan.regret:.3f}",
        str(plan.unknown),
    ]


def _interval(value: Interval | None) -> str:
    if value is None:
        return ""
    if value.low is None or value.high is None:
        return f"{value.value:.2f}"
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"
