"""LDAM, the Learning Dynamics Assessment Module of TID: where the student stands now.

The key area is where the teacher is sure of both tasks, the weak area where the teacher is ahead
of the student. Both are found anew at every step, so they move as the student learns. Selecting
weak areas by the difference of importance is taken from published reviews of the paper; all
cut-offs, and selection by quantile, are [ours].

Points of all levels are one dimension P, level by level; `level_sizes` says how many each has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tid_tune.distill.methods.tid.importance import Importance
from tid_tune.distill.methods.tid.settings import ROUNDING, TIDSettings


@dataclass(frozen=True)
class Areas:
    """Key and weak area, (N, P) bool each; they may overlap and hold no invalid point."""

    key: Tensor
    weak: Tensor


def assess_areas(
    teacher: Importance,
    student: Importance,
    valid: Tensor,
    level_sizes: Sequence[int],
    settings: TIDSettings,
) -> Areas:
    """Find key and weak area of a batch.

    By quantile, a point of the lowest importance is never key, and a point where the teacher is
    not ahead never weak, however few others there are.

    Args:
        teacher: importance of every point to the teacher.
        student: the same for the student.
        valid: (N, P) bool, false at padding.
        level_sizes: number of points of each level; they sum to P.
        settings: `select`, `key_threshold`, `weak_threshold`, `quantile`, `areas`.
    """
    lead = teacher.score - student.score
    if settings.select == "threshold":
        key = teacher.score >= settings.key_threshold - ROUNDING
        weak = lead >= settings.weak_threshold - ROUNDING
    else:
        key = top_fraction(teacher.score, teacher.evidence, valid, level_sizes, settings.quantile)
        lead_evidence = teacher.evidence - student.evidence
        weak = top_fraction(lead, lead_evidence, valid, level_sizes, settings.quantile)
        key = key & (teacher.score > settings.lowest_importance * (1 + ROUNDING))
        weak = weak & (lead > 0)
    nothing = torch.zeros_like(valid)
    return Areas(
        key=key & valid if settings.areas in ("both", "key") else nothing,
        weak=weak & valid if settings.areas in ("both", "weak") else nothing,
    )


def top_fraction(
    score: Tensor, evidence: Tensor, valid: Tensor, level_sizes: Sequence[int], fraction: float
) -> Tensor:
    """Select the ceil(fraction * n) highest of the n valid points, for each image and level.

    Equal scores are ordered by `evidence`, then by position. (N, P) bool.
    """
    score = score.masked_fill(~valid, -torch.inf)
    chosen = []
    levels = (torch.split(item, list(level_sizes), dim=1) for item in (score, evidence, valid))
    for values, ties, usable in zip(*levels, strict=True):
        order = ties.argsort(dim=1, descending=True, stable=True)
        by_score = values.gather(1, order).argsort(dim=1, descending=True, stable=True)
        order = order.gather(1, by_score)
        count = (usable.sum(dim=1, keepdim=True).double() * fraction - ROUNDING).ceil()
        ranked = torch.arange(values.shape[1], device=values.device) < count
        chosen.append(torch.zeros_like(usable).scatter(1, order, ranked))
    return torch.cat(chosen, dim=1) & valid
