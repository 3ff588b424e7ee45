"""GFL: a distribution over the distance from the anchor's center to each of the four edges."""

from __future__ import annotations

from torch import Tensor

from tid_tune.detectors.heads import register_head
from tid_tune.detectors.towers import TowerHead


@register_head("GFLHead")
class GFLAdapter(TowerHead):
    """The expected distances, in strides; class scores are estimates of the box's IoU too."""

    @property
    def reg_max(self) -> int:
        """The largest distance in strides that a distribution covers."""
        return int(self.head.reg_max)

    def decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Tensor:
        """Decode the distances that the distributions expect.

        They are those of the head's `integral`, here with the many points last: so a softmax over
        the few bins is one pass over memory.
        """
        bins = self.head.integral.project
        shares = raw.t().reshape(4, len(bins), -1).contiguous().softmax(dim=1)
        distances = (shares * bins[:, None]).sum(dim=1).t() * self.strides[level]
        return super().decode_level(level, self.head.anchor_center(priors), distances)

    def predict_level(self, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the head's predictors; distributions are float32."""
        return (
            self.head.gfl_cls(classes),
            self.head.scales[level](self.head.gfl_reg(boxes)).float(),
        )
