"""One rule tells a Distiller's config from a plain detector's, wherever it is asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tid_tune.distill.distiller import Distiller
from tid_tune.distill.model_config import is_distiller, student_config
from tid_tune.distill.teacher import build_teacher
from tid_tune.export.student import student_model
from tid_tune.openmmlab.models import build_model
from tid_tune.testing.detectors import detector


class Derived(Distiller):
    """A Distiller of somebody's own."""


@pytest.mark.parametrize("kind", ["Distiller", "mmdet.Distiller", Distiller])
def test_what_mmengine_builds_as_a_distiller_is_one_everywhere(kind: Any) -> None:
    from mmengine.config import Config

    student = detector("gfl")
    model = {"type": kind, "student": student, "distillation": {"method": "none"}}
    assert isinstance(build_model(model), Distiller)
    assert is_distiller(model)
    assert student_config(model) == student
    assert student_model(Config({"model": model}))["type"] == "GFL"
    assert type(build_teacher({"model": model, "checkpoint": None}).detector).__name__ == "GFL"


@pytest.mark.parametrize("kind", ["MyDistiller", Derived])
def test_a_class_derived_from_it_is_one(kind: Any) -> None:
    assert is_distiller({"type": kind})


@pytest.mark.parametrize("kind", ["GFL", "mmdet.GFL", "DistillerHead", int, None, 3])
def test_anything_else_is_a_plain_detector(kind: Any) -> None:
    model = {"type": kind, "student": detector("gfl")}
    assert not is_distiller(model)
    assert student_config(model) is model


@pytest.mark.parametrize("model", [None, "Distiller", ["Distiller"], {}])
def test_what_is_no_model_is_no_distiller(model: Any) -> None:
    assert not is_distiller(model)


def test_it_needs_no_torch() -> None:
    code = "import sys, tid_tune.distill.model_config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
