"""Weighted means over points and levels: the unit in which feature losses are measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mean_over_levels(values: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """mean_l sum_i w_i v_i / sum_i w_i, over the levels that have any weight.

    Args:
        values: per level (N, H, W) float32, finite.
        weights: per level (N, H, W), bool or not negative; 0 at padding.

    Returns:
        A float32 scalar: exactly 0, with a graph, if no level has any weight.
    """
    weights = [weight.to(value.dtype) for weight, value in zip(weights, values, strict=True)]
    totals = torch.stack([weight.sum() for weight in weights])
    sums = torch.stack([(w * v).sum() for w, v in zip(weights, values, strict=True)])
    used = totals > 0
    means = sums / torch.where(used, totals, torch.ones_like(totals))
    return means.sum() / used.sum().clamp(min=1)
