"""Dense heads of mmdet seen alike: at every point, classes, boxes, and what counts as positive.

One adapter per family of heads, each in a module of its own; a method asks the adapter and never
the head. Points are ordered level by level and row by row, A boxes a point. Strides are square and
in pixels of the padded input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.detectors.iou_rules import (
    Anchors,
    IoURule,
    IoURuleSource,
    allowed_border,
    rule_source,
)
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.detector_types import Meta
from tid_tune.plugins import Registry

Outputs = Sequence[Sequence[Tensor]]
"""What a head's forward returns: per kind of output, a map (N, channels, H, W) per level. Classes
come first, boxes second."""


class HeadAdapter:
    """A dense head with its geometry; holds no parameters and does not own the head.

    As it is, it fits a head that shifts and scales anchors by its box coder. Others override
    `decode_level` and, where they have them, `reg_max` and `score_factor`; those whose towers can
    be run in parts derive from `towers.TowerHead`.

    Args:
        head: an mmdet dense head with a `prior_generator`.
    """

    score_factor: ClassVar[str | None] = None
    """What the third output means, if the head multiplies its sigmoid into the class scores."""

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

    @property
    def uses_sigmoid(self) -> bool:
        """Whether classes are independent; otherwise softmax with the background last."""
        return bool(self.head.use_sigmoid_cls)

    @property
    def reg_max(self) -> int | None:
        """The largest distance in strides of a head that predicts a distribution per edge.

        The distributions have `reg_max + 1` bins. None for a head that predicts boxes directly.
        """
        return None

    def predict(self, outputs: Outputs) -> Prediction:
        """Return the dense prediction behind the head's outputs; detached, float32."""
        return Prediction(self, outputs)

    def class_logits(self, outputs: Outputs) -> Sequence[Tensor]:
        """Return (N, A * K, H, W) per level; K is the classes, plus background under softmax."""
        return outputs[0]

    def anchors(self, sizes: Sequence[tuple[int, int]], device: torch.device) -> list[Tensor]:
        """Return per level the anchor boxes (H * W * A, 4) or points (H * W, 2), float32."""
        priors: list[Tensor] = self.head.prior_generator.grid_priors(list(sizes), device=device)
        return priors

    def decode(self, outputs: Outputs) -> Tensor:
        """Return the boxes (N, P, A, 4) of all points, float32, not clipped; detached."""
        return self.decode_maps([item.detach() for item in outputs[1]])

    def decode_maps(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the same as `decode` from the box maps alone, and with their gradient."""
        rows = self.decode_rows(maps)
        return rows.view(len(rows), -1, self.boxes_per_point, 4)

    def decode_rows(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the same boxes as (N, P * A, 4); can be traced for batches of any size."""
        sizes = [(int(item.shape[2]), int(item.shape[3])) for item in maps]
        priors = self.anchors(sizes, maps[0].device)
        boxes = []
        for level, (item, prior) in enumerate(zip(maps, priors, strict=True)):
            images = item.shape[0]
            raw = item.float().permute(0, 2, 3, 1)
            raw = raw.reshape(images * len(prior), -1)
            decoded = self.decode_level(level, prior.repeat(images, 1), raw)
            boxes.append(getattr(decoded, "tensor", decoded).view(images, -1, 4))
        return torch.cat(boxes, dim=1)

    def decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Tensor:
        """Decode one level, here by the head's box coder alone.

        Args:
            level: index of the level.
            priors: anchors (M, 4) or points (M, 2).
            raw: the head's regression outputs (M, channels) for them.

        Returns:
            Boxes (M, 4), as a tensor or as mmdet's box type.
        """
        boxes: Tensor = self.head.bbox_coder.decode(priors, raw)
        return boxes

    def rule(
        self,
        truth: GroundTruth,
        sizes: Sequence[tuple[int, int]],
        valid: Sequence[Tensor],
        metas: Sequence[Meta],
    ) -> IoURule:
        """Return the head's own IoU rule for positive and negative samples, for these objects."""
        return self.rule_source.rule(truth, lambda: Anchors.of(self.head, sizes, valid, metas))

    @cached_property
    def rule_key(self) -> tuple[IoURuleSource, float, str]:
        """Equal for heads whose rule gives the same thresholds."""
        return self.rule_source, allowed_border(self.head), repr(self.head.prior_generator)


HEADS: Registry[type[HeadAdapter]] = Registry(
    "head", package="tid_tune.detectors", group="tid_tune.heads"
)
"""Adapters by the exact class name of the head: a subclass may decode in another way."""

Adapter = TypeVar("Adapter", bound=type[HeadAdapter])


def register_head(*names: str) -> Callable[[Adapter], Adapter]:
    """Decorate the adapter of the heads whose classes have these names, e.g. `GFLHead`."""

    def register(adapter: Adapter) -> Adapter:
        for name in names:
            HEADS.register(name, adapter)
        return adapter

    return register


def adapt_head(detector: nn.Module, role: str) -> HeadAdapter:
    """Return the adapter of a detector's head.

    Args:
        detector: an mmdet single-stage detector.
        role: `student` or `teacher`, for the message.

    Raises:
        ConfigError: the detector has no dense head, or one of an unsupported type.
    """
    head = getattr(detector, "bbox_head", None)
    adapter = HEADS.parts().get(type(head).__name__)
    if head is None or adapter is None:
        found = type(detector if head is None else head).__name__
        supported = ", ".join(HEADS.names())
        text = f"the {role}'s head is {found}; supported heads are {supported}"
        raise ConfigError("\n".join([text, *HEADS.failures()]))
    return adapter(head)


@dataclass(frozen=True)
class Prediction:
    """What a head predicts at every point, before any filtering. Nothing has a gradient."""

    adapter: HeadAdapter
    outputs: Outputs

    @cached_property
    def boxes(self) -> Tensor:
        """Decoded boxes (N, P, A, 4), float32, in pixels of the padded input."""
        return self.adapter.decode(self.outputs)

    def probability(self, anchor: Tensor, label: Tensor) -> Tensor:
        """Return the probability (N, P) that box `anchor` (N, P) shows class `label` (N, P).

        The result is float32.
        """
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

    def is_highest(self, anchor: Tensor, label: Tensor) -> Tensor:
        """Return whether class `label` (N, P) is the likeliest one at box `anchor` (N, P); bool.

        A background class is not among those compared.
        """
        maps = [item.detach().flatten(2) for item in self.adapter.class_logits(self.outputs)]
        found, start = [], 0
        for item in maps:
            part = slice(start, start + item.shape[2])
            boxes = item.unflatten(1, (self.adapter.boxes_per_point, -1))
            chosen = anchor[:, None, None, part].expand(-1, 1, boxes.shape[2], -1)
            rows = boxes.gather(1, chosen).squeeze(1)[:, : self.adapter.num_classes]
            logit = rows.gather(1, label[:, None, part]).squeeze(1)
            found.append(logit >= rows.amax(dim=1))
            start = part.stop
        return torch.cat(found, dim=1)


def _square(stride: int | Sequence[int], head: Any) -> int:
    width, height = (stride, stride) if isinstance(stride, int) else stride
    if width != height:
        raise ConfigError(f"{type(head).__name__} has the stride {stride}; it must be square")
    return int(width)
