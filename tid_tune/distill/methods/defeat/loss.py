"""Decoupled features (DeFeat, Guo et al., CVPR 2021), the part on the neck.

    L = fg_weight * mean_{i in M} d(i) + bg_weight * mean_{i not in M} d(i),   averaged over levels
    d(i) = mean_c (phi(F_S) - F_T)^2 at point i;  M = the boxes of the objects of that level

That inside and outside of the ground-truth boxes are compared apart, each with its weight, is the
paper's; which level an object is drawn on (`level_scale`), the means and the
normalization are [ours]. The paper's part on proposals needs a two-stage detector.
"""

from __future__ import annotations

import torch

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.features import ChannelAdaptation, feature_differences, mean_over_levels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.defeat.settings import DeFeatSettings
from tid_tune.distill.object_masks import masks_by_size


class DeFeat(Method):
    """One weight inside objects, another one outside."""

    settings: DeFeatSettings
    spans_ranks = True
    uses_teacher_outputs = False

    def __init__(
        self, settings: DeFeatSettings, student: HeadAdapter, teacher: HeadAdapter
    ) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, settings.adapt)

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_foreground` and `loss_distill_background`."""
        settings = self.settings
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            differences = feature_differences(context, adapted, settings.normalize)
            inside = context.batch.once(
                ("masks by size", settings.level_scale),
                lambda: masks_by_size(context, settings.level_scale),
            )
            outside = [valid & ~mask for valid, mask in zip(context.valid, inside, strict=True)]
            foreground = mean_over_levels(differences, inside)
            background = mean_over_levels(differences, outside)
        return self.weighted(
            context,
            {
                "foreground": (settings.fg_weight, foreground),
                "background": (settings.bg_weight, background),
            },
        )
