"""What a section of the page consists of. All texts are plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tid_tune.report.charts.model import Chart


@dataclass(frozen=True)
class Text:
    """Paragraphs, with blank lines between them; what is in `backquotes` is shown as code."""

    text: str
    kind: Literal["plain", "lead", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Code:
    """Text to copy, with a button that does so where `copy` is set."""

    text: str
    caption: str = ""
    copy: bool = True
    kind: Literal["plain", "diff"] = "plain"


@dataclass(frozen=True)
class Tile:
    """One figure, large: what it is, its value, and what must be known to read it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Figures beside each other."""

    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    `value` is what the column is sorted by, where that is not the text; `to` the anchor of a link.
    """

    text: str
    value: float | None = None
    to: str = ""
    role: str = ""
    """Of the palette: a coloured dot before the text."""


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are aligned to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table; a reader can sort it by a column where `sortable` is set."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell | str]]
    sortable: bool = False
    marked: int | None = None
    """The row that stands out."""


@dataclass(frozen=True)
class ImageBlock:
    """A picture. `alt` says what there is to see; `caption` what it means.

    One with a `name` is also written as a file.
    """

    data: bytes
    alt: str
    caption: str
    kind: Literal["png", "jpeg", "webp"] = "png"
    width: int | None = None
    """At most, in pixels; None: its own."""
    name: str = ""


@dataclass(frozen=True)
class Details:
    """Blocks behind a summary that a reader opens. A link to its anchor opens it."""

    summary: str
    blocks: Sequence[Block]
    anchor: str = ""
    role: str = ""


Block = Text | Code | Tiles | TableBlock | ImageBlock | Chart | Details


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading; `anchor` is its address in the page."""

    anchor: str
    title: str
    intro: str
    blocks: Sequence[Block]
