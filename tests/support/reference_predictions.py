"""The terms on predictions of FRS, LD and CrossKD a second time, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable

from support.reference_boxes import Box, iou
from support.reference_rivals import (
    Maps,
    Point,
    Pyramid,
    at,
    mean,
    softmax,
    squared,
    weighted_over_levels,
)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def cross_entropy(logit: float, target: float) -> float:
    p = sigmoid(logit)
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def frs(
    ours: list[Maps],
    theirs: list[Maps],
    pyramid: Pyramid,
    our_logits: list[Maps],
    their_logits: list[Maps],
    anchors: int,
) -> dict[str, float]:
    def richness(level: int, point: Point) -> float:
        return max(sigmoid(logit) for logit in at(their_logits[level], point))

    def surprise(level: int, point: Point) -> float:
        pairs = zip(at(our_logits[level], point), at(their_logits[level], point), strict=True)
        return sum(cross_entropy(s, sigmoid(t)) for s, t in pairs) / anchors

    return {
        "feature": weighted_over_levels(pyramid, squared(ours, theirs), richness),
        "class": weighted_over_levels(pyramid, surprise, richness),
    }


def edge_divergence(ours: list[float], theirs: list[float], temperature: float) -> float:
    bins = len(ours) // 4
    found = []
    for edge in range(4):
        part = slice(edge * bins, (edge + 1) * bins)
        s, t = (softmax([v / temperature for v in side[part]]) for side in (ours, theirs))
        found.append(sum(q * math.log(q / p) for p, q in zip(s, t, strict=True)))
    return temperature**2 * mean(found)


def diou(a: Box, b: Box) -> float:
    def center(box: Box) -> tuple[float, float]:
        return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2

    gap = math.dist(center(a), center(b))
    diagonal = math.hypot(max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
    return iou(a, b) - gap**2 / diagonal**2


def giou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return both / (union or 1.0) - (hull - union) / (hull or 1.0)


def crosskd(
    pyramid: Pyramid,
    logits: list[Maps],
    their_logits: list[Maps],
    distance: Callable[[int, Point, int], float],
    anchors: int,
    beta: float,
    foreground_score: float,
) -> dict[str, float]:
    """`distance(level, point, anchor)` is D between the crossed and the teacher's own box."""
    classes = boxes = total = 0.0
    count = 0
    for level in pyramid.levels():
        for point in pyramid.points(level):
            for anchor in range(anchors):
                z, t = (
                    _of_anchor(at(maps[level], point), anchor, anchors)
                    for maps in (logits, their_logits)
                )
                targets = [sigmoid(value) for value in t]
                classes += sum(
                    abs(p - sigmoid(s)) ** beta * cross_entropy(s, p)
                    for s, p in zip(z, targets, strict=True)
                )
                if max(targets) >= foreground_score:
                    count += 1
                    total += max(targets)
                    boxes += max(targets) * distance(level, point, anchor)
    images = len(pyramid.padded)
    return {"class": classes / max(count, images), "box": boxes / total if total else 0.0}


def _of_anchor(values: list[float], anchor: int, anchors: int) -> list[float]:
    width = len(values) // anchors
    return values[anchor * width : (anchor + 1) * width]
