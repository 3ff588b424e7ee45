"""Pairs of parameters that act together."""

from __future__ import annotations

from collections.abc import Sequence

from tid_tune.insight.shares import Pair
from tid_tune.report.charts.model import Axis, Chart, Heat, Panel
from tid_tune.report.leaderboard import short_value
from tid_tune.report.page.blocks import Section
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import label_text
from tid_tune.space import Value

SHOWN = 3
SMALL = 0.01
"""A pair of a smaller share is not shown."""


def section(study: Study) -> Section | None:
    """Return the section; None where a model cannot tell, or no pair has a share worth a chart."""
    one = study.insight.winning
    shown = [pair for pair in one.pairs if pair.share.value >= SMALL][:SHOWN]
    if not shown or isinstance(one.told, str):
        return None
    names = study.names
    caption = (
        f"The expected {study.objective} over the values of two parameters, mean over those of the "
        "others, estimated by a model. Above each map is the share of the variation that the pair "
        "adds to its two parameters alone, in brackets the interval that holds 90 % of the "
        "functions that the model thinks possible."
    )
    method = f" of {label_text(one.arm.method)}" if one.arm.method else ""
    chart = Chart(
        "interactions",
        f"The strongest pairs{method}",
        caption,
        [_panel(pair, study, names) for pair in shown],
    )
    intro = (
        "Where the colours run across a map in a slant, the best value of one parameter depends on "
        "the other. Where the share is small, each can be chosen for itself."
    )
    return Section("interactions", "Which parameters act together", intro, [chart])


def _panel(pair: Pair, study: Study, names: dict[str, str]) -> Panel:
    share = pair.share
    rows, columns = _labels(pair.rows), _labels(pair.columns)
    values = [[float(value) for value in row] for row in pair.values]
    if all(isinstance(value, int | float) for value in pair.rows):  # large values at the top
        rows, values = rows[::-1], values[::-1]
    heat = Heat(study.objective, rows, columns, values)
    row, column = names[pair.row_name], names[pair.column_name]
    title = f"adds {100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
    axes = Axis(column, names=columns), Axis(row, names=rows)
    return Panel(*axes, [heat], title, height=340)


def _labels(values: Sequence[Value]) -> list[str]:
    """Return the values as texts, each different."""
    shown = [short_value(value) for value in values]
    if len(set(shown)) == len(shown):
        return shown
    return [f"{text} ({at})" for at, text in enumerate(shown, start=1)]
