"""The constants of FGD; torch-free."""

from __future__ import annotations

from pydantic import Field

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, Normalize, Settings


@register_method
class FGDSettings(Settings):
    """Focal and global distillation (FGD, CVPR 2022)."""

    method = "fgd"
    implementation = "tid_tune.distill.methods.fgd.loss:FGD"

    normalize: Normalize = "channel"
    adapt: Adapt = "auto"
    fg_weight: float = Field(0.3, ge=0, description="Weight of the points inside objects.")
    bg_weight: float = Field(0.3, ge=0, description="Weight of the points outside all objects.")
    attention_weight: float = Field(
        0.5, ge=0, description="Weight of the difference of the attention maps."
    )
    global_weight: float = Field(
        1.0, ge=0, description="Weight of the difference after the global context block."
    )
    attention_temperature: float = Field(
        0.5, gt=0, description="Temperature of both attentions; lower is more peaked."
    )
