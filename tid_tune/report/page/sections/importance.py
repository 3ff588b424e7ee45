"""Which parameters matter: by PED-ANOVA at one length, and by a model of all results."""

from __future__ import annotations

from collections.abc import Sequence

from tid_tune.insight.chance import LEVEL
from tid_tune.insight.importance import Importance, ImportanceTable
from tid_tune.insight.insight import ArmInsight
from tid_tune.insight.lengths import length_text
from tid_tune.insight.shares import Share
from tid_tune.report.charts.model import Axis, Bars, Chart, Panel
from tid_tune.report.leaderboard import short_names
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock, Text
from tid_tune.report.page.by_method import by_method
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import label_text
from tid_tune.words import capitalized, counted

MOST = 15
"""Parameters in a chart; the table has them all."""
INTRO = (
    "Two measures, because they answer different questions. PED-ANOVA compares the best trials of "
    "one length with all trials of that length. The share is the part of a model's variation over "
    "the whole space that a parameter takes part in; shares may add up to more than 100 %. A "
    "parameter stands out where shuffled results show as much for any parameter in fewer than "
    f"{100 * LEVEL:.0f} % of the cases."
)


def section(study: Study) -> Section | None:
    """Return the section, with a part for each method; None where nothing was searched."""
    arms = [one for one in study.insight.arms if one.arm.trials and one.arm.searched]
    if not arms:
        return None
    blocks = by_method(arms, study, lambda one: _arm(one, study.names), _summary)
    known = any(_panels(one, study.names) for one in arms)
    return Section("importance", "Which parameters matter", INTRO if known else "", blocks)


def _summary(one: ArmInsight) -> str:
    """Return what a method's trials say, in few words."""
    if not one.chances:
        return "not known"
    names = short_names(list(one.chances))
    found = [names[name] for name, chance in one.chances.items() if chance <= LEVEL]
    return f"{', '.join(found) or 'no parameter'} {'stand' if len(found) > 1 else 'stands'} out"


def _panels(one: ArmInsight, names: dict[str, str]) -> list[Panel]:
    return [*_ped_panel(one.importance, names), *_share_panel(one, names)]


def _arm(one: ArmInsight, names: dict[str, str]) -> list[Block]:
    method = f"with {label_text(one.arm.method)}: " if one.arm.method else ""
    ped, told = one.importance, one.told
    blocks: list[Block] = []
    panels = _panels(one, names)
    if panels:
        suffix = f"_{one.arm.method}" if one.arm.method else ""
        title = "Importance of each parameter"
        title += f" ({label_text(one.arm.method)})" if method else ""
        caption = " ".join(_captions(one))
        blocks.append(Chart(f"importance{suffix}", title, caption, panels))
        blocks.append(_table(one, names, method))
    if ped.reason and isinstance(told, str):
        blocks.append(Text(capitalized(f"{method}{ped.reason}."), "note"))
    elif ped.reason:
        blocks.append(Text(capitalized(f"{method}no PED-ANOVA: {ped.reason}."), "note"))
    elif isinstance(told, str):
        blocks.append(Text(capitalized(f"{method}no shares of a model: {told}."), "note"))
    return blocks


def _ped_panel(table: ImportanceTable, names: dict[str, str]) -> list[Panel]:
    rows = table.rows[:MOST]
    if not rows or table.length is None:
        return []
    bars = _bars("PED-ANOVA", rows, names, "series1")
    title = f"PED-ANOVA at {length_text(table.length)}, {counted(table.trials, 'trial')}"
    return [_panel(title, bars, len(rows))]


def _share_panel(one: ArmInsight, names: dict[str, str]) -> list[Panel]:
    shares = one.shares[:MOST]
    if not shares or isinstance(one.told, str):
        return []
    bars = _bars("share", shares, names, "series2")
    title = f"shares, model of {counted(one.told.trials, 'result')}"
    return [_panel(title, bars, len(shares))]


def _bars(name: str, rows: Sequence[Importance | Share], names: dict[str, str], role: str) -> Bars:
    return Bars(
        name,
        [names[row.name] for row in rows],
        [row.value for row in rows],
        role,
        [row.low for row in rows],
        [row.high for row in rows],
    )


def _panel(title: str, bars: Bars, count: int) -> Panel:
    most = max(1.0, *bars.highs)
    return Panel(Axis("", limits=(0, most)), Axis(""), [bars], title, height=90 + 26 * count)


def _captions(one: ArmInsight) -> list[str]:
    ped, found = one.importance, []
    if ped.rows and ped.length is not None:
        found.append(
            f"PED-ANOVA: {counted(ped.trials, 'trial')} at {length_text(ped.length)}, of "
            f"{ped.all_trials}; the best are {ped.best} of them. Bars add up to 1; intervals hold "
            "90 % of resampled trials."
        )
        if ped.known > ped.trials:
            found.append(f"A fixed draw of the {ped.known} trials of this length was used.")
        if ped.known < ped.all_trials:
            found.append(
                "Trials that did not come to it are missing, so what made them worse is, too."
            )
    told = one.told
    if not isinstance(told, str) and one.shares:
        carried = (
            f", of which {told.carried} are expected from shorter trainings" if told.carried else ""
        )
        found.append(
            f"Shares: estimated by a Gaussian process of {counted(told.trials, 'result')} at "
            f"{length_text(told.length)}{carried}; intervals hold 90 % of the functions that the "
            "model thinks possible."
        )
        if told.known > told.trials:
            found.append(f"It has seen the best and a fixed draw of {told.known} results.")
    return found


def _table(one: ArmInsight, names: dict[str, str], method: str) -> TableBlock:
    ped = {row.name: row for row in one.importance.rows}
    share = {found.name: found for found in one.shares}
    columns = [
        Column("parameter"),
        Column("PED-ANOVA", number=True),
        Column("90 % interval", number=True),
        Column("share", number=True),
        Column("90 % interval", number=True),
        Column("by chance", number=True),
        Column("stands out"),
    ]
    rows = []
    for name in [*share, *(name for name in ped if name not in share)]:
        a, b, chance = ped.get(name), share.get(name), one.chances.get(name)
        rows.append(
            [
                Cell(names[name]),
                Cell("" if a is None else f"{a.value:.2f}", 0 if a is None else a.value),
                Cell("" if a is None else f"{a.low:.2f} to {a.high:.2f}"),
                Cell("" if b is None else f"{b.value:.2f}", 0 if b is None else b.value),
                Cell("" if b is None else f"{b.low:.2f} to {b.high:.2f}"),
                Cell("" if chance is None else f"{chance:.3f}", chance),
                Cell("" if chance is None else "yes" if chance <= LEVEL else "no"),
            ]
        )
    caption = capitalized(
        f"{method}the parameters, by their share. By chance: the probability that shuffled results "
        "show as much for any of them."
    )
    return TableBlock(caption, columns, rows, sortable=True)
