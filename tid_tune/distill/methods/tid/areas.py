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

from tid_tune.distill.methods.tid.codes import Tables
from tid_tune.distill.methods.tid.importance import Importance
from tid_tune.distill.methods.tid.settings import TIDSettings

WHOLE = 10**12
"""Parts that a fraction is counted in: whole numbers, so that 0.3 of 100 points are 30."""


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
    tables: Tables,
) -> Areas:
    """Find key and weak area of a batch.

    By quantile, a point of the lowest importance is never key, and a point where the teacher is
    not ahead never weak, however few others there are.

    Args:
        teacher: importance of every point to the teacher.
        student: the same for the student.
        valid: (N, P) bool, false at padding.
        level_sizes: number of points of each level; they sum to P.
        settings: `select`, `quantile`, `areas`.
        tables: of the same settings.
    """
    if settings.select == "threshold":
        key = tables.reaches_key(teacher.code)
        weak = tables.reaches_weak(teacher.code, student.code)
    else:
        order = tables.order(teacher.code)
        lead = tables.lead_order(teacher.code, student.code)
        key = top_fraction(order, teacher.evidence, valid, level_sizes, settings.quantile)
        lead_evidence = teacher.evidence - student.evidence
        weak = top_fraction(lead, lead_evidence, valid, level_sizes, settings.quantile)
        key = key & (order > 0)
        weak = weak & (lead > 0)
    nothing = torch.zeros_like(valid)
    return Areas(
        key=key & valid if settings.areas in ("both", "key") else nothing,
        weak=weak & valid if settings.areas in ("both", "weak") else nothing,
    )


def top_fraction(
    order: Tensor, evidence: Tensor, valid: Tensor, level_sizes: Sequence[int], fraction: float
) -> Tensor:
    """Select the ceil(fraction * n) highest of the n valid points, for each image and level.

    Places in the `order` (N, P), int64, that are equal are ordered by `evidence`, then by position.
    The fraction counts to twelve decimals. (N, P) bool.
    """
    order = order.masked_fill(~valid, torch.iinfo(order.dtype).min)
    parts = max(1, round(fraction * WHOLE))
    chosen = []
    levels = (torch.split(item, list(level_sizes), dim=1) for item in (order, evidence, valid))
    for values, ties, usable in zip(*levels, strict=True):
        by_evidence = ties.argsort(dim=1, descending=True, stable=True)
        by_order = values.gather(1, by_evidence).argsort(dim=1, descending=True, stable=True)
        best_first = by_evidence.gather(1, by_order)
        count = (usable.sum(dim=1, keepdim=True) * parts + WHOLE - 1) // WHOLE
        ranked = torch.arange(values.shape[1], device=values.device) < count
        chosen.append(torch.zeros_like(usable).scatter(1, best_first, ranked))
    return torch.cat(chosen, dim=1) & valid
