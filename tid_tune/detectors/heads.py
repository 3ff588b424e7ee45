"""Dense heads of mmdet seen alike: at every point, classes, boxes, and what counts as positive.

One adapter per family of heads; a method asks the adapter and never the head. Points are ordered
level by level and row by row, A boxes a point. Strides are square and in pixels of the padded
input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.detectors.iou_rules import Anchors, IoURuleSource, allowed_border, rule_source
from tid_tune.distill.methods.tid.importance import IoURule
from tid_tune.errors import ConfigError

Outputs = Sequence[Sequence[Tensor]]
"""What a head's forward returns: per kind of output, a map (N, channels, H, W) per level."""


class HeadAdapter(ABC):
    """A dense head with its geometry; holds no parameters and does not own the head."""

    def __init__(self, head: Any) -> None:
        self.head = head
        strides = [_square(stride, head) for stride in head.prior_generator.strides]
        self.strides: tuple[int, ...] = tuple(strides)
        self.num_classes: int = head.num_classes
        self.in_channels: int = head.in_channels
        self.boxes_per_point: int = head.prior_generator.num_base_priors[0]
        self.rule_source: IoURuleSource = rule_source(head)

    @property
    def name(self) -> str:
        """The head's class name."""
        return type(self.head).__name__

    def predict(self, outputs: Outputs) -> Prediction:
        """The dense prediction behind the head's outputs; detached, float32."""
        return Prediction(self, outputs)

    def class_logits(self, outputs: Outputs) -> Sequence[Tensor]:
        """Per level (N, A * K, H, W); K is the classes, and one for background under softmax."""
        return outputs[0]

    @property
    def uses_sigmoid(self) -> bool:
        """Whether classes are independent; otherwise softmax with the background last."""
        return bool(self.head.use_sigmoid_cls)

    def anchors(self, sizes: Sequence[tuple[int, int]], device: torch.device) -> list[Tensor]:
        """Per level the anchor boxes (H * W * A, 4) or points (H * W, 2), float32."""
        priors: list[Tensor] = self.head.prior_generator.grid_priors(list(sizes), device=device)
        return priors

    def decode(self, outputs: Outputs) -> Tensor:
        """Decoded boxes (N, P, A, 4) of all points, float32, not clipped to the image; detached."""
        return self.decode_maps([item.detach() for item in outputs[1]])

    def decode_maps(self, maps: Sequence[Tensor]) -> Tensor:
        """The same from the box maps alone, and with their gradient."""
        sizes = [(item.shape[2], item.shape[3]) for item in maps]
        priors = self.anchors(sizes, maps[0].device)
        boxes = []
        for level, (item, prior) in enumerate(zip(maps, priors, strict=True)):
            images = item.shape[0]
            raw = item.float().permute(0, 2, 3, 1)
            raw = raw.reshape(images * len(prior), -1)
            decoded = self._decode_level(level, prior.repeat(images, 1), raw)
            boxes.append(getattr(decoded, "tensor", decoded).view(images, -1, 4))
        joined = torch.cat(boxes, dim=1)
        return joined.view(len(joined), -1, self.boxes_per_point, 4)

    def rule(
        self,
        truth: GroundTruth,
        sizes: Sequence[tuple[int, int]],
        valid: Sequence[Tensor],
        metas: Sequence[dict[str, Any]],
    ) -> IoURule:
        """The head's own IoU rule for positive and negative samples, for these objects."""
        return self.rule_source.rule(truth, lambda: Anchors.of(self.head, sizes, valid, metas))

    @cached_property
    def rule_key(self) -> tuple[Any, ...]:
        """Equal for heads whose rule gives the same thresholds."""
        return self.rule_source, allowed_border(self.head), repr(self.head.prior_generator)

    @abstractmethod
    def _decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Any:
        """Boxes (M, 4) from M priors and their raw regression outputs (M, channels)."""


class AnchorDeltaAdapter(HeadAdapter):
    """RetinaNet and ATSS: each anchor is shifted and scaled."""

    def _decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Any:
        return self.head.bbox_coder.decode(priors, raw)


class DistributionAdapter(HeadAdapter):
    """GFL: the expected distances from the anchor's center to the four edges, in strides."""

    def _decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Any:
        distances = self.head.integral(raw) * self.strides[level]
        return self.head.bbox_coder.decode(self.head.anchor_center(priors), distances)


class PointDistanceAdapter(HeadAdapter):
    """FCOS: distances from the point to the four edges.

    With `norm_on_bbox` they are in strides while the head trains, in pixels while it does not.
    """

    def _decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Any:
        in_strides = self.head.norm_on_bbox and self.head.training
        distances = raw * self.strides[level] if in_strides else raw
        return self.head.bbox_coder.decode(priors, distances)


ADAPTERS: dict[str, type[HeadAdapter]] = {
    "GFLHead": DistributionAdapter,
    "ATSSHead": AnchorDeltaAdapter,
    "RetinaHead": AnchorDeltaAdapter,
    "FCOSHead": PointDistanceAdapter,
}
"""By exact class name: a subclass may decode differently without a sign of it."""


def adapt_head(detector: nn.Module, role: str) -> HeadAdapter:
    """The adapter of a detector's head.

    Args:
        detector: an mmdet single-stage detector.
        role: `student` or `teacher`, for the message.

    Raises:
        ConfigError: the detector has no dense head, or one of an unsupported type.
    """
    head = getattr(detector, "bbox_head", None)
    adapter = ADAPTERS.get(type(head).__name__)
    if head is None or adapter is None:
        found = type(detector if head is None else head).__name__
        supported = ", ".join(ADAPTERS)
        raise ConfigError(f"the {role}'s head is {found}; supported heads are {supported}")
    return adapter(head)


@dataclass(frozen=True)
class Prediction:
    """What a head says at every point; see `importance.DensePrediction`. Nothing has a gradient."""

    adapter: HeadAdapter
    outputs: Outputs

    @cached_property
    def boxes(self) -> Tensor:
        """Decoded boxes (N, P, A, 4), float32, in pixels of the padded input."""
        return self.adapter.decode(self.outputs)

    def probability(self, anchor: Tensor, label: Tensor) -> Tensor:
        """Probability (N, P), float32, that box `anchor` (N, P) shows class `label` (N, P)."""
        maps = [item.detach().flatten(2) for item in self.adapter.class_logits(self.outputs)]
        width = maps[0].shape[1] // self.adapter.boxes_per_point
        channel = (anchor * width + label)[:, None]
        found, start = [], 0
        for item in maps:
            part = slice(start, start + item.shape[2])
            logit = item.gather(1, channel[:, :, part]).squeeze(1).float()
            if self.adapter.uses_sigmoid:
                found.append(logit.sigmoid())
            else:
                rows = item.unflatten(1, (-1, width)).float().logsumexp(dim=2)
                found.append((logit - rows.gather(1, anchor[:, None, part]).squeeze(1)).exp())
            start = part.stop
        return torch.cat(found, dim=1)


def _square(stride: int | Sequence[int], head: Any) -> int:
    width, height = (stride, stride) if isinstance(stride, int) else stride
    if width != height:
        raise ConfigError(f"{type(head).__name__} has the stride {stride}; it must be square")
    return int(width)
