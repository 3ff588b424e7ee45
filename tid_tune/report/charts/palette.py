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
CIVIDIS = (
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
)
"""Nunez and others, 2018."""
_ON_DARK = (
    "#5E86C8",
    "#6F8FBB",
    "#8098AE",
    "#91A1A1",
    "#A2AA94",
    "#B3B487",
    "#C5BE7A",
    "#D8CB65",
    "#EBD94F",
    "#FEE838",
)
"""The same from blue to yellow, with no shade that is too dark for thin lines on a dark page."""
SHADES = len(CIVIDIS)
"""Lines that a value colours are drawn in so many colours, the roles `shade0`, `shade1`, ..."""

SCALES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"sequential": CIVIDIS, "diverging": (VERMILION, "#F2F2F2", BLUE)}
)
"""Colours at equal distances, of heat maps."""

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
        # Lines by a value, the low ones first.
        **{f"shade{at}": Look(CIVIDIS[at], _ON_DARK[at]) for at in range(SHADES)},
        # The sides of a difference.
        "more": Look(BLUE, "#3A86E8"),
        "less": Look(VERMILION, "#F07A1F"),
    }
)

SERIES = sum(role.startswith("series") for role in LOOKS)
"""How many series without a meaning of their own can be told apart."""


def series(number: int) -> str:
    """Return the role of the series of this number, from 0; after `SERIES`, the roles repeat."""
    return f"series{number % SERIES + 1}"


def level_dash(role: str) -> Dash:
    """Return the dash of a level, which is never solid: that is how courses are drawn."""
    dash = LOOKS[role].dash
    return "dot" if dash == "solid" else dash
