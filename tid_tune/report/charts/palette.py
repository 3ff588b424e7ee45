"""The one palette: a colour, a symbol and a dash for each role that a mark can have.

The colours are those of Okabe and Ito (2008), which people with any kind of colour blindness can
tell apart; the yellow one, which is too pale on white, is left out. Symbols and dashes say the same
once more, for prints without colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Theme = Literal["light", "dark"]
Symbol = Literal["circle", "open", "small", "diamond", "cross", "square", "star", "triangle"]
Dash = Literal["solid", "dash", "dot", "dashdot", "longdash"]


@dataclass(frozen=True)
class Look:
    """How the marks of a role are drawn; the colours as #rrggbb."""

    light: str
    dark: str
    symbol: Symbol = "circle"
    dash: Dash = "solid"

    def colour(self, theme: Theme) -> str:
        """Return the colour on a light or on a dark page."""
        return self.light if theme == "light" else self.dark


BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#8A96A0"

LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        # Of a page: text, lines of a grid, what is behind both.
        "ink": Look("#22303C", "#DCE3E9"),
        "muted": Look("#5B6873", "#A3AFBA"),
        "grid": Look("#E1E6EA", "#34414C"),
        "paper": Look("#FFFFFF", "#161D24"),
        # Models and trials.
        "best": Look(BLUE, "#3A86E8", "star"),
        "search": Look(SKY, SKY, "circle"),
        "stopped": Look(GREY, GREY, "small"),
        "failed": Look(VERMILION, "#F07A1F", "cross"),
        "running": Look(PURPLE, PURPLE, "open"),
        "none": Look(ORANGE, ORANGE, "square", "dash"),
        "defaults": Look(PURPLE, PURPLE, "triangle", "dot"),
        "teacher": Look(GREEN, "#23C297", "diamond", "dashdot"),
        # Series without a meaning of their own, in this order.
        "series1": Look(BLUE, "#3A86E8", "circle"),
        "series2": Look(ORANGE, ORANGE, "square", "longdash"),
        "series3": Look(GREEN, "#23C297", "diamond", "dash"),
        "series4": Look(PURPLE, PURPLE, "triangle", "dot"),
        "series5": Look(VERMILION, "#F07A1F", "cross", "dashdot"),
        "series6": Look(SKY, SKY, "open", "longdash"),
        "series7": Look("#22303C", "#DCE3E9", "diamond", "solid"),
        "series8": Look(GREY, GREY, "square", "dash"),
        "series9": Look(BLUE, "#3A86E8", "triangle", "dot"),
        # The sides of a difference.
        "more": Look(BLUE, "#3A86E8"),
        "less": Look(VERMILION, "#F07A1F"),
    }
)

SCALES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # Cividis (Nunez and others, 2018).
        "sequential": (
            "#00224E",
            "#123570",
            "#3B496C",
            "#575D6D",
            "#707173",
            "#8A8678",
            "#A59C74",
            "#C3B369",
            "#E1CC55",
            "#FEE838",
        ),
        "diverging": (VERMILION, "#F2F2F2", BLUE),
    }
)
"""Colours at equal distances, of heat maps and of lines that a value colours."""

SERIES = sum(role.startswith("series") for role in LOOKS)
"""How many series without a meaning of their own can be told apart."""


def series(number: int) -> str:
    """Return the role of the series of this number, from 0; after `SERIES`, the roles repeat."""
    return f"series{number % SERIES + 1}"


def level_dash(role: str) -> Dash:
    """Return the dash of a level, which is never solid: that is how courses are drawn."""
    dash = LOOKS[role].dash
    return "dot" if dash == "solid" else dash


def shade(value: float, low: float, high: float, scale: str = "sequential") -> str:
    """Return the colour of a value on a scale from `low` to `high`, as #rrggbb."""
    colours = SCALES[scale]
    place = (value - low) / (high - low) if high > low else 1.0
    at = min(max(place, 0.0), 1.0) * (len(colours) - 1)
    left = min(int(at), len(colours) - 2)
    mixed = (
        round(
            int(colours[left][i : i + 2], 16) * (1 - at + left)
            + int(colours[left + 1][i : i + 2], 16) * (at - left)
        )
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02X}" for part in mixed)
