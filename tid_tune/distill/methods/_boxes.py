"""Differences of predicted boxes: of edge distributions, and of the boxes themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tid_tune.detectors.boxes import giou
from tid_tune.detectors.heads import DistributionAdapter, HeadAdapter

EDGES = 4


def has_distributions(head: HeadAdapter) -> bool:
    """Whether the head predicts a distribution for each edge of a box (GFL)."""
    return isinstance(head, DistributionAdapter)


def edge_logits(maps: Sequence[Tensor]) -> Tensor:
    """Box maps of GFL, per level (N, 4 * B, H, W), as (N, P, 4, B) float32."""
    return joined_points(maps, EDGES)


def joined_points(maps: Sequence[Tensor], groups: int) -> Tensor:
    """Maps of all levels, (N, groups * K, H, W) each, as (N, P, groups, K) float32."""
    joined = torch.cat([item.flatten(2) for item in maps], dim=2).float()
    split: Tensor = joined.unflatten(1, (groups, -1))
    return split.permute(0, 3, 1, 2)


def edge_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over edges.

    Args:
        student, teacher: logits (N, P, 4, B), float32.
        temperature: T.

    Returns:
        (N, P) float32.
    """
    ours, theirs = ((item / temperature).log_softmax(dim=-1) for item in (student, teacher))
    each = functional.kl_div(ours, theirs, reduction="none", log_target=True)
    return each.sum(dim=-1).mean(dim=-1) * temperature**2


def giou_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - GIoU, in [0, 2], of boxes (..., 4), pairwise along the other dimensions."""
    return 1 - giou(student, teacher)
