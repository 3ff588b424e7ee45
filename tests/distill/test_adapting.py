"""A student and a teacher of other widths or heads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.tiny_distiller import batch, build, gradients, run
from torch import Tensor

from tid_tune.testing.detectors import detector


def test_different_widths_are_adapted_by_one_convolution_a_level() -> None:
    model: Any = build(teacher=detector("gfl", width=16))
    convs = model.method.adaptation.convs
    assert [tuple(conv.weight.shape) for conv in convs] == [(16, 8, 1, 1)] * 3
    data, items = batch()
    theirs = model.teacher.extract_feat(data)
    difference = [
        (standardize(conv(ours)) - standardize(target)).square().mean()
        for conv, ours, target in zip(convs, model.extract_feat(data), theirs, strict=True)
    ]
    plain = build(teacher=detector("gfl", width=16), areas="none")
    raw = plain.loss(data, items)["distill/rest_raw"]
    assert raw.item() == pytest.approx(torch.stack(difference).mean().item(), rel=1e-3)
    gradients(model)
    assert all(conv.weight.grad.any() for conv in convs)


def standardize(value: Tensor) -> Tensor:
    mean = value.mean(dim=(0, 2, 3), keepdim=True)
    return (value - mean) / value.std(dim=(0, 2, 3), keepdim=True, correction=0)


def test_equal_widths_pass_unchanged_unless_a_convolution_is_asked_for() -> None:
    assert not list(build().method.parameters())
    assert len(list(build(adapt="conv").method.parameters())) == 6


@pytest.mark.parametrize("kind", ["atss", "retinanet", "fcos"])
def test_a_teacher_with_another_head_on_the_same_strides_teaches(kind: str) -> None:
    losses = run(build("gfl", detector(kind)))
    assert losses["distill/weighted"] > 0
