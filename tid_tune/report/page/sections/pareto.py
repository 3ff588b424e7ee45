"""The Pareto front of a search with several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from tid_tune.report.charts.model import Axis, Chart, Line, Mark, Panel, Points
from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.report.page.blocks import Cell, Column, Section, TableBlock
from tid_tune.report.page.study import MOST_POINTS, Study, thinned
from tid_tune.report.page.words import value_text
from tid_tune.results.ranking import Row
from tid_tune.words import counted

MOST_PAIRS = 6
MOST_ROWS = 50


def section(study: Study) -> Section | None:
    """Return the section, if there are several objectives and a trial of full length."""
    if len(study.spec.objectives) < 2:
        return None
    full = [row for row in study.rows if row.rank is not None]
    front = [row for row in full if row.front]
    if not front:
        return None
    better = "; ".join(
        f"to be {'large' if direction == 'max' else 'small'}: {name}"
        for name, direction in study.spec.objectives.items()
    )
    intro = (
        f"{counted(len(front), 'trial')} of {len(full)} of full length "
        f"{'is' if len(front) == 1 else 'are'} in the Pareto front: no other one is at least as "
        f"good in every objective and better in one. T{better[1:]}."
    )
    return Section("pareto", "Pareto front", intro, [_chart(study, full), _table(study, front)])


def _chart(study: Study, full: Sequence[Row]) -> Chart:
    pairs = list(combinations(study.spec.objectives, 2))[:MOST_PAIRS]
    caption = "Trials of full length. A click shows a trial that is in detail below."
    if len(pairs) == 1:
        caption += " The line joins the front; between its points, nothing was measured."
    return Chart(
        "pareto_front",
        "Trials by their objectives",
        caption,
        [
            Panel(Axis(x), Axis(y), _marks(full, x, y, joined=len(pairs) == 1), height=380)
            for y, x in pairs
        ],
    )


def _marks(full: Sequence[Row], x: str, y: str, *, joined: bool) -> list[Mark]:
    front = [row for row in full if row.front and row.stage == "search"]
    dominated = [row for row in full if not row.front and row.stage == "search"]
    marks: list[Mark] = []
    if joined:
        line = sorted((row for row in full if row.front), key=lambda row: row.values[x])
        marks.append(
            Line(
                "",
                [row.values[x] for row in line],
                [row.values[y] for row in line],
                "best",
                thin=True,
            )
        )
    groups = [
        ("dominated", "stopped", dominated),
        ("no distillation", "none", [row for row in full if row.label == "none"]),
        ("defaults", "defaults", [r for r in full if r.stage == "baseline" and r.label != "none"]),
        ("Pareto front", "best", front),
    ]
    for name, role, rows in groups:
        if rows:
            some = thinned(rows, MOST_POINTS)
            marks.append(
                Points(
                    name,
                    [row.values[x] for row in some],
                    [row.values[y] for row in some],
                    role,
                    [
                        f"{r.trial}: {value_text(r.values[x])}, {value_text(r.values[y])}"
                        for r in some
                    ],
                    [row.trial for row in some],
                )
            )
    return marks


def _table(study: Study, front: Sequence[Row]) -> TableBlock:
    shown = front[:MOST_ROWS]
    paths = list(dict.fromkeys(path for row in shown for path in row.params))
    names = short_names(paths)
    rows: list[list[Cell | str]] = [
        [
            Cell(row.trial, to=row.trial),
            row.label or row.method or row.stage,
            *(Cell(value_text(row.values[o]), row.values[o]) for o in study.spec.objectives),
            *(short_value(row.params[path]) if path in row.params else "" for path in paths),
        ]
        for row in shown
    ]
    more = f" The first {MOST_ROWS} of {len(front)}." if len(front) > MOST_ROWS else ""
    columns = [Column("trial"), Column("what")]
    columns += [Column(name, number=True) for name in study.spec.objectives]
    columns += [Column(names[path], number=True) for path in paths]
    caption = f"The Pareto front, the best {study.objective} first.{more}"
    return TableBlock(caption, columns, rows, sortable=True)
