"""The two towers of a dense head: convolutions for classes and for boxes, then the predictors.

mmdet's heads run from the pyramid to the outputs in one go. CrossKD needs what the student's
towers give midway, and the rest of the teacher's head applied to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.errors import ConfigError


@dataclass(frozen=True)
class TowerFeatures:
    """Per level (N, C, H, W), midway through the class tower and through the box tower."""

    classes: list[Tensor] = field(default_factory=list)
    boxes: list[Tensor] = field(default_factory=list)


def tower_stage(head: HeadAdapter, stage: int, role: str) -> int:
    """`stage`, or the number of convolutions of the head's towers if that is smaller.

    Raises:
        ConfigError: the towers have no convolution.
    """
    length = min(len(head.head.cls_convs), len(head.head.reg_convs))
    if length == 0:
        raise ConfigError(
            f"the {role}'s {head.name} has no convolutions before its predictors "
            "(stacked_convs is 0), so there is nothing to pass on to the other head"
        )
    return min(stage, length)


class TowerRecorder:
    """Keeps what a head's towers give after `stage` convolutions, until `take` or the next pass.

    Recording by hooks costs nothing, where running the towers again would cost a third of the
    student's training and update batch statistics twice. An inference pass is not recorded. A copy
    of the detector (as an EMA makes) has its own, empty recorder.
    """

    def __init__(self, head: Any, stage: int) -> None:
        self._kept = TowerFeatures()
        head.register_forward_pre_hook(self._begin)
        head.cls_convs[stage - 1].register_forward_hook(self._keep_classes)
        head.reg_convs[stage - 1].register_forward_hook(self._keep_boxes)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = type(self).__new__(type(self))
        copied._kept = TowerFeatures()
        memo[id(self)] = copied
        return copied

    def take(self) -> TowerFeatures:
        """The features of the head's last pass; they are kept no longer."""
        kept, self._kept = self._kept, TowerFeatures()
        return kept

    def _begin(self, head: Any, inputs: Any) -> None:
        self._kept = TowerFeatures()

    def _keep_classes(self, conv: Any, inputs: Any, output: Tensor) -> None:
        if conv.training or torch.is_grad_enabled():
            self._kept.classes.append(output)

    def _keep_boxes(self, conv: Any, inputs: Any, output: Tensor) -> None:
        if conv.training or torch.is_grad_enabled():
            self._kept.boxes.append(output)


def tower_features(head: Any, features: Sequence[Tensor], stage: int) -> TowerFeatures:
    """What the towers of a head make of the pyramid's maps with their first `stage` layers."""
    return TowerFeatures(
        [_through(head.cls_convs[:stage], item) for item in features],
        [_through(head.reg_convs[:stage], item) for item in features],
    )


def finish(head: Any, features: TowerFeatures, stage: int) -> tuple[list[Tensor], list[Tensor]]:
    """Class maps and box maps of a head whose towers go on after `stage` from `features`.

    As the head's own forward returns them, for the types in `heads.ADAPTERS`.
    """
    predict = _PREDICTORS[type(head).__name__]
    classes, boxes = [], []
    for level, (ours, theirs) in enumerate(zip(features.classes, features.boxes, strict=True)):
        found = predict(
            head,
            level,
            _through(head.cls_convs[stage:], ours),
            _through(head.reg_convs[stage:], theirs),
        )
        classes.append(found[0])
        boxes.append(found[1])
    return classes, boxes


def _through(layers: Sequence[Any], item: Tensor) -> Tensor:
    for layer in layers:
        item = layer(item)
    return item


Predictor = Callable[[Any, int, Tensor, Tensor], tuple[Tensor, Tensor]]


def _gfl(head: Any, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    return head.gfl_cls(classes), head.scales[level](head.gfl_reg(boxes)).float()


def _atss(head: Any, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    return head.atss_cls(classes), head.scales[level](head.atss_reg(boxes)).float()


def _retina(head: Any, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    return head.retina_cls(classes), head.retina_reg(boxes)


def _fcos(head: Any, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    distances = head.scales[level](head.conv_reg(boxes)).float()
    if not head.norm_on_bbox:
        return head.conv_cls(classes), distances.exp()
    unit = 1 if head.training else head.strides[level]
    return head.conv_cls(classes), distances.clamp(min=0) * unit


_PREDICTORS: dict[str, Predictor] = {
    "GFLHead": _gfl,
    "ATSSHead": _atss,
    "RetinaHead": _retina,
    "FCOSHead": _fcos,
}
