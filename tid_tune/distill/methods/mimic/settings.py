"""The constants of whole-map feature mimicking; torch-free."""

from __future__ import annotations

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, LossWeight, Normalize, Settings


@register_method
class MimicSettings(Settings):
    """Whole-map feature mimicking (FitNets, ICLR 2015)."""

    method = "mimic"
    implementation = "tid_tune.distill.methods.mimic.loss:Mimic"

    loss_weight: LossWeight = 3.0
    normalize: Normalize = "channel"
    adapt: Adapt = "auto"

    def sampling_problem(self) -> str:
        """Return nothing: a sum over points is all it needs."""
        return ""
