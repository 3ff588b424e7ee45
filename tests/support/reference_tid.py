"""TID written down a second time: plain Python over images, levels, points, anchors and objects.

Shares nothing with `tid_tune.distill`: own anchors, decoding, IoU, candidate selection, masks and
means. Numbers are Python floats; maps are nested lists indexed [image][level][point].
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from support.reference_boxes import Box, Side, anchors_at, decode, iou

DEFAULTS: dict[str, Any] = {
    "key_threshold": 3.0,
    "weak_threshold": 1.0,
    "select": "threshold",
    "quantile": 0.02,
    "areas": "both",
    "precedence": "weak",
    "tasks": "both",
    "thresholds": "detector",
    "pos_iou": 0.5,
    "neg_iou": 0.4,
    "cls_pos": 0.5,
    "cls_neg": 0.1,
    "normalize": "channel",
}


@dataclass
class Batch:
    """Objects (box, label) of each image, the padded size of each, and the strides."""

    objects: list[list[tuple[Box, int]]]
    padded: list[tuple[int, int]]
    strides: list[int]
    topk: int = 4
    border: int = -1
    shapes: list[tuple[int, int]] = field(default_factory=list)


def thresholds(
    side: Side, batch: Batch, image: int, sizes: list[tuple[int, int]], settings: dict[str, Any]
) -> list[tuple[float, float]]:
    """(positive, negative) IoU for each object of the image."""
    found = []
    for box, _ in batch.objects[image]:
        if settings["thresholds"] == "fixed":
            found.append((settings["pos_iou"], settings["neg_iou"]))
        elif side.kind == "fcos":
            found.append((0.5, 0.4))
        elif side.kind == "retinanet":
            found.append((0.45, 0.35))
        else:
            overlaps = candidate_overlaps(side, batch, image, sizes, box)
            mean = statistics.fmean(overlaps) if overlaps else 0.0
            std = statistics.stdev(overlaps) if len(overlaps) > 1 else 0.0
            found.append((min(0.95, max(0.05, mean + std)), min(0.95, max(0.05, mean))))
    return found


def candidate_overlaps(
    side: Side, batch: Batch, image: int, sizes: list[tuple[int, int]], box: Box
) -> list[float]:
    overlaps = []
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for stride, (height, width) in zip(batch.strides, sizes, strict=True):
        near = []
        for y in range(height):
            for x in range(width):
                if not is_valid(batch, image, x, y, stride):
                    continue
                (anchor,) = anchors_at(side.kind, x, y, stride)
                if batch.border >= 0 and not inside(anchor, batch.shapes[image], batch.border):
                    continue
                distance = math.hypot(x * stride - cx, y * stride - cy)
                near.append((distance, iou(anchor, box)))
        near.sort(key=lambda item: item[0])
        overlaps += [overlap for _, overlap in near[: batch.topk]]
    return overlaps


def inside(anchor: Box, shape: tuple[int, int], border: int) -> bool:
    height, width = shape
    return (
        anchor[0] >= -border
        and anchor[1] >= -border
        and anchor[2] < width + border
        and anchor[3] < height + border
    )


def is_valid(batch: Batch, image: int, x: int, y: int, stride: int) -> bool:
    height, width = batch.padded[image]
    return x < math.ceil(width / stride) and y < math.ceil(height / stride)


def discrete(value: float, positive: float, negative: float) -> float:
    if value >= positive:
        return 2.0
    return 1.5 if value > negative else 0.4


Scores = list[list[list[tuple[float, float]]]]
"""(importance, evidence) by [image][level][point]."""


def importance(side: Side, batch: Batch, settings: dict[str, Any]) -> Scores:
    sizes = [(item.shape[2], item.shape[3]) for item in side.features]
    scores: Scores = []
    for image, objects in enumerate(batch.objects):
        limits = thresholds(side, batch, image, sizes, settings)
        scores.append([])
        for level, (height, width) in enumerate(sizes):
            scores[image].append(
                [
                    point_importance(side, batch, image, level, x, y, objects, limits, settings)
                    for y in range(height)
                    for x in range(width)
                ]
            )
    return scores


def point_importance(
    side: Side,
    batch: Batch,
    image: int,
    level: int,
    x: int,
    y: int,
    objects: list[tuple[Box, int]],
    limits: list[tuple[float, float]],
    settings: dict[str, Any],
) -> tuple[float, float]:
    best, best_anchor, best_object = 0.0, 0, -1
    for anchor, box in enumerate(decode(side, level, image, x, y, batch.strides[level])):
        for index, (target, _) in enumerate(objects):
            overlap = iou(box, target)
            if overlap > best:
                best, best_anchor, best_object = overlap, anchor, index
    regression = classification = 0.4
    probability = 0.0
    if best_object >= 0:
        logits = side.outputs[0][level][image, :, y, x].tolist()
        classes = len(logits) // len(anchors_at(side.kind, x, y, 1)) if side.kind != "fcos" else 0
        logit = logits[best_anchor * classes + objects[best_object][1]]
        probability = 1 / (1 + math.exp(-logit))
        regression = discrete(best, *limits[best_object])
        classification = discrete(probability, settings["cls_pos"], settings["cls_neg"])
    if settings["tasks"] == "classification":
        return classification, probability
    if settings["tasks"] == "regression":
        return regression, best
    return regression * classification, best * probability


def assess(
    teacher: Scores, student: Scores, batch: Batch, sizes: list[tuple[int, int]], settings: Any
) -> list[list[list[str]]]:
    """The area of every point: key, weak, rest, or padding."""
    names: list[list[list[str]]] = []
    for image in range(len(batch.objects)):
        names.append([])
        for level, (height, width) in enumerate(sizes):
            stride = batch.strides[level]
            points = [
                y * width + x
                for y in range(height)
                for x in range(width)
                if is_valid(batch, image, x, y, stride)
            ]
            ours, theirs = student[image][level], teacher[image][level]
            key, weak = select(ours, theirs, points, settings)
            row = []
            for point in range(height * width):
                in_key = point in key and settings["areas"] in ("both", "key")
                in_weak = point in weak and settings["areas"] in ("both", "weak")
                if point not in points:
                    row.append("padding")
                elif in_key and in_weak:
                    row.append(settings["precedence"])
                else:
                    row.append("key" if in_key else "weak" if in_weak else "rest")
            names[image].append(row)
    return names


def select(ours: Any, theirs: Any, points: list[int], settings: Any) -> tuple[set[int], set[int]]:
    if settings["select"] == "threshold":
        key = {p for p in points if theirs[p][0] >= settings["key_threshold"]}
        weak = {p for p in points if theirs[p][0] - ours[p][0] >= settings["weak_threshold"] - 1e-9}
        return key, weak
    lowest = 0.16 if settings["tasks"] == "both" else 0.4
    count = math.ceil(round(settings["quantile"] * len(points), 4))
    by_teacher = sorted(points, key=lambda p: (-theirs[p][0], -theirs[p][1], p))
    lead = {p: (round(theirs[p][0] - ours[p][0], 6), theirs[p][1] - ours[p][1]) for p in points}
    by_lead = sorted(points, key=lambda p: (-lead[p][0], -lead[p][1], p))
    key = {p for p in by_teacher[:count] if theirs[p][0] > lowest + 1e-6}
    weak = {p for p in by_lead[:count] if lead[p][0] > 1e-6}
    return key, weak


def standardize(values: list[list[list[float]]], valid: list[list[bool]]) -> None:
    """In place; values[image][channel][point], valid[image][point]."""
    for channel in range(len(values[0])):
        seen = [
            value
            for image, channels in enumerate(values)
            for point, value in enumerate(channels[channel])
            if valid[image][point]
        ]
        mean = statistics.fmean(seen)
        std = math.sqrt(statistics.fmean([(value - mean) ** 2 for value in seen]) + 1e-6)
        for channels in values:
            channels[channel] = [(value - mean) / std for value in channels[channel]]


def terms(
    student: list[Tensor], teacher: list[Tensor], names: list[list[list[str]]], normalize: str
) -> dict[str, float]:
    per_level: dict[str, list[float]] = {"key": [], "weak": [], "rest": []}
    for level in range(len(student)):
        ours, theirs = (side[level].flatten(2).tolist() for side in (student, teacher))
        valid = [[name != "padding" for name in image[level]] for image in names]
        if normalize == "channel":
            standardize(ours, valid)
            standardize(theirs, valid)
        for area, means in per_level.items():
            found = []
            for image, levels in enumerate(names):
                for point, name in enumerate(levels[level]):
                    if name == area:
                        found += [
                            (ours[image][channel][point] - theirs[image][channel][point]) ** 2
                            for channel in range(len(ours[image]))
                        ]
            if found:
                means.append(statistics.fmean(found))
    return {area: statistics.fmean(means) if means else 0.0 for area, means in per_level.items()}


@dataclass
class Result:
    teacher: Scores
    student: Scores
    areas: list[list[list[str]]]
    terms: dict[str, float]


def tid(student: Side, teacher: Side, batch: Batch, **changes: Any) -> Result:
    """Everything, for settings that differ from the defaults by `changes`."""
    settings = DEFAULTS | changes
    sizes = [(item.shape[2], item.shape[3]) for item in student.features]
    ours = importance(student, batch, settings)
    theirs = importance(teacher, batch, settings)
    areas = assess(theirs, ours, batch, sizes, settings)
    values = terms(student.features, teacher.features, areas, settings["normalize"])
    return Result(theirs, ours, areas, values)
