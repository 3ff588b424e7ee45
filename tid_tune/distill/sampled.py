"""A teacher's maps of which only some points are known.

A point is there with a probability p and counts 1 / p, so that every sum over points is right on
average over the draws (Horvitz and Thompson, 1952). Mean and variance of each channel are those of
all points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tid_tune import ranks

SHARE = 0.01
"""Points that a sample has, as a part of all points of an image."""
LEAST = 8
"""Points that a sample has of a level, if the level has as many."""


@dataclass(frozen=True)
class Sampled:
    """What belongs to the maps of a batch, per level."""

    weights: Sequence[Tensor]
    """(N, H, W) float32: 1 / p, and 0 for points that are not there."""
    means: Sequence[Tensor]
    """(1, C, 1, 1) float32: over all points of all images that are not padding."""
    variances: Sequence[Tensor]
    """(1, C, 1, 1) float32."""

    @classmethod
    def of(
        cls,
        weights: Sequence[Tensor],
        counts: Tensor,
        means: Sequence[Tensor],
        sums: Sequence[Tensor],
    ) -> Sampled:
        """Join the channel statistics of images, of those of all ranks.

        Args:
            weights: per level (N, H, W).
            counts: points that are not padding, (N, L).
            means: per level (N, C), over those points.
            sums: per level (N, C): squared deviations from these means.
        """
        joined, variances = [], []
        for level, (mean, squares) in enumerate(zip(means, sums, strict=True)):
            share = counts[:, level, None].float()
            total = ranks.total(share.sum()).clamp(min=1)
            whole = ranks.total((share * mean).sum(dim=0)) / total
            spread = squares.sum(dim=0) + (share * (mean - whole).square()).sum(dim=0)
            spread = ranks.total(spread)
            joined.append(whole[None, :, None, None])
            variances.append((spread / total)[None, :, None, None])
        return cls(weights, joined, variances)

    def normalized(self, features: Tensor, level: int, epsilon: float) -> Tensor:
        """Bring the maps of a level (N, C, H, W) to zero mean and unit variance per channel."""
        scale = (self.variances[level] + epsilon).rsqrt()
        return (features.float() - self.means[level]) * scale


def systematic(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Choose points, each with its own probability (M), as many as they sum to; (M) bool."""
    order = torch.randperm(len(probabilities), generator=generator)
    ends = probabilities[order].double().cumsum(0)
    start = torch.rand((), generator=generator, dtype=torch.float64)
    steps = (ends - start).floor()
    before = torch.cat([(-start).floor()[None], steps[:-1]])
    chosen = torch.zeros(len(order), dtype=torch.bool)
    chosen[order] = steps > before
    return chosen
