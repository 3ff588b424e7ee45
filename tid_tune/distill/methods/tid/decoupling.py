"""SFDM, the Selective Feature Decoupling Module of TID: three areas, a term each.

The pyramid is split into weak, key and remaining points, and the student's features follow the
teacher's in each with its own weight. The three-way split is the paper's; normalization and the
reduction of each term are [ours], and the same as in the other methods (`distill.features`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tid_tune import ranks
from tid_tune.distill.methods.tid.areas import Areas


@dataclass(frozen=True)
class Masks:
    """Three disjoint masks (N, P) bool; together they cover exactly the valid points."""

    key: Tensor
    weak: Tensor
    rest: Tensor

    @classmethod
    def split(cls, areas: Areas, valid: Tensor, precedence: str) -> Masks:
        """Return masks of the areas; a point that is key and weak belongs to `precedence`."""
        if precedence == "weak":
            key, weak = areas.key & ~areas.weak, areas.weak
        else:
            key, weak = areas.key, areas.weak & ~areas.key
        return cls(key=key, weak=weak, rest=valid & ~key & ~weak)

    def by_area(self) -> dict[str, Tensor]:
        """Return the masks by the name of their area."""
        return {"key": self.key, "weak": self.weak, "rest": self.rest}


@dataclass(frozen=True)
class AreaMeans:
    """What the areas of a batch come to; areas are ordered as in `Masks.by_area`."""

    terms: Tensor
    """(3) float32: the mean over each area, see `mean_by_area`; of several ranks, a share."""
    counts: Tensor
    """(3, L) float32: number of points of each area on each level, in this rank's batch."""
    totals: Tensor
    """(3, L) float32: the same in the batch of all ranks."""

    def shares(self) -> Tensor:
        """Return (3, L): the share of the valid points of each level that each area takes."""
        return self.counts / self.totals.sum(dim=0).clamp(min=1)


def mean_by_area(
    differences: Sequence[Tensor], masks: Masks, level_sizes: Sequence[int]
) -> AreaMeans:
    """Return for each area what `mean_over_levels` does: the mean over its points, then levels.

    Args:
        differences: per level (N, H, W) float32, finite.
        masks: the areas.
        level_sizes: number of points of each level.
    """
    values = torch.cat([item.flatten(1) for item in differences], dim=1)
    weights = torch.stack([*masks.by_area().values()]).to(values.dtype)
    points = torch.cat([weights, weights * values]).sum(dim=1)
    parts = points.split(list(level_sizes), dim=1)
    counts, sums = torch.stack([part.sum(dim=1) for part in parts], dim=1).chunk(2)
    counts = counts.detach()
    totals = ranks.total(counts)
    means = sums / totals.clamp(min=1)
    return AreaMeans(means.sum(dim=1) / (totals > 0).sum(dim=1).clamp(min=1), counts, totals)
