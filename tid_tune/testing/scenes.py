"""What a method is given at a step: two tiny heads on random feature maps, without training."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn

from tid_tune.detectors.heads import HeadAdapter, adapt_head
from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.method import MethodOutput
from tid_tune.distill.registry import build_method, parse_settings
from tid_tune.testing.detectors import STRIDES, lively_head, samples

Boxes = list[list[list[float]]]
"""Per image and object: left, top, right, bottom in pixels."""
Size = tuple[int, int]
"""Height and width in pixels."""

BATCHES: dict[str, tuple[Boxes, list[Size], Size]] = {
    "square": (
        [[[3.2, 5.1, 30.7, 40.3], [10.6, 20.9, 60.2, 61.4]], [[8.1, 2.2, 44.3, 33.9]]],
        [(64, 64), (64, 64)],
        (64, 64),
    ),
    "padded": (
        [[[2.4, 3.1, 60.2, 90.5], [20.5, 30.2, 34.7, 41.8]], [[4.2, 6.3, 30.1, 37.2]]],
        [(96, 64), (40, 32)],
        (96, 64),
    ),
    "beyond the image": (
        [[[2.4, 3.1, 60.2, 90.5]], [[4.2, 6.3, 64.0, 80.0], [30.0, 38.0, 52.0, 60.0]]],
        [(96, 64), (40, 32)],
        (96, 64),
    ),
    "odd size": ([[[10.1, 12.3, 40.2, 48.7]]], [(50, 70)], (50, 70)),
    "no object": ([[], [[12.2, 7.3, 50.1, 31.4]]], [(64, 64), (64, 64)], (64, 64)),
    "no object at all": ([[], []], [(64, 64), (32, 64)], (64, 64)),
    "nested and touching": (
        [[[8.0, 8.0, 56.0, 56.0], [16.0, 16.0, 32.0, 32.0], [32.0, 16.0, 33.0, 17.0]]],
        [(64, 64)],
        (64, 64),
    ),
}
"""Objects, the padded size of each image, and the size of the batch."""


@dataclass
class Scene:
    """A method, the batch it is given, and where the batch came from."""

    method: Any
    """A Method; Any for the parts that only some methods have."""
    context: Context
    objects: Boxes
    padded: list[Size]

    def __call__(self) -> MethodOutput:
        """Run one step of the method."""
        output: MethodOutput = self.method(self.context)
        return output

    def raw(self) -> dict[str, float]:
        """Run one step and return each term before weighting."""
        return {
            name.removeprefix("distill/").removesuffix("_raw"): value.item()
            for name, value in self().logs.items()
            if name.endswith("_raw")
        }


def make_scene(
    method: str,
    kind: str = "gfl",
    batch: str = "padded",
    *,
    student: dict[str, Any] | None = None,
    teacher: dict[str, Any] | None = None,
    copied: bool = False,
    **options: object,
) -> Scene:
    """Build a method on a batch.

    Args:
        method: its name.
        kind: of both detectors, one of `detectors.HEADS`.
        batch: one of `BATCHES`.
        student: changes of its head, as for `detectors.detector`; `kind` is one too.
        teacher: the same for the teacher.
        copied: give the student the teacher's head and features.
        options: constants of the method.
    """
    student, teacher = dict(student or {}), dict(teacher or {})
    ours = lively_head(student.pop("kind", kind), 1, **student).train()
    theirs = lively_head(teacher.pop("kind", kind), 2, **teacher).eval().requires_grad_(False)
    if copied:
        ours.load_state_dict(theirs.state_dict())
    adapters = adapted(ours, "student"), adapted(theirs, "teacher")
    torch.manual_seed(3)
    built = build_method(parse_settings({"method": method, **options}), *adapters)
    boxes, shapes, size = BATCHES[batch]
    data = samples(boxes, shapes)
    view = _view(adapters[0], len(boxes), size, 5 if copied else 4, training=True)
    other = _view(adapters[1], len(boxes), size, 5, training=False)
    instances, metas = [item.gt_instances for item in data], [item.metainfo for item in data]
    batch_of = Batch(torch.zeros(len(boxes), 3, *size), other, instances, metas)
    return Scene(built, Context(batch_of, view, 0, 0), boxes, shapes)


def adapted(head: nn.Module, role: str = "student") -> HeadAdapter:
    """Return the adapter of a head that belongs to no detector."""
    return adapt_head(cast(nn.Module, SimpleNamespace(bbox_head=head)), role)


def random_maps(images: int, channels: int, size: Size, seed: int) -> list[Tensor]:
    """Return a pyramid of noise with another mean and scale in every channel."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0.5, 2.0, channels)[:, None, None]
    maps = []
    for stride in STRIDES:
        height, width = -(-size[0] // stride), -(-size[1] // stride)
        noise = torch.randn(images, channels, height, width, generator=generator)
        maps.append(noise * scale + scale - 1)
    return maps


def _view(adapter: HeadAdapter, images: int, size: Size, seed: int, *, training: bool) -> View:
    features = random_maps(images, adapter.in_channels, size, seed)
    if training:
        features = [item.requires_grad_() for item in features]
    with torch.set_grad_enabled(training):
        return View(nn.Identity(), adapter, features, adapter.head(features))
