"""Pearson correlation of features (PKD, Cao et al., NeurIPS 2022).

    L = mean_l mean_c (1 - r(phi(F_S), F_T)) = mean_l mean_i mean_c (S - T)^2 / 2

where r is the correlation of a channel over batch and positions, and S and T are the maps at zero
mean and unit variance per channel. The formula is the paper's; phi (where channels differ), the
exclusion of padding and the mean over levels are [ours]. The paper's weight, 6 for GFL and 10 for
RetinaNet, is used with the same mean over points and channels.
"""

from __future__ import annotations

import torch

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.features import ChannelAdaptation, feature_differences, mean_over_levels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.pkd.settings import PKDSettings


class PKD(Method):
    """Features should vary together; their scale and offset are free."""

    settings: PKDSettings
    spans_ranks = True
    uses_teacher_outputs = False

    def __init__(self, settings: PKDSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, settings.adapt)

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_correlation`, in [0, 2] before weighting."""
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            differences = feature_differences(context, adapted, "channel")
            correlation = mean_over_levels(differences, context.valid) / 2
        return self.weighted(context, {"correlation": (1.0, correlation)})
