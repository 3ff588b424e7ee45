"""The used part of mmdet 3's detectors, samples and datasets, with types: mmdet ships without.

For annotations only; the classes themselves are in `models`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, Self, TypedDict

import torch
from torch import Tensor, nn

Losses = dict[str, Tensor | list[Tensor]]
"""By name; a list has a loss per level."""


class Prepared(TypedDict):
    """A batch after the data preprocessor."""

    inputs: Tensor
    data_samples: list[Sample] | None


class Instances(Protocol):
    """The part of mmengine 0.10's `InstanceData` that a ground truth and a detection share."""

    bboxes: Tensor
    labels: Tensor

    def __len__(self) -> int: ...


class Scored(Instances, Protocol):
    """Detections."""

    scores: Tensor


class Meta(TypedDict, total=False):
    """What mmdet notes about an image; sizes are (height, width), or with channels."""

    img_shape: Sequence[int]
    pad_shape: Sequence[int]
    img_path: str
    scale_factor: tuple[float, float]


class Sample(Protocol):
    """The part of mmdet's `DetDataSample` that is used: the set fields depend on the place."""

    img_id: int | str
    metainfo: Meta
    gt_instances: Instances
    pred_instances: Scored


class DenseHead(nn.Module):
    """A head that predicts at every point."""

    def predict_by_feat(self, *args: object, **kwargs: object) -> list[Scored]:
        """Return the detections of the head's own outputs, one an image."""
        raise NotImplementedError

    def loss_by_feat(self, *args: object) -> Losses:
        """Return the losses of the head's own outputs, objects, meta information and ignored."""
        raise NotImplementedError


class Detector(nn.Module):
    """A single-stage detector; with `forward`'s `mode`, mmengine's steps and mmdet's parts."""

    data_preprocessor: Callable[[object, bool], Prepared]
    bbox_head: DenseHead

    def __init__(self, data_preprocessor: object = None) -> None:
        super().__init__()

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the neck's maps."""
        raise NotImplementedError

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[Sample]) -> Losses:
        """Return the losses of a prepared batch."""
        raise NotImplementedError

    def parse_losses(
        self, losses: Mapping[str, Tensor | list[Tensor]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of all losses, and the means by name."""
        raise NotImplementedError

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: list[Sample], rescale: bool = True
    ) -> list[Sample]:
        """Return the samples with `pred_instances`."""
        raise NotImplementedError

    def test_step(self, data: object) -> list[Sample]:
        """Return the samples of a loader's batch with `pred_instances`."""
        raise NotImplementedError

    def val_step(self, data: object) -> list[Sample]:
        """Return the same as `test_step`."""
        raise NotImplementedError

    def add_pred_to_datasample(
        self, data_samples: list[Sample], results_list: Sequence[Scored]
    ) -> list[Sample]:
        """Return the samples with detections as `pred_instances`."""
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        raise NotImplementedError

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: list[Sample] | None = None
    ) -> Sequence[Sequence[Tensor]]:
        raise NotImplementedError

    def _set_device(self, device: torch.device) -> None:
        raise NotImplementedError


class Metainfo(TypedDict, total=False):
    """What a dataset notes about itself."""

    classes: Sequence[str]


class DetectionDataset(Protocol):
    """The part of mmengine 0.10's `BaseDataset` that is used."""

    @property
    def metainfo(self) -> Metainfo:
        """Class names, and more."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...

    def full_init(self) -> None:
        """Read the annotations, if that is not done yet."""

    def get_data_info(self, idx: int) -> DataInfo:
        """Return the record of an image."""

    def get_subset_(self, indices: Sequence[int]) -> None:
        """Keep the images of these indices alone."""


class DataInfo(TypedDict):
    """A dataset's record of an image."""

    img_id: int | str
    instances: list[InstanceInfo]


class InstanceInfo(TypedDict, total=False):
    """A dataset's record of an object; the box is left, top, right, bottom."""

    bbox: Sequence[float]
    bbox_label: int
    ignore_flag: int


class DetectionLoader(Protocol):
    """The part of a data loader that is used to evaluate."""

    @property
    def dataset(self) -> DetectionDataset:
        """What it loads."""

    def __iter__(self) -> Iterator[object]: ...
