"""A chart for plotly.js: one figure a panel, as JSON. The plotly package is not imported.

A colour is written as `@ROLE`: the script of the page puts in that of the light or the dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from tid_tune.report.charts.layout import wrapped
from tid_tune.report.charts.model import (
    Axis,
    Band,
    Bars,
    Coordinate,
    Heat,
    Level,
    Line,
    Panel,
    Parallel,
    Points,
    Rule,
)
from tid_tune.report.charts.palette import level_dash
from tid_tune.report.charts.plotly_traces import (
    Json,
    band_traces,
    bars_trace,
    heat_trace,
    line_trace,
    number,
    numbers,
    parallel_traces,
    points_trace,
)

_NAMES: Json = {"type": "category", "tickmode": "linear", "dtick": 1}
"""Of an axis of names, which shows each of them: plotly takes names such as `7` as numbers."""


DIMENSION = 78
"""Pixels that an axis of parallel coordinates needs at least; a narrower page scrolls the chart."""


def figures(panels: Iterable[Panel]) -> list[Json]:
    """Return the `data` and `layout` of each panel."""
    return [figure(panel) for panel in panels]


def figure(panel: Panel) -> Json:
    """Return the `data` and `layout` of one panel."""
    data: list[Json] = []
    layout = _layout(panel)
    for mark in panel.marks:
        match mark:
            case Line():
                data.append(line_trace(mark))
            case Points():
                data.append(points_trace(mark))
            case Level():
                data.append(_level(mark, panel))
                layout["shapes"].append(_shape(mark.role, xref="paper", at=(0, mark.value)))
            case Rule():
                layout["shapes"].append(_shape(mark.role, yref="paper", at=(mark.at, 0)))
            case Bars():
                data.append(bars_trace(mark, stacked=panel.stacked))
                layout["yaxis" if mark.horizontal else "xaxis"] |= _NAMES
            case Band():
                data += band_traces(mark)
            case Heat():
                data.append(heat_trace(mark))
                layout["xaxis"] |= _NAMES
                layout["yaxis"] |= _NAMES
                layout["xaxis"]["showgrid"] = layout["yaxis"]["showgrid"] = False
                layout["yaxis"]["autorange"] = "reversed"
            case Parallel():
                data += parallel_traces(mark)
                _draw_dimensions(mark, layout)
    if panel.y.names or any(isinstance(mark, Bars) and mark.horizontal for mark in panel.marks):
        layout["yaxis"] |= {"autorange": "reversed", "showgrid": False}
    return {"data": data, "layout": layout}


def _layout(panel: Panel) -> Json:
    layout: Json = {
        "height": panel.height,
        "margin": {"l": 8, "r": 12, "t": 28 if panel.title else 10, "b": 8},
        "font": {"color": "@ink", "size": 13, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "@paper",
        "plot_bgcolor": "@paper",
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1},
        "showlegend": False,
        "shapes": [],
        "barmode": "stack" if panel.stacked else "group",
        "xaxis": _axis(panel.x, 320),
        "yaxis": _axis(panel.y, panel.height - 70),
    }
    if panel.stacked:
        # On a narrow page: no text in a bar that is narrower than it.
        layout["uniformtext"] = {"minsize": 11, "mode": "hide"}
    if panel.title:
        layout["title"] = {"text": panel.title, "font": {"size": 14}, "x": 0.0, "xref": "paper"}
        layout["title"] |= {"yref": "container", "y": 1, "yanchor": "top", "pad": {"t": 4}}
    return layout


def _axis(axis: Axis, room: int) -> Json:
    found: Json = {
        "title": {"text": "<br>".join(wrapped(axis.label, room)), "standoff": 8},
        "gridcolor": "@grid",
        "linecolor": "@muted",
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": "@grid",
        "type": "log" if axis.log else "-",
    }
    if axis.ticks:
        found["tickmode"] = "array"
        found["tickvals"] = numbers([place for place, _ in axis.ticks])
        found["ticktext"] = [text for _, text in axis.ticks]
    if axis.names:
        found |= {"type": "category", "categoryorder": "array", "categoryarray": list(axis.names)}
    if axis.limits is not None:
        found["range"] = [math.log10(x) if axis.log else x for x in axis.limits]
    return found


def _level(mark: Level, panel: Panel) -> Json:
    """Return a point that nobody sees: it makes the axis reach to the level."""
    first = next(_places(panel), 0)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": mark.name,
        "x": [number(first)],
        "y": [number(mark.value)],
        "marker": {"color": f"@{mark.role}", "opacity": 0},
        "hoverinfo": "skip",
    }


def _places(panel: Panel) -> Iterator[Coordinate]:
    for mark in panel.marks:
        if isinstance(mark, Line | Points | Band):
            yield from (x for x in mark.xs if x is not None)


def _shape(role: str, at: tuple[float, float], *, xref: str = "x", yref: str = "y") -> Json:
    """Return a line across the panel: level where `xref` is the paper, upright where `yref` is."""
    x, y = at
    ends = {"x0": 0, "x1": 1} if xref == "paper" else {"x0": x, "x1": x}
    ends |= {"y0": 0, "y1": 1} if yref == "paper" else {"y0": y, "y1": y}
    line = {"color": f"@{role}", "width": 1.5, "dash": level_dash(role)}
    if yref == "paper":
        line |= {"width": 1, "dash": "dot"}
    return {"type": "line", "layer": "below", "xref": xref, "yref": yref, "line": line, **ends}


def _draw_dimensions(mark: Parallel, layout: Json) -> None:
    """Draw an upright axis with its ticks for each dimension."""
    last = len(mark.dimensions) - 1
    layout["xaxis"] |= {
        "tickmode": "array",
        "tickvals": list(range(last + 1)),
        "ticktext": [dimension.label for dimension in mark.dimensions],
        "ticklabeloverflow": "allow",
        "showgrid": False,
        "range": [-0.4, last + 0.4],
    }
    layout["yaxis"] |= {"visible": False, "range": [-0.04, 1.04]}
    layout["annotations"] = []
    layout["meta"] = {"least": DIMENSION * len(mark.dimensions)}
    for at, dimension in enumerate(mark.dimensions):
        shape = _shape("muted", (at, 0), yref="paper")
        shape["line"]["dash"] = "solid"
        layout["shapes"].append(shape)
        layout["annotations"] += [
            {
                "x": at,
                "y": number(place),
                "text": text,
                "showarrow": False,
                "xanchor": "left",
                "xshift": 3,
                "font": {"size": 11},
                "bgcolor": "@paper/0.75",
            }
            for place, text in dimension.ticks
        ]
