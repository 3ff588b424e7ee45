"""mmdet's detectors: the base class, building one from a config, samples and their targets."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel, revert_sync_batchnorm
from torch import nn

from tid_tune.errors import ConfigError, TidTuneError
from tid_tune.openmmlab.configs import ConfigDict
from tid_tune.openmmlab.detector_types import Detector, Prepared, Sample
from tid_tune.openmmlab.registries import MODELS
from tid_tune.openmmlab.setup import mmdet_ready, quiet

with mmdet_ready():
    from mmdet.models.data_preprocessors import DetDataPreprocessor
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
    "prepares_alike",
    "revert_sync_batchnorm",
    "shared_prepared",
    "train_step",
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


def prepares_alike(model: nn.Module) -> bool:
    """Return whether another model of the same preprocessor can train on what this one prepares.

    That is so where mmdet's own steps are used, and the preprocessor draws no random numbers. The
    key `compile` of a config puts a compiled step into the model, which prepares for itself.
    """
    preprocessor: Any = getattr(model, "data_preprocessor", None)
    mmdets = getattr(type(model), "train_step", None) is BaseModel.train_step
    own_step = not mmdets or "train_step" in vars(model)
    known = type(preprocessor) is DetDataPreprocessor
    return known and preprocessor.batch_augments is None and not own_step


def shared_prepared(prepared: Prepared) -> Prepared:
    """Return a prepared batch for one more model: its own samples around the same tensors.

    The inputs are the same tensor, and the ground truth of each image the same object.
    """
    samples = prepared["data_samples"]
    own = None if samples is None else [_shallow(sample) for sample in samples]
    return {"inputs": prepared["inputs"], "data_samples": own}


def _shallow(sample: Sample) -> Sample:
    """Return a sample with the same contents, to which others can be added."""
    own = copy.copy(sample)
    for fields in ("_metainfo_fields", "_data_fields"):
        own.__dict__[fields] = set(own.__dict__[fields])
    return own


def train_step(model: Any, prepared: Prepared, optim_wrapper: Any) -> dict[str, torch.Tensor]:
    """Train a model on a batch that is preprocessed already, as its own `train_step` does."""
    with optim_wrapper.optim_context(model):
        losses = model(**prepared, mode="loss")
    total, values = model.parse_losses(losses)
    optim_wrapper.update_params(total)
    logged: dict[str, torch.Tensor] = values
    return logged
