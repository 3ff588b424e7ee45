"""mmdet's detectors: the base class, building one from a config, samples and their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import revert_sync_batchnorm
from torch import nn

from tid_tune.errors import ConfigError, TidTuneError
from tid_tune.openmmlab.configs import ConfigDict
from tid_tune.openmmlab.detector_types import Detector, Sample
from tid_tune.openmmlab.registries import MODELS
from tid_tune.openmmlab.setup import mmdet_ready, quiet

with mmdet_ready():
    from mmdet.models.detectors import BaseDetector
    from mmdet.models.utils import unpack_gt_instances
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

__all__ = [
    "BaseDetector",
    "build_detector",
    "build_model",
    "build_on_meta",
    "data_sample",
    "revert_sync_batchnorm",
    "unpack_gt_instances",
]


def build_model(config: Mapping[str, object], **defaults: object) -> nn.Module:
    """Build a detector, or a part of one.

    Args:
        config: as in mmdet's configs, with a registered `type`.
        defaults: arguments that the config lacks.
    """
    model: nn.Module = MODELS.build(ConfigDict({**defaults, **config}))
    return model


def build_detector(config: Mapping[str, object]) -> Detector:
    """Build a detector; see `build_model`."""
    detector: Detector = MODELS.build(ConfigDict(config))
    return detector


def build_on_meta(config: Mapping[str, object]) -> Detector:
    """Build a detector whose weights have names and shapes, and take no memory and no time.

    Raises:
        ConfigError: it cannot be built.
    """
    try:
        with quiet():
            try:
                with torch.device("meta"):
                    return build_detector(config)
            except (NotImplementedError, RuntimeError):  # it needs values while it is built
                return build_detector(config)
    except TidTuneError:
        raise
    except Exception as error:  # any code may run, and fail, in there
        name = type(error).__name__
        raise ConfigError(f"cannot build the {config.get('type')}: {name}: {error}") from error


def data_sample(
    boxes: Sequence[Sequence[float]],
    labels: Sequence[int],
    img_shape: tuple[int, int],
    pad_shape: tuple[int, int],
) -> Sample:
    """Return mmdet's sample of one image: its objects, and its size without and with padding.

    Boxes are (x1, y1, x2, y2) and sizes (height, width), in pixels.
    """
    sample: Sample = DetDataSample(metainfo={"img_shape": img_shape, "pad_shape": pad_shape})
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
    )
    return sample
