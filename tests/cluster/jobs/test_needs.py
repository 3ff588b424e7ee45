"""Which files of a project a job has to have."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.spec_project import write_project
from support.spec_samples import ONE

from tid_tune.cluster.jobs.needs import needed_files
from tid_tune.searchfile import load


def test_data_teacher_and_weights_are_needed_and_what_is_elsewhere_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project()
    Path("search.yaml").write_text(ONE)
    config = Path("config.py")
    config.write_text(config.read_text() + "\nload_from = 'weights/first.pth'\n")
    overrides = [
        "space.model.teacher.checkpoint={choice: [teacher.pth, /shared/other.pth]}",
        "start_from={run: runs/earlier}",
    ]
    spec = load("search.yaml", overrides, check_files=False)
    found = set(map(str, needed_files(spec)))
    assert found == {
        "data/train.json",
        "data/train",
        "data/val.json",
        "data/val",
        "teacher.py",
        "teacher.pth",
        "weights/first.pth",
        "runs/earlier",
    }
