"""The comparison on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from tid_tune import console
from tid_tune.report.compare.comparison import Comparison
from tid_tune.report.compare.figures import Figures
from tid_tune.report.compare.words import (
    control_lines,
    figure_cells,
    pair_columns,
    pair_rows,
    ranking_text,
)
from tid_tune.report.fitting import Column, fitted_table
from tid_tune.report.page.words import value_text
from tid_tune.report.tables import plain_table


def show(comparison: Comparison) -> None:
    """Print what differs, the figures, and the differences by pairs."""
    if comparison.differences:
        console.show(_differences(comparison))
    else:
        console.say("these searches differ in nothing that is recorded")
    console.say()
    console.explain(ranking_text(comparison))
    console.say()
    console.show(fitted_table(_columns(comparison), console.out.width, _styles(comparison)))
    console.say()
    pairs = comparison.pairs
    if pairs.best or pairs.undistilled:
        console.show(_pairs(comparison))
    for line in (*pairs.missing, *control_lines(comparison)):
        console.explain(line)


def _differences(comparison: Comparison) -> RenderableType:
    table = plain_table("these searches differ in", *(row.run for row in comparison.runs))
    for one in comparison.differences:
        table.add_row(one.what, *one.values, style="bold yellow" if one.forbids else None)
    return table


def _order(comparison: Comparison) -> Sequence[Figures]:
    """Return the searches, best first where they are ranked."""
    return sorted(comparison.runs, key=lambda row: row.rank or len(comparison.runs) + 1)


def _columns(comparison: Comparison) -> list[Column]:
    rows = _order(comparison)
    cells = [figure_cells(row) for row in rows]

    def column(name: str, key: str, *, stays: bool = False) -> Column:
        return Column(name, [one[key] for one in cells], right=True, stays=stays)

    found = []
    if comparison.ranked:
        ranks = ["" if row.rank is None else str(row.rank) for row in rows]
        found.append(Column("rank", ranks, right=True, stays=True))
    found.append(Column("run", [row.run for row in rows], stays=True))
    found.append(column("best", "value", stays=True))
    found.append(column("gain", "gain"))
    if comparison.ranked:
        found.append(column(f"at {comparison.equal_epochs:.6g} epochs", "at equal cost"))
    found += [column("epochs", "epochs"), column("trials", "trials")]
    if comparison.level is not None:
        found.append(column(f"epochs to {value_text(comparison.level)}", "epochs to level"))
    if any(row.confirmed for row in rows):
        found += [column("confirmed", "confirmed"), column("its gain", "confirmed gain")]
    return [*found, *_hours(comparison, rows)]


def _hours(comparison: Comparison, rows: Sequence[Figures]) -> Iterator[Column]:
    """Yield the columns of device-hours; they compare searches on the same machines only."""
    devices = {row.device for row in rows}
    if len(devices) > 1:
        return
    device, cells = devices.pop(), [figure_cells(row) for row in rows]
    yield Column(f"{device}-hours", [one["hours"] for one in cells], right=True)
    if comparison.level is not None:
        name = f"{device}-hours to {value_text(comparison.level)}"
        yield Column(name, [one["hours to level"] for one in cells], right=True)


def _styles(comparison: Comparison) -> dict[int, str]:
    rows = _order(comparison)
    return {at: "bold green" for at, row in enumerate(rows) if row.rank == 1}


def _pairs(comparison: Comparison) -> RenderableType:
    table = plain_table(*pair_columns(comparison))
    for cells in pair_rows(comparison):
        table.add_row(*cells)
    return table
