"""FCOS: distances from the point to the four edges, and centerness; no anchors, no IoU rule."""

from __future__ import annotations

from torch import Tensor

from tid_tune.detectors.heads import register_head
from tid_tune.detectors.towers import TowerHead


@register_head("FCOSHead")
class FCOSAdapter(TowerHead):
    """With `norm_on_bbox` distances are in strides while the head trains, else in pixels."""

    score_factor = "centerness"

    def decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Tensor:
        """Decode distances in the unit that the head's mode gives them."""
        in_strides = self.head.norm_on_bbox and self.head.training
        distances = raw * self.strides[level] if in_strides else raw
        return super().decode_level(level, priors, distances)

    def predict_level(self, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the head's predictors and make their distances positive, as its forward does."""
        head = self.head
        distances = head.scales[level](head.conv_reg(boxes)).float()
        if not head.norm_on_bbox:
            return head.conv_cls(classes), distances.exp()
        unit = 1 if head.training else head.strides[level]
        return head.conv_cls(classes), distances.clamp(min=0) * unit
