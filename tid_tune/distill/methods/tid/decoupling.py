"""SFDM, the Selective Feature Decoupling Module of TID: three areas, three terms.

The pyramid is split into weak, key and remaining points, and the student's features follow the
teacher's in each with its own weight. The three-way split is the paper's; normalization and the
reduction of each term are [ours]: every term is a mean over its own points and channels, then
over the levels that have such points, so a weight keeps its meaning when batch size, image size
or the number of levels changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tid_tune.distill.methods.tid.areas import Areas

EPSILON = 1e-6
"""Added to a channel's variance, so that a constant channel becomes zero."""


@dataclass(frozen=True)
class Masks:
    """Three disjoint masks (N, P) bool; together they cover exactly the valid points."""

    key: Tensor
    weak: Tensor
    rest: Tensor

    @classmethod
    def split(cls, areas: Areas, valid: Tensor, precedence: str) -> Masks:
        """Masks of the areas; a point that is key and weak belongs to `precedence`."""
        if precedence == "weak":
            key, weak = areas.key & ~areas.weak, areas.weak
        else:
            key, weak = areas.key, areas.weak & ~areas.key
        return cls(key=key, weak=weak, rest=valid & ~key & ~weak)

    def by_area(self) -> dict[str, Tensor]:
        """The masks by the name of their area."""
        return {"key": self.key, "weak": self.weak, "rest": self.rest}


def normalize_channels(features: Tensor, valid: Tensor) -> Tensor:
    """Zero mean and unit variance per channel over the valid points of the whole batch.

    Args:
        features: (N, C, H, W), any float type.
        valid: (N, H, W) bool.

    Returns:
        (N, C, H, W) float32; values at invalid points are finite and mean nothing.
    """
    features = features.float()
    weight = valid[:, None].float()
    count = weight.sum().clamp(min=1)
    mean = (features * weight).sum(dim=(0, 2, 3), keepdim=True) / count
    centered = features - mean
    variance = (centered.square() * weight).sum(dim=(0, 2, 3), keepdim=True) / count
    return centered * (variance + EPSILON).rsqrt()


def squared_difference(student: Tensor, teacher: Tensor, valid: Tensor, normalize: str) -> Tensor:
    """Mean over channels of the squared feature difference at every point.

    Args:
        student: (N, C, H, W), in the teacher's channels; gradients flow through it.
        teacher: (N, C, H, W).
        valid: (N, H, W) bool.
        normalize: `channel` or `none`.

    Returns:
        (N, H, W) float32.
    """
    if normalize == "channel":
        student, teacher = normalize_channels(student, valid), normalize_channels(teacher, valid)
    return (student.float() - teacher.float()).square().mean(dim=1)


def area_means(
    differences: Sequence[Tensor], masks: Mapping[str, Sequence[Tensor]]
) -> dict[str, Tensor]:
    """One term per area: the mean over its points, then over the levels that have any.

    Args:
        differences: per level (N, H, W), as from `squared_difference`.
        masks: per area and level (N, H, W) bool.

    Returns:
        A float32 scalar per area: exactly 0, with a graph, for an area without points.
    """
    terms = {}
    for name, levels in masks.items():
        weights = [mask.to(diff.dtype) for mask, diff in zip(levels, differences, strict=True)]
        counts = torch.stack([weight.sum() for weight in weights])
        sums = torch.stack([(w * d).sum() for w, d in zip(weights, differences, strict=True)])
        terms[name] = (sums / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
    return terms
