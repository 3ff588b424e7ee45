"""Models of mmdet from their configs, and the samples they train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tid_tune.openmmlab.setup import prepare


def build_model(config: Mapping[str, Any], **defaults: Any) -> nn.Module:
    """Build a detector, or a part of one, after making mmdet ready.

    Args:
        config: as in mmdet's configs, with a registered `type`.
        defaults: arguments that the config lacks.
    """
    prepare()
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict

    model: nn.Module = MODELS.build(ConfigDict({**defaults, **config}))
    return model


def data_sample(
    boxes: Sequence[Sequence[float]],
    labels: Sequence[int],
    img_shape: tuple[int, int],
    pad_shape: tuple[int, int],
) -> Any:
    """Return mmdet's sample of one image: its objects, and its size without and with padding.

    Boxes are (x1, y1, x2, y2) and sizes (height, width), in pixels.
    """
    prepare()
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    sample = DetDataSample(metainfo={"img_shape": img_shape, "pad_shape": pad_shape})
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
    )
    return sample
