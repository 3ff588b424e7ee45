"""The traces of plotly.js for the marks of a chart, as JSON; see `to_plotly`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tid_tune.report.charts.layout import bundles
from tid_tune.report.charts.model import Band, Bars, Coordinate, Heat, Line, Parallel, Points
from tid_tune.report.charts.palette import LOOKS, SCALES, SHADES

Json = dict[str, Any]
_SYMBOLS = {
    "circle": ("circle", 8),
    "open": ("circle-open", 9),
    "small": ("circle", 5),
    "diamond": ("diamond", 9),
    "cross": ("x", 8),
    "square": ("square", 8),
    "star": ("star", 13),
    "triangle": ("triangle-up", 9),
}
_HOVER = "%{text}<extra></extra>"


def number(value: Coordinate | None) -> Coordinate | None:
    """Return a number at six significant digits, which JSON can hold; None: there is none."""
    if value is None or isinstance(value, str | int):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def numbers(values: Sequence[Coordinate | None]) -> list[Coordinate | None]:
    """Return `number` of each value."""
    return [number(value) for value in values]


def line_trace(mark: Line) -> Json:
    """Return the trace of a line."""
    look = LOOKS[mark.role]
    trace: Json = {
        "type": "scatter",
        "mode": "lines+markers" if mark.has_dots else "lines",
        "name": mark.name,
        "x": numbers(mark.xs),
        "y": numbers(mark.ys),
        "marker": {"size": 4},
        "connectgaps": False,
        "opacity": 0.45 if mark.thin else 1,
        "line": {
            "color": f"@{mark.role}",
            "dash": look.dash,
            "width": 1 if mark.thin else 2,
            "shape": "hv" if mark.step else "linear",
        },
    }
    return trace | _hover(mark.texts, mark.keys)


def points_trace(mark: Points) -> Json:
    """Return the trace of points."""
    symbol, size = _SYMBOLS[LOOKS[mark.role].symbol]
    marker: Json = {"color": f"@{mark.role}", "symbol": symbol, "size": size}
    if mark.colours:
        marker |= {"color": numbers(mark.colours), "colorscale": _scale("sequential")}
        marker |= {"showscale": True, "colorbar": _colour_bar(mark.scale_label)}
    trace: Json = {
        "type": "scatter",
        "mode": "markers",
        "name": mark.name,
        "x": numbers(mark.xs),
        "y": numbers(mark.ys),
        "marker": marker,
        "cliponaxis": False,
    }
    return trace | _hover(mark.texts, mark.keys)


def bars_trace(mark: Bars, *, stacked: bool = False) -> Json:
    """Return the trace of bars; `stacked`: their texts are written inside, if they fit."""
    names, values = list(mark.names), numbers(mark.values)
    along, across = ("x", "y") if mark.horizontal else ("y", "x")
    trace: Json = {
        "type": "bar",
        "name": mark.name,
        "orientation": "h" if mark.horizontal else "v",
        along: values,
        across: names,
        "marker": {"color": f"@{mark.role}"},
        "hovertemplate": f"%{{{across}}}: %{{{along}}}<extra></extra>",
    }
    if mark.texts:
        trace |= {"text": list(mark.texts), "textposition": "auto", "cliponaxis": False}
        trace["hovertemplate"] = f"%{{{across}}}: %{{text}}<extra></extra>"
        if stacked:
            trace |= {"textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
            # A bar without a text says its value, too.
            trace["hovertemplate"] = f"%{{{across}}}: %{{{along}:.3f}}<extra></extra>"
    if mark.lows and mark.highs:
        pairs = zip(mark.values, mark.lows, mark.highs, strict=True)
        ends = [(number(high - value), number(value - low)) for value, low, high in pairs]
        trace[f"error_{along}"] = {
            "type": "data",
            "symmetric": False,
            "array": [up for up, _ in ends],
            "arrayminus": [down for _, down in ends],
            "color": "@ink",
            "thickness": 1.5,
        }
    return trace


def band_traces(mark: Band) -> list[Json]:
    """Return the traces of the two ends of a band."""
    common: Json = {
        "type": "scatter",
        "mode": "lines",
        "name": mark.name,
        "x": numbers(mark.xs),
        "line": {"width": 0, "color": f"@{mark.role}"},
        "hoverinfo": "skip",
    }
    lower = common | {"y": numbers(mark.lows)}
    fill = {"fill": "tonexty", "fillcolor": f"@{mark.role}/{mark.strength}"}
    return [lower, common | {"y": numbers(mark.highs)} | fill]


def heat_trace(mark: Heat) -> Json:
    """Return the trace of a heat map."""
    trace: Json = {
        "type": "heatmap",
        "name": mark.name,
        "x": list(mark.columns),
        "y": list(mark.rows),
        "z": [numbers(row) for row in mark.values],
        "colorscale": _scale(mark.scale),
        "colorbar": _colour_bar(mark.name),
        "hoverongaps": False,
        "hovertemplate": "%{y}, %{x}: %{z}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    if mark.limits is not None:
        trace |= {"zmin": mark.limits[0], "zmax": mark.limits[1]}
    if mark.texts:
        trace |= {"text": [list(row) for row in mark.texts], "texttemplate": "%{text}"}
    return trace


def parallel_traces(mark: Parallel) -> list[Json]:
    """Return a trace for each colour of parallel coordinates, and one for their scale."""
    lines: list[Json] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": bundle.xs,
            "y": numbers(bundle.ys),
            "opacity": 0.7,
            "line": {"color": f"@{bundle.role}", "width": 1.5},
        }
        | _hover(bundle.texts, bundle.keys)
        for bundle in bundles(mark)
    ]
    ends = [min(mark.colours, default=0.0), max(mark.colours, default=0.0)]
    scale: Json = {
        "type": "scatter",
        "mode": "markers",
        "x": [0, 0],
        "y": [0, 0],
        "hoverinfo": "skip",
        "marker": {
            "color": numbers(ends),
            "colorscale": [[at / (SHADES - 1), f"@shade{at}"] for at in range(SHADES)],
            "showscale": True,
            "opacity": 0,
            "colorbar": _colour_bar(mark.scale_label),
        },
    }
    return [*lines, scale]


def _hover(texts: Sequence[str], keys: Sequence[str]) -> Json:
    found: Json = {}
    if texts:
        found |= {"text": list(texts), "hovertemplate": _HOVER}
    if keys:
        found["customdata"] = list(keys)
        found.setdefault("hovertemplate", "%{customdata}: %{y} at %{x}<extra></extra>")
    return found


def _scale(name: str) -> list[list[float | str]]:
    colours = SCALES[name]
    return [[at / (len(colours) - 1), colour] for at, colour in enumerate(colours)]


def _colour_bar(label: str) -> Json:
    return {
        "title": {"text": label, "side": "right"},
        "thickness": 12,
        "outlinewidth": 0,
        "len": 1,
    }
