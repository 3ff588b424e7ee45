"""Match detections to ground truth the way COCO does, for a whole split at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tid_tune.report.analysis.columns import Bools, Detections, Floats, Ints, Truth

AREAS: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""COCO's size ranges in pixels of area, both ends included."""

_CHUNK = 2_000_000
"""Pairs of detection and box looked at in one go; bounds the memory."""


@dataclass(frozen=True)
class Pairs:
    """P pairs of a detection and a box of the same image that overlap.

    Attributes:
        detection: [P] index.
        box: [P] index.
        overlap: [P] the IoU; where `crowd`, the covered share of the detection.
        crowd: [P] whether the box may take any number of detections and only makes them ignored.
            A box of another class is always such a one.
        foreign: [P] whether the two have different classes.
    """

    detection: Ints
    box: Ints
    overlap: Floats
    crowd: Bools
    foreign: Bools

    def __getitem__(self, index: Ints | Bools | slice) -> Pairs:
        return Pairs(
            self.detection[index],
            self.box[index],
            self.overlap[index],
            self.crowd[index],
            self.foreign[index],
        )


def find_pairs(truth: Truth, detections: Detections, least: float) -> Pairs:
    """Return all pairs, of equal or different class, whose overlap is at least `least` > 0."""
    by_image = np.argsort(truth.box_image, kind="stable")
    counts = np.bincount(truth.box_image, minlength=len(truth.image_ids))
    starts = np.cumsum(counts) - counts
    sizes = counts[detections.image]
    ends = np.cumsum(sizes)
    parts = []
    first = 0
    while first < len(detections):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        index = np.arange(first, last)
        n = sizes[index]
        offset = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        box = by_image[np.repeat(starts[detections.image[index]], n) + offset]
        parts.append(_overlapping(truth, detections, np.repeat(index, n), box, least))
        first = last
    if not parts:
        nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        return Pairs(nothing, nothing, np.zeros(0), none, none)
    return Pairs(
        np.concatenate([part.detection for part in parts]),
        np.concatenate([part.box for part in parts]),
        np.concatenate([part.overlap for part in parts]),
        np.concatenate([part.crowd for part in parts]),
        np.concatenate([part.foreign for part in parts]),
    )


def _overlapping(
    truth: Truth, detections: Detections, detection: Ints, box: Ints, least: float
) -> Pairs:
    a, b = detections.boxes[detection], truth.boxes[box]
    width = np.minimum(a[:, 2] + a[:, 0], b[:, 2] + b[:, 0]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3] + a[:, 1], b[:, 3] + b[:, 1]) - np.maximum(a[:, 1], b[:, 1])
    touch = np.flatnonzero((width > 0) & (height > 0))
    detection, box, a, b = detection[touch], box[touch], a[touch], b[touch]
    inter = width[touch] * height[touch]
    foreign = detections.label[detection] != truth.box_class[box]
    crowd = foreign | truth.crowd[box]
    area = a[:, 2] * a[:, 3]
    overlap = inter / np.where(crowd, area, area + b[:, 2] * b[:, 3] - inter)
    return Pairs(detection, box, overlap, crowd, foreign)[overlap >= least]


def priority(pairs: Pairs, ignored: Bools, ranks: Ints) -> Ints:
    """Return the order [P] in which `match` takes pairs.

    Better detections choose first. A detection prefers boxes that count to those that are
    `ignored` [M], then the greater overlap, then the later box.
    """
    aside = ignored[pairs.box] | pairs.crowd
    detection = pairs.detection
    return np.lexsort((-pairs.box, -pairs.overlap, aside, detection, ranks[detection]))


def match(pairs: Pairs, threshold: float, ranks: Ints, boxes: int) -> Ints:
    """Return the pair [D] that each detection takes, -1 where it takes none.

    Args:
        pairs: in the order of `priority`; any may be left out.
        threshold: overlap a pair needs.
        ranks: [D] the detections' places within image and class.
        boxes: how many boxes there are.
    """
    chosen = np.full(len(ranks), -1, dtype=np.int64)
    taken = np.zeros(boxes, dtype=bool)
    usable = np.flatnonzero(pairs.overlap >= min(threshold, 1 - 1e-10))
    rank = ranks[pairs.detection[usable]]
    cuts = np.flatnonzero(np.diff(rank)) + 1
    # One round per rank: detections of the same rank differ in image or class, and so never
    # want the same box, unless it is a crowd, which is never used up.
    for here in np.split(usable, cuts):
        free = here[pairs.crowd[here] | ~taken[pairs.box[here]]]
        detection = pairs.detection[free]
        first = np.ones(len(free), dtype=bool)
        first[1:] = detection[1:] != detection[:-1]
        take = free[first]
        chosen[detection[first]] = take
        taken[pairs.box[take[~pairs.crowd[take]]]] = True
    return chosen
