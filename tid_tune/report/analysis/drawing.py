"""Precision-recall curves as a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tid_tune.report.analysis.analysis import Analysis
from tid_tune.report.analysis.breakdown import STAGES, Breakdown
from tid_tune.report.analysis.curves import RECALLS, mean
from tid_tune.report.charts.palette import BLUE, GREEN, GREY, LOOKS, ORANGE, PURPLE, SKY

INK = LOOKS["ink"].light
SHADES = ("#DDF0FA", SKY, BLUE, GREEN, PURPLE, ORANGE, GREY)
"""One for each stage of the breakdown; it fills what the stage adds to the one before."""


def draw_curves(path: Path, analysis: Analysis, title: str = "") -> None:
    """Write a PNG: mean curves over the classes at IoU 0.5 and 0.75, and the error breakdown."""
    figure = Figure(figsize=(11.0, 4.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    plain, shaded = figure.subplots(1, 2, sharey=True)
    for iou, color in ((0.5, SHADES[1]), (0.75, SHADES[4])):
        curve = analysis.table.curve(iou)
        plain.plot(RECALLS, curve, color=color, label=f"IoU {iou:g}, AP {curve.mean():.3f}")
    plain.set_title("mean over the classes")
    draw_breakdown(shaded, analysis.breakdown)
    for axis in (plain, shaded):
        axis.set(xlabel="recall", xlim=(0, 1), ylim=(0, 1.005))
        axis.spines[["top", "right"]].set_visible(False)
    plain.legend(frameon=False, loc="upper right", fontsize=9)
    handles, labels = shaded.get_legend_handles_labels()
    beside = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    shaded.legend(handles[::-1], labels[::-1], frameon=False, fontsize=9, **beside)
    plain.set_ylabel("precision")
    figure.suptitle(title, color=INK)
    figure.savefig(path)


def draw_breakdown(axis: Axes, breakdown: Breakdown) -> None:
    """Fill `axis` with the curves of all stages, for objects of all sizes."""
    curves = mean(breakdown.precision[:, 0], axis=1)
    below = curves[0] * 0
    for name, curve, color in zip(STAGES, curves, SHADES, strict=True):
        label = f"{name} {curve.mean():.3f}"
        axis.fill_between(RECALLS, below, curve, color=color, linewidth=0, label=label)
        axis.plot(RECALLS, curve, color=INK, linewidth=0.5)
        below = curve
    axis.set_title("errors forgiven one by one")
