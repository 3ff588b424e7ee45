"""RetinaNet: each of several anchors a point is shifted and scaled."""

from __future__ import annotations

from torch import Tensor

from tid_tune.detectors.heads import register_head
from tid_tune.detectors.towers import TowerHead


@register_head("RetinaHead")
class RetinaAdapter(TowerHead):
    """Nine anchors a point by default; classes are independent, or under softmax."""

    def predict_level(self, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the head's predictors."""
        return self.head.retina_cls(classes), self.head.retina_reg(boxes)
