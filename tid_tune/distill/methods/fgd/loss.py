"""Focal and global distillation (FGD, Yang et al., CVPR 2022).

    A_s(F)(i) = n softmax_i(mean_c |F(i, c)| / tau)         n = points of the image on this level
    A_c(F)(c) = C softmax_c(mean_i |F(i, c)| / tau)
    d(i) = A_s(F_T)(i) mean_c A_c(F_T)(c) (phi(F_S) - F_T)^2
    L_foreground = sum_i d(i) / area(i)  over the points i in boxes,  per sum_i 1 / area(i)
    L_background = the same over all other points with area = their number in the image
    L_attention  = mean_i |A_s(F_S) - A_s(F_T)| + mean_c |A_c(F_S) - A_c(F_T)|
    L_global     = mean_i mean_c (R(phi(F_S)) - R(F_T))^2
    L = fg_weight L_foreground + bg_weight L_background + attention_weight L_attention
        + global_weight L_global,   each averaged over levels

area(i) is that of the smallest box covering i; R is a global context block (GCNet). The formulas
are the paper's up to their reduction: it sums, with the weights 1e-3, 5e-4, 5e-4 and 5e-6; for a
COCO image of 800 x 1333 with seven objects and 256 channels that is about 9, 0.6, 11 (spatial
attention; channels 0.6) and 28 of ours without normalization. [ours]: means, normalization, boxes
mapped by stride, attention of the adapted maps, one block R per level for both detectors (it is
trained along and starts as the identity).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tid_tune import ranks
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.features import ChannelAdaptation, comparable, mean_over_levels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.fgd.settings import FGDSettings
from tid_tune.distill.object_masks import smallest_areas


class FGD(Method):
    """The teacher's attention weighs the difference; objects count alike whatever their size."""

    settings: FGDSettings
    spans_ranks = True
    uses_teacher_outputs = False

    def __init__(self, settings: FGDSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, settings.adapt)
        self.context_blocks = nn.ModuleList(
            GlobalContext(teacher.in_channels) for _ in teacher.strides
        )

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_foreground`, `_background`, `_attention` and `_global`."""
        settings, valid = self.settings, context.valid
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            ours = comparable(adapted, valid, settings.normalize)
            theirs = comparable(context.teacher.features, valid, settings.normalize)
            focal, attention, channels = zip(
                *map(self._compare_level, ours, theirs, valid), strict=True
            )
            blocks = zip(self.context_blocks, ours, theirs, valid, strict=True)
            relations = [
                (block(s, mask) - block(t, mask)).square().mean(dim=1)
                for block, s, t, mask in blocks
            ]
            areas = context.batch.once("smallest areas", lambda: smallest_areas(context))
            inside = [1 / area for area in areas]
            outside = [
                _per_image(area.isinf() & mask) for area, mask in zip(areas, valid, strict=True)
            ]
            images = ranks.total_count(len(context.metas), context.device)
            channel_attention = torch.stack(channels).sum(dim=1).mean() / images
            terms = {
                "foreground": (settings.fg_weight, mean_over_levels(focal, inside)),
                "background": (settings.bg_weight, mean_over_levels(focal, outside)),
                "attention": (
                    settings.attention_weight,
                    mean_over_levels(attention, valid) + channel_attention,
                ),
                "global": (settings.global_weight, mean_over_levels(relations, valid)),
            }
        return self.weighted(context, terms)

    def _compare_level(
        self, ours: Tensor, theirs: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return d and |A_s(S) - A_s(T)|, both (N, H, W), and mean_c |A_c(S) - A_c(T)| (N)."""
        tau = self.settings.attention_temperature
        spatial, channel = (
            spatial_attention(theirs, valid, tau),
            channel_attention(theirs, valid, tau),
        )
        squared = (ours - theirs).square()
        focal = spatial * (channel[:, :, None, None] * squared).mean(dim=1)
        spatial_gap = (spatial_attention(ours, valid, tau) - spatial).abs()
        channel_gap = (channel_attention(ours, valid, tau) - channel).abs().mean(dim=1)
        return focal, spatial_gap, channel_gap


class GlobalContext(nn.Module):
    """GCNet's block: every point gets the same addition, made from an attention-pooled map.

    The last layer starts at zero, so the block starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.key = nn.Conv2d(channels, 1, 1)
        self.inner, self.outer = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.norm = nn.LayerNorm(hidden)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, features: Tensor, valid: Tensor) -> Tensor:
        """Turn (N, C, H, W) float32 into the same; only `valid` (N, H, W) points are pooled."""
        weights = _softmax_over_points(self.key(features).squeeze(1), valid)
        pooled = (features * weights[:, None]).sum(dim=(2, 3))
        added: Tensor = self.outer(self.norm(self.inner(pooled)).relu())
        return features + added[:, :, None, None]


def spatial_attention(features: Tensor, valid: Tensor, tau: float) -> Tensor:
    """Return A_s (N, H, W) of (N, C, H, W): mean 1 over an image's valid points, 0 at padding."""
    weights = _softmax_over_points(features.abs().mean(dim=1) / tau, valid)
    return weights * valid.sum(dim=(1, 2), keepdim=True)


def channel_attention(features: Tensor, valid: Tensor, tau: float) -> Tensor:
    """Return A_c (N, C) of (N, C, H, W): mean 1 over channels."""
    weights = _per_image(valid)[:, None]
    energy = (features.abs() * weights).sum(dim=(2, 3))
    return torch.softmax(energy / tau, dim=1) * features.shape[1]


def _softmax_over_points(energy: Tensor, valid: Tensor) -> Tensor:
    flat = energy.masked_fill(~valid, -torch.inf).flatten(1)
    return torch.softmax(flat, dim=1).view_as(energy)


def _per_image(mask: Tensor) -> Tensor:
    """Turn (N, H, W) bool into weights that sum to one in every image that has any point."""
    count = mask.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    return mask.float() / count
