"""A detector's own rule of which IoU is positive and which is negative, as thresholds per object.

That the thresholds of the localization score are the detector's own is stated by the paper
(arXiv 2404.01699); how they are read from an assigner is [ours].
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tid_tune.detectors.boxes import GroundTruth, centers, iou
from tid_tune.openmmlab.detector_types import Instances, Meta

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

    @classmethod
    def adaptive(cls, positive: Tensor, negative: Tensor) -> IoURule:
        """Return thresholds (N, G) per object, within [0.05, 0.95]."""
        return cls(positive.clamp(LOWEST, HIGHEST), negative.clamp(LOWEST, HIGHEST))

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

    @cached_property
    def boxes(self) -> Tensor:
        """All levels in one (P, 4)."""
        return torch.cat(self.levels)

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
        index, candidate = nearest_anchors(truth.boxes, grid, self.topk)
        overlap = iou(grid.boxes[index], truth.boxes[:, :, None])
        mean, std = candidate_statistics(overlap, candidate)
        return IoURule.adaptive(mean + std, mean)


def nearest_anchors(objects: Tensor, anchors: Anchors, topk: int) -> tuple[Tensor, Tensor]:
    """Find the candidates of ATSS: on each level the usable anchors with the nearest centers.

    Args:
        objects: boxes (N, G, 4).
        anchors: P anchors over all levels.
        topk: number of candidates on a level; all of a level that has fewer anchors.

    Returns:
        Indices (N, G, K) among all anchors, and (N, G, K) bool: false where too few are usable.
    """
    middle, grid = centers(objects)[..., None], centers(anchors.boxes)
    distance = (middle[:, :, 0] - grid[:, 0]).square_()
    distance += (middle[:, :, 1] - grid[:, 1]).square_()
    distance = distance.masked_fill_(~torch.cat(anchors.usable, dim=1)[:, None], torch.inf)
    sizes = [len(level) for level in anchors.levels]
    found = [
        part.topk(min(topk, part.shape[2]), dim=2, largest=False)
        for part in distance.split(sizes, dim=2)
    ]
    starts = itertools.accumulate(sizes[:-1], initial=0)
    index = torch.cat([item.indices + start for item, start in zip(found, starts, strict=True)], 2)
    return index, torch.cat([item.values for item in found], dim=2).isfinite()


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
    kind = getattr(assigner, "base_name", type(assigner).__name__)
    if kind == "ATSSAssigner":
        return AdaptiveRule(assigner.topk)
    if kind == "MaxIoUAssigner":
        negative = assigner.neg_iou_thr
        upper = negative[1] if isinstance(negative, tuple | list) else negative
        return FixedRule(assigner.pos_iou_thr, upper)
    return FixedRule()


def assigned_rule(head: Any, instances: Sequence[Instances]) -> IoURule | None:
    """Return the adaptive thresholds that the head's assigner found for these very objects.

    None if it has no memory, or has not been asked yet; see `tid_tune.openmmlab.assigners`.
    """
    recall = getattr(getattr(head, "assigner", None), "thresholds_of", None)
    found: list[Tensor] | None = None if recall is None else recall(instances)
    if found is None:
        return None
    padded = pad_sequence([*found, found[0].new_zeros(1, 2)], batch_first=True)[:-1]
    return IoURule.adaptive(*padded.unbind(2))


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
