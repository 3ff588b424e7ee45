"""The constants of PKD; torch-free."""

from __future__ import annotations

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, LossWeight, Settings


@register_method
class PKDSettings(Settings):
    """Pearson correlation of features (PKD, NeurIPS 2022)."""

    method = "pkd"
    implementation = "tid_tune.distill.methods.pkd.loss:PKD"

    loss_weight: LossWeight = 6.0
    adapt: Adapt = "auto"

    def sampling_problem(self) -> str:
        """Return nothing: a sum over points is all it needs."""
        return ""
