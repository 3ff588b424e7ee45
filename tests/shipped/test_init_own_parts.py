"""`tid-tune init` with a student, a teacher and data of the user's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.init_command import STUDENT, commands, init, refusal
from typer.testing import CliRunner

from tid_tune import searchfile
from tid_tune.cli import app
from tid_tune.openmmlab.configs import load_config
from tid_tune.shipped import files
from tid_tune.space import Fixed, LogUniform


@pytest.mark.usefixtures("with_data")
def test_own_student_and_data_become_a_distiller_with_a_teacher_to_train() -> None:
    Path("my_student.py").write_text(STUDENT)
    result = init("mine", "--student", "my_student.py", "--data", "street")
    assert result.exit_code == 0
    spec = searchfile.load("mine/search.yaml", check_files=False)
    config = load_config(spec.trial, imports=False)
    assert config.model.type == "Distiller"
    assert config.model.student.backbone.depth == 18
    assert spec.epochs == 4
    # The student's own wrapper and pipeline stay; the data inside are replaced.
    assert config.train_dataloader.dataset.times == 2
    inside = config.train_dataloader.dataset.dataset
    assert inside.ann_file == "street/annotations/instances_train.json"
    assert inside.data_prefix.img == "street/train"
    assert [step.type for step in inside.pipeline][-1] == "PackDetInputs"
    assert config.val_evaluator.ann_file == config.test_evaluator.ann_file
    assert config.val_evaluator.ann_file == "street/annotations/instances_val.json"
    teacher = load_config(config.model.teacher.config, imports=False)
    assert teacher.model.backbone.depth == 101
    for model in (config.model.student, teacher.model):
        assert model.bbox_head.num_classes == 10
    assert commands(result.output) == [
        "tid-tune train mine/configs/teacher.py --work-dir runs/teacher-mine",
        "tid-tune run mine/search.yaml",
    ]


@pytest.mark.usefixtures("with_data")
def test_class_names_are_those_of_the_annotation_file_in_its_order() -> None:
    names = ["zebra", "apple", 'a "quoted" name', "äpfel", *(f"class {n}" for n in range(6))]
    for path in Path("street/annotations").glob("*.json"):
        document = json.loads(path.read_text())
        for category, name in zip(document["categories"], names, strict=True):
            category["name"] = name
        path.write_text(json.dumps(document))
    assert init("mine", "--data", "street").exit_code == 0
    config = load_config("mine/configs/distill.py", imports=False)
    assert list(config.train_dataloader.dataset.metainfo.classes) == names
    assert list(config.val_dataloader.dataset.metainfo.classes) == names


@pytest.mark.usefixtures("empty")
def test_voc_data_are_read_in_coco_form(few_voc_digits: Path) -> None:
    shutil.copytree(few_voc_digits, "voc")
    Path("voc/digits.json").unlink(missing_ok=True)
    result = init("mine", "--from", "digits_gfl_tid", "--data", "voc")
    assert result.exit_code == 0
    assert "cannot run yet" in result.output
    config = load_config("mine/configs/distill.py", imports=False)
    assert list(config.train_dataloader.dataset.metainfo.classes) == list("0123456789")
    for loader, listed in (("train", "trainval"), ("val", "test")):
        dataset = config[f"{loader}_dataloader"].dataset
        document = json.loads(Path(dataset.ann_file).read_text())
        members = Path(f"voc/VOCdevkit/VOC2007/ImageSets/Main/{listed}.txt").read_text().split()
        assert [Path(image["file_name"]).stem for image in document["images"]] == members
        assert Path(dataset.data_prefix.img, document["images"][0]["file_name"]).is_file()


@pytest.mark.usefixtures("with_data")
def test_own_teacher_is_named_and_nothing_is_trained() -> None:
    assert init("first", "--from", "digits_gfl_tid", "--data", "street").exit_code == 0
    Path("weights.pth").touch()
    teacher = (
        "--teacher-config",
        "first/configs/teacher.py",
        "--teacher-checkpoint",
        "weights.pth",
    )
    result = init("mine", "--from", "digits_gfl_tid", *teacher)
    assert result.exit_code == 0
    model = load_config("mine/configs/distill.py", imports=False).model
    assert model.teacher == {"config": teacher[1], "checkpoint": teacher[3]}
    assert commands(result.output) == ["tid-tune run mine/search.yaml"]
    assert searchfile.load("mine/search.yaml").trial.name == "distill.py"


@pytest.mark.usefixtures("with_data")
def test_a_searched_learning_rate_is_searched_around_the_students_own() -> None:
    Path("small.py").write_text((files.root() / "trainables/configs/digits/gfl_r18.py").read_text())
    shutil.copytree(files.root() / "trainables/configs/digits/_base_", "_base_")
    assert init("mine", "--from", "digits_gfl_tid", "--student", "small.py").exit_code == 0
    spec = searchfile.load("mine/search.yaml", check_files=False)
    rate = spec.space["optim_wrapper.optimizer.lr"]
    assert isinstance(rate, LogUniform)
    assert rate.low < 0.012 < rate.high
    assert not isinstance(spec.space["model.distillation.loss_weight"], Fixed)


@pytest.mark.usefixtures("with_data")
def test_a_held_out_part_is_what_trials_are_compared_on() -> None:
    folder = "street/annotations"
    split = [
        "data",
        "split",
        f"{folder}/instances_train.json",
        "--out",
        folder,
        "--fraction",
        "0.3",
    ]
    assert CliRunner().invoke(app, split).exit_code == 0
    assert init("mine", "--data", "street").exit_code == 0
    config = load_config("mine/configs/distill.py", imports=False)
    assert config.train_dataloader.dataset.ann_file == f"{folder}/instances_train_fit.json"
    assert config.val_dataloader.dataset.ann_file == f"{folder}/instances_train_select.json"
    assert config.val_dataloader.dataset.data_prefix.img == "street/train"


@pytest.mark.usefixtures("with_data")
def test_errors_in_the_data_are_shown_and_are_the_first_thing_to_fix() -> None:
    next(Path("street/train").iterdir()).unlink()
    result = init("mine", "--data", "street")
    assert result.exit_code == 1
    assert "missing-image" in result.output
    assert commands(result.output)[0] == "tid-tune data check street"
    assert Path("mine/search.yaml").is_file()


def test_several_training_splits_are_not_guessed_between(with_data: Path) -> None:
    first = with_data / "street/annotations/instances_train.json"
    shutil.copy(first, first.with_name("instances_train2.json"))
    message = refusal("mine", "--data", "street")
    for word in ("--data street", "train", "train2", "val"):
        assert word in message
