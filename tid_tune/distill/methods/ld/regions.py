"""Where LD distills localization: positive anchors, and the valuable region around them.

Positive is what the ATSS assigner of mmdet calls so. An anchor is in the valuable localization
region of an object if its DIoU with it lies between a fraction of the object's positive threshold
and that threshold (LD, Zheng et al., CVPR 2022); that positive anchors are left out of the region,
and that the threshold is the assigner's own, is [ours].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tid_tune.detectors.boxes import PAIRS_AT_ONCE, GroundTruth, centers, iou
from tid_tune.detectors.iou_rules import Anchors, candidate_statistics, nearest_anchors

MARGIN = 0.01
"""The assigner's: an anchor is positive only if its center is this many pixels inside the box."""


@dataclass(frozen=True)
class Regions:
    """Disjoint masks (N, P) bool: positive anchors, and the valuable localization region."""

    main: Tensor
    valuable: Tensor


def localization_regions(truth: GroundTruth, anchors: Anchors, topk: int, low: float) -> Regions:
    """Find both regions of a batch, for one anchor a point.

    Args:
        truth: the objects.
        anchors: P anchors over all levels, and which of them each image uses.
        topk: candidates of an object on each level.
        low: where the valuable region starts, as a fraction of the positive threshold.
    """
    usable = torch.cat(anchors.usable, dim=1)
    boxes = anchors.boxes
    main, valuable = torch.zeros_like(usable), torch.zeros_like(usable)
    chunk = max(1, PAIRS_AT_ONCE // usable.numel())
    for start in range(0, truth.boxes.shape[1], chunk):
        objects = truth.boxes[:, start : start + chunk]
        real = truth.real[:, start : start + chunk, None]
        candidate = _candidates(objects, anchors, topk)
        overlap = iou(objects[:, :, None], boxes)
        mean, std = candidate_statistics(overlap, candidate)
        threshold = (mean + std)[..., None]
        positive = candidate & (overlap >= threshold) & _inside(boxes, objects) & real
        distance = overlap - _center_penalty(objects[:, :, None], boxes)
        near = (distance >= low * threshold) & (distance <= threshold) & real
        main |= positive.any(dim=1)
        valuable |= near.any(dim=1)
    return Regions(main & usable, valuable & usable & ~main)


def _candidates(objects: Tensor, anchors: Anchors, topk: int) -> Tensor:
    """Mark (N, G, P) the `topk` usable anchors nearest to each object's center on each level."""
    index, candidate = nearest_anchors(objects, anchors, topk)
    nowhere = candidate.new_zeros(*objects.shape[:2], len(anchors.boxes))
    return nowhere.scatter(2, index, candidate)


def _inside(boxes: Tensor, objects: Tensor) -> Tensor:
    """Mark (N, G, P) where the center of the anchor lies in the object."""
    middle, objects = centers(boxes), objects[:, :, None]
    low, high = middle - objects[..., :2], objects[..., 2:] - middle
    return torch.minimum(low, high).amin(dim=-1) > MARGIN


def _center_penalty(first: Tensor, second: Tensor) -> Tensor:
    """Return DIoU's: squared distance of centers over squared diagonal of the enclosing box."""
    low = torch.minimum(first[..., :2], second[..., :2])
    high = torch.maximum(first[..., 2:], second[..., 2:])
    diagonal = (high - low).square().sum(dim=-1)
    return (centers(first) - centers(second)).square().sum(dim=-1) / diagonal.clamp(min=1e-6)
