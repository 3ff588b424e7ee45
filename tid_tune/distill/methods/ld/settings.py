"""The constants of LD; torch-free."""

from __future__ import annotations

from pydantic import Field

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Settings, Temperature


@register_method
class LDSettings(Settings):
    """Localization distillation (LD, CVPR 2022); detectors with box distributions only."""

    method = "ld"
    implementation = "tid_tune.distill.methods.ld.loss:LD"

    main_weight: float = Field(1.0, ge=0, description="Weight of the positive points.")
    vlr_weight: float = Field(
        0.25, ge=0, description="Weight of the valuable localization region around them."
    )
    vlr_low: float = Field(
        0.25,
        ge=0,
        le=1,
        description="The region starts at this fraction of an object's positive threshold, "
        "measured in DIoU.",
    )
    temperature: Temperature = 10.0
