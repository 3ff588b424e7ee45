"""What both renderers draw of a chart beside its marks: legends, and lines in few colours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tid_tune.report.charts.model import Bars, Chart, Heat, Mark, Number, Parallel
from tid_tune.report.charts.palette import SHADES

PIXELS = 8
"""Of a letter, about."""


@dataclass(frozen=True)
class Key:
    """An entry of a legend; `mark` is the first one of this name."""

    name: str
    role: str
    mark: Mark


def legend(chart: Chart) -> list[Key]:
    """Return the entries of a chart's legend: one for each name, whatever panels it is in."""
    keys: dict[str, Key] = {}
    for panel in chart.panels:
        for mark in panel.marks:
            if not isinstance(mark, Heat | Parallel) and mark.name:
                keys.setdefault(mark.name, Key(mark.name, mark.role, mark))
    alone = len(keys) == 1 and all(isinstance(key.mark, Bars) for key in keys.values())
    return [] if alone else list(keys.values())


def wrapped(label: str, room: float) -> list[str]:
    """Return a label in lines that fit into so many pixels, broken behind spaces, `/`, `_`, `.`."""
    lines = [""]
    for part in re.split(r"(?<=[/_.\s])", label):
        if lines[-1] and PIXELS * len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return lines


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return the ticks of a logarithmic axis from `low` to `high`, above 0: 0.1, 0.2, 0.5, 1, ...

    Over more than three decades, the powers of ten alone.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= 3 else (1,)
    places = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in digits]
    slack = 1 + 1e-9
    return [(x, f"{x:g}") for x in places if low / slack <= x <= high * slack]


@dataclass(frozen=True)
class Bundle:
    """The lines of parallel coordinates that have one role, with gaps between them."""

    role: str
    xs: list[int]
    ys: list[Number | None]
    texts: list[str]
    keys: list[str]


def bundles(mark: Parallel) -> Iterator[Bundle]:
    """Yield the lines of parallel coordinates by colour, the low values first."""
    low, high = min(mark.colours, default=0.0), max(mark.colours, default=0.0)
    width = (high - low) / SHADES or 1.0
    groups: dict[int, list[int]] = {}
    for line, value in enumerate(mark.colours):
        groups.setdefault(min(int((value - low) / width), SHADES - 1), []).append(line)
    for group in sorted(groups):
        yield _bundle(mark, groups[group], f"shade{group}")


def _bundle(mark: Parallel, lines: Sequence[int], role: str) -> Bundle:
    bundle = Bundle(role, [], [], [], [])
    for line in lines:
        for at, dimension in enumerate(mark.dimensions):
            place = dimension.places[line]
            if place is None:  # the line goes on to the next axis
                continue
            bundle.xs.append(at)
            bundle.ys.append(place)
            bundle.texts.append(mark.texts[line] if mark.texts else "")
            bundle.keys.append(mark.keys[line] if mark.keys else "")
        bundle.xs.append(len(mark.dimensions) - 1)
        bundle.ys.append(None)
        bundle.texts.append("")
        bundle.keys.append("")
    return bundle
