"""All that is wrong is reported at once, each fault once, at the line that sets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tid_tune.cli.validate import validate
from tid_tune.errors import ConfigError, SpecError
from tid_tune.openmmlab.configs import set_value
from tid_tune.preflight import Plan, require
from tid_tune.preflight.build import check_build

Config = Callable[..., Path]
MISTAKES = """
model.update(backbone=dict(model['backbone'], depht=18), neck=dict(model['neck'], type='FPNN'))
model['bbox_head']['loss_bbox'] = dict(type='GIoULoss', loss_wight=2.0)
train_dataloader['dataset']['pipeline'][3] = dict(type='RandomFlip', probb=0.5)
val_evaluator['metrik'] = 'bbox'
optim_wrapper['optimizer'] = dict(type='SGDD', lr=0.1)
default_hooks = dict(checkpoint=dict(type='ChekpointHook'), logger=dict(type='LoggerHook', x=1))
custom_hooks = [dict(type='EMAHok')]
visualizer = dict(type='DetLocalVisualizerr')
log_processor = dict(type='LogProcessor', window=10)
val_cfg = dict(type='ValLop')
"""
FOUND = {
    "model.backbone": "ResNet has no argument 'depht'; did you mean 'depth'?",
    "model.neck": "did you mean 'FPN'?",
    "model.bbox_head.loss_bbox": "GIoULoss has no argument 'loss_wight'; did you mean",
    "train_dataloader.dataset.pipeline.3": "RandomFlip has no argument 'probb'; did you mean",
    "val_dataloader.dataset.pipeline.3": "RandomFlip has no argument 'probb'; did you mean",
    "val_evaluator": "has no argument 'metrik'; did you mean 'metric'",
    "optim_wrapper.optimizer": "did you mean 'SGD'?",
    "default_hooks.checkpoint": "did you mean 'CheckpointHook'?",
    "default_hooks.logger": "LoggerHook has no argument 'x'",
    "custom_hooks.0": "did you mean 'EMAHook'?",
    "visualizer": "did you mean 'DetLocalVisualizer'?",
    "log_processor": "LogProcessor has no argument 'window'; did you mean 'window_size'?",
    "val_cfg": "did you mean 'ValLoop'?",
}


def test_misspellings_in_every_part_are_found_in_one_pass(shapes_config: Config) -> None:
    found = [one.text for one in check_build(Plan.of_config(shapes_config(MISTAKES)))]
    assert len(found) == len(FOUND), found
    for place, text in FOUND.items():
        (line,) = [one for one in found if one.startswith(f"`{place}` ")]
        assert text in line


def test_a_part_that_cannot_be_built_does_not_hide_the_others(shapes_config: Config) -> None:
    plan = Plan.of_config(shapes_config())
    set_value(plan.config, "model.backbone.depth", 19)
    set_value(plan.config, "model.bbox_head.num_classes", "two")
    set_value(plan.config, "train_dataloader.dataset.pipeline.2.scale", "big")
    set_value(plan.config, "optim_wrapper.optimizer.lr", -1.0)
    places = [one.place for one in check_build(plan)]
    assert places == [
        "model.backbone",
        "model.bbox_head",
        "train_dataloader.dataset.pipeline.2",
        "optim_wrapper.optimizer",
    ]


def test_a_part_that_is_missing_does_not_hide_the_others(shapes_config: Config) -> None:
    plan = Plan.of_config(shapes_config())
    for name in ("train_dataloader", "train_cfg"):
        set_value(plan.config, name, None)
    set_value(plan.config, "val_dataloader.dataset.pipeline.2.scale", "big")
    missing, length, scale = check_build(plan)
    assert (missing.place, length.place) == ("train_dataloader", "train_cfg")
    assert "add it" in missing.text
    assert scale.place == "val_dataloader.dataset.pipeline.2"


def test_a_part_of_the_teacher_is_not_taken_for_that_of_the_student(shapes_config: Config) -> None:
    config = shapes_config(
        "model = dict(type='Distiller', student=_detector, distillation=dict(method='mimic'),\n"
        "             teacher=dict(model=copy.deepcopy(_detector), checkpoint=None))\n"
        "model['teacher']['model']['neck']['num_out'] = 2\n"
    )
    config.write_text(f"import copy\n{config.read_text()}")
    (found,) = check_build(Plan.of_config(config))
    assert found.place == "model.teacher.model.neck.num_out"


def test_a_mistake_is_named_at_the_file_and_line_that_set_it(shapes_config: Config) -> None:
    base = shapes_config()
    line = next(
        number
        for number, text in enumerate(base.read_text().splitlines(), start=1)
        if "num_outs=2" in text
    )
    base.write_text(base.read_text().replace("num_outs=2", "num_out=2"))
    config = base.with_name("child.py")
    config.write_text(
        f"_base_ = '{base.name}'\noptim_wrapper = dict(optimizer=dict(momentumm=1))\n"
    )
    with pytest.raises(ConfigError) as caught:
        require(Plan.of_config(config))
    first, second = caught.value.messages
    assert f"{base.name}:{line}: `model.neck`" in first
    assert f"{config.name}:2: `optim_wrapper.optimizer`" in second


def test_missing_data_are_reported_once_and_the_rest_is_checked(
    shapes_config: Config, shapes_data: Path
) -> None:
    config = shapes_config("train_dataloader['dataset']['ann_file'] = 'none.json'\n")
    with pytest.raises(ConfigError) as caught:
        require(Plan.of_config(config))
    (line,) = caught.value.messages
    assert f"annotation file of the training data is missing: {shapes_data / 'none.json'}" in line
    config = shapes_config(
        "train_dataloader['dataset']['ann_file'] = 'none.json'\n"
        "train_dataloader['dataset']['pipeline'] = [dict(type='LoadAnnotationss')]\n"
        "val_dataloader['dataset']['test_mod'] = True\n"
    )
    with pytest.raises(ConfigError) as caught:
        require(Plan.of_config(config))
    missing, transform, mode = caught.value.messages
    assert "none.json" in missing
    assert "did you mean 'LoadAnnotations'?" in transform
    assert "CocoDataset has no argument 'test_mod'; did you mean 'test_mode'?" in mode


def test_a_mistake_in_the_search_file_does_not_hide_those_of_its_config(
    shapes_config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = shapes_config("model['neck']['num_out'] = 2\n")
    Path("search.yaml").write_text(
        f"name: x\ntrial: {config}\ntrails: 3\nbaseline: false\n"
        "space: {optim_wrapper.optimizer.lr: {uniform: [2, 1]}}\n"
    )
    with pytest.raises(SpecError) as caught:
        validate(Path("search.yaml"))
    messages = caught.value.messages
    assert len(messages) == 3
    at_once = capsys.readouterr().err.splitlines()
    assert at_once == [f"error: {message}" for message in messages[: caught.value.printed]]
    assert len(at_once) == 2, "those of the file, before any model is built"
    for words in ("trails", "uniform", "FPN has no argument 'num_out'; did you mean 'num_outs'?"):
        assert any(words in message for message in messages)


def test_a_number_of_classes_is_reported_once(
    shapes_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = shapes_config("model['bbox_head']['num_classes'] = 3\n")
    Path("search.yaml").write_text(
        f"name: x\ntrial: {config}\nspace: {{optim_wrapper.optimizer.lr: {{uniform: [1, 2]}}}}\n"
    )
    with pytest.raises(SpecError) as caught:
        validate(Path("search.yaml"))
    (line,) = caught.value.messages
    assert "num_classes = 3, but train_dataloader.dataset has 2 classes" in line
