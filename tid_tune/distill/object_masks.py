"""Where the ground truth lies on the feature maps.

An object covers every cell of a level that its box touches, by the level's stride: a box of any
size covers a cell. A cell (y, x) is the square from (x, y) * stride to (x + 1, y + 1) * stride.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tid_tune.detectors.boxes import PAIRS_AT_ONCE, GroundTruth
from tid_tune.distill.context import Context


def masks_by_size(context: Context, level_scale: float) -> list[Tensor]:
    """Mark per level (N, H, W) the cells of the objects that belong to the level.

    An object belongs to the coarsest level whose stride times `level_scale` does not exceed its
    size sqrt(w * h), or to the finest if there is none.
    """
    level_of = assigned_levels(context.truth, context.strides, level_scale)
    masks = []
    for level, (stride, size) in enumerate(zip(context.strides, context.sizes, strict=True)):
        rows, columns = covered_spans(context.truth, stride, size)
        rows = rows & (level_of == level)[..., None]
        cover = torch.einsum("ngh,ngw->nhw", rows.float(), columns.float()) > 0
        masks.append(cover & context.valid[level])
    return masks


def assigned_levels(truth: GroundTruth, strides: Sequence[int], level_scale: float) -> Tensor:
    """Return the level (N, G) of every object; that of padded slots has no meaning."""
    size = (truth.boxes[..., 2:] - truth.boxes[..., :2]).clamp(min=0).prod(dim=-1).sqrt()
    level = torch.zeros_like(size, dtype=torch.long)
    for stride in strides[1:]:
        level += (size >= stride * level_scale).long()
    return level


def smallest_areas(context: Context) -> list[Tensor]:
    """Count per level (N, H, W) the cells of the smallest object that covers a cell, else inf."""
    found = []
    for stride, size, valid in zip(context.strides, context.sizes, context.valid, strict=True):
        rows, columns = covered_spans(context.truth, stride, size)
        area = (rows.sum(dim=2) * columns.sum(dim=2)).float()
        smallest = torch.full_like(valid, torch.inf, dtype=torch.float32)
        chunk = max(1, PAIRS_AT_ONCE // valid.numel())
        for start in range(0, area.shape[1], chunk):
            part = slice(start, start + chunk)
            cover = rows[:, part, :, None] & columns[:, part, None, :]
            each = torch.where(cover, area[:, part, None, None], torch.inf)
            smallest = torch.minimum(smallest, each.amin(dim=1))
        found.append(smallest.masked_fill(~valid, torch.inf))
    return found


def covered_spans(truth: GroundTruth, stride: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mark rows (N, G, H) and columns (N, G, W) that each object touches; none for padding."""
    x1, y1, x2, y2 = truth.boxes[..., None, :].unbind(dim=-1)
    spans = []
    for low, high, count in ((y1, y2, size[0]), (x1, x2, size[1])):
        edge = torch.arange(count, device=low.device) * stride
        spans.append((edge < high) & (edge + stride > low) & truth.real[..., None])
    return spans[0], spans[1]
