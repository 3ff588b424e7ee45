"""A tiny Distiller and a batch for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tid_tune.distill.distiller import Distiller
from tid_tune.testing.detectors import detector, images, samples

BOXES = [[[3.2, 5.1, 30.7, 40.3], [10.6, 20.9, 60.2, 61.4]], [[8.1, 2.2, 44.3, 33.9]]]
SHAPES = [(64, 64), (50, 40)]
PADDED = [(64, 64), (64, 64)]


def build(
    kind: str = "gfl", teacher: dict[str, Any] | None = None, **distillation: Any
) -> Distiller:
    torch.manual_seed(0)
    return Distiller(
        student=detector(kind),
        teacher={"model": teacher or detector(kind), "checkpoint": None},
        distillation=distillation,
    ).train()


def batch() -> tuple[Tensor, list[Any]]:
    return images(2, 64, 64), samples(BOXES, SHAPES, PADDED)


def run(model: Any) -> dict[str, Any]:
    return model.loss(*batch())


def total(model: Any, losses: dict[str, Any]) -> Tensor:
    return model.parse_losses(losses)[0]


def gradients(model: Any) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    total(model, run(model)).backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
