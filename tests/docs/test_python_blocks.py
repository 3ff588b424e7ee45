"""The Python blocks of docs/ run. Those that are configs of README and docs/configs.md are tested
with the search spaces."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
import torch
from support.doc_pages import ROOT, blocks
from support.export_models import random_detector, write_config
from support.spec_project import DATA, STUDENT, write_project
from support.spec_samples import LR, with_line

import tid_tune
from tid_tune.data.digits import write_digits
from tid_tune.ledger.events import Event
from tid_tune.openmmlab.configs import load_config
from tid_tune.results.run_folder import RunFolder


def only_block(page: str) -> str:
    (block,) = [block for block in blocks("python", page) if block.not_run is None]
    return block.text


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a detector's `config.py` and `checkpoint.pth` and its data."""
    monkeypatch.chdir(tmp_path)
    write_digits(Path("digits"), images=4, val_images=4)
    config = write_config(Path("config.py"), "GFL", tmp_path / "digits")
    torch.save({"state_dict": random_detector(load_config(config)).state_dict()}, "checkpoint.pth")
    return tmp_path


def test_a_model_is_evaluated(model: Path) -> None:
    names: dict[str, object] = {}
    exec(only_block("docs/evaluation.md"), names)
    assert "analysis" in names


def test_a_student_is_exported(model: Path) -> None:
    exec(only_block("docs/export.md"), {})
    assert (model / "student/model.onnx").is_file()


def test_a_config_takes_its_classes_from_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_digits(Path("data/mine"), images=2, val_images=2)
    Path("gfl.py").write_text(f"{STUDENT}{DATA}".replace("RepeatDataset", "CocoDataset"))
    Path("mine.py").write_text(only_block("docs/data.md"))
    config = load_config(Path("mine.py"))
    document = json.loads(Path("data/mine/annotations/instances_val.json").read_text())
    names = tuple(category["name"] for category in document["categories"])
    for loader in (config.train_dataloader, config.val_dataloader):
        assert tuple(loader.dataset.metainfo.classes) == names


def test_the_executor_runs_a_search_and_the_reader_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project()
    Path("search.yaml").write_text(with_line("epochs: 3"))
    executor, reader = (block.text for block in blocks("python", "docs/search-engine.md"))
    values = {"train": lambda edits, epoch: {"coco/bbox_mAP": edits.get(LR, 0.2) * epoch}}
    exec(executor, values)
    state = RunFolder.open("runs/mine").state
    assert state.closed == "all trials are done"
    assert sum(trial.stage == "search" for trial in state.trials.values()) == 10
    capsys.readouterr()
    exec(reader, {})
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(listed) == set(state.trials)


def test_the_table_of_events_has_every_event_and_field() -> None:
    page = (ROOT / "docs" / "search-engine.md").read_text()
    for kind in get_args(Event):
        names = [field.name for field in fields(kind) if field.name not in ("event", "time")]
        name = fields(kind)[0].default
        cells = ", ".join(f"`{field}`" for field in names)
        assert f"| `{name}` | {cells} |" in page


def test_the_reference_has_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    documented = set(re.findall(r":: tid_tune\.(\w+)$", page, re.MULTILINE)) - {"errors"}
    assert documented | {"TidTuneError"} == set(tid_tune.__all__)
