"""The frozen teacher: the same results from fewer operations, bfloat16 where it is asked for."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
import torch
from support.tiny_distiller import batch, run
from torch import Tensor, nn

from tid_tune.distill.distiller import Distiller
from tid_tune.distill.frozen import computing
from tid_tune.distill.teacher import Teacher, build_teacher, load_teacher
from tid_tune.errors import ConfigError
from tid_tune.testing.detectors import HEADS, detector


def all_tensors(view: Any) -> list[Tensor]:
    return [*view.features, *(item for kind in view.outputs for item in kind)]


@pytest.mark.parametrize("kind", HEADS)
def test_a_frozen_teacher_gives_the_maps_of_the_plain_detector(kind: str) -> None:
    torch.manual_seed(0)
    plain = load_teacher({"model": detector(kind), "checkpoint": None}).eval()
    teacher = Teacher(copy.deepcopy(plain))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in teacher.detector.modules())
    data, _ = batch()
    with torch.no_grad():
        features = plain.extract_feat(data)
        expected = [*features, *(item for part in plain.bbox_head(features) for item in part)]
    for found, wanted in zip(all_tensors(teacher.view(data)), expected, strict=True):
        assert found.dtype == torch.float32
        assert found.is_contiguous()
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_bfloat16_computes_in_bfloat16_and_returns_float32(kind: str) -> None:
    torch.manual_seed(0)
    source = {"model": detector(kind), "checkpoint": None}
    exact = build_teacher(source)
    rough = Teacher(exact.detector, "bfloat16")
    seen: list[torch.dtype] = []
    rough.detector.backbone.register_forward_hook(lambda *a: seen.append(a[2][0].dtype))
    data, _ = batch()
    found, wanted = all_tensors(rough.view(data)), all_tensors(exact.view(data))
    assert seen == [torch.bfloat16, torch.float32]
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == torch.float32
        assert ours.is_contiguous()
        error = (ours - theirs).norm() / theirs.norm()
        assert 0 < error < 0.05
    assert {value.dtype for value in rough.detector.parameters()} == {torch.float32}


def test_without_the_head_only_the_maps_are_computed() -> None:
    view = build_teacher({"model": detector("gfl"), "checkpoint": None}).view(
        batch()[0], outputs=False
    )
    assert len(view.features) == 3
    assert len(view.outputs) == 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_student_learns_from_a_teacher_of_either_precision(precision: str) -> None:
    model = distiller(precision)
    losses = run(model)
    assert losses["loss_distill_rest"].dtype == torch.float32
    model.parse_losses(losses)[0].backward()
    assert all(value.grad.isfinite().all() for value in model.student.parameters())


def distiller(precision: str | None, method: str = "tid") -> Distiller:
    torch.manual_seed(0)
    source: dict[str, object] = {"model": detector("gfl"), "checkpoint": None}
    if precision is not None:
        source["precision"] = precision
    return Distiller(detector("gfl"), source, {"method": method}).train()


def test_the_loss_with_bfloat16_is_that_of_float32_but_for_rounding() -> None:
    exact, rough = (run(distiller(precision)) for precision in ("float32", "bfloat16"))
    assert exact.keys() == rough.keys()
    assert exact["distill/weighted"] != rough["distill/weighted"]
    assert rough["distill/weighted"].item() == pytest.approx(
        exact["distill/weighted"].item(), rel=0.05
    )


def test_the_mode_names_what_is_not_the_default() -> None:
    assert distiller(None).mode() == {}
    assert distiller("float32").mode() == {}
    assert distiller("bfloat16").mode() == {"teacher": "bfloat16"}
    assert distiller("bfloat16", method="none").mode() == {}


@pytest.mark.parametrize("value", ["bf16", "float16", None, 16, True])
def test_another_precision_is_refused(value: object) -> None:
    source = {"model": detector("gfl"), "checkpoint": None, "precision": value}
    with pytest.raises(ConfigError) as caught:
        build_teacher(source)
    for part in ("model.teacher.precision", repr(value), "float32", "bfloat16"):
        assert part in str(caught.value)


def test_float32_leaves_the_precision_of_the_training_as_it_is() -> None:
    device = torch.device("cpu")
    with torch.autocast("cpu", dtype=torch.float16):
        with computing("float32", device):
            assert torch.get_autocast_dtype("cpu") == torch.float16
        with computing("bfloat16", device):
            assert torch.get_autocast_dtype("cpu") == torch.bfloat16


def test_a_teacher_that_cannot_be_folded_works_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = load_teacher({"model": detector("gfl"), "checkpoint": None})
    model.backbone.bn1.running_var.fill_(torch.nan)  # type: ignore[operator]  # of mmdet's ResNet
    with caplog.at_level(logging.INFO):
        teacher = Teacher(model)
    assert "not folded" in caplog.text
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in teacher.detector.modules())


def test_a_teacher_without_values_is_left_alone() -> None:
    """As in the checks before a search."""
    with torch.device("meta"):
        teacher = build_teacher({"model": detector("gfl"), "checkpoint": None})
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in teacher.detector.modules())
