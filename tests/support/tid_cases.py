"""Batches for TID and the same numbers for its reference, for every head."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from support.reference_boxes import Box, Side
from support.reference_tid import Batch as ReferenceBatch
from tid_tune.detectors.heads import HeadAdapter, adapt_head
from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.methods.tid.loss import TID
from tid_tune.distill.methods.tid.settings import TIDSettings
from tid_tune.testing.detectors import CLASSES, STRIDES, detector, samples

CHANNELS = 8


@functools.cache
def head_of(kind: str, training: bool, border: int = -1) -> HeadAdapter:
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict

    config = detector(kind)
    config["train_cfg"]["allowed_border"] = border
    return adapt_head(MODELS.build(ConfigDict(config)).train(training), "student")


def random_outputs(kind: str, sizes: list[tuple[int, int]], images: int, seed: int) -> Any:
    """Raw outputs whose boxes and classes are right often enough to reach every score."""
    generator = torch.Generator().manual_seed(seed)

    def noise(channels: int) -> list[Tensor]:
        return [torch.randn(images, channels, *size, generator=generator) for size in sizes]

    anchors = 9 if kind == "retinanet" else 1
    classes = [2.5 * item for item in noise(anchors * CLASSES)]
    if kind == "gfl":
        short = -0.5 * torch.arange(9).repeat(4)[:, None, None]
        return [classes, [2 * item + short for item in noise(4 * 9)]]
    if kind == "fcos":
        return [classes, [3 * item.abs() for item in noise(4)], noise(1)]
    spread = 0.3 if kind == "retinanet" else 2.0
    return [classes, [spread * item for item in noise(4 * anchors)]]


@functools.cache
def objects(count: int, height: int, width: int, seed: int) -> list[list[float]]:
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(count, 2, generator=generator) * torch.tensor([width, height])
    size = 6 + torch.rand(count, 2, generator=generator) * 40
    return torch.cat([center - size / 2, center + size / 2], dim=1).tolist()


CASES: dict[str, tuple[list[Any], list[tuple[int, int]], tuple[int, int]]] = {
    "square": ([objects(2, 64, 64, 1), objects(3, 64, 64, 2)], [(64, 64), (64, 64)], (64, 64)),
    "padded": ([objects(3, 96, 64, 3), objects(2, 40, 32, 4)], [(96, 64), (40, 32)], (96, 64)),
    "odd size": ([objects(4, 50, 70, 5)], [(50, 70)], (50, 70)),
    "one object": ([objects(1, 64, 48, 6)], [(64, 48)], (64, 48)),
    "no object": ([[], objects(2, 64, 64, 7)], [(64, 64), (64, 64)], (64, 64)),
    "no object at all": ([[], []], [(64, 64), (32, 64)], (64, 64)),
    "crowded": ([objects(14, 64, 64, 8)], [(64, 64)], (64, 64)),
    "twins of two classes": ([[objects(1, 64, 64, 9)[0]] * 2], [(64, 64)], (64, 64)),
    "out of reach": (
        [[[20.3, 20.1, 21.9, 22.2], [-300.7, -280, 390, 410.3]]],
        [(64, 64)],
        (64, 64),
    ),
}


def setting(
    kind: str, case: str, teacher_kind: str | None = None, border: int = -1
) -> tuple[Context, tuple[Side, Side], ReferenceBatch]:
    """The context of a case, and the same numbers for the reference."""
    boxes, shapes, (height, width) = CASES[case]
    data = samples(boxes, shapes)
    sizes = [(-(-height // stride), -(-width // stride)) for stride in STRIDES]
    views, sides = [], []
    for seed, (name, training) in enumerate(((kind, True), (teacher_kind or kind, False))):
        generator = torch.Generator().manual_seed(seed + 50)
        features = [
            2 * torch.randn(len(boxes), CHANNELS, *size, generator=generator) + 1 for size in sizes
        ]
        outputs = random_outputs(name, sizes, len(boxes), seed + 70)
        if name == "fcos" and not training:
            outputs[1] = [item * s for item, s in zip(outputs[1], STRIDES, strict=True)]
        head = head_of(name, training, border)
        views.append(View(head.head, head, features, outputs))
        sides.append(Side(name, features, outputs, training))
    seen = Batch(
        torch.zeros(len(boxes), 3, height, width),
        views[1],
        [item.gt_instances for item in data],
        [item.metainfo for item in data],
    )
    labeled: list[list[tuple[Box, int]]] = [
        [(tuple(box), index % CLASSES) for index, box in enumerate(image)] for image in boxes
    ]
    return (
        Context(seen, views[0], 0, 0),
        (sides[0], sides[1]),
        ReferenceBatch(labeled, shapes, STRIDES, border=border, shapes=shapes),
    )


def build(context: Context, **changes: Any) -> TID:
    return TID(TIDSettings.parse(changes), context.student.head, context.teacher.head)
