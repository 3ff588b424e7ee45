from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from support.search_cases import make_spec

from tid_tune.ledger.file import Ledger
from tid_tune.search.engine import Search
from tid_tune.space import Choice

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(method='tid', thresholds='fixed', pos_iou=0.2, neg_iou=0.1, cls_pos=0.01,
                      cls_neg=0.001, weak_threshold=0.3))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
WEIGHT = "model.distillation.loss_weight"


@dataclass(frozen=True)
class Models:
    """A plain teacher and a distilled student, with random weights."""

    teacher: Path
    teacher_weights: Path
    student: Path
    student_weights: Path


@pytest.fixture
def models(shapes_config: Callable[..., Path], tmp_path: Path) -> Models:
    """Models of tiny images."""
    teacher = shapes_config(name="teacher.py", width=8)
    weights = write_weights(teacher, tmp_path / "teacher.pth")
    student = shapes_config(DISTILLER.format(folder=tmp_path), name="student.py")
    return Models(teacher, weights, student, write_weights(student, tmp_path / "student.pth"))


def write_weights(config: Path, path: Path) -> Path:
    """Write random weights of a config's model."""
    from tid_tune.openmmlab.configs import load_config
    from tid_tune.openmmlab.models import build_detector
    from tid_tune.openmmlab.setup import prepare

    prepare()
    torch.manual_seed(0)
    torch.save({"state_dict": build_detector(load_config(config).model).state_dict()}, path)
    return path


@pytest.fixture
def run_folder(models: Models, tmp_path: Path) -> Path:
    """A finished search: no distillation (t0001), the defaults (t0002), a search trial (t0003)."""
    folder = tmp_path / "runs" / "demo"
    folder.mkdir(parents=True)
    spec = make_spec(
        name="demo",
        trial=models.student,
        epochs=1,
        space={WEIGHT: Choice(values=(0.5, 2.0))},
        sampler={"type": "grid"},
        scheduler={"type": "none"},
        baseline=True,
        confirm=None,
        trials=1,
    )
    ledger = Ledger.open(folder / "ledger.jsonl", sync=False)
    search = Search.open(spec, ledger)
    weights = torch.load(models.student_weights, weights_only=True)
    for number, value in enumerate((0.1, 0.2, 0.3)):
        work = search.next()
        checkpoint = f"trials/{work.trial}/step_000001.pth"
        (folder / checkpoint).parent.mkdir(parents=True)
        changed = {k: v.clone() for k, v in weights["state_dict"].items()}
        changed["student.bbox_head.gfl_cls.bias"] += number
        torch.save({**weights, "state_dict": changed}, folder / checkpoint)
        search.report(work.trial, 1, 1.0, {"coco/bbox_mAP": value}, 1.0, 8, checkpoint)
        search.complete(work.trial)
    ledger.close()
    return folder
