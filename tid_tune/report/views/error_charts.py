"""Figure 3 of the TID paper for several models: precision-recall curves, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tid_tune.report.analysis.breakdown import SHARES
from tid_tune.report.analysis.columns import Floats
from tid_tune.report.analysis.curves import RECALLS, mean
from tid_tune.report.analysis.matching import AREAS
from tid_tune.report.charts.model import Axis, Band, Bars, Chart, Line, Mark, Panel
from tid_tune.report.views.evaluated import Evaluated
from tid_tune.words import counted

ROLES = dict(
    zip(SHARES, ("series6", "series1", "series3", "series4", "series2", "stopped"), strict=True)
)
"""Of each share of `SHARES`."""
MEANING = (
    "Correct is the AP at IoU 0.5. Each error type is what the AP would gain if it were forgiven, "
    "after those before it: Loc, poor boxes; Sim, similar classes; Oth, other classes; BG, "
    "background and doubles; FN, objects not found at all."
)
MOST_CLASSES = 12


def used_images(models: Sequence[Evaluated]) -> str:
    """Return on how many images the models were evaluated, as part of a sentence."""
    first = models[0]
    if first.images < first.total:
        return f"the first {first.images} of {first.total} validation images"
    return f"all {counted(first.images, 'validation image')}"


def curve_chart(models: Sequence[Evaluated]) -> Chart:
    """Return a panel for each model: its curves, as errors are forgiven one by one."""
    title = "Precision and recall, as errors are forgiven one by one"
    caption = (
        f"On {used_images(models)}; means over the classes. {MEANING} The line in the lowest area "
        "is the curve at IoU 0.75."
    )
    return Chart("errors", title, caption, [_curves(model) for model in models])


def _curves(model: Evaluated) -> Panel:
    curves = mean(model.analysis.breakdown.precision[:, 0], axis=1)
    strict, *stages = curves.tolist()
    below = [0.0] * len(RECALLS)
    marks: list[Mark] = []
    for name, curve in zip(SHARES, stages, strict=True):
        marks.append(Band(name, RECALLS.tolist(), below, curve, ROLES[name], solid=True))
        below = curve
    marks.append(Line("IoU 0.75", RECALLS.tolist(), strict, "ink"))
    ap50, ap75 = curves[1].mean(), curves[0].mean()
    title = f"{model.name}: AP50 {ap50:.3f}, AP75 {ap75:.3f}"
    unit = (0, 1)
    return Panel(Axis("recall", limits=unit), Axis("precision", limits=unit), marks, title)


def size_chart(models: Sequence[Evaluated]) -> Chart:
    """Return a panel for each range of sizes that has objects: what each model's AP consists of."""
    sizes = [
        size for size in AREAS if not np.isnan(models[0].analysis.breakdown.shares(size)["FN"])
    ]
    panels = [_shares(models, size) for size in sizes]
    caption = (
        f"On {used_images(models)}; means over the classes that have objects of the size (COCO's "
        "ranges: small below 32\u00b2 pixels, medium to 96\u00b2, large above). The parts of a bar "
        f"add up to 1. {MEANING}"
    )
    title = "What keeps AP50 from 1, by size of the objects"
    return Chart("errors_by_size", title, caption, panels, wide=True)


def _shares(models: Sequence[Evaluated], size: str) -> Panel:
    shares = [model.analysis.breakdown.shares(size) for model in models]
    names = [model.name for model in models]
    bars = [
        Bars(
            share,
            names,
            [found[share] for found in shares],
            ROLES[share],
            texts=[f"{found[share]:.2f}" if found[share] >= 0.05 else "" for found in shares],
        )
        for share in SHARES
    ]
    title = "all objects" if size == "all" else f"{size} objects"
    height = 70 + 40 * len(models)
    return Panel(Axis("share", limits=(0, 1)), Axis(""), bars, title, stacked=True, height=height)


def class_chart(models: Sequence[Evaluated]) -> Chart:
    """Return the AP of each class and model, of the classes in which the models differ most."""
    chosen = differing_classes(models)
    truth = models[0].truth
    there = int((truth.counts() > 0).sum())
    names = [truth.classes[index] for index in chosen]
    columns = [class_ap(model)[chosen] for model in models]
    bars = [
        Bars(model.name, names, ap.tolist(), model.role, texts=[f"{x:.2f}" for x in ap])
        for model, ap in zip(models, columns, strict=True)
    ]
    picked = f"the {len(chosen)} of {there} classes that differ most between " + (
        f"{models[0].name} and {models[1].name}" if len(models) > 1 else "the models"
    )
    which = f"Drawn are {picked}." if len(chosen) < there else "All classes that have objects."
    caption = f"On {used_images(models)}. {which} Ordered by the difference, the largest first."
    height = 90 + 16 * (len(models) + 1) * len(chosen)
    panel = Panel(Axis("AP, IoU 0.50 to 0.95", limits=(0, 1)), Axis(""), bars, height=height)
    return Chart("ap_by_class", "AP by class", caption, [panel], wide=True)


def class_ap(model: Evaluated) -> Floats:
    """Return the AP of each class [K], NaN without objects."""
    return model.analysis.table.by_class()["AP"]


def differing_classes(models: Sequence[Evaluated], most: int = MOST_CLASSES) -> list[int]:
    """Return the classes with objects, by how much the AP of the first two models differs.

    Of one model, by its AP, the lowest first. At most `most`; equal ones stay in order.
    """
    ap = class_ap(models[0])
    key = -np.abs(class_ap(models[1]) - ap) if len(models) > 1 else ap
    order = np.argsort(key, kind="stable")
    return [int(index) for index in order if not np.isnan(ap[index])][:most]


def error_charts(models: Sequence[Evaluated]) -> list[Chart]:
    """Return all charts."""
    return [curve_chart(models), size_chart(models), class_chart(models)]
