"""Task Integration Distillation (arXiv 2404.01699), in this project's reading.

importance.py says how important each point is to a detector, areas.py where the student stands,
decoupling.py what each area costs. Here the three are put together.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.detectors.iou_rules import IoURule
from tid_tune.distill.context import Context, View
from tid_tune.distill.features import ChannelAdaptation, feature_differences
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.methods.tid.areas import Areas, assess_areas
from tid_tune.distill.methods.tid.codes import Tables
from tid_tune.distill.methods.tid.decoupling import AreaMeans, Masks, mean_by_area
from tid_tune.distill.methods.tid.importance import Importance, evaluate_importance
from tid_tune.distill.methods.tid.settings import TIDSettings

logger = logging.getLogger(__name__)


class TID(Method):
    """TID's loss: key_weight * L_key + weak_weight * L_weak + rest_weight * L_rest."""

    settings: TIDSettings
    spans_ranks = True

    def __init__(self, settings: TIDSettings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, settings.adapt)
        self.tables = Tables(settings)
        if settings.select == "threshold" and settings.key_threshold > settings.importances[-1]:
            logger.warning(
                "distillation.key_threshold %g is never reached: with tasks %s the importance of "
                "a point is at most %g, so the key area is empty",
                settings.key_threshold,
                settings.tasks,
                settings.importances[-1],
            )

    def forward(self, context: Context) -> MethodOutput:
        """Return `loss_distill_key`, `_weak` and `_rest`, with raw terms and area sizes to log."""
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            areas = self.assess(context)
            masks = Masks.split(areas, context.valid_points, self.settings.precedence)
            differences = feature_differences(context, adapted, self.settings.normalize)
            means = mean_by_area(differences, masks, context.level_sizes)
        terms = dict(zip(masks.by_area(), means.terms.unbind(), strict=True))
        weights = {name: getattr(self.settings, f"{name}_weight") for name in terms}
        output = self.weighted(context, {name: (weights[name], terms[name]) for name in terms})
        output.logs.update(_fractions(means))
        return output

    @torch.no_grad()
    def assess(self, context: Context) -> Areas:
        """Find key and weak area of the batch, before precedence."""
        return assess_areas(
            self.importance(context, context.teacher),
            self.importance(context, context.student),
            context.valid_points,
            context.level_sizes,
            self.settings,
            self.tables,
        )

    @torch.no_grad()
    def importance(self, context: Context, view: View) -> Importance:
        """Return the importance of every point of the batch to the detector of `view`."""
        evidence = context.evidence if view is context.student else context.batch.evidence
        if self.settings.thresholds == "detector":
            rule = context.iou_rule(view)
        else:
            rule = IoURule.fixed(self.settings.pos_iou, self.settings.neg_iou, context.device)
        return evaluate_importance(evidence, rule, self.settings)


def _fractions(means: AreaMeans) -> dict[str, Tensor]:
    """Return the share of each level's valid points that the key and the weak area take."""
    return {
        f"distill/area_{name}_l{level}": value
        for name, share in zip(("key", "weak"), means.shares(), strict=False)
        for level, value in enumerate(share.unbind())
    }
