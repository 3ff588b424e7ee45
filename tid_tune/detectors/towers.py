"""The two towers of a dense head: convolutions for classes and for boxes, then the predictors.

mmdet's heads run from the pyramid to the outputs in one go. CrossKD needs what the student's
towers give midway, and the rest of the teacher's head applied to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor, nn

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.errors import ConfigError


@dataclass(frozen=True)
class TowerFeatures:
    """Per level (N, C, H, W), midway through the class tower and through the box tower."""

    classes: list[Tensor] = field(default_factory=list)
    boxes: list[Tensor] = field(default_factory=list)


class TowerHead(HeadAdapter, ABC):
    """A head with a tower of convolutions for classes, one for boxes, and predictors after each."""

    @property
    def class_tower(self) -> Sequence[nn.Module]:
        """The convolutions before the class predictor."""
        layers: Sequence[nn.Module] = self.head.cls_convs
        return layers

    @property
    def box_tower(self) -> Sequence[nn.Module]:
        """The convolutions before the box predictor."""
        layers: Sequence[nn.Module] = self.head.reg_convs
        return layers

    @property
    def tower_channels(self) -> int:
        """Channels of the maps inside the towers."""
        return int(self.head.feat_channels)

    @abstractmethod
    def predict_level(self, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the predictors of one level on the maps that its two towers end with.

        Returns:
            The class map and the box map, as the head's own forward returns them.
        """


def require_towers(head: HeadAdapter, role: str) -> TowerHead:
    """Return the head, known to have towers with at least one convolution each.

    Raises:
        ConfigError: it has none, or its adapter does not say how to run them.
    """
    if not isinstance(head, TowerHead):
        raise ConfigError(
            f"the {role}'s {head.name} cannot be run in parts; use a head whose adapter is a "
            "TowerHead, or another distillation method"
        )
    if min(len(head.class_tower), len(head.box_tower)) == 0:
        raise ConfigError(
            f"the {role}'s {head.name} has no convolutions before its predictors "
            "(stacked_convs is 0), so there is nothing to pass on to the other head"
        )
    return head


def tower_stage(head: TowerHead, stage: int) -> int:
    """Return `stage`, or the number of convolutions of the shorter tower if that is smaller."""
    return min(stage, len(head.class_tower), len(head.box_tower))


class TowerRecorder:
    """Keeps what a head's towers give after `stage` convolutions, until `take` or the next pass.

    Recording by hooks costs nothing, where running the towers again would cost a third of the
    student's training and update batch statistics twice. An inference pass is not recorded. A copy
    of the detector (as an EMA makes) has its own, empty recorder.
    """

    def __init__(self, head: TowerHead, stage: int) -> None:
        self._kept = TowerFeatures()
        head.head.register_forward_pre_hook(self._begin)
        head.class_tower[stage - 1].register_forward_hook(self._keep_classes)
        head.box_tower[stage - 1].register_forward_hook(self._keep_boxes)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        copied = type(self).__new__(type(self))
        copied._kept = TowerFeatures()
        memo[id(self)] = copied
        return copied

    def take(self) -> TowerFeatures:
        """Return the features of the head's last pass and keep them no longer."""
        kept, self._kept = self._kept, TowerFeatures()
        return kept

    def _begin(self, head: nn.Module, inputs: object) -> None:
        self._kept = TowerFeatures()

    def _keep_classes(self, conv: nn.Module, inputs: object, output: Tensor) -> None:
        if conv.training or torch.is_grad_enabled():
            self._kept.classes.append(output)

    def _keep_boxes(self, conv: nn.Module, inputs: object, output: Tensor) -> None:
        if conv.training or torch.is_grad_enabled():
            self._kept.boxes.append(output)


def tower_features(head: TowerHead, features: Sequence[Tensor], stage: int) -> TowerFeatures:
    """Run the first `stage` layers of both towers on the pyramid's maps."""
    return TowerFeatures(
        [_through(head.class_tower[:stage], item) for item in features],
        [_through(head.box_tower[:stage], item) for item in features],
    )


def finish(
    head: TowerHead, features: TowerFeatures, stage: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Run what follows `stage` layers of both towers, from `features`.

    Returns:
        Class maps and box maps per level, as the head's own forward returns them.
    """
    classes, boxes = [], []
    for level, pair in enumerate(zip(features.classes, features.boxes, strict=True)):
        found = head.predict_level(
            level,
            _through(head.class_tower[stage:], pair[0]),
            _through(head.box_tower[stage:], pair[1]),
        )
        classes.append(found[0])
        boxes.append(found[1])
    return classes, boxes


def _through(layers: Sequence[nn.Module], item: Tensor) -> Tensor:
    for layer in layers:
        item = layer(item)
    return item
