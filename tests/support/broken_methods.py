"""Methods with one fault each, which the contract must find."""

from __future__ import annotations

import torch
from torch import Tensor

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.features import ChannelAdaptation, feature_differences, mean_over_levels
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.settings import Settings


class Sound(Method):
    """No fault; the others differ from it in one place."""

    def __init__(self, settings: Settings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.adaptation = ChannelAdaptation.of_pyramids(student, teacher, "auto")

    def forward(self, context: Context) -> MethodOutput:
        adapted = self.adaptation(context.student.features)
        with torch.autocast(context.device.type, enabled=False):
            differences = feature_differences(context, adapted, "none")
            term = self.reduce(context, differences)
        return self.output(context, term)

    def reduce(self, context: Context, differences: list[Tensor]) -> Tensor:
        return mean_over_levels(differences, context.valid)

    def output(self, context: Context, term: Tensor) -> MethodOutput:
        return self.weighted(context, {"feature": (1.0, term)})


class Summed(Sound):
    def reduce(self, context: Context, differences: list[Tensor]) -> Tensor:
        return torch.stack([item.sum() for item in differences]).sum()


class DividedByObjects(Sound):
    def reduce(self, context: Context, differences: list[Tensor]) -> Tensor:
        return super().reduce(context, differences) / context.truth.real.sum()


class Unweighted(Sound):
    def output(self, context: Context, term: Tensor) -> MethodOutput:
        return MethodOutput({"loss_distill_feature": term}, {"distill/feature_raw": term.detach()})


class LogsALoss(Sound):
    def output(self, context: Context, term: Tensor) -> MethodOutput:
        output = super().output(context, term)
        output.logs["distill/loss_raw"] = term.detach()
        return output


class Detached(Sound):
    def reduce(self, context: Context, differences: list[Tensor]) -> Tensor:
        return super().reduce(context, [item.detach() for item in differences]).requires_grad_()


class WritesToTheTeacher(Sound):
    def reduce(self, context: Context, differences: list[Tensor]) -> Tensor:
        for item in context.teacher.features:
            item.add_(1)
        return super().reduce(context, differences)


class OwnsTheTeacher(Sound):
    def __init__(self, settings: Settings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__(settings, student, teacher)
        self.teacher = teacher.head


class NeverSatisfied(Sound):
    def reduce(self, context: Context, differences: list[Tensor]) -> Tensor:
        return super().reduce(context, differences) + 1
