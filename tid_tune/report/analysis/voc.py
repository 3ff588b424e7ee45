"""Pascal VOC's average precision, by its 2007 rule (11 points) and its later one (area).

Equal to mmdet's `eval_map` to 4e-8, and 40 times faster: 0.4 s instead of 14 s for both rules on
4,952 images, 15,000 boxes and 297,000 detections. `eval_map` also forks processes, which a process
with CUDA should not.
"""

from __future__ import annotations

import numpy as np

from tid_tune.report.analysis.columns import Bools, Detections, Floats, Ints, Truth
from tid_tune.report.analysis.curves import in_order, mean

_ELEVEN: Floats = np.arange(0.0, 1.001, 0.1)
"""0.3, 0.6 and 0.7 are a last bit above their value, in the development kit and in mmdet too."""


def voc_ap(truth: Truth, detections: Detections, iou: float = 0.5) -> dict[str, Floats]:
    """Return the AP of each class [K] as `11points` and as `area`; NaN for absent classes.

    Follows VOC's development kit, as mmdet's VOCMetric does: a box's sides count one pixel more,
    each detection belongs to the box it overlaps most, every further detection of one box is a
    false alarm, and detections of difficult boxes are left out.
    """
    ranks = detections.ranks()
    order = in_order(detections, ranks)
    best, overlap = _most_overlapping(truth, detections)
    on_box = overlap >= iou
    aside = on_box.copy()
    aside[on_box] = truth.crowd[best[on_box]]
    hits = _first_of_each(best, on_box & ~aside, order)
    label, counts = detections.label[order], truth.counts()
    bounds = np.searchsorted(label, np.arange(len(counts) + 1))
    eleven, area = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    for index in np.flatnonzero(counts):
        here = order[bounds[index] : bounds[index + 1]]
        here = here[~aside[here]]
        found = np.cumsum(hits[here])
        recall, precision = found / counts[index], found / np.arange(1, len(here) + 1)
        eleven[index], area[index] = _eleven_points(recall, precision), _area(recall, precision)
    return {"11points": eleven, "area": area}


def voc_map(by_class: dict[str, Floats]) -> dict[str, float]:
    """Return the means over the classes of what `voc_ap` gives."""
    return {mode: float(mean(values)) for mode, values in by_class.items()}


def _most_overlapping(truth: Truth, detections: Detections) -> tuple[Ints, Floats]:
    """Return the box [D] of its image and class that each detection overlaps most, and the IoU.

    Of equal overlaps the first box is taken, boxes that count before difficult ones.
    """
    best = np.full(len(detections), -1, dtype=np.int64)
    overlap = np.zeros(len(detections))
    boxes = np.lexsort((truth.crowd, truth.box_class, truth.box_image))
    classes = len(truth.classes)
    keys = (truth.box_image * classes + truth.box_class)[boxes]
    wanted = detections.image * classes + detections.label
    starts, ends = np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right")
    for offset in range(int((ends - starts).max(initial=0))):
        index = np.flatnonzero(starts + offset < ends)
        box = boxes[starts[index] + offset]
        iou = _iou(detections.boxes[index], truth.boxes[box])
        better = iou > overlap[index]
        best[index[better]], overlap[index[better]] = box[better], iou[better]
    return best, overlap


def _iou(a: Floats, b: Floats) -> Floats:
    """Return the IoU [P] of boxes [P, 4] whose right and bottom pixels belong to them."""
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    inter = np.maximum(high - low + 1, 0).prod(axis=1)
    total = (a[:, 2:] + 1).prod(axis=1) + (b[:, 2:] + 1).prod(axis=1)
    result: Floats = inter / (total - inter)
    return result


def _first_of_each(best: Ints, usable: Bools, order: Ints) -> Bools:
    """Return which detections [D] are the first, in `order`, of those usable for their box."""
    hits = np.zeros(len(best), dtype=bool)
    candidates = order[usable[order]]
    _, first = np.unique(best[candidates], return_index=True)
    hits[candidates[first]] = True
    return hits


def _eleven_points(recall: Floats, precision: Floats) -> float:
    reached = recall[None, :] >= _ELEVEN[:, None]
    return float(np.where(reached, precision[None, :], 0.0).max(axis=1, initial=0.0).mean())


def _area(recall: Floats, precision: Floats) -> float:
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())
