"""The constants of FRS; torch-free."""

from __future__ import annotations

from pydantic import Field

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, Normalize, Settings


@register_method
class FRSSettings(Settings):
    """Feature richness score (FRS, NeurIPS 2021)."""

    method = "frs"
    implementation = "tid_tune.distill.methods.frs.loss:FRS"

    normalize: Normalize = "channel"
    adapt: Adapt = "auto"
    feature_weight: float = Field(1.0, ge=0, description="Weight of the feature difference.")
    class_weight: float = Field(
        1.0, ge=0, description="Weight of the difference of the class predictions."
    )
