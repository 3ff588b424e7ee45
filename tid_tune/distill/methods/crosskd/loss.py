"""Cross-head distillation (CrossKD, Wang et al., CVPR 2024).

    the student's tower features after `stage` convolutions, brought per channel to mean and
    variance of the teacher's, go through the rest of the teacher's head: logits z, boxes b
    F       = { i : max_k p_T(i, k) >= foreground_score },  |F| counted as at least one an image
    L_class = sum_i sum_k |p_T - sigmoid(z)|^beta BCE(sigmoid(z), p_T)  / |F|
    L_box   = sum_{i in F} w(i) D(b(i), b_T(i)) / sum_{i in F} w(i),    w(i) = max_k p_T(i, k)
    L = class_weight L_class + box_weight L_box

with D = T^2 KL of the edge distributions for a GFL teacher, 1 - GIoU for others. The crossing of
heads, the form of both differences, and class terms everywhere but box terms on the foreground are
the paper's. Which points are foreground, and counting by them, is [ours]: it needs no assigner, so
it is the same for all heads; so is the 1x1 convolution where the towers differ in width. The
student's own predictors learn from the ground truth alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tid_tune import ranks
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.detectors.towers import (
    TowerFeatures,
    TowerHead,
    TowerRecorder,
    finish,
    require_towers,
    tower_features,
    tower_stage,
)
from tid_tune.distill.context import Context
from tid_tune.distill.features import EPSILON, ChannelAdaptation, normalize_channels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.crosskd.settings import CrossKDSettings
from tid_tune.distill.predictions import (
    edge_divergence,
    edge_logits,
    giou_distance,
    joined_points,
    require_sigmoid,
)


class CrossKD(Method):
    """The student's features must be good for the teacher's head."""

    settings: CrossKDSettings
    spans_ranks = True
    uses_teacher_outputs = False  # they are made here, from towers that have to be run anyway

    def __init__(
        self, settings: CrossKDSettings, student: HeadAdapter, teacher: HeadAdapter
    ) -> None:
        super().__init__(settings, student, teacher)
        require_sigmoid("crosskd", teacher=teacher)
        ours, theirs = require_towers(student, "student"), require_towers(teacher, "teacher")
        self.teacher_stage = tower_stage(theirs, settings.stage)
        self.recorder = TowerRecorder(ours, tower_stage(ours, settings.stage))
        widths = ours.tower_channels, theirs.tower_channels
        always = settings.adapt == "conv"
        self.adapt_classes = ChannelAdaptation(*widths, 1, always=always)
        self.adapt_boxes = ChannelAdaptation(*widths, 1, always=always)

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_class` and `_box`, with the share of foreground points to log."""
        teacher = require_towers(context.teacher.head, "teacher")
        anchors = teacher.boxes_per_point
        ours, theirs = self.towers(context, teacher)
        logits, maps = finish(teacher, ours, self.teacher_stage)
        with torch.no_grad():
            their_logits, their_maps = finish(teacher, theirs, self.teacher_stage)
        with torch.autocast(context.device.type, enabled=False):
            target = joined_points(their_logits, anchors).sigmoid()
            confidence = target.amax(dim=-1) * context.valid_points[..., None]
            foreground = confidence >= self.settings.foreground_score
            images = ranks.total_count(len(context.metas), context.device)
            count = ranks.total(foreground.sum()).clamp(min=images)
            surprise = focused_cross_entropy(
                joined_points(logits, anchors), target, self.settings.beta
            )
            weights = confidence * foreground
            total = ranks.total(weights.sum())
            distance = self._box_distance(maps, their_maps, teacher)
            terms = {
                "class": (
                    self.settings.class_weight,
                    (surprise * context.valid_points[..., None]).sum() / count,
                ),
                "box": (
                    self.settings.box_weight,
                    (weights * distance).sum() / torch.where(total > 0, total, 1),
                ),
            }
        output = self.weighted(context, terms)
        points = ranks.total(context.valid_points.sum())
        output.logs["distill/area_foreground"] = foreground.any(dim=-1).sum() / points
        return output

    def towers(self, context: Context, teacher: TowerHead) -> tuple[TowerFeatures, TowerFeatures]:
        """Return the student's tower features as they enter the teacher's head, and its own."""
        ours = self.recorder.take()
        with torch.no_grad():
            theirs = tower_features(teacher, context.teacher.features, self.teacher_stage)
        brought = TowerFeatures(
            self._bring(self.adapt_classes, ours.classes, theirs.classes, context),
            self._bring(self.adapt_boxes, ours.boxes, theirs.boxes, context),
        )
        return brought, theirs

    def _bring(
        self,
        adaptation: ChannelAdaptation,
        ours: list[Tensor],
        theirs: list[Tensor],
        context: Context,
    ) -> list[Tensor]:
        adapted = [adaptation([item])[0] for item in ours]
        with torch.autocast(context.device.type, enabled=False):
            return [
                match_statistics(*triple)
                for triple in zip(adapted, theirs, context.valid, strict=True)
            ]

    def _box_distance(
        self, ours: list[Tensor], theirs: list[Tensor], teacher: HeadAdapter
    ) -> Tensor:
        """Return D (N, P, A) between the crossed boxes and the teacher's own, from their maps."""
        if teacher.reg_max is not None:
            pair = edge_logits(ours), edge_logits(theirs)
            return edge_divergence(*pair, self.settings.temperature)[..., None]
        return giou_distance(teacher.decode_maps(ours), teacher.decode_maps(theirs))


def match_statistics(ours: Tensor, theirs: Tensor, valid: Tensor) -> Tensor:
    """Give `ours` mean and variance of `theirs`, per channel over the valid points of the batch.

    Args:
        ours: (N, C, H, W).
        theirs: (N, C, H, W).
        valid: (N, H, W) bool.

    Returns:
        (N, C, H, W) in the type of `theirs`.
    """
    target, weight = theirs.float(), valid[:, None].float()
    count = ranks.total(weight.sum()).clamp(min=1)
    mean = ranks.total((target * weight).sum(dim=(0, 2, 3), keepdim=True)) / count
    spread = ((target - mean).square() * weight).sum(dim=(0, 2, 3), keepdim=True)
    spread = ranks.total(spread) / count
    matched = normalize_channels(ours, valid) * (spread + EPSILON).sqrt() + mean
    return matched.to(theirs.dtype)


def focused_cross_entropy(logits: Tensor, target: Tensor, beta: float) -> Tensor:
    """Return sum_k |p - sigmoid(z)|^beta BCE(sigmoid(z), p), the form of the quality focal loss.

    Args:
        logits: z (..., K), float32.
        target: p (..., K), probabilities.
        beta: exponent, at least 1.

    Returns:
        (...) float32.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (entropy * (target - logits.sigmoid()).abs().pow(beta)).sum(dim=-1)
