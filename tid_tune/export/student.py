"""The student alone: its config without distillation, its weights, and the built detector."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from tid_tune.distill.model_config import student_config
from tid_tune.distill.student_state import export_student_state, has_student
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_into, load_state, load_weights
from tid_tune.openmmlab.configs import Config, ConfigDict, load_config
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.openmmlab.setup import quiet

_PARALLEL = "module."
"""What data-parallel wrappers put before every name."""


def as_config(config: Config | Path | str) -> Config:
    """Return the config, loaded if it is a path.

    Raises:
        ConfigError: it cannot be read.
    """
    return config if isinstance(config, Config) else load_config(config)


def student_model(config: Config) -> ConfigDict:
    """Return a copy of the student's model config; of a plain detector's config, its model.

    The preprocessing of the data is always inside, wherever the config had it.

    Raises:
        ConfigError: there is no model.
    """
    model = config.get("model")
    if not isinstance(model, Mapping) or "type" not in model:
        raise ConfigError(f"{config.filename or 'the config'} has no `model` with a `type`")
    inner = copy.deepcopy(student_config(model))
    preprocessor = model.get("data_preprocessor") or config.get("data_preprocessor")
    if not inner.get("data_preprocessor") and preprocessor:
        inner["data_preprocessor"] = copy.deepcopy(preprocessor)
    return inner


def student_weights(checkpoint: Mapping[str, Any] | Path | str) -> dict[str, Tensor]:
    """Return the student's weights by the plain detector's names, on the CPU.

    `checkpoint` is a path, a checkpoint's content or its `state_dict`, of a distiller or of a plain
    detector.

    Raises:
        ConfigError: as `load_weights`.
    """
    if isinstance(checkpoint, Mapping):
        weights = dict(checkpoint.get("state_dict", checkpoint))
        if all(name.startswith(_PARALLEL) for name in weights):
            weights = {name.removeprefix(_PARALLEL): value for name, value in weights.items()}
    else:
        weights = load_weights(checkpoint)
    return export_student_state(weights) if has_student(weights) else weights


def checkpoint_meta(checkpoint: Mapping[str, object] | Path | str) -> dict[str, object]:
    """Return what the checkpoint says about itself under `meta`; empty if nothing."""
    state = checkpoint if isinstance(checkpoint, Mapping) else load_state(checkpoint)
    meta = state.get("meta")
    return dict(meta) if isinstance(meta, Mapping) else {}


def build_student(
    config: Config, weights: Mapping[str, Tensor], *, device: str = "cpu", named: str = ""
) -> Detector:
    """Return the student with these weights, in evaluation mode on `device`.

    `named` is what an error calls the weights.

    Raises:
        ConfigError: they do not fit the model.
        UsageError: there is no such device.
    """
    # Here, not above: writing a student needs no mmdet, whose import takes many seconds.
    from tid_tune.device import pick_device
    from tid_tune.openmmlab.models import build_detector, revert_sync_batchnorm

    try:
        with quiet():
            built = build_detector(student_model(config))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(
            f"cannot build the model of {config.filename or 'the config'}: {error}"
        ) from error
    load_into(built, weights, source=named or "the checkpoint")
    detector: Detector = revert_sync_batchnorm(built)
    return detector.to(pick_device(device)).eval()
