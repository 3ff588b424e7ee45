"""Localization distillation (LD, Zheng et al., CVPR 2022), for heads with edge distributions.

    D(i) = mean over the 4 edges of  T^2 KL(softmax(z_T / T) || softmax(z_S / T))
    L = (main_weight * sum_{i positive} D(i) + vlr_weight * sum_{i valuable} D(i)) / positives

The divergence at T = 10 and both regions are the paper's; its weight is 0.25 for a sum that is not
divided by the number of positives and a mean over the bins. Here the divergence is the sum over
bins, and both regions are divided by the positives of the whole batch [ours]. The classification
distillation that the paper adds on the positives is left out.
"""

from __future__ import annotations

import torch

from tid_tune import ranks
from tid_tune.detectors.heads import HeadAdapter
from tid_tune.detectors.iou_rules import AdaptiveRule, Anchors
from tid_tune.distill.context import Context
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.ld.regions import Regions, localization_regions
from tid_tune.distill.methods.ld.settings import LDSettings
from tid_tune.distill.predictions import edge_divergence, edge_logits
from tid_tune.errors import ConfigError


class LD(Method):
    """The student's edge distributions follow the teacher's, on objects and close to them."""

    settings: LDSettings
    spans_ranks = True

    def __init__(self, settings: LDSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        for role, head in (("student", student), ("teacher", teacher)):
            if head.reg_max is None:
                raise ConfigError(
                    f"the distillation method ld compares edge distributions; the {role}'s "
                    f"{head.name} has none, use GFLHead"
                )
        if student.reg_max != teacher.reg_max:
            raise ConfigError(
                f"reg_max is {student.reg_max} for the student's head, {teacher.reg_max} for the "
                "teacher's; ld "
                "compares the distributions bin by bin, so it must agree"
            )
        if not isinstance(student.rule_source, AdaptiveRule):
            raise ConfigError("ld needs a student with ATSSAssigner, which defines its regions")
        self.topk = student.rule_source.topk

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_main` and `loss_distill_vlr`, with the share of points of each."""
        with torch.autocast(context.device.type, enabled=False):
            regions = self.regions(context)
            divergence = edge_divergence(
                edge_logits(context.student.outputs[1]),
                edge_logits(context.teacher.outputs[1]),
                self.settings.temperature,
            )
            positives = ranks.total(regions.main.sum()).clamp(min=1)
            main = (divergence * regions.main).sum() / positives
            valuable = (divergence * regions.valuable).sum() / positives
        output = self.weighted(
            context,
            {
                "main": (self.settings.main_weight, main),
                "vlr": (self.settings.vlr_weight, valuable),
            },
        )
        points = ranks.total(context.valid_points.sum())
        output.logs["distill/area_main"] = regions.main.sum() / points
        output.logs["distill/area_vlr"] = regions.valuable.sum() / points
        return output

    @torch.no_grad()
    def regions(self, context: Context) -> Regions:
        """Find the points of the batch where boxes are compared."""
        anchors = Anchors.of(context.student.head.head, context.sizes, context.valid, context.metas)
        return localization_regions(context.truth, anchors, self.topk, self.settings.vlr_low)
