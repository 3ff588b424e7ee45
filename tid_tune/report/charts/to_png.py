"""A chart as a picture, drawn with matplotlib without a display."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tid_tune.report.charts.layout import Key, bundles, legend, wrapped
from tid_tune.report.charts.model import (
    Band,
    Bars,
    Chart,
    Heat,
    Level,
    Line,
    Panel,
    Parallel,
    Points,
    Rule,
)
from tid_tune.report.charts.palette import LOOKS, SCALES, Theme, level_dash

_MARKERS = {
    "circle": ("o", 5),
    "open": ("o", 6),
    "small": ("o", 3),
    "diamond": ("D", 5),
    "cross": ("x", 6),
    "square": ("s", 5),
    "star": ("*", 10),
    "triangle": ("^", 6),
}
_DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
}
WIDTH = 4.8
"""Of a panel, in inches."""
BESIDE, CROWDED = 3, 6
"""Panels in a row; labels below a heat map that are not written upright. At most."""
DPI = 120


def write_png(chart: Chart, path: Path, theme: Theme = "light") -> None:
    """Write a chart, with its title and its legend, as a PNG at `path`."""
    columns = 1 if chart.wide else min(len(chart.panels), BESIDE)
    rows = math.ceil(len(chart.panels) / columns)
    height = sum(chart.panels[row * columns].height for row in range(rows)) / 80
    width = 2 * WIDTH if chart.wide else WIDTH * max(columns, 1.5)
    figure = Figure(figsize=(width, height + 0.6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_facecolor(LOOKS["paper"].colour(theme))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(chart.panels) :]:
        axes.set_visible(False)
    for panel, axes in zip(chart.panels, grid.flat, strict=False):
        _Drawing(axes, theme).draw(panel)
    figure.suptitle(chart.title, color=LOOKS["ink"].colour(theme))
    keys = legend(chart)
    if keys:
        figure.legend(
            handles=[_handle(key, theme) for key in keys],
            loc="outside lower center",
            ncols=min(len(keys), 3 * columns),
            frameon=False,
            labelcolor=LOOKS["ink"].colour(theme),
        )
    figure.savefig(path)


def _handle(key: Key, theme: Theme) -> Line2D | Patch:
    look = LOOKS[key.role]
    colour = look.colour(theme)
    if isinstance(key.mark, Bars | Band):
        strength = key.mark.strength if isinstance(key.mark, Band) else 1.0
        return Patch(color=colour, label=key.name, alpha=strength)
    if isinstance(key.mark, Points):
        marker, size = _MARKERS[look.symbol]
        fill = "none" if look.symbol == "open" else colour
        return Line2D([], [], color=colour, marker=marker, ms=size, mfc=fill, ls="", label=key.name)
    dash: Any = ":" if isinstance(key.mark, Rule) else _DASHES[look.dash]
    if isinstance(key.mark, Level):
        dash = _DASHES[level_dash(key.role)]
    return Line2D([], [], color=colour, linestyle=dash, label=key.name)


class _Drawing:
    """Draws the marks of one panel."""

    def __init__(self, axes: Axes, theme: Theme) -> None:
        self.axes = axes
        self.theme: Theme = theme
        self._groups = 1
        self._group = 0
        self._lefts: dict[str, float] = {}

    def draw(self, panel: Panel) -> None:
        """Draw a panel."""
        axes, ink, grid = self.axes, self._colour("ink"), self._colour("grid")
        axes.set_facecolor(self._colour("paper"))
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(self._colour("muted"))
        axes.tick_params(colors=ink, labelsize=9)
        axes.grid(color=grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_title(panel.title, loc="left", fontsize=10, color=ink)
        axes.set_xlabel(panel.x.label, color=ink)
        axes.set_ylabel("\n".join(wrapped(panel.y.label, panel.height - 70)), color=ink)
        for axis, log in ((axes.set_xscale, panel.x.log), (axes.set_yscale, panel.y.log)):
            if log:
                axis("log")
        bars = [mark for mark in panel.marks if isinstance(mark, Bars)]
        self._groups = 1 if panel.stacked else max(len(bars), 1)
        for mark in panel.marks:
            self._mark(mark, panel)
        self._limit(panel)

    def _limit(self, panel: Panel) -> None:
        axes = self.axes
        if any(isinstance(mark, Parallel) for mark in panel.marks):
            return
        for axis, ticks, limits in (
            (panel.x, axes.set_xticks, axes.set_xlim),
            (panel.y, axes.set_yticks, axes.set_ylim),
        ):
            if axis.ticks:
                ticks([place for place, _ in axis.ticks], [text for _, text in axis.ticks])
                ticks([], minor=True)
            if axis.limits is not None:
                limits(*axis.limits)
        if panel.y.names or any(
            isinstance(mark, Heat) or (isinstance(mark, Bars) and mark.horizontal)
            for mark in panel.marks
        ):
            axes.invert_yaxis()

    def _colour(self, role: str) -> str:
        return LOOKS[role].colour(self.theme)

    def _mark(self, mark: object, panel: Panel) -> None:
        axes = self.axes
        match mark:
            case Line():
                self._line(mark)
            case Points():
                self._points(mark)
            case Level():
                dash = _DASHES[level_dash(mark.role)]
                axes.axhline(mark.value, color=self._colour(mark.role), lw=1.2, ls=dash)
            case Rule():
                axes.axvline(mark.at, color=self._colour(mark.role), lw=0.8, ls=":")
            case Bars():
                self._bars(mark, panel)
            case Band():
                colour = self._colour(mark.role)
                axes.fill_between(
                    mark.xs, mark.lows, mark.highs, color=colour, alpha=mark.strength, lw=0
                )
            case Heat():
                self._heat(mark)
            case Parallel():
                self._parallel(mark)

    def _line(self, mark: Line) -> None:
        xs, ys = _floats(mark.xs), _floats(mark.ys)
        self.axes.plot(
            xs,
            ys,
            color=self._colour(mark.role),
            linestyle=_DASHES[LOOKS[mark.role].dash],
            linewidth=0.7 if mark.thin else 1.6,
            alpha=0.5 if mark.thin else 1,
            marker="o" if mark.has_dots else "",
            markersize=2,
            drawstyle="steps-post" if mark.step else "default",
        )

    def _points(self, mark: Points) -> None:
        look, colour = LOOKS[mark.role], self._colour(mark.role)
        marker, size = _MARKERS[look.symbol]
        if mark.colours:
            drawn = self.axes.scatter(
                mark.xs, mark.ys, s=size**2, c=mark.colours, cmap=_scale("sequential"), zorder=3
            )
            self._colour_bar(drawn, mark.scale_label)
            return
        fill = "none" if look.symbol == "open" else colour
        self.axes.plot(
            mark.xs, mark.ys, ls="", color=colour, marker=marker, ms=size, mfc=fill, zorder=3
        )

    def _bars(self, mark: Bars, panel: Panel) -> None:
        names = list(
            dict.fromkeys(
                name for other in panel.marks if isinstance(other, Bars) for name in other.names
            )
        )
        thick = 0.8 / self._groups
        shift = (self._group - (self._groups - 1) / 2) * thick if self._groups > 1 else 0.0
        self._group += 1
        places = [names.index(name) + shift for name in mark.names]
        starts = [self._lefts.get(name, 0.0) if panel.stacked else 0.0 for name in mark.names]
        for name, start, value in zip(mark.names, starts, mark.values, strict=True):
            self._lefts[name] = start + value
        colour, axes = self._colour(mark.role), self.axes
        error = _error(mark)
        style: dict[str, Any] = {"color": colour, "ecolor": self._colour("ink"), "capsize": 3}
        if mark.horizontal:
            drawn = axes.barh(places, mark.values, thick, left=starts, xerr=error, **style)
            axes.set_yticks(range(len(names)), names)
            axes.grid(visible=False, axis="y")
        else:
            drawn = axes.bar(places, mark.values, thick, bottom=starts, yerr=error, **style)
            axes.set_xticks(range(len(names)), names)
            axes.grid(visible=False, axis="x")
        if mark.texts and error is None:
            kind: Any = "center" if panel.stacked else "edge"
            axes.bar_label(
                drawn, mark.texts, label_type=kind, padding=2, fontsize=8, color=self._colour("ink")
            )
            axes.margins(x=0.15) if mark.horizontal else axes.margins(y=0.15)

    def _heat(self, mark: Heat) -> None:
        axes = self.axes
        values = np.array([_floats(row) for row in mark.values], dtype=float)
        low, high = mark.limits or (np.nanmin(values), np.nanmax(values))
        drawn = axes.pcolormesh(
            values, cmap=_scale(mark.scale), vmin=low, vmax=high, edgecolor=self._colour("paper")
        )
        count = len(mark.columns)
        axes.set_xticks(np.arange(count) + 0.5, mark.columns, rotation=90 * (count > CROWDED))
        axes.set_yticks(np.arange(len(mark.rows)) + 0.5, mark.rows)
        axes.grid(visible=False)
        self._colour_bar(drawn, mark.name)
        for y, row in enumerate(mark.texts):
            for x, text in enumerate(row):
                if math.isfinite(values[y, x]):
                    red, green, blue, _ = drawn.cmap(drawn.norm(values[y, x]))
                    pale = 0.3 * red + 0.59 * green + 0.11 * blue > 0.55
                    ink = LOOKS["ink"].colour("light" if pale else "dark")
                    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, size=8)

    def _parallel(self, mark: Parallel) -> None:
        axes = self.axes
        for bundle in bundles(mark):
            axes.plot(
                bundle.xs, _floats(bundle.ys), color=self._colour(bundle.role), lw=1, alpha=0.7
            )
        axes.set_xticks(range(len(mark.dimensions)), [one.label for one in mark.dimensions])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.04, 1.04)
        for at, dimension in enumerate(mark.dimensions):
            axes.axvline(at, color=self._colour("muted"), lw=1)
            for place, text in dimension.ticks:
                box = {"facecolor": self._colour("paper"), "alpha": 0.75, "lw": 0, "pad": 1}
                axes.text(
                    at + 0.03, place, text, size=8, va="center", bbox=box, color=self._colour("ink")
                )
        low, high = min(mark.colours, default=0.0), max(mark.colours, default=1.0)
        shades = ScalarMappable(Normalize(low, high), _scale("sequential"))
        self._colour_bar(shades, mark.scale_label)

    def _colour_bar(self, drawn: Any, label: str) -> None:
        figure = self.axes.figure
        bar = figure.colorbar(drawn, ax=self.axes, label=label)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=self._colour("ink"), labelsize=8)
        bar.ax.yaxis.label.set_color(self._colour("ink"))


def _floats(values: Any) -> list[Any]:
    """Return numbers with NaN for None, which is a gap; texts as they are."""
    return [math.nan if value is None else value for value in values]


def _error(mark: Bars) -> Any:
    if not (mark.lows and mark.highs):
        return None
    values = np.array(mark.values, dtype=float)
    return np.stack([values - np.array(mark.lows), np.array(mark.highs) - values])


def _scale(name: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list(name, SCALES[name])
