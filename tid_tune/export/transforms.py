"""What happens to an image before the detector sees it, read from the config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config


class Preprocessing(TypedDict, total=False):
    """The settings of mmdet's `DetDataPreprocessor`."""

    mean: Sequence[float]
    std: Sequence[float]
    bgr_to_rgb: bool
    pad_value: float
    pad_size_divisor: int


@dataclass(frozen=True)
class Resizing:
    """To a width and height in pixels.

    With `keeps_ratio`, to as much as the longer side allows for an image's longer side, and the
    shorter one for its shorter side: an upright image becomes an upright one.
    """

    width: int
    height: int
    keeps_ratio: bool


def input_size(config: Config) -> tuple[int, int]:
    """Return height and width of the padded input, from the test pipeline's resizing.

    Raises:
        ConfigError: the pipeline does not resize to one size.
    """
    resizing = find_resizing(config)
    if resizing is None:
        raise ConfigError(
            "the test pipeline does not resize to one fixed size; set the size of the ONNX input "
            "with --size HEIGHTxWIDTH"
        )
    divisor = int(preprocessing(config).get("pad_size_divisor", 1))
    return _up(resizing.height, divisor), _up(resizing.width, divisor)


def find_resizing(config: Config) -> Resizing | None:
    """Return how the test pipeline resizes images; None if not to one size."""
    for step in _pipeline(config):
        scale = step.get("scale")
        if step.get("type") == "Resize" and isinstance(scale, list | tuple) and len(scale) == 2:
            return Resizing(int(scale[0]), int(scale[1]), bool(step.get("keep_ratio")))
    return None


def preprocessing(config: Config) -> Preprocessing:
    """Return the config of the model's data preprocessor, empty if it has none."""
    settings: Preprocessing = config.model.get("data_preprocessor") or Preprocessing()
    return settings


def _pipeline(config: Config) -> list[Mapping[str, object]]:
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    while "pipeline" not in dataset and "dataset" in dataset:
        dataset = dataset["dataset"]
    return list(dataset.get("pipeline") or [])


def _up(side: int, divisor: int) -> int:
    return -(-side // divisor) * divisor
