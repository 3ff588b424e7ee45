"""The constants of TID; torch-free."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tid_tune.distill.registry import register_method
from tid_tune.distill.settings import Adapt, LossWeight, Normalize, Settings, require_order

DECIMALS = 9
"""Products of levels, their differences and the thresholds are compared as decimal numbers of so
many places: 0.4 * 0.4 is 0.16."""

CLASS_FLOOR, IOU_FLOOR = 0.1, 0.4
"""Points with no more evidence than this are not kept one by one by a sparse cache."""


@register_method
class TIDSettings(Settings):
    """Task Integration Distillation (arXiv 2404.01699), in this project's reading."""

    method = "tid"
    implementation = "tid_tune.distill.methods.tid.loss:TID"

    loss_weight: LossWeight = 3.0
    key_weight: float = Field(
        1.0, ge=0, description="Weight of the key area: the teacher is sure of both tasks."
    )
    weak_weight: float = Field(
        1.0, ge=0, description="Weight of the weak area: the student is behind the teacher here."
    )
    rest_weight: float = Field(1.0, ge=0, description="Weight of all other points.")

    select: Literal["threshold", "quantile"] = Field(
        "threshold",
        description="How areas are taken from the scores: by a threshold, or as the top `quantile` "
        "of the points of each image and level.",
    )
    key_threshold: float = Field(
        3.0, ge=0, description="A point is key if the teacher's importance reaches this."
    )
    weak_threshold: float = Field(
        1.0, gt=0, description="A point is weak if the teacher's importance is ahead by this much."
    )
    quantile: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Fraction of the points of an image and level an area may have.",
    )
    areas: Literal["both", "key", "weak", "none"] = Field(
        "both",
        description="Areas in use; `none` is plain feature mimicking with `rest_weight`.",
    )
    precedence: Literal["weak", "key"] = Field(
        "weak", description="The area that a point belongs to when it is key and weak."
    )

    tasks: Literal["both", "classification", "regression"] = Field(
        "both",
        description="Sub-tasks that make up a point's importance; the missing score is 1.",
    )
    thresholds: Literal["detector", "fixed"] = Field(
        "detector",
        description="IoU thresholds of the localization score: the detector's own rule for "
        "positive and negative samples, or the fixed `pos_iou` and `neg_iou`.",
    )
    pos_iou: float = Field(0.5, ge=0, le=1, description="Fixed IoU from which a box scores high.")
    neg_iou: float = Field(0.4, ge=0, le=1, description="Fixed IoU up to which a box scores low.")
    cls_rule: Literal["probability", "argmax"] = Field(
        "probability",
        description="How the class is judged: by the probability of the object's class, between "
        "`cls_neg` and `cls_pos`; or high if that class is the highest one, else low.",
    )
    cls_pos: float = Field(
        0.5, ge=0, le=1, description="Probability from which a class scores high."
    )
    cls_neg: float = Field(
        0.1, ge=0, le=1, description="Probability up to which a class scores low."
    )
    score_high: float = Field(2.0, ge=0, description="Score of a positive point, for each task.")
    score_middle: float = Field(
        1.5, ge=0, description="Score of a point between positive and negative."
    )
    score_low: float = Field(
        0.4,
        ge=0,
        description="Score of a negative point, or of one that overlaps no object.",
    )

    normalize: Normalize = "channel"
    adapt: Adapt = "auto"

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        """Check that lower bounds do not exceed upper ones."""
        require_order(self, "neg_iou", "pos_iou")
        require_order(self, "cls_neg", "cls_pos")
        require_order(self, "score_low", "score_middle", "score_high")
        return self

    def sampling_problem(self) -> str:
        """Return why points of low evidence would be needed; they have the lowest score else."""
        if self.cls_rule == "argmax" and self.tasks != "regression":
            return "cls_rule argmax may score any point high"
        if self.cls_neg < CLASS_FLOOR and self.tasks != "regression":
            return f"cls_neg is {self.cls_neg:g}, below {CLASS_FLOOR:g}"
        if self.thresholds == "fixed" and self.neg_iou < IOU_FLOOR:
            return f"neg_iou is {self.neg_iou:g}, below {IOU_FLOOR:g}"
        return ""

    @property
    def products(self) -> list[float]:
        """The importance of a point by its code.

        A task's code is 0 for low, 1 for middle, 2 for high; that of both tasks is 3 times that of
        the localization plus that of the classification.
        """
        levels = (self.score_low, self.score_middle, self.score_high)
        first = levels if self.tasks == "both" else (1.0,)
        return [decimal(a * b) for a in first for b in levels]

    @property
    def importances(self) -> list[float]:
        """The values that the importance of a point can have, ascending."""
        return sorted(set(self.products))

    @property
    def leads(self) -> list[float]:
        """The positive differences of two importances, ascending."""
        values = self.importances
        return sorted({decimal(a - b) for a in values for b in values if a > b})


def decimal(value: float) -> float:
    """Return a score or a threshold as it is compared; see `DECIMALS`."""
    return round(value, DECIMALS)
