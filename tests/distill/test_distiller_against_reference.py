"""The whole Distiller, images in and losses out, equals the loop-by-loop reference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.reference_boxes import Side
from support.reference_tid import Batch, tid
from torch import nn

from tid_tune.distill.distiller import Distiller
from tid_tune.testing.detectors import CLASSES, HEADS, STRIDES, detector, images, samples

BOXES = [
    [[3.2, 5.1, 20.7, 24.3], [30.6, 20.9, 60.2, 61.4], [40.3, 50.2, 57.7, 90.1]],
    [[8.1, 2.2, 30.3, 26.9]],
    [],
]
PADDED = [(96, 64), (64, 32), (96, 64)]


def sharpen(model: nn.Module, seed: int) -> None:
    """Make an untrained detector say different things at different points."""
    generator = torch.Generator().manual_seed(seed)
    for item in model.modules():
        if isinstance(item, nn.BatchNorm2d):
            item.weight.data = 1 + torch.rand(item.weight.shape, generator=generator)
    for name, value in model.bbox_head.named_parameters():
        if name.split(".")[0] in PREDICTORS:
            scale, bias = PREDICTORS[name.split(".")[0]]
            spread = scale if name.endswith("weight") else bias
            value.data = spread * torch.randn(value.shape, generator=generator)


PREDICTORS = {
    "gfl_cls": (0.7, 1.0),
    "gfl_reg": (0.4, 1.5),
    "atss_cls": (0.7, 1.0),
    "atss_reg": (0.3, 1.5),
    "retina_cls": (4.0, 1.0),
    "retina_reg": (0.02, 0.3),
    "conv_cls": (0.7, 1.0),
    "conv_reg": (0.4, 2.5),
}


def side(kind: str, model: Any, batch: torch.Tensor, *, training: bool) -> Side:
    with torch.no_grad():
        features = model.extract_feat(batch)
        outputs = model.bbox_head(features)
    return Side(kind, list(features), [list(maps) for maps in outputs], training)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", HEADS)
def test_the_distillers_terms_equal_the_reference(kind: str, seed: int) -> None:
    torch.manual_seed(0)
    settings = {"key_threshold": 0.7, "weak_threshold": 0.3}
    model = Distiller(
        student=detector(kind),
        teacher={"model": detector(kind), "checkpoint": None},
        distillation=settings,
    ).train()
    sharpen(model.student, seed)
    sharpen(model.teacher, seed + 10)
    data = images(3, 96, 64, seed)
    losses = model.loss(data, samples(BOXES, PADDED))

    objects = [[(tuple(box), k % CLASSES) for k, box in enumerate(image)] for image in BOXES]
    expected = tid(
        side(kind, model.student, data, training=True),
        side(kind, model.teacher, data, training=False),
        Batch(objects, PADDED, STRIDES),
        **settings,
    )
    names = [name for image in expected.areas for level in image for name in level]
    assert {"key", "weak", "rest", "padding"} <= set(names)
    for area, value in expected.terms.items():
        found = losses[f"distill/{area}_raw"].item()
        assert found == pytest.approx(value, rel=1e-3, abs=1e-6), area
    for level in range(len(STRIDES)):
        points = [name for image in expected.areas for name in image[level]]
        valid = len(points) - points.count("padding")
        for area in ("key", "weak"):
            share = losses[f"distill/area_{area}_l{level}"].item()
            assert share == pytest.approx(points.count(area) / valid)
