"""What methods on predictions share: requirements on heads, and differences of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tid_tune.detectors.boxes import giou
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.errors import ConfigError

EDGES = 4


def require_sigmoid(method: str, **heads: HeadAdapter) -> None:
    """Check that the classes of the heads (by role) are independent.

    Raises:
        ConfigError: a head has softmax.
    """
    for role, head in heads.items():
        if not head.uses_sigmoid:
            raise ConfigError(
                f"the distillation method {method} needs sigmoid class scores; the {role}'s "
                f"{head.name} has softmax (set use_sigmoid in its loss_cls)"
            )


def joined_points(maps: Sequence[Tensor], groups: int) -> Tensor:
    """Join maps of all levels, (N, groups * K, H, W) each, to (N, P, groups, K) float32."""
    joined = torch.cat([item.flatten(2) for item in maps], dim=2).float()
    split: Tensor = joined.unflatten(1, (groups, -1))
    return split.permute(0, 3, 1, 2)


def edge_logits(maps: Sequence[Tensor]) -> Tensor:
    """Join box maps of GFL, per level (N, 4 * B, H, W), to (N, P, 4, B) float32."""
    return joined_points(maps, EDGES)


def edge_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over edges.

    Args:
        student: logits (N, P, 4, B), float32.
        teacher: the same.
        temperature: T.

    Returns:
        (N, P) float32.
    """
    ours, theirs = ((item / temperature).log_softmax(dim=-1) for item in (student, teacher))
    each = functional.kl_div(ours, theirs, reduction="none", log_target=True)
    return each.sum(dim=-1).mean(dim=-1) * temperature**2


def giou_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return 1 - GIoU, in [0, 2], of boxes (..., 4), pairwise along the other dimensions."""
    return 1 - giou(student, teacher)
