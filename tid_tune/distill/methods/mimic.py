"""Whole-map feature mimicking, after FitNets (Romero et al., ICLR 2015).

    L = mean_l mean_i mean_c (phi(F_S) - F_T)^2

The paper's is the squared difference through an adaptation phi; one term per pyramid level, the
means and the optional normalization are [ours].
"""

from __future__ import annotations

import torch

from tid_tune.distill.context import Context
from tid_tune.distill.decoupling import squared_difference
from tid_tune.distill.heads import HeadAdapter
from tid_tune.distill.means import mean_over_levels
from tid_tune.distill.method import ChannelAdaptation, Method, MethodOutput
from tid_tune.distill.rival_settings import MimicSettings


class Mimic(Method):
    """The same weight for every point of the pyramid that is not padding."""

    settings: MimicSettings

    def __init__(self, settings: MimicSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.between(student, teacher, settings.adapt)

    def forward(self, context: Context) -> MethodOutput:
        """`loss_distill_feature`."""
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            differences = [
                squared_difference(ours, theirs, valid, self.settings.normalize)
                for ours, theirs, valid in zip(
                    adapted, context.teacher.features, context.valid, strict=True
                )
            ]
            term = mean_over_levels(differences, context.valid)
        return self.weighted(context, feature=(1.0, term))
