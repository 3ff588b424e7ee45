"""What is checked against the config, the models and the disk before any GPU is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.spec_samples import LR, ONE, with_line

from tid_tune.errors import SpecError
from tid_tune.searchfile import SearchSpec
from tid_tune.searchfile.checks.detectors import Detector, detector_facts, incomparable

Load = Callable[..., SearchSpec]


def refusal(read: Load, text: str = ONE, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(text, *overrides)
    return str(caught.value)


def edit(file: str, old: str, new: str) -> None:
    content = Path(file).read_text()
    assert old in content
    Path(file).write_text(content.replace(old, new))


def test_a_missing_teacher_is_reported_unless_files_are_not_checked(read: Load) -> None:
    Path("teacher.pth").unlink()
    expected = "config.py:25: teacher checkpoint is missing: teacher.pth; put it there, "
    assert expected in refusal(read)
    Path("teacher.py").unlink()
    assert "teacher config is missing: teacher.py; fix model.teacher.config" in refusal(read)
    assert read(ONE, check_files=False).name == "test"


def test_a_missing_teacher_comes_with_the_command_that_trains_it(read: Load) -> None:
    edit("config.py", "teacher.pth", "runs/big/checkpoint.pth")
    assert "train the teacher: `tid-tune train teacher.py --work-dir runs/big`" in refusal(read)
    edit("config.py", "runs/big/checkpoint.pth", "big.pth")
    assert "`tid-tune train teacher.py` writes checkpoint.pth" in refusal(read)


def test_no_teacher_is_needed_when_nothing_is_distilled(read: Load) -> None:
    Path("teacher.pth").unlink()
    assert read(with_line("method: none")).baseline


def test_a_fixed_parameter_may_name_another_teacher(read: Load) -> None:
    Path("teacher.pth").rename("other.pth")
    assert read(ONE, "space.model.teacher.checkpoint=other.pth").name == "test"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/train.json", "annotation file of the training data is missing: data/train.json"),
        ("data/val.json", "annotation file of the validation data is missing: data/val.json"),
        ("data/val", "image folder of the validation data is missing: data/val"),
    ],
)
def test_missing_data_are_reported_through_dataset_wrappers(
    path: str, message: str, read: Load
) -> None:
    shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()
    line = 13 if "train" in path else 16 if "json" in path else 17
    assert f"config.py:{line}: {message}" in refusal(read)
    assert read(ONE, check_files=False).epochs == 6


@pytest.mark.parametrize(("known", "fits"), [([3, 5], True), ([3, 5, 9], False), ([3, 9], False)])
def test_an_evaluator_that_knows_other_images_than_it_is_shown_is_reported(
    known: list[int], fits: bool, read: Load
) -> None:
    for name, ids in (("val.json", [5, 3]), ("all.json", known)):
        content = {"images": [{"id": i} for i in ids], "annotations": [], "categories": []}
        Path("data", name).write_text(json.dumps(content))
    override = "space.val_evaluator.ann_file=data/all.json"
    if fits:
        assert read(ONE, override).name == "test"
        return
    text = refusal(read, ONE, override)
    assert text.startswith(f"--set {override}: space.val_evaluator.ann_file: val_evaluator uses")
    for part in ("data/all.json", "images", "data/val.json", "ann_file", "same file"):
        assert part in text
    assert read(ONE, override, check_files=False).name == "test"


def test_data_behind_a_url_or_another_backend_are_left_alone(read: Load) -> None:
    edit("config.py", "data_root='data', ann_file='train.json'", "data_root='s3://x/data'")
    edit("config.py", "ann_file='val.json',", "ann_file='v.json', backend_args=dict(backend='p'),")
    assert read(ONE).name == "test"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_outs=5", "num_outs=4", "feature levels (neck.num_outs): 4 and 5"),
        ("[8, 16, 32, 64, 128]", "[4, 8]", "strides: [4, 8] and [8, 16, 32, 64, 128]"),
        ("num_classes=10", "num_classes=80", "classes (num_classes): 80 and 10"),
    ],
)
def test_models_that_cannot_be_compared_are_reported(
    old: str, new: str, message: str, read: Load
) -> None:
    edit("teacher.py", old, new)
    assert f"config.py:25: teacher and student differ in {message}" in refusal(read)


def test_classes_of_model_and_data_must_agree(read: Load) -> None:
    edit("config.py", "'0123456789'", "'01234'")
    expected = "config.py:7: the student has num_classes = 10, but train_dataloader.dataset has 5"
    assert expected in refusal(read)


def test_a_plain_student_has_no_distillation_to_search(read: Load) -> None:
    plain = ONE.replace("config.py", "plain.py")
    expected = "the config's model is a plain GFL, so there is nothing to distill; set `trial`"
    searched = "space.model.distillation.loss_weight={uniform: [0, 1]}"
    assert f"{searched}: space.model.distillation.loss_weight: {expected}" in refusal(
        read, plain, searched
    )
    assert f"method: {expected}" in refusal(read, plain, "method=tid")
    assert f"baseline: {expected}" in refusal(read, plain, "baseline=true")


def test_a_plain_student_has_no_baseline(read: Load) -> None:
    assert not read(ONE.replace("config.py", "plain.py")).baseline


def test_a_config_with_a_wrong_constant_is_reported(read: Load) -> None:
    edit("config.py", "loss_weight=1.0", "loss_wieght=1.0")
    assert "config.py:26: the config's model.distillation.loss_wieght" in refusal(read)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = (", "SyntaxError"),
        ("_base_ = 'gone.py'", "gone.py"),
        ("raise ValueError('no luck')", "ValueError: no luck"),
        ("a = 1", "the config has no model"),
    ],
)
def test_a_broken_config_is_reported_in_one_line(content: str, message: str, read: Load) -> None:
    Path("config.py").write_text(content)
    text = refusal(read)
    assert "search.yaml:2: trial: " in text
    assert message in text
    assert "Traceback" not in text


def test_epochs_must_come_from_somewhere(read: Load) -> None:
    edit("config.py", "max_epochs=6", "max_iters=6000")
    assert "epochs: missing, and the config's train_cfg has no max_epochs" in refusal(read)
    assert read(with_line("epochs: 2")).epochs == 2


def test_a_config_beside_the_file_is_pointed_out(read: Load) -> None:
    Path("deep").mkdir()
    Path("deep/near.py").touch()
    Path("deep/search.yaml").write_text(f"name: t\ntrial: near.py\nspace: {{{LR}: 1}}\n")
    from tid_tune.searchfile import load

    with pytest.raises(SpecError, match=r"no config file 'near\.py'; did you mean deep/near\.py"):
        load("deep/search.yaml")


def test_the_default_objective_is_what_the_evaluator_reports(read: Load) -> None:
    edit("config.py", "type='CocoMetric', ann_file='data/val.json'", "type='VOCMetric'")
    assert read(ONE).objectives == {"pascal_voc/mAP": "max"}
    assert "does not report 'coco/bbox_mAP'" in refusal(read, with_line("objective: coco/bbox_mAP"))


def test_levels_are_read_from_neck_lists_strides_from_point_heads() -> None:
    neck = [{"type": "FPN", "num_outs": 5}, {"type": "DyHead"}]
    facts = detector_facts({"neck": neck, "bbox_head": {"strides": [[8, 8], [16, 16]]}})
    assert facts == Detector(levels=5, strides=(8, 16), classes=None)
    assert incomparable(facts, Detector(None, None, 3)) == []


def test_two_stage_classes_are_found() -> None:
    assert detector_facts({"roi_head": {"bbox_head": {"num_classes": 7}}}).classes == 7


def test_images_that_lie_elsewhere_are_missed_before_anything_is_trained(read: Load) -> None:
    """As where a part of the training images is evaluated, and the folder is still that of val."""
    images = [{"id": i, "file_name": f"{i}\u00e9.png"} for i in range(30)]
    Path("data/val.json").write_text(json.dumps({"info": {"year": 2017}, "images": images}))
    text = refusal(read)
    assert (
        "none of the first images of data/val.json is in data/val, for example 0\u00e9.png" in text
    )
    assert "fix val_dataloader.dataset.data_prefix" in text
    Path("data/val/3\u00e9.png").touch()
    assert read(ONE)


def test_a_two_stage_teacher_is_called_one(read: Load) -> None:
    edit("teacher.py", "type='GFL',", "type='FasterRCNN', roi_head=dict(type='StandardRoIHead'),")
    edit("teacher.py", "strides=[8,", "strides=[4,")
    text = refusal(read)
    assert "FasterRCNN" in text
    assert "two-stage" in text
    assert "strides" not in text


def test_the_precision_of_the_teacher_can_be_set_and_searched(read: Load) -> None:
    for line in ("{choice: [float32, bfloat16]}", "bfloat16"):
        text = f"{ONE.rstrip()[:-1]}, model.teacher.precision: {line}}}\n"
        assert "model.teacher.precision" in read(text).space


@pytest.mark.parametrize("value", ["{choice: [float32, bf16]}", "float16", "{uniform: [0, 1]}"])
def test_a_precision_that_no_teacher_has_is_reported(value: str, read: Load) -> None:
    text = refusal(read, f"{ONE.rstrip()[:-1]}, model.teacher.precision: {value}}}\n")
    for part in ("search.yaml:3: space.model.teacher.precision", "expected", "float32", "bfloat16"):
        assert part in text


def test_a_wrong_precision_in_the_config_is_reported(read: Load) -> None:
    edit("config.py", "checkpoint='teacher.pth'", "checkpoint='teacher.pth', precision='half'")
    text = refusal(read)
    for part in ("config.py:25: ", "model.teacher.precision is 'half'", "bfloat16"):
        assert part in text


def test_a_misspelled_distiller_is_named_first_and_read_as_one(read: Load) -> None:
    edit("config.py", "type='Distiller'", "type='Distller'")
    edit("config.py", "loss_weight=1.0", "loss_wieght=1.0")
    first, second = refusal(read).splitlines()
    assert first.startswith("config.py:24: model.type 'Distller'")
    assert "did you mean 'Distiller'?" in first
    assert "loss_wieght" in second


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("optim_wrapper.optimizer.type", "[SGD, subprocess.Popen]"),
        ("optim_wrapper.optimizer", "[{type: os.system, command: touch code_has_run}]"),
        ("train_dataloader.dataset.pipeline", "[[{type: mmengine.fileio.io.os.system}]]"),
        ("model.student.backbone.type", "[evil.ResNet]"),
    ],
)
def test_a_type_that_would_be_imported_is_refused(read: Load, path: str, value: str) -> None:
    text = refusal(read, ONE, f"space.{path}={{choice: {value}}}")
    assert f"space.{path}" in text
    assert "a search space runs no code; name a registered type" in text


def test_registered_types_and_their_registries_are_accepted(read: Load) -> None:
    assert read(ONE, "space.optim_wrapper.optimizer.type={choice: [SGD, mmengine.AdamW]}")


def test_imports_cannot_be_searched(read: Load) -> None:
    edit("config.py", "model = dict(", "custom_imports = dict(imports=['os'])\nmodel = dict(")
    text = refusal(read, ONE, "space.custom_imports.imports={choice: [[this]]}")
    assert "imports modules; write it in the config instead" in text


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/b", "..", "~", "a\\b"])
def test_a_name_cannot_lead_out_of_the_runs_folder(read: Load, name: str) -> None:
    assert "name: must name a folder" in refusal(read, ONE, f"name='{name}'")


def test_yaml_tags_construct_nothing(read: Load) -> None:
    tagged = with_line("sampler: !!python/object/apply:os.mkdir [code_has_run]")
    assert "search.yaml:" in refusal(read, tagged)
    assert not Path("code_has_run").exists()
