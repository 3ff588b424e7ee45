"""Tables and lines that fit a width: whole columns and whole parts are left out, none is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

GAP = 2
"""Columns of the terminal between two columns of a table."""


@dataclass(frozen=True)
class Column:
    """A column of a table, with the text of each row.

    `stays` columns are never left out.
    """

    name: str
    cells: Sequence[str]
    right: bool = False
    stays: bool = False

    @property
    def width(self) -> int:
        """How many columns of the terminal it takes."""
        return max(cell_len(text) for text in (self.name, *self.cells))


def total_width(columns: Iterable[Column]) -> int:
    """Return how many columns of the terminal a table of these takes."""
    widths = [column.width for column in columns]
    return sum(widths) + GAP * max(len(widths) - 1, 0)


def fitted(columns: Sequence[Column], width: int | None) -> list[Column]:
    """Return those that stay, and of the others, from the first on, each that there is room for.

    Args:
        columns: in the order in which they are shown.
        width: of the terminal; None: all fit.
    """
    if width is None:
        return list(columns)
    kept = [column.stays for column in columns]
    room = width - total_width(column for column in columns if column.stays)
    for at, column in enumerate(columns):
        needed = column.width + GAP * any(kept)
        if not column.stays and needed <= room:
            kept[at] = True
            room -= needed
    return [column for column, stays in zip(columns, kept, strict=True) if stays]


def table_of(columns: Sequence[Column], styles: Mapping[int, str] | None = None) -> Table:
    """Draw columns as a table without lines; `styles` are those of rows, by their numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.name, justify="right" if column.right else "left", overflow="fold")
    for row, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*cells, style=(styles or {}).get(row))
    return table


def fitted_table(
    columns: Sequence[Column], width: int | None, styles: Mapping[int, str] | None = None
) -> Group:
    """Draw the columns that fit a width, and below them the names of the others.

    `styles` are as of `table_of`.
    """
    kept = fitted(columns, width)
    left_out = [column.name for column in columns if column not in kept]
    return Group(table_of(kept, styles), *map(Text, left_out_lines(left_out, width)))


def left_out_lines(names: Sequence[str], width: int | None) -> list[str]:
    """Return what says which columns did not fit, and where they are to be had."""
    if not names or width is None:
        return []
    listed = [*(f"{name}," for name in names[:-1]), f"{names[-1]};", "--json has all"]
    return flowing([f"{width} columns have no room for", *listed], width, " ")


def flowing(parts: Iterable[str], width: int, separator: str = ", ") -> list[str]:
    """Put parts on as few lines as hold them; a line breaks between parts only."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{separator}{part}" if lines else part
        if lines and cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
