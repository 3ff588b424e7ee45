"""A detector's own rule of which IoU is positive and which is negative, as thresholds per object.

That the thresholds of the localization score are the detector's own is stated by the paper
(arXiv 2404.01699); how they are read from an assigner is [ours].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tid_tune.detectors.boxes import GroundTruth, centers, iou
from tid_tune.openmmlab.detector_types import Meta

POSITIVE, NEGATIVE = 0.5, 0.4
"""For a detector without an IoU rule, such as FCOS."""
LOWEST, HIGHEST = 0.05, 0.95
"""Bounds of an adaptive threshold: an object no anchor fits would make every box positive."""


@dataclass(frozen=True)
class IoURule:
    """IoUs that separate positive from negative: (N, G) per object, or (1, 1) for all."""

    positive: Tensor
    negative: Tensor

    @classmethod
    def fixed(cls, positive: float, negative: float, device: torch.device) -> IoURule:
        """Return the same two numbers for every object."""
        return cls(
            torch.full((1, 1), positive, device=device), torch.full((1, 1), negative, device=device)
        )

    def at(self, matched: Tensor) -> tuple[Tensor, Tensor]:
        """Return both thresholds for objects (N, P), given by their index in the image.

        They are (N, P), or (1, 1) where they are the same for all.
        """
        if self.positive.numel() == 1:
            return self.positive, self.negative
        return self.positive.gather(1, matched), self.negative.gather(1, matched)


@dataclass(frozen=True)
class Anchors:
    """Anchor boxes of all images, as the assigner gets them.

    `levels` holds (P_l * A, 4) per level, `usable` (N, P_l * A) bool per level: the head itself
    considers the anchor in that image.
    """

    levels: list[Tensor]
    usable: list[Tensor]

    @classmethod
    def of(
        cls,
        head: Any,
        sizes: Sequence[tuple[int, int]],
        valid: Sequence[Tensor],
        metas: Sequence[Meta],
    ) -> Anchors:
        """Make the anchors of a head; those at padding or over the allowed border are not usable.

        `valid` is (N, H, W) per level: the points that are not padding.
        """
        device = valid[0].device
        levels = head.prior_generator.grid_priors(list(sizes), device=device)
        usable = [
            item.flatten(1).repeat_interleave(boxes, dim=1)
            for item, boxes in zip(valid, head.prior_generator.num_base_priors, strict=True)
        ]
        border = allowed_border(head)
        if border >= 0:
            shapes = torch.tensor([meta["img_shape"][:2] for meta in metas])
            shapes = shapes.to(device, non_blocking=True)
            usable = [
                flag & _inside(level, shapes, border)
                for level, flag in zip(levels, usable, strict=True)
            ]
        return cls(levels, usable)


class IoURuleSource(ABC):
    """Where a head's IoU rule comes from."""

    @abstractmethod
    def rule(self, truth: GroundTruth, anchors: Callable[[], Anchors]) -> IoURule:
        """Return the thresholds for these objects; `anchors` is called only if they are needed."""


@dataclass(frozen=True)
class FixedRule(IoURuleSource):
    """The same thresholds for every object: MaxIoUAssigner's, or the defaults."""

    positive: float = POSITIVE
    negative: float = NEGATIVE

    def rule(self, truth: GroundTruth, anchors: Callable[[], Anchors]) -> IoURule:
        """Return two numbers for all objects."""
        return IoURule.fixed(self.positive, self.negative, truth.boxes.device)


@dataclass(frozen=True)
class AdaptiveRule(IoURuleSource):
    """ATSS: mean and standard deviation of the IoUs of each object's candidate anchors.

    Candidates are, on each level, the `topk` usable anchors with their center nearest to the
    object's. Positive from mean + std, negative up to the mean, both within [0.05, 0.95].
    """

    topk: int

    def rule(self, truth: GroundTruth, anchors: Callable[[], Anchors]) -> IoURule:
        """Return thresholds (N, G) per object; those of padded slots have no meaning."""
        grid = anchors()
        overlaps, candidates = [], []
        for level, usable in zip(grid.levels, grid.usable, strict=True):
            index, candidate = nearest_anchors(truth.boxes, level, usable, self.topk)
            overlaps.append(iou(level[index], truth.boxes[:, :, None]))
            candidates.append(candidate)
        mean, std = candidate_statistics(torch.cat(overlaps, dim=2), torch.cat(candidates, dim=2))
        return IoURule((mean + std).clamp(LOWEST, HIGHEST), mean.clamp(LOWEST, HIGHEST))


def nearest_anchors(
    objects: Tensor, level: Tensor, usable: Tensor, topk: int
) -> tuple[Tensor, Tensor]:
    """Find the candidates of ATSS on one level: the usable anchors with the nearest centers.

    Args:
        objects: boxes (N, G, 4).
        level: anchors (P, 4).
        usable: (N, P) bool.
        topk: number of candidates k; P if the level has fewer anchors.

    Returns:
        Indices (N, G, k) into the level, and (N, G, k) bool: false where too few are usable.
    """
    distance = (centers(objects)[:, :, None] - centers(level)).square().sum(dim=-1)
    distance = distance.masked_fill(~usable[:, None], torch.inf)
    nearest = distance.topk(min(topk, len(level)), dim=2, largest=False)
    return nearest.indices, nearest.values.isfinite()


def candidate_statistics(overlap: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and (unbiased) standard deviation (N, G) of the IoUs of each object's candidates.

    ATSS calls an anchor positive from their sum on. `overlap` and `candidate` are (N, G, anything).
    """
    weight = candidate.float()
    count = weight.sum(dim=2)
    mean = (overlap * weight).sum(dim=2) / count.clamp(min=1)
    spread = ((overlap - mean[..., None]).square() * weight).sum(dim=2)
    return mean, (spread / (count - 1).clamp(min=1)).sqrt()


def rule_source(head: Any) -> IoURuleSource:
    """Return the rule of a head's assigner; a head without an IoU-based one gets 0.5 / 0.4."""
    assigner: Any = getattr(head, "assigner", None)
    kind = type(assigner).__name__
    if kind == "ATSSAssigner":
        return AdaptiveRule(assigner.topk)
    if kind == "MaxIoUAssigner":
        negative = assigner.neg_iou_thr
        upper = negative[1] if isinstance(negative, tuple | list) else negative
        return FixedRule(assigner.pos_iou_thr, upper)
    return FixedRule()


def allowed_border(head: Any) -> float:
    """Return by how many pixels a usable anchor may leave the image; by any if negative."""
    return float((head.train_cfg or {}).get("allowed_border", -1))


def padded_shape(meta: Meta) -> tuple[int, int]:
    """Return (height, width) of an image with its own padding, not that of the whole batch."""
    height, width = meta.get("pad_shape", meta["img_shape"])[:2]
    return int(height), int(width)


def _inside(level: Tensor, shapes: Tensor, border: float) -> Tensor:
    """Tell per image (N, anchors) whether an anchor leaves it by less than `border` pixels."""
    height, width = shapes[:, :1], shapes[:, 1:]
    return (
        (level[:, 0] >= -border)
        & (level[:, 1] >= -border)
        & (level[:, 2] < width + border)
        & (level[:, 3] < height + border)
    )
