"""What methods on feature maps share: adaptation, normalization, differences and their means.

Losses are means over a declared unit, here points and channels and then levels, so that a weight
keeps its meaning when batch size, image size or the number of levels changes [ours].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tid_tune import ranks
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.sampled import Sampled

EPSILON = 1e-6
"""Added to a channel's variance, so that a constant channel becomes zero."""


class ChannelAdaptation(nn.Module):
    """Brings the student's maps to the teacher's channels, level by level, by a 1x1 convolution.

    Args:
        student: channels of every level's map.
        teacher: channels to bring them to.
        levels: number of levels.
        always: a convolution even where the channels agree; otherwise the maps pass unchanged.
    """

    def __init__(self, student: int, teacher: int, levels: int, *, always: bool = False) -> None:
        super().__init__()
        needed = always or student != teacher
        self.convs = nn.ModuleList(
            nn.Conv2d(student, teacher, 1) if needed else nn.Identity() for _ in range(levels)
        )

    @classmethod
    def of_pyramids(
        cls, student: HeadAdapter, teacher: HeadAdapter, adapt: str
    ) -> ChannelAdaptation:
        """Return one for the maps that two heads get; `adapt` is `auto` or `conv`."""
        return cls(
            student.in_channels, teacher.in_channels, len(student.strides), always=adapt == "conv"
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Turn (N, student, H, W) per level into (N, teacher, H, W)."""
        return [conv(item) for conv, item in zip(self.convs, features, strict=True)]


def normalize_channels(features: Tensor, valid: Tensor | None) -> Tensor:
    """Bring every channel to zero mean and unit variance over the valid points of the whole batch.

    Args:
        features: (N, C, H, W), any float type.
        valid: (N, H, W) bool; None if all points are valid, which takes one operation.

    Returns:
        (N, C, H, W) float32; values at invalid points are finite and have no meaning.
    """
    if ranks.several():
        return _normalized_over_ranks([features], [valid])[0]
    features = features.float()
    if valid is None:
        cudnn = torch.backends.cudnn.enabled
        return torch.batch_norm(features, None, None, None, None, True, 0.0, EPSILON, cudnn)
    weight = valid[:, None].float()
    count = weight.sum().clamp(min=1)
    mean = (features * weight).sum(dim=(0, 2, 3), keepdim=True) / count
    centered = features - mean
    variance = (centered.square() * weight).sum(dim=(0, 2, 3), keepdim=True) / count
    return centered * (variance + EPSILON).rsqrt()


def _normalized_over_ranks(
    features: Sequence[Tensor], valid: Sequence[Tensor | None]
) -> list[Tensor]:
    """Normalize maps per level as `normalize_channels` does, over the batches of all ranks.

    Each rank contributes points, mean and spread of every channel, in one exchange.
    """
    maps = [item.float() for item in features]
    own = [_moments(item, mask) for item, mask in zip(maps, valid, strict=True)]
    sums = ranks.joined(torch.cat(own)).split([len(item) for item in own])
    normal = []
    for item, part in zip(maps, sums, strict=True):
        points = part[0].clamp(min=1)
        mean, square = (part[1:] / points).chunk(2)
        # Not below 0, by rounding: in double precision, that is far below EPSILON.
        scale = ((square - mean.square()).clamp(min=0) + EPSILON).rsqrt()
        mean, scale = (value.float()[None, :, None, None] for value in (mean, scale))
        normal.append((item - mean) * scale)
    return normal


def _moments(features: Tensor, valid: Tensor | None) -> Tensor:
    """Return (1 + 2 C) float64 of maps (N, C, H, W): points, and sums of x and x^2 by channel.

    Around the mean of the rank first, in float32: x^2 of single precision would cancel.
    """
    shape = features.shape[0], 1, *features.shape[2:]
    weight = features.new_ones(shape) if valid is None else valid[:, None].float()
    points = weight.sum()
    mean = (features * weight).sum(dim=(0, 2, 3), keepdim=True) / points.clamp(min=1)
    spread = ((features - mean).square() * weight).sum(dim=(0, 2, 3)).double()
    mean, points = mean.flatten().double(), points.double()
    return torch.cat([points[None], points * mean, spread + points * mean.square()])


def comparable(
    features: Sequence[Tensor], valid: Sequence[Tensor | None], normalize: str
) -> list[Tensor]:
    """Return float32 maps (N, C, H, W) per level, normalized if `normalize` is `channel`."""
    if normalize != "channel":
        return [item.float() for item in features]
    if ranks.several():
        return _normalized_over_ranks(features, valid)
    return [normalize_channels(*pair) for pair in zip(features, valid, strict=True)]


def feature_differences(
    context: Context, adapted: Sequence[Tensor], normalize: str
) -> list[Tensor]:
    """Return the mean over channels of the squared difference to the teacher at every point.

    Args:
        context: the batch.
        adapted: the student's maps (N, C, H, W) per level, in the teacher's channels.
        normalize: `channel` or `none`.

    Returns:
        (N, H, W) float32 per level; gradients flow to `adapted`. Where only some points of the
        teacher's maps are there, theirs are divided by the probability that they are there, and the
        others are 0: sums over points are right on average.
    """
    batch = context.batch
    if batch.sampled is not None:
        return _sampled_differences(context, batch.sampled, adapted, normalize)
    valid: Sequence[Tensor | None] = [None] * len(batch.sizes) if batch.complete else batch.valid
    theirs = batch.once(
        ("maps", normalize), lambda: comparable(batch.teacher.features, valid, normalize)
    )
    ours = comparable(adapted, valid, normalize)
    return [(s - t).square().mean(dim=1) for s, t in zip(ours, theirs, strict=True)]


def _sampled_differences(
    context: Context, sampled: Sampled, adapted: Sequence[Tensor], normalize: str
) -> list[Tensor]:
    differences = []
    for level, (ours, theirs) in enumerate(zip(adapted, context.teacher.features, strict=True)):
        if normalize == "channel":
            ours = normalize_channels(ours, context.valid[level])
            theirs = sampled.normalized(theirs, level, EPSILON)
        squares = (ours.float() - theirs.float()).square().mean(dim=1)
        differences.append(squares * sampled.weights[level])
    return differences


def mean_over_levels(values: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Return mean_l sum_i w_i v_i / sum_i w_i, over the levels that have any weight.

    Of several ranks, each returns its share: the sum in the numerator is its own.

    Args:
        values: per level (N, H, W) float32, finite.
        weights: per level (N, H, W), bool or not negative; 0 at padding.

    Returns:
        A float32 scalar: exactly 0, with a graph, if no level has any weight.
    """
    weights = [weight.to(value.dtype) for weight, value in zip(weights, values, strict=True)]
    totals = ranks.total(torch.stack([weight.sum() for weight in weights]))
    sums = torch.stack([(w * v).sum() for w, v in zip(weights, values, strict=True)])
    used = totals > 0
    means = sums / torch.where(used, totals, torch.ones_like(totals))
    return means.sum() / used.sum().clamp(min=1)
