"""A Distiller has its student's attributes, and nothing else about it changes."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from support.tiny_distiller import build
from torch import nn

from tid_tune.distill.distiller import Distiller, named_as_student
from tid_tune.openmmlab.building import build_optimizer


@pytest.fixture
def distiller() -> Distiller:
    return build(method="mimic")


def test_the_students_parts_are_reached(distiller: Distiller) -> None:
    assert distiller.bbox_head is distiller.student.bbox_head
    assert distiller.backbone is distiller.student.backbone
    assert distiller.with_neck
    assert not distiller.with_mask


@pytest.mark.parametrize("name", ["detector", "module", "no_such_part", "__no_such_thing__"])
def test_what_the_student_has_not_got_is_missing(name: str, distiller: Distiller) -> None:
    assert not hasattr(distiller, name)


def test_the_parts_are_not_counted_twice(distiller: Distiller) -> None:
    prefixes = {name.split(".")[0] for name in distiller.state_dict()}
    assert prefixes <= {"student", "method"}
    assert {name for name, _ in distiller.named_children()} == {
        "data_preprocessor", "student", "method",
    }  # fmt: skip


def test_an_attribute_of_the_student_is_set_on_the_student(distiller: Distiller) -> None:
    student: Any = distiller.student
    student.mark = 1
    distiller.mark = 2
    distiller.own = 3
    distiller.neck = nn.Identity()
    assert student.mark == 2
    assert not hasattr(student, "own")
    assert isinstance(student.neck, nn.Identity)
    assert "neck" not in dict(distiller.named_children())


def test_copies_are_whole_and_reach_their_own_student(distiller: Distiller) -> None:
    other = copy.deepcopy(distiller)
    assert other.bbox_head is other.student.bbox_head
    assert other.bbox_head is not distiller.bbox_head
    averaged = ExponentialMovingAverage(distiller)
    assert averaged.module.bbox_head is not distiller.bbox_head
    averaged.update_parameters(distiller)


def test_it_can_be_pickled_without_its_teacher() -> None:
    plain = build(method="none")
    stream = io.BytesIO()
    torch.save(plain, stream)
    stream.seek(0)
    loaded = torch.load(stream, weights_only=False)
    assert loaded.bbox_head is loaded.student.bbox_head
    assert loaded.state_dict().keys() == plain.state_dict().keys()


def test_a_constructor_that_goes_by_names_treats_the_backbone_as_without_a_teacher() -> None:
    """Layer-wise decay knows layers by names that begin with `backbone.`, as of a ConvNeXt."""

    class ConvNeXt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.downsample_layers = nn.ModuleList(nn.Linear(1, 1) for _ in "abcd")

    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = ConvNeXt()
            self.bbox_head = nn.Linear(1, 1)

    distiller = build(method="mimic")
    distiller._modules["student"] = Student()
    config = {
        "constructor": "LearningRateDecayOptimizerConstructor",
        "optimizer": {"type": "SGD", "lr": 1.0},
        "paramwise_cfg": {"decay_rate": 0.5, "decay_type": "layer_wise", "num_layers": 6},
    }

    def rates(model: nn.Module) -> dict[int, float]:
        groups = build_optimizer(model, config).param_groups
        return {id(item): group["lr"] for group in groups for item in group["params"]}

    plain, distilled = rates(distiller.student), rates(named_as_student(distiller))
    assert len(set(plain.values())) > 1
    own = [id(item) for item in distiller.student.parameters()]
    assert [plain[key] for key in own] == [distilled[key] for key in own]
    assert {id(item) for item in distiller.method.parameters()} <= distilled.keys()


def test_a_plain_detector_is_named_as_it_is() -> None:
    plain = nn.Linear(1, 1)
    assert named_as_student(plain) is plain
