"""Feature richness score (FRS, Du et al., NeurIPS 2021).

    m(i) = max_k p_T(i, k), the teacher's highest class probability at point i
    L_feature = mean_l  sum_i m(i) mean_c (phi(F_S) - F_T)^2    / sum_i m(i)
    L_class   = mean_l  sum_i m(i) sum_k BCE(p_S(i, k), p_T(i, k)) / sum_i m(i)

The score and that it weighs both differences are the paper's, as is dividing by its sum. The mean
over channels, over levels and over the boxes of a point (RetinaNet) is [ours], and so is the
normalization of the features. A class term is a sum over classes, as in the detectors' own losses;
it has its minimum, not 0, where p_S = p_T.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.features import ChannelAdaptation, feature_differences, mean_over_levels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.frs.settings import FRSSettings
from tid_tune.distill.predictions import require_sigmoid
from tid_tune.errors import ConfigError


class FRS(Method):
    """Features and classes count where the teacher sees something, object or not."""

    settings: FRSSettings
    spans_ranks = True

    def __init__(self, settings: FRSSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        require_sigmoid("frs", student=student, teacher=teacher)
        if student.boxes_per_point != teacher.boxes_per_point:
            raise ConfigError(
                f"the student's {student.name} has {student.boxes_per_point} boxes a point, the "
                f"teacher's {teacher.name} {teacher.boxes_per_point}; frs compares them one to one"
            )
        self.boxes_per_point = teacher.boxes_per_point
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, settings.adapt)

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_feature` and `loss_distill_class`."""
        adapted = self.adaptation(context.student.features)
        ours, theirs = (
            view.head.class_logits(view.outputs) for view in (context.student, context.teacher)
        )
        with torch.autocast(context.device.type, enabled=False):
            targets = [item.float().sigmoid() for item in theirs]
            richness = [
                item.amax(dim=1) * valid for item, valid in zip(targets, context.valid, strict=True)
            ]
            differences = feature_differences(context, adapted, self.settings.normalize)
            surprises = [
                self._surprise(logits, target) for logits, target in zip(ours, targets, strict=True)
            ]
            feature = mean_over_levels(differences, richness)
            classes = mean_over_levels(surprises, richness)
        return self.weighted(
            context,
            {
                "feature": (self.settings.feature_weight, feature),
                "class": (self.settings.class_weight, classes),
            },
        )

    def _surprise(self, logits: Tensor, target: Tensor) -> Tensor:
        """Sum over K the BCE of logits and probabilities, both (N, A * K, H, W), to (N, H, W)."""
        each = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
        return each.sum(dim=1) / self.boxes_per_point
