"""How well a model does on each image: what it finds, misses and invents.

Detections below a score are left out. Each model is judged at the score that gives it the best F1
over all images, so that a model is not punished for the scale of its scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tid_tune.report.analysis.breakdown import MAX_DETECTIONS
from tid_tune.report.analysis.columns import Bools, Detections, Floats, Ints, Truth
from tid_tune.report.analysis.matching import find_pairs, match, priority

IOU = 0.5
"""From here on, a detection of the right class is a hit."""


@dataclass(frozen=True)
class Judged:
    """A model's detections that count, S of them, and how it does on each of N images.

    Attributes:
        score: the score from which detections count.
        detections: those that do, without those that match a crowd.
        box: [S] the object that each finds, as an index into the truth; -1 for a false alarm.
        iou: [S] the IoU with that object; of a false alarm, the greatest with any object.
        missed: the objects that none finds, as indices into the truth.
        hits: [N] objects found in each image.
        alarms: [N] false alarms in each image.
        misses: [N] objects missed in each image.
        quality: [N] the sum of the hits' IoUs, divided by hits + (alarms + misses) / 2: 1 is
            perfect. This is panoptic quality (Kirillov and others, CVPR 2019). An image without
            objects and alarms has 1.
    """

    score: float
    detections: Detections
    box: Ints
    iou: Floats
    missed: Ints
    hits: Ints
    alarms: Ints
    misses: Ints
    quality: Floats


def judge_images(truth: Truth, detections: Detections) -> Judged:
    """Judge a model's detections on all images of `truth`, by COCO's matching at an IoU of 0.5."""
    found = detections.best(MAX_DETECTIONS)
    box, crowd, overlap = _matches(truth, found)
    score = best_score(found.scores[~crowd], box[~crowd] >= 0, int((~truth.crowd).sum()))
    kept = np.flatnonzero((found.scores >= score) & ~crowd)
    shown = Detections(found.image[kept], found.label[kept], found.boxes[kept], found.scores[kept])
    box, overlap = box[kept], overlap[kept]
    alarm = box < 0
    iou = np.where(alarm, _greatest_iou(truth, shown), overlap)
    missing = ~truth.crowd
    missing[box[~alarm]] = False
    count = len(truth.image_ids)
    hits = np.bincount(shown.image[~alarm], minlength=count)
    alarms = np.bincount(shown.image[alarm], minlength=count)
    misses = np.bincount(truth.box_image[missing], minlength=count)
    total = np.bincount(shown.image[~alarm], weights=iou[~alarm], minlength=count)
    base = hits + (alarms + misses) / 2
    quality = np.where(base > 0, total / np.maximum(base, 0.5), 1.0)
    missed = np.flatnonzero(missing)
    return Judged(score, shown, box, iou, missed, hits, alarms, misses, quality)


def best_score(scores: Floats, hits: Bools, objects: int) -> float:
    """Return the lowest score of those whose detections have the best F1; infinite without hits.

    F1 is 2 * hits / (detections + objects), with `hits` [D] those of all detections. Detections of
    the same score count together.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    f1 = 2 * np.cumsum(hits[order]) / (np.arange(1, len(scores) + 1) + objects)
    last = np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]
    if not hits.any():
        return float("inf")
    f1 = np.where(last, f1, -1.0)
    return float(ranked[int(f1.argmax())])


def differing_images(first: Judged, second: Judged, count: int) -> list[int]:
    """Return the images on which the quality of two models differs most, at most `count`.

    Of the images with objects, those with no fewer than half of them have: where there is but one
    object, the quality is all or nothing. Ordered by the absolute difference, equal ones by their
    place; images without a difference are left out.
    """
    objects = first.hits + first.misses
    least = float(np.median(objects[objects > 0])) if objects.any() else 0.0
    enough = objects >= max(1.0, least)
    difference = np.where(enough, np.abs(second.quality - first.quality), 0.0)
    order = np.argsort(-difference, kind="stable")
    return [int(image) for image in order[:count] if difference[image] > 0]


def worst_images(judged: Judged, count: int) -> list[int]:
    """Return the images of the lowest quality, at most `count`."""
    return [int(image) for image in np.argsort(judged.quality, kind="stable")[:count]]


def _matches(truth: Truth, detections: Detections) -> tuple[Ints, Bools, Floats]:
    """Return the object of each detection or -1, whether it is a crowd, and the IoU with it."""
    ranks = detections.ranks()
    pairs = find_pairs(truth, detections, IOU)
    pairs = pairs[~pairs.foreign]
    pairs = pairs[priority(pairs, truth.crowd, ranks)]
    chosen = match(pairs, IOU, ranks, len(truth.boxes))
    box = np.full(len(detections), -1, dtype=np.int64)
    overlap, crowd = np.zeros(len(detections)), np.zeros(len(detections), dtype=bool)
    matched = chosen >= 0
    box[matched] = pairs.box[chosen[matched]]
    overlap[matched] = pairs.overlap[chosen[matched]]
    crowd[matched] = truth.crowd[box[matched]]
    return box, crowd, overlap


def _greatest_iou(truth: Truth, detections: Detections) -> Floats:
    """Return the greatest IoU [D] of each detection with an object of its image, of any class."""
    pairs = find_pairs(truth, detections, np.finfo(float).tiny)
    a, b = detections.boxes[pairs.detection], truth.boxes[pairs.box]
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    inter = (high - low).clip(min=0).prod(axis=1)
    greatest = np.zeros(len(detections))
    whole = a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - inter
    np.maximum.at(greatest, pairs.detection, inter / whole)
    return greatest
