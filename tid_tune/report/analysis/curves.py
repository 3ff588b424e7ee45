"""Precision-recall curves in COCO's form: precision at 101 levels of recall."""

from __future__ import annotations

import numpy as np

from tid_tune.report.analysis.columns import Bools, Detections, Floats, Ints

RECALLS: Floats = np.linspace(0.0, 1.0, 101)


def in_order(detections: Detections, ranks: Ints) -> Ints:
    """Return the indices [D] that sort by class, then score, best first; ties by image."""
    return np.lexsort((ranks, detections.image, -detections.scores, detections.label))


def precision_by_class(label: Ints, hits: Bools, counted: Bools, positives: Ints) -> Floats:
    """Return the precision [K, 101] at every recall of `RECALLS`, for each class.

    Args:
        label: [D] classes, ascending; within a class the best score comes first.
        hits: [D] whether the detection found a box.
        counted: [D] whether it is a hit or a false alarm; the others are left out.
        positives: [K] how many boxes of the class there are to find.

    A class without boxes has NaN. The precision at a recall is the best one at this or any higher
    recall, and 0 where the recall is not reached.
    """
    result = np.full((len(positives), len(RECALLS)), np.nan)
    bounds = np.searchsorted(label, np.arange(len(positives) + 1))
    for index, total in enumerate(positives.tolist()):
        if total:
            here = slice(bounds[index], bounds[index + 1])
            result[index] = precision(hits[here], counted[here], total)
    return result


def precision(hits: Bools, counted: Bools, total: int) -> Floats:
    """Return the precision [101] of one class; its D detections come best first."""
    found = np.cumsum(hits & counted)
    alarms = np.cumsum(counted & ~hits)
    ratio = found / (found + alarms + np.spacing(1))
    envelope = np.maximum.accumulate(ratio[::-1])[::-1]
    place = np.searchsorted(found / total, RECALLS, side="left")
    return np.append(envelope, 0.0)[place]


def mean(values: Floats, axis: int | tuple[int, ...] | None = None) -> Floats:
    """Return the mean without NaN entries, NaN where all are, and without a warning."""
    there = ~np.isnan(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
