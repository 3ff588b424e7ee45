"""The frozen teacher does no more work than its method asks for."""

from __future__ import annotations

from typing import Any

import pytest
from support.method_cases import TEACHING
from support.tiny_distiller import run

from tid_tune.distill.distiller import Distiller
from tid_tune.testing.detectors import STRIDES, detector

PASSES = {"mimic": 0, "defeat": 0, "fgd": 0, "pkd": 0}
"""How often a method runs the teacher's towers, where it is not once."""


@pytest.mark.parametrize("method", TEACHING)
def test_the_teachers_towers_are_run_only_if_needed_and_then_once(method: str) -> None:
    head: dict[str, Any] = {"stacked_convs": 2}
    model = Distiller(
        student=detector("gfl", **head),
        teacher={"model": detector("gfl", **head), "checkpoint": None},
        distillation={"method": method},
    ).train()
    teacher: Any = model.teacher
    runs: list[Any] = []
    for convs in (teacher.bbox_head.cls_convs, teacher.bbox_head.reg_convs):
        convs[0].register_forward_hook(lambda conv, *_: runs.append(conv))
    run(model)
    assert len(runs) == PASSES.get(method, 1) * 2 * len(STRIDES)
