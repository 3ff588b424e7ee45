"""The students of a process share one teacher, which none of them changes."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_distiller import batch

from tid_tune.distill.distiller import Distiller
from tid_tune.openmmlab.checkpoints import save_state
from tid_tune.testing.detectors import detector


@pytest.fixture
def source(tmp_path: Path) -> dict[str, Any]:
    weights = Distiller(student=detector("gfl", 16), distillation={"method": "none"}).student
    save_state({"state_dict": weights.state_dict()}, tmp_path / "teacher.pth")
    return {"model": detector("gfl", 16), "checkpoint": str(tmp_path / "teacher.pth")}


def build(source: dict[str, Any], **distillation: Any) -> Any:
    return Distiller(student=detector("gfl"), teacher=source, distillation=distillation)


def test_two_students_have_the_same_teacher(source: dict[str, Any]) -> None:
    assert build(source).teacher is build(source, method="mimic").teacher


def test_another_checkpoint_gives_another_teacher(source: dict[str, Any]) -> None:
    first = weakref.ref(build(source).teacher)
    state = torch.load(source["checkpoint"], weights_only=True)["state_dict"]
    name = "bbox_head.gfl_cls.bias"
    save_state({"state_dict": {**state, name: state[name] + 1}}, source["checkpoint"])
    second = build(source).teacher
    assert torch.equal(second.state_dict()[name], state[name] + 1)
    gc.collect()
    assert first() is None  # two do not fit everywhere


def test_another_model_gives_another_teacher(
    source: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config file counts by what it says when it is read, its bases included."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "teacher.py"
    (tmp_path / "base.py").write_text(f"model = {source.pop('model')!r}\n")
    config.write_text("_base_ = 'base.py'\n")
    source["config"] = str(config)
    first = build(source).teacher
    assert build(source).teacher is first
    changed = {**detector("gfl", 16), "test_cfg": {"nms_pre": 7}}
    (tmp_path / "base.py").write_text(f"model = {changed!r}\n")
    assert build(source).teacher is not first


def test_random_weights_are_drawn_anew(source: dict[str, Any]) -> None:
    source["checkpoint"] = None
    assert build(source).teacher is not build(source).teacher


def test_a_teacher_that_was_written_to_is_not_handed_out_again(source: dict[str, Any]) -> None:
    first = build(source).teacher
    with torch.no_grad():
        next(first.parameters()).add_(1)
    second = build(source).teacher
    assert second is not first
    assert build(source.copy()).teacher is second
    second.double()
    assert next(build(source).teacher.parameters()).dtype == torch.float32


def test_training_and_evaluating_a_student_leave_it_as_it_was(source: dict[str, Any]) -> None:
    model = build(source)
    before = {name: value.clone() for name, value in model.teacher.state_dict().items()}
    inputs, samples = batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    model.parse_losses(model.loss(inputs, samples))[0].backward()
    optimizer.step()
    model.eval()
    model.predict(inputs, samples, rescale=False)
    after = model.teacher.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not model.teacher.training
    assert build(source).teacher is model.teacher


def test_a_students_weights_do_not_depend_on_who_built_the_teacher(
    source: dict[str, Any],
) -> None:
    """The method draws its own weights after the teacher is there."""
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(build(source, method="fgd").state_dict())
        os.utime(source["checkpoint"], ns=(1, 1))
    torch.manual_seed(0)
    states.append(build(source, method="fgd").state_dict())
    assert any(name.startswith("method.") for name in states[0])
    for other in states[1:]:
        assert all(torch.equal(other[name], value) for name, value in states[0].items())
