"""mmdet's detectors: the base class, building one from a config, and the targets of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.model import revert_sync_batchnorm
from torch import nn

from tid_tune.openmmlab.configs import ConfigDict
from tid_tune.openmmlab.registries import MODELS
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.models.detectors import BaseDetector
    from mmdet.models.utils import unpack_gt_instances

__all__ = ["BaseDetector", "build_model", "revert_sync_batchnorm", "unpack_gt_instances"]


def build_model(config: Mapping[str, object]) -> nn.Module:
    """Build the model of `config`, which names its class by `type`."""
    model: nn.Module = MODELS.build(ConfigDict(config))
    return model
