"""What a Distiller hands on to its student: objects to ignore, and how images are prepared."""

from __future__ import annotations

import copy

import torch
from support.tiny_distiller import batch

from tid_tune.distill.distiller import Distiller
from tid_tune.testing.detectors import detector


def test_ignored_objects_are_ignored_in_the_detectors_own_losses() -> None:
    config = detector("retinanet")
    config["train_cfg"]["assigner"]["ignore_iof_thr"] = 0.5
    model = Distiller(student=config, teacher={"model": config, "checkpoint": None}).train()
    data, items = batch()
    plain = model.student.loss(data, items)
    for item in items:
        item.ignored_instances = copy.deepcopy(item.gt_instances)[:1]
        item.ignored_instances.bboxes = torch.tensor([[20.0, 20.0, 64.0, 64.0]])
    losses, own = model.loss(data, items), model.student.loss(data, items)
    for name, levels in own.items():
        assert torch.equal(torch.stack(losses[name]), torch.stack(levels)), name
    assert not torch.equal(torch.stack(losses["loss_cls"]), torch.stack(plain["loss_cls"]))


def test_a_preprocessor_of_the_whole_config_is_for_a_student_without_one() -> None:
    given = detector("gfl")["data_preprocessor"] | {"mean": [7.0, 8.0, 9.0]}
    bare = detector("gfl")
    del bare["data_preprocessor"]
    for student, mean in ((bare, [7.0, 8.0, 9.0]), (detector("gfl"), [0.0, 0.0, 0.0])):
        model = Distiller(student, distillation={"method": "none"}, data_preprocessor=given)
        assert model.data_preprocessor.mean.flatten().tolist() == mean
        assert model.student.data_preprocessor is model.data_preprocessor
