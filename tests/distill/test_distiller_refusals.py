"""Teachers from files, and what cannot be distilled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_distiller import build, run

from tid_tune.distill.distiller import Distiller
from tid_tune.distill.teacher import check_teacher, load_teacher
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import save_state
from tid_tune.testing.detectors import detector


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        (detector("gfl", strides=[8, 16, 32, 64]), r"strides \[8, 16, 32\].*\[8, 16, 32, 64\]"),
        (detector("gfl", strides=[8, 16, 64]), r"strides \[8, 16, 32\].*\[8, 16, 64\]"),
        (detector("gfl", classes=4), "the student has 3 classes, the teacher 4"),
    ],
)
def test_detectors_that_cannot_be_compared_are_refused(teacher: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build("gfl", teacher)


def test_an_unsupported_head_is_refused_with_the_supported_ones() -> None:
    config = detector("retinanet")
    config["bbox_head"]["type"] = "SSDHeadLookalike"
    from mmdet.models.dense_heads import RetinaHead
    from mmdet.registry import MODELS

    MODELS.register_module(name="SSDHeadLookalike", module=type("Lookalike", (RetinaHead,), {}))
    try:
        with pytest.raises(ConfigError, match=r"teacher's head is Lookalike; supported .*FCOSHead"):
            build("retinanet", config)
    finally:
        MODELS._module_dict.pop("SSDHeadLookalike")


def test_a_teacher_that_expects_other_images_is_refused() -> None:
    config = detector("gfl")
    config["data_preprocessor"]["mean"] = [1.0, 0.0, 0.0]
    with pytest.raises(ConfigError, match=r"data_preprocessor.mean is \[0.0.*\[1.0"):
        build("gfl", config)
    config = detector("gfl")
    config["data_preprocessor"]["std"] = [1.0, 1.0, 2.0]
    with pytest.raises(ConfigError, match=r"data_preprocessor.std is \[1.0.*2.0\]"):
        build("gfl", config)
    config = detector("gfl")
    config["data_preprocessor"]["bgr_to_rgb"] = True
    with pytest.raises(ConfigError, match="bgr_to_rgb"):
        build("gfl", config)


def test_maps_of_another_size_are_refused_at_the_first_batch() -> None:
    config = detector("gfl")
    config["backbone"]["strides"] = (1, 2, 2, 1)
    with pytest.raises(ConfigError, match=r"level 2 is \(2, 2\) for the student, \(4, 4\)"):
        run(build("gfl", config))


def test_a_neck_with_more_levels_than_its_head_is_refused_at_the_first_batch() -> None:
    config = detector("gfl")
    config["neck"]["num_outs"] = 4
    with pytest.raises(ConfigError, match="the teacher's neck gives 4 levels, its head has 3"):
        run(build("gfl", config))


@pytest.mark.parametrize(
    "teacher",
    [
        {},
        {"config": "a.py"},
        {"model": detector("gfl")},
        {"config": "a.py", "model": {}, "checkpoint": None},
        {"config": "a.py", "checkpoint": None},
        {"model": detector("gfl"), "checkpoint": None, "checkpiont": "x"},
        {"config": "no/such.py", "checkpoint": "no/such.pth"},
        {"model": detector("gfl"), "checkpoint": "no/such.pth"},
    ],
)
def test_an_incomplete_teacher_is_refused(teacher: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Distiller(student=detector("gfl"), teacher=teacher, distillation={"method": "tid"})


def test_a_method_that_needs_a_teacher_says_so() -> None:
    with pytest.raises(ConfigError, match=r"tid needs model\.teacher"):
        Distiller(student=detector("gfl"), distillation={"method": "tid"})


def test_a_teacher_comes_from_a_config_and_a_checkpoint(tmp_path: Path) -> None:
    source = build(teacher=detector("gfl", width=16))
    plain, distilled = tmp_path / "plain.pth", tmp_path / "distilled.pth"
    save_state({"state_dict": source.student.state_dict()}, plain)
    save_state({"state_dict": source.state_dict()}, distilled)
    (tmp_path / "plain.py").write_text(f"model = {detector('gfl')!r}")
    (tmp_path / "distilled.py").write_text(
        f"model = dict(type='Distiller', student={detector('gfl')!r})"
    )
    for name in ("plain", "distilled"):
        teacher = {"config": f"{tmp_path}/{name}.py", "checkpoint": f"{tmp_path}/{name}.pth"}
        Distiller(student=detector("gfl"), teacher=teacher, distillation={})
        expected = source.student.state_dict()
        loaded = load_teacher(teacher).state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in expected.items())


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    weights = build().student.state_dict()
    wrong = {name: value for name, value in weights.items() if name != "bbox_head.gfl_cls.bias"}
    wrong["bbox_head.gfl_cls.weight"] = torch.zeros(4, 8, 3, 3)
    wrong["bbox_head.extra"] = torch.zeros(1)
    save_state({"state_dict": wrong}, tmp_path / "wrong.pth")
    teacher = {"model": detector("gfl"), "checkpoint": tmp_path / "wrong.pth"}
    with pytest.raises(ConfigError) as error:
        Distiller(student=detector("gfl"), teacher=teacher, distillation={})
    assert "bbox_head.gfl_cls.bias is missing" in str(error.value)
    assert "bbox_head.extra is not in the model" in str(error.value)
    assert "has the shape (4, 8, 3, 3) instead of (3, 8, 3, 3)" in str(error.value)


def test_an_unreachable_key_threshold_is_told(caplog: pytest.LogCaptureFixture) -> None:
    build(key_threshold=4.0)
    assert "never reached" not in caplog.text
    build(tasks="classification")
    assert "key_threshold 3 is never reached: with tasks classification" in caplog.text


def test_a_teacher_checkpoint_with_fcos_former_names_is_read(tmp_path: Path) -> None:
    """Until 2020 mmdet called the layers `fcos_cls` and `fcos_reg`."""
    source = build("fcos").student.state_dict()
    weights = {
        name.replace("conv_cls", "fcos_cls").replace("conv_reg", "fcos_reg"): value
        for name, value in source.items()
    }
    assert "bbox_head.fcos_cls.weight" in weights
    save_state({"state_dict": weights}, tmp_path / "old.pth")
    teacher = {"model": detector("fcos"), "checkpoint": tmp_path / "old.pth"}
    loaded = load_teacher(teacher).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in source.items())


def test_a_teacher_is_checked_without_a_student(tmp_path: Path) -> None:
    """Before the first training: the baseline without distillation builds no teacher."""
    config = tmp_path / "config.py"
    weights = Distiller(student=detector("atss"), distillation={"method": "none"}).student
    save_state({"state_dict": weights.state_dict()}, tmp_path / "atss.pth")
    for head, fits in (("gfl", False), ("atss", True)):
        teacher = {"model": detector(head), "checkpoint": str(tmp_path / "atss.pth")}
        model = {"type": "Distiller", "student": detector("gfl"), "teacher": teacher}
        config.write_text(f"model = {model!r}\n")
        if fits:
            check_teacher(config)
        else:
            with pytest.raises(ConfigError, match="does not fit the teacher's model"):
                check_teacher(config)
    config.write_text(f"model = {detector('gfl')!r}\n")
    check_teacher(config)
