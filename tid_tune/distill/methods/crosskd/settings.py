"""The constants of CrossKD; torch-free."""

from __future__ import annotations

from pydantic import Field

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, Settings, Temperature


@register_method
class CrossKDSettings(Settings):
    """Cross-head distillation (CrossKD, CVPR 2024)."""

    method = "crosskd"
    implementation = "tid_tune.distill.methods.crosskd.loss:CrossKD"

    class_weight: float = Field(
        1.0, ge=0, description="Weight of the difference of the class predictions."
    )
    box_weight: float = Field(1.0, ge=0, description="Weight of the difference of the boxes.")
    stage: int = Field(
        3,
        ge=1,
        description="The student's features enter the teacher's head after this many convolutions "
        "of its towers, or after the last where a tower is shorter.",
    )
    beta: float = Field(
        1.0,
        ge=1,
        description="Exponent of the focus on points where the class probabilities differ.",
    )
    foreground_score: float = Field(
        0.1,
        gt=0,
        le=1,
        description="A point is foreground if the teacher gives a class this probability; boxes "
        "are compared there, and both terms are per foreground point.",
    )
    temperature: Temperature = 1.0
    adapt: Adapt = "auto"
