"""A chart as plain data: panels with axes and marks. Nothing here knows how it is drawn.

`role` names an entry of `palette.LOOKS`. A value of None in a line is a gap: many lines of one role
are one `Line` with gaps between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Number = float | int
Coordinate = Number | str


@dataclass(frozen=True)
class Axis:
    """An axis. The label has the unit; ticks are (place, text) where plain numbers do not serve."""

    label: str
    log: bool = False
    """Give it ticks, too, as of `layout.log_ticks`."""
    ticks: Sequence[tuple[Number, str]] = ()
    limits: tuple[Number, Number] | None = None
    """As shown, from left or bottom."""
    names: Sequence[str] = ()
    """Of the categories, from left, or from the top: the places of its marks are such names."""


@dataclass(frozen=True)
class Line:
    """Points joined by a line; `step`: the value holds until the next point."""

    name: str
    xs: Sequence[Coordinate | None]
    ys: Sequence[Number | None]
    role: str
    step: bool = False
    thin: bool = False
    """Drawn thin and pale, as one of very many."""
    dots: bool = False
    """Its points are drawn, too."""
    texts: Sequence[str] = ()
    """What a reader sees who points at a point."""
    keys: Sequence[str] = ()
    """The trial of each point: a click shows it."""

    @property
    def has_dots(self) -> bool:
        """Whether its points are drawn: always of one, which is no line."""
        return self.dots or len(self.xs) == 1


@dataclass(frozen=True)
class Points:
    """Points by themselves."""

    name: str
    xs: Sequence[Coordinate]
    ys: Sequence[Coordinate]
    role: str
    texts: Sequence[str] = ()
    keys: Sequence[str] = ()
    """The trial of each point: a click shows it."""
    colours: Sequence[Number] = ()
    """A value for each, which selects its colour on the sequential scale; empty: the role's."""
    scale_label: str = ""


@dataclass(frozen=True)
class Level:
    """A horizontal line at a value that is the same for all x."""

    name: str
    value: Number
    role: str


@dataclass(frozen=True)
class Rule:
    """A vertical line, such as a rung of the scheduler."""

    name: str
    at: Number
    role: str = "muted"


@dataclass(frozen=True)
class Bars:
    """A bar for each name, with intervals where both `lows` and `highs` are given.

    Horizontal bars are listed from the top; several `Bars` in a panel with the same names are
    drawn beside each other, or on top of each other in a `stacked` panel.
    """

    name: str
    names: Sequence[str]
    values: Sequence[Number]
    role: str
    lows: Sequence[Number] = ()
    highs: Sequence[Number] = ()
    """The ends of the intervals, on the axis."""
    texts: Sequence[str] = ()
    """Written at the bars."""
    horizontal: bool = True


@dataclass(frozen=True)
class Band:
    """The area between two lines; `solid`: it is a part of a whole, and not an uncertainty."""

    name: str
    xs: Sequence[Number]
    lows: Sequence[Number]
    highs: Sequence[Number]
    role: str
    solid: bool = False

    @property
    def strength(self) -> float:
        """How much of its colour covers what is behind, from 0 to 1."""
        return 0.85 if self.solid else 0.2


@dataclass(frozen=True)
class Heat:
    """A coloured table; `values` by row, None is left empty."""

    name: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[Number | None]]
    scale: Literal["sequential", "diverging"] = "sequential"
    limits: tuple[Number, Number] | None = None
    texts: Sequence[Sequence[str]] = ()
    """Written in the cells."""


@dataclass(frozen=True)
class Dimension:
    """An axis of parallel coordinates; `places` of the lines between 0 (below) and 1."""

    label: str
    places: Sequence[Number | None]
    ticks: Sequence[tuple[Number, str]]
    """(place between 0 and 1, text)."""


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: a line for each trial, coloured by a value."""

    dimensions: Sequence[Dimension]
    colours: Sequence[Number]
    scale_label: str
    texts: Sequence[str] = ()
    keys: Sequence[str] = ()


Mark = Line | Points | Level | Rule | Bars | Band | Heat | Parallel


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `title` tells it from the other panels of its chart."""

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    title: str = ""
    stacked: bool = False
    """Bars of several `Bars` lie on top of each other."""
    height: int = 320
    """In pixels."""


@dataclass(frozen=True)
class Chart:
    """Panels that belong together. `name` is that of its PNG, `alt` says what there is to see."""

    name: str
    title: str
    caption: str
    panels: Sequence[Panel]
    alt: str = ""
    wide: bool = field(default=False)
    """Its panels lie below each other, each as wide as the page."""
