"""ATSS: each anchor is shifted and scaled; centerness is predicted beside the class."""

from __future__ import annotations

from torch import Tensor

from tid_tune.detectors.heads import register_head
from tid_tune.detectors.towers import TowerHead


@register_head("ATSSHead")
class ATSSAdapter(TowerHead):
    """One anchor a point; the class score is without centerness."""

    score_factor = "centerness"

    def predict_level(self, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the head's predictors; deltas are float32."""
        return (
            self.head.atss_cls(classes),
            self.head.scales[level](self.head.atss_reg(boxes)).float(),
        )
