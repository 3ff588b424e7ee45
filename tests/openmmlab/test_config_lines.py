"""The line that sets a value, in a config or in one that it is based on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tid_tune.openmmlab.config_lines import line_of

FILES = {
    "base.py": """\
_norm = dict(type="BN")
model = dict(
    type="GFL",
    backbone=dict(
        depth=18,
        norm_cfg=_norm),
    neck={"num_outs": 5, **_norm})
schedule = [dict(end=10), dict(end=20)]
lr = 0.1
""",
    "child.py": """\
_base_ = ["base.py"]
_first, _last = _base_.schedule
model = dict(
    _delete_=True,
    student=_base_.model,
    teacher=dict(config="x"))
schedule = [dict(_first, begin=1), _last]
model["head"] = dict(a=1)
model.update(head=dict(
    b=2))
""",
    "top.py": """\
_base_ = "child.py"
model = dict(
    student=dict(backbone=dict(depth=34)))
""",
    "pure.py": """\
from mmengine.config import read_base
with read_base():
    from .base import *
model.update(dict(
    neck=dict(num_outs=3)))
""",
    "circle.py": "_base_ = 'circle.py'\nmodel = a\na = model\n",
}


@pytest.mark.parametrize(
    ("file", "path", "line"),
    [
        ("base.py", "model.backbone.depth", "base.py:5"),
        ("base.py", "model.backbone.norm_cfg.type", "base.py:1"),
        ("base.py", "model.neck.type", "base.py:1"),
        ("base.py", "model.neck.num_outs", "base.py:7"),
        ("base.py", "schedule.1.end", "base.py:8"),
        ("base.py", "model.head.num_classes", "base.py:2"),
        ("base.py", "nothing", None),
        ("child.py", "lr", "base.py:9"),
        ("child.py", "model.student.backbone.depth", "base.py:5"),
        ("child.py", "model.teacher.config", "child.py:6"),
        ("child.py", "model.teacher.checkpoint", "child.py:6"),
        ("child.py", "model.backbone", "child.py:3"),
        ("child.py", "schedule.0.begin", "child.py:7"),
        ("child.py", "schedule.0.end", "base.py:8"),
        ("child.py", "schedule.1.end", "base.py:8"),
        ("child.py", "model.head.b", "child.py:10"),
        ("child.py", "model.head.a", "child.py:8"),
        ("top.py", "model.student.backbone.depth", "top.py:3"),
        ("top.py", "model.student.neck.num_outs", "base.py:7"),
        ("pure.py", "model.neck.num_outs", "pure.py:5"),
        ("pure.py", "model.backbone.depth", "base.py:5"),
        ("missing.py", "model", None),
    ],
)
def test_the_line_that_sets_a_value_is_found(
    file: str, path: str, line: str | None, tmp_path: Path
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    found = line_of(tmp_path / file, path)
    shown = None if found is None else f"{found.file.relative_to(tmp_path)}:{found.number}"
    assert shown == line


def test_names_that_refer_to_each_other_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "circle.py").write_text(FILES["circle.py"])
    found = line_of(tmp_path / "circle.py", "model.backbone")
    assert found is not None
    assert found.file == tmp_path / "circle.py"
