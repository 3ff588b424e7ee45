"""The student alone: its config without distillation, its weights, and the built detector."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from tid_tune.distill.student_state import export_student_state, has_student
from tid_tune.errors import ConfigError, UsageError
from tid_tune.openmmlab.checkpoints import load_state, load_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.setup import prepare, quiet

_PARALLEL = "module."
"""What data-parallel wrappers put before every name."""

_COUNTER = "num_batches_tracked"
"""Batch norm's step counter: old checkpoints lack it, and evaluation does not read it."""


def as_config(config: Config | Path | str) -> Config:
    """Return the config, loaded if it is a path; raises ConfigError."""
    return config if isinstance(config, Config) else load_config(config)


def is_distiller(config: Config) -> bool:
    """Whether the config's model is a Distiller, with the student inside."""
    model = config.get("model") or {}
    return isinstance(model.get("student"), Mapping)


def student_model(config: Config) -> Any:
    """Return a copy of the student's model config; of a plain detector's config, its model.

    The preprocessing of the data is always inside, wherever the config had it. Raises ConfigError.
    """
    model = config.get("model")
    if not isinstance(model, Mapping) or "type" not in model:
        raise ConfigError(f"{config.filename or 'the config'} has no `model` with a `type`")
    inner: Any = copy.deepcopy(model["student"] if is_distiller(config) else model)
    preprocessor = model.get("data_preprocessor") or config.get("data_preprocessor")
    if not inner.get("data_preprocessor") and preprocessor:
        inner["data_preprocessor"] = copy.deepcopy(preprocessor)
    return inner


def student_weights(checkpoint: Mapping[str, Any] | Path | str) -> dict[str, Tensor]:
    """Return the student's weights by the plain detector's names, on the CPU.

    `checkpoint` is a path, a checkpoint's content or its `state_dict`, of a distiller or of a plain
    detector. Raises ConfigError.
    """
    if isinstance(checkpoint, Mapping):
        weights = dict(checkpoint.get("state_dict", checkpoint))
        if all(name.startswith(_PARALLEL) for name in weights):
            weights = {name.removeprefix(_PARALLEL): value for name, value in weights.items()}
    else:
        weights = load_weights(checkpoint)
    return export_student_state(weights) if has_student(weights) else weights


def checkpoint_meta(checkpoint: Mapping[str, Any] | Path | str) -> dict[str, Any]:
    """Return what the checkpoint says about itself under `meta`; empty if nothing."""
    state = checkpoint if isinstance(checkpoint, Mapping) else load_state(checkpoint)
    meta = state.get("meta")
    return dict(meta) if isinstance(meta, Mapping) else {}


def build_student(
    config: Config, weights: Mapping[str, Tensor], *, device: str = "cpu", named: str = ""
) -> nn.Module:
    """Return the student with these weights, in evaluation mode on `device`.

    `named` is what an error calls the weights. Raises ConfigError if they do not fit the model,
    UsageError if there is no such device.
    """
    prepare()
    from mmdet.registry import MODELS
    from mmengine.model import revert_sync_batchnorm

    try:
        with quiet():
            detector: nn.Module = MODELS.build(student_model(config))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(
            f"cannot build the model of {config.filename or 'the config'}: {error}"
        ) from error
    _check_fit(detector, weights, named or "the checkpoint")
    detector.load_state_dict(dict(weights), strict=False)
    detector = revert_sync_batchnorm(detector)
    return detector.to(pick_device(device)).eval()


def pick_device(device: str) -> torch.device:
    """Return the device called `device`; "auto" is a GPU where there is one.

    Raises UsageError if there is no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:  # CPU builds of torch assert
        reason = str(error).strip().split("\n", 1)[0]
        raise UsageError(f"device {device!r} cannot be used here: {reason}") from None
    return chosen


def _check_fit(detector: nn.Module, weights: Mapping[str, Tensor], named: str) -> None:
    own = detector.state_dict()
    problems = [
        f"{name} is missing" for name in own if name not in weights and not name.endswith(_COUNTER)
    ]
    problems += [f"{name} is not in the model" for name in weights if name not in own]
    problems += [
        f"{name} has the shape {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ConfigError(
            f"{named} does not fit the model: {', '.join(problems[:3])}{more}. "
            "Is it the checkpoint of another config?"
        )
