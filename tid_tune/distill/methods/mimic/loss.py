"""Whole-map feature mimicking, after FitNets (Romero et al., ICLR 2015).

    L = mean_l mean_i mean_c (phi(F_S) - F_T)^2

The squared difference through an adaptation phi is the paper's, which compares one layer of a
classifier and has no weights for detectors. One term per pyramid level, the means and the
normalization are [ours]; with `normalize: channel` this is twice PKD.
"""

from __future__ import annotations

import torch

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.features import ChannelAdaptation, feature_differences, mean_over_levels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.mimic.settings import MimicSettings


class Mimic(Method):
    """The same weight for every point of the pyramid that is not padding."""

    settings: MimicSettings
    spans_ranks = True
    uses_teacher_outputs = False

    def __init__(self, settings: MimicSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, settings.adapt)

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_feature`."""
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            differences = feature_differences(context, adapted, self.settings.normalize)
            feature = mean_over_levels(differences, context.valid)
        return self.weighted(context, {"feature": (1.0, feature)})
