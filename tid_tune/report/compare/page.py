"""The comparison as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tid_tune.files import write_text
from tid_tune.report.charts.model import Axis, Bars, Chart, Level, Line, Mark, Panel
from tid_tune.report.charts.palette import series
from tid_tune.report.compare.comparison import Comparison
from tid_tune.report.compare.pairs import Pair
from tid_tune.report.compare.words import (
    control_lines,
    figure_cells,
    pair_columns,
    pair_rows,
    ranking_text,
)
from tid_tune.report.page.assemble import Heading, document
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock, Text
from tid_tune.report.page.sections.course import steps
from tid_tune.report.page.study import Study
from tid_tune.report.page.words import value_text
from tid_tune.results.course import EndedTrial, ended_trials
from tid_tune.words import capitalized, counted


def write_comparison(comparison: Comparison, studies: Sequence[Study], path: Path) -> None:
    """Write the page as one file.

    Raises:
        OSError: it cannot be written.
    """
    names = [row.run for row in comparison.runs]
    heading = Heading(
        title=f"{counted(len(names), 'search')} compared",
        line=f"{', '.join(names)}; {comparison.objective} is to be "
        f"{'large' if comparison.direction == 'max' else 'small'}.",
        made_from=", ".join(names),
    )
    sections = [
        _differences(comparison),
        _figures(comparison),
        *_course(comparison, studies),
        *_pairs(comparison),
    ]
    write_text(path, document(heading, sections))


def _differences(comparison: Comparison) -> Section:
    columns = [Column(""), *(Column(row.run) for row in comparison.runs)]
    found = comparison.differences
    rows = [[one.what + (" *" if one.forbids else ""), *one.values] for one in found]
    blocks: list[Block] = [TableBlock("", columns, rows)] if rows else []
    if not comparison.ranked:
        reasons = "; ".join(dict.fromkeys(comparison.not_ranked))
        blocks.insert(0, Text(f"These searches cannot be ranked (*): {reasons}.", "warning"))
    intro = (
        "What is recorded and is not the same in all searches. Configs and annotations are read "
        "as they are now."
        if rows
        else "Nothing that is recorded differs."
    )
    return Section("differences", "What differs", intro, blocks)


def _figures(comparison: Comparison) -> Section:
    level = comparison.level
    names = {
        "value": "best value",
        "gain": "gain",
        "at equal cost": f"best at {comparison.equal_epochs or 0:.6g} epochs",
        "confirmed": "confirmed mean (95 %)",
        "confirmed gain": "confirmed gain (95 %)",
        "trials": "trials",
        "epochs": "epochs",
        "hours": "device-hours",
        "epochs to level": f"epochs to {value_text(level)}",
        "hours to level": f"hours to {value_text(level)}",
    }
    cells = [figure_cells(row) for row in comparison.runs]
    shown = [key for key in names if any(one[key] for one in cells)]
    rows: list[list[Cell | str]] = [
        [
            Cell(row.run, role=series(at)),
            "" if row.rank is None else str(row.rank),
            row.best or "",
            *(one[key] for key in shown),
        ]
        for at, (row, one) in enumerate(zip(comparison.runs, cells, strict=True))
    ]
    columns = [Column("run"), Column("rank", True), Column("best trial")]
    columns += [Column(names[key], number=True) for key in shown]
    first = next((at for at, row in enumerate(comparison.runs) if row.rank == 1), None)
    intro = f"{capitalized(ranking_text(comparison))}."
    return Section("figures", "Figures", intro, [TableBlock("", columns, rows, marked=first)])


def _course(comparison: Comparison, studies: Sequence[Study]) -> list[Section]:
    """Return the best values so far on one axis, where they are of the same kind."""
    ended = [ended_trials(study.state, study.spec) for study in studies]
    if not comparison.ranked or not any(t.full_length for found in ended for t in found):
        return []
    devices = {row.device for row in comparison.runs}
    axes: list[tuple[Callable[[EndedTrial], float], str]] = [
        (lambda trial: trial.epochs, "epochs trained, all trials")
    ]
    if len(devices) == 1:
        axes.append((lambda trial: trial.hours, f"{devices.pop()}-hours, all trials"))
    panels = [_panel(comparison, studies, ended, cost, label) for cost, label in axes]
    caption = (
        "Each step is a trial of full length that was better than all before it. Hours compare "
        "searches on the same kind of machine only."
    )
    if comparison.level is not None:
        caption += " The level is the value that the figures above say when it was reached."
    chart = Chart("compared_course", "Best so far, against the cost", caption, panels)
    return [Section("course", "The course of the searches", "", [chart])]


def _panel(
    comparison: Comparison,
    studies: Sequence[Study],
    ended: Sequence[Sequence[EndedTrial]],
    cost: Callable[[EndedTrial], float],
    label: str,
) -> Panel:
    marks: list[Mark] = []
    most = 0.0
    for at, (study, found) in enumerate(zip(studies, ended, strict=True)):
        full = [trial for trial in found if trial.full_length]
        if not full:
            continue
        end = max(map(cost, found))
        xs, ys, texts = steps(full, end, cost, study.spec.sign)
        marks.append(Line(comparison.runs[at].run, xs, ys, series(at), step=True, texts=texts))
        most = max(most, end)
    if comparison.level is not None:
        marks.append(Level("level", comparison.level, "muted"))
    return Panel(Axis(label, limits=(0, 1.02 * most or 1.0)), Axis(comparison.objective), marks)


def _pairs(comparison: Comparison) -> list[Section]:
    if not comparison.ranked:
        return []
    pairs = comparison.pairs
    shown = pair_rows(comparison)
    warnings = (line.removeprefix("warning: ") for line in control_lines(comparison))
    blocks: list[Block] = [Text(f"{capitalized(line)}.", "warning") for line in warnings]
    blocks += [Text(line, "note") for line in pairs.missing]
    if shown:
        columns = [Column(name) for name in pair_columns(comparison)]
        blocks.append(TableBlock("", columns, shown))
    sure = [pair for pair in pairs.best if pair.difference.low is not None]
    if sure:
        blocks.append(_chart(comparison, sure))
    intro = (
        "Trainings with the same seed are compared with each other, so that what a seed does to "
        "both cancels out. The value that made a trial the best of many is not used. All intervals "
        "against one search hold together with a probability of 95 %. More is better."
    )
    return [Section("pairs", "Paired seeds", intro, blocks)]


def _chart(comparison: Comparison, known: Sequence[Pair]) -> Chart:
    bars = Bars(
        "difference",
        [pair.arm for pair in known],
        [pair.difference.mean for pair in known],
        "more",
        [pair.difference.low or 0.0 for pair in known],
        [pair.difference.high or 0.0 for pair in known],
    )
    axis = Axis(f"difference in {comparison.objective}")
    return Chart(
        "compared_pairs",
        f"Differences to {known[0].reference}, by pairs of equal seeds",
        "An interval that holds 0 does not tell the searches apart.",
        [Panel(axis, Axis(""), [bars], height=110 + 26 * len(known))],
        wide=True,
    )
