"""Students that are given the same batch share the teacher's work, and get what each gets alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.method_cases import TEACHING
from support.tiny_distiller import batch, build
from torch import Tensor

from tid_tune.detectors.iou_rules import AdaptiveRule
from tid_tune.distill.distiller import Distiller
from tid_tune.distill.teacher import Teacher
from tid_tune.openmmlab.assigners import SharedATSSAssigner
from tid_tune.openmmlab.models import unpack_gt_instances
from tid_tune.testing.detectors import detector

STUDENTS: list[dict[str, Any]] = [
    {"weak_threshold": 2.0, "key_weight": 0.5, "loss_weight": 2.0},
    {"key_threshold": 0.7, "cls_pos": 0.3, "rest_weight": 0.2},
    {"tasks": "regression", "key_threshold": 1.6, "thresholds": "fixed"},
    {"cls_rule": "argmax", "select": "quantile", "normalize": "none"},
]


def student(**distillation: Any) -> Distiller:
    return build("gfl", detector("gfl", width=16), **distillation)


def count_passes(teacher: Teacher) -> list[str]:
    """The parts of the teacher that are run from now on."""
    passes: list[str] = []
    for name in ("backbone", "bbox_head"):
        part = getattr(teacher.detector, name)
        part.register_forward_hook(lambda *_, name=name: passes.append(name))
    return passes


def teacher_of(model: Distiller) -> Teacher:
    assert model._teacher is not None
    return model._teacher


def share(models: list[Distiller]) -> Teacher:
    for model in models:
        model._teacher = models[0]._teacher
    return teacher_of(models[0])


def values(model: Distiller, data: tuple[Tensor, list[Any]]) -> dict[str, Tensor]:
    losses = model.loss(*data)
    model.zero_grad()
    model.parse_losses(losses)[0].backward()
    found = {name: torch.stack(list(v)) for name, v in losses.items() if isinstance(v, list)}
    found |= {name: v for name, v in losses.items() if isinstance(v, Tensor)}
    return found | {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def check_shared(kinds: list[dict[str, Any]], passes: list[str]) -> None:
    """Compare, in losses, logs and gradients, each student alone with all on one batch."""
    alone = [values(student(**kind), batch()) for kind in kinds]
    models = [student(**kind) for kind in kinds]
    run = count_passes(share(models))
    data = batch()
    together = [values(model, data) for model in models]
    assert run == passes
    for own, shared in zip(alone, together, strict=True):
        assert own.keys() == shared.keys()
        for name, value in own.items():
            assert torch.equal(value.detach(), shared[name].detach()), name


def test_students_of_one_method_share_one_pass() -> None:
    check_shared(STUDENTS, ["backbone", "bbox_head"])


def test_students_of_all_methods_share_one_pass() -> None:
    check_shared([{"method": name} for name in TEACHING], ["backbone", "bbox_head"])


def test_a_batch_without_outputs_gets_them_when_they_are_asked_for() -> None:
    check_shared([{"method": "mimic"}, {"method": "tid"}], ["backbone", "bbox_head"])
    check_shared([{"method": "tid"}, {"method": "mimic"}], ["backbone", "bbox_head"])
    check_shared([{"method": "mimic"}, {"method": "fgd"}], ["backbone"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check_shared([{"method": "mimic"}, {"method": "tid"}], ["backbone", "bbox_head"])


def seen_by(teacher: Teacher, data: tuple[Tensor, list[Any]]) -> Any:
    instances, _, metas = unpack_gt_instances(data[1])
    return teacher.batch(data[0], instances, metas)


def test_a_batch_is_known_by_its_images_while_they_are_unchanged() -> None:
    teacher = teacher_of(student())
    passes = count_passes(teacher)
    data = batch()
    first = seen_by(teacher, data)
    assert seen_by(teacher, data) is first
    assert seen_by(teacher, (data[0].clone(), data[1])) is not first
    assert passes == ["backbone", "bbox_head"] * 2
    first = seen_by(teacher, data)
    data[0].mul_(2)
    assert not torch.equal(seen_by(teacher, data).teacher.features[0], first.teacher.features[0])
    assert passes == ["backbone", "bbox_head"] * 4


def test_other_objects_in_the_same_images_share_the_pass_alone() -> None:
    teacher = teacher_of(student())
    passes = count_passes(teacher)
    data = batch()
    first = seen_by(teacher, data)
    other = [batch()[1][0], data[1][1]]
    other[0].gt_instances.bboxes += 3
    second = seen_by(teacher, (data[0], other))
    assert second is not first
    assert second.teacher is first.teacher
    assert not torch.equal(second.truth.boxes, first.truth.boxes)
    assert len(passes) == 2


def test_a_view_in_another_precision_is_another_one() -> None:
    teacher = teacher_of(student())
    passes = count_passes(teacher)
    data = batch()
    first = seen_by(teacher, data)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        second = seen_by(teacher, data)
        assert seen_by(teacher, data) is second
    assert not torch.equal(first.teacher.features[0], second.teacher.features[0])
    assert len(passes) == 4


@pytest.mark.parametrize("ask", ["another batch", "prediction", "move"])
def test_the_batch_is_dropped(ask: str) -> None:
    model = student()
    data = batch()
    model.loss(*data)
    teacher = teacher_of(model)
    assert teacher._last is not None
    if ask == "another batch":
        model.method.settings = model.method.settings.model_copy(update={"loss_weight": 0})
        model.loss(*batch())
    elif ask == "prediction":
        model.eval().predict(*data, rescale=False)
    else:
        model.double()
    assert teacher._last is None


def test_the_assigner_finds_the_students_targets_and_its_iou_rule_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[Any] = []
    own = SharedATSSAssigner._find

    def find(self: SharedATSSAssigner, *given: Any) -> Any:
        found.append(given)
        return own(self, *given)

    monkeypatch.setattr(SharedATSSAssigner, "_find", find)
    monkeypatch.setattr(AdaptiveRule, "rule", lambda *_: pytest.fail("found a second time"))
    models = [student(), student(weak_threshold=2.0), student(method="mimic")]
    share(models)
    data = batch()
    for model in models:
        model.loss(*data)
    assert len(found) == len(data[1])


def test_the_assigners_thresholds_are_those_of_the_rule() -> None:
    model = student()
    data = batch()
    model.loss(*data)
    seen = seen_by(teacher_of(model), data)
    found, computed = seen.assigned_rule(model._student_head), seen.iou_rule(model._student_head)
    assert found is not computed
    for left, right in ((found.positive, computed.positive), (found.negative, computed.negative)):
        assert torch.allclose(left[seen.truth.real], right[seen.truth.real], atol=1e-6)
