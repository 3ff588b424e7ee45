"""A config of VOC data before a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tid_tune.data.digits import write_digits
from tid_tune.openmmlab.configs import Config
from tid_tune.preflight.data import check_data
from tid_tune.preflight.findings import Finding
from tid_tune.preflight.plan import Plan

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits in VOC form; tests do not write into it."""
    folder = tmp_path_factory.mktemp("voc")
    write_digits(folder, images=40, val_images=30, size=64, format="voc")
    return folder / "VOCdevkit"


def found(devkit: Path, classes: tuple[str, ...] | None, **changes: Any) -> list[Finding]:
    datasets = [
        {
            "type": "VOCDataset",
            "data_root": str(devkit),
            "ann_file": f"VOC2007/ImageSets/Main/{name}.txt",
            "data_prefix": {"sub_data_root": "VOC2007/"},
            **({"metainfo": {"classes": classes}} if classes else {}),
            **changes,
        }
        for name in ("trainval", "test")
    ]
    settings = {"train_dataloader": {"dataset": datasets[0]}}
    settings["val_dataloader"] = {"dataset": {**datasets[1], "test_mode": True}}
    return list(check_data(Plan(Config(settings), Path("config.py"))))


def test_good_data_have_no_findings_and_may_have_their_classes_in_any_order(devkit: Path) -> None:
    assert found(devkit, DIGITS) == []
    assert found(devkit, DIGITS[::-1]) == []


def test_names_that_no_object_has_are_an_error(devkit: Path) -> None:
    train, test = found(devkit, None)
    assert train.severity == test.severity == "error"
    assert "the names of the dataset's type have 'aeroplane'" in train.text
    assert "trainval.txt" in train.text
    assert "mmdet skips objects of other names" in train.text


def test_objects_of_other_names_are_counted(devkit: Path) -> None:
    train, test = found(devkit, DIGITS[:9])
    assert train.severity == test.severity == "warning"
    assert "does not name '9'" in train.text


def test_a_filter_that_leaves_no_box_is_an_error(devkit: Path) -> None:
    text = found(devkit, DIGITS, filter_cfg={"bbox_min_size": 64})[0].text
    assert "mmdet trains on none of the" in text
    text = found(devkit, DIGITS, filter_cfg={"min_size": 65})[0].text
    assert "filter_cfg.min_size leaves 0" in text
