"""The constants of DeFeat; torch-free."""

from __future__ import annotations

from pydantic import Field

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, Normalize, Settings


@register_method
class DeFeatSettings(Settings):
    """Decoupled features (DeFeat, CVPR 2021)."""

    method = "defeat"
    implementation = "tid_tune.distill.methods.defeat.loss:DeFeat"

    normalize: Normalize = "channel"
    adapt: Adapt = "auto"
    fg_weight: float = Field(1.0, ge=0, description="Weight of the points inside objects.")
    bg_weight: float = Field(0.5, ge=0, description="Weight of the points outside all objects.")
    level_scale: float = Field(
        8.0,
        gt=0,
        description="An object is drawn on the coarsest level whose stride times this is not above "
        "its size sqrt(w*h), or on the finest. 14 is FPN's rule for two-stage detectors; 4 fits "
        "RetinaNet's anchors, 8 those of GFL and ATSS.",
    )
