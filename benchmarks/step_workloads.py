"""What trial_step.py trains on: the detectors of configs with random weights, and noise."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.models import data_sample


@dataclass(frozen=True)
class Workload:
    """A Distiller's config, and the batches it is trained on. All weights are random."""

    name: str
    config: str
    batch: int
    size: tuple[int, int]
    objects: int
    """Per image."""
    extent: tuple[float, float]
    """Half of an object's side, at least and at most, as a part of the image's."""
    device: str = "cpu"
    precision: torch.dtype | None = None
    """Of autocast, as AmpOptimWrapper uses it; None for float32."""

    def student(self) -> dict[str, Any]:
        """Return the student's model, without initial weights."""
        return without_weights(load_config(self.config).model.student)

    def teacher(self) -> dict[str, Any]:
        """Return the teacher's model."""
        return without_weights(load_config(load_config(self.config).model.teacher.config).model)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the config's optimizer, with the learning rate 0: all steps are alike."""
        settings = load_config(self.config).optim_wrapper.optimizer.to_dict()
        kind = getattr(torch.optim, settings.pop("type"))
        return kind(model.parameters(), **{**settings, "lr": 0.0})

    def make_batch(self) -> Batch:
        """Return noise with objects anywhere in it."""
        generator = torch.Generator().manual_seed(0)
        height, width = self.size
        low, high = self.extent
        classes = self.student()["bbox_head"]["num_classes"]
        samples = []
        for _ in range(self.batch):
            center = torch.rand(self.objects, 2, generator=generator)
            half = low + (high - low) * torch.rand(self.objects, 2, generator=generator)
            boxes = torch.cat([center - half, center + half], 1).clamp(0, 1)
            boxes *= torch.tensor([width, height] * 2)
            labels = torch.randint(classes, (self.objects,), generator=generator)
            found = data_sample(boxes.tolist(), labels.tolist(), self.size, self.size)
            samples.append(found.to(self.device))
        images = torch.randn(self.batch, 3, height, width, generator=generator)
        return Batch(images.to(self.device), samples)


@dataclass(frozen=True)
class Batch:
    """Preprocessed images and mmdet's samples."""

    images: Tensor
    samples: Sequence[Any]

    def again(self) -> Batch:
        """Return the same batch in new objects: nothing may be known of it."""
        return Batch(self.images.clone(), copy.deepcopy(list(self.samples)))


def without_weights(model: Any) -> dict[str, Any]:
    """Return a model's config without `init_cfg`, which may name files."""
    found = model.to_dict()
    found["backbone"]["init_cfg"] = None
    return found


WORKLOADS = {
    work.name: work
    for work in (
        Workload(
            "digits", "trainables/configs/digits/gfl_r18_tid.py", 8, (128, 128), 4, (0.06, 0.19)
        ),
        Workload(
            "r18_r50", "trainables/configs/coco/gfl_r18_tid.py", 2, (320, 320), 7, (0.02, 0.17)
        ),
        Workload(
            "r18_r50_b8", "trainables/configs/coco/gfl_r18_tid.py", 8, (320, 320), 7, (0.02, 0.17)
        ),
        Workload("coco", "trainables/configs/coco/gfl_r50_tid.py", 8, (800, 1344), 7, (0.02, 0.17)),
    )
}
