"""Pictures of a search, drawn with matplotlib without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#22303c"
FULL = "#1769aa"
PARTIAL = "#b8c4ce"
LINES = ("#c0392b", "#d68910", "#1e8449", "#7d3c98")


@dataclass(frozen=True)
class EndedTrial:
    """One ended trial as a point: what the whole search had cost when it ended, and its value."""

    epochs: float
    hours: float
    value: float
    full_length: bool


def best_so_far(
    path: Path,
    trials: Sequence[EndedTrial],
    levels: Mapping[str, float],
    *,
    objective: str,
    device: str,
    maximize: bool = True,
    title: str = "",
) -> None:
    """Draw the best full-length value so far against epochs trained and device hours spent.

    `trials` in the order they ended; `levels` are horizontal reference lines (baseline, teacher);
    `device` is what the hours are of, `GPU` or `CPU`.
    Trials that were stopped early are drawn pale: their value belongs to a shorter training.
    """
    figure = Figure(figsize=(9.6, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, attribute, label in (
        (axes[0], "epochs", "epochs trained, all trials"),
        (axes[1], "hours", f"{device}-hours, all trials"),
    ):
        _panel(axis, trials, attribute, maximize)
        axis.set_xlabel(label)
        for color, (name, value) in zip(LINES, levels.items(), strict=False):
            axis.axhline(value, color=color, linewidth=1, linestyle="--", label=name)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(y=0.08)
        axis.set_xlim(left=0)
    axes[0].set_ylabel(objective)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(title, color=INK)
    figure.savefig(path)


def _panel(axis: Axes, trials: Sequence[EndedTrial], attribute: str, maximize: bool) -> None:
    full = [t for t in trials if t.full_length]
    partial = [t for t in trials if not t.full_length]
    for group, color, label in (
        (partial, PARTIAL, "stopped early"),
        (full, FULL, "full length"),
    ):
        if group:
            xs = [getattr(t, attribute) for t in group]
            axis.scatter(xs, [t.value for t in group], s=22, color=color, label=label, zorder=3)
    if not full:
        return
    better = max if maximize else min
    best, xs, ys = full[0].value, [], []
    for trial in full:
        best = better(best, trial.value)
        xs.append(getattr(trial, attribute))
        ys.append(best)
    xs.append(max(getattr(t, attribute) for t in trials))
    ys.append(best)
    axis.step(xs, ys, where="post", color=INK, linewidth=1.6, label="best so far", zorder=2)
