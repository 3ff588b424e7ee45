"""Where `check` looks for the files of a dataset of COCO form, and which parts it takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.coco_check import Data, found

from tid_tune.data.check import check
from tid_tune.data.digits import write_digits
from tid_tune.data.divide import split as divide
from tid_tune.data.divide import subset
from tid_tune.errors import DataError


@pytest.mark.parametrize(
    "move",
    [
        lambda root: (root / "annotations").rename(root / "elsewhere"),
        lambda root: shutil.rmtree(root / "annotations"),
    ],
)
def test_a_folder_without_dataset_is_refused_naming_the_layouts(
    checked: Data, move: Callable[..., Any]
) -> None:
    move(checked.root)
    with pytest.raises(DataError, match=r"COCO .*or VOC"):
        check(checked.root)
    with pytest.raises(DataError, match="no such file or folder"):
        check(checked.root / "nope")


def test_images_are_found_in_the_usual_places_and_where_they_are_named(
    checked: Data, tmp_path: Path
) -> None:
    images = checked.root / "images"
    images.mkdir()
    for split in ("train", "val"):
        (checked.root / split).rename(images / split)
    assert found(checked) == {}
    images.rename(tmp_path / "far")
    assert found(checked).keys() == {"missing-image"}
    assert found(checked, images=tmp_path / "far") == {}
    one = check(checked.root / "annotations/instances_val.json", images=tmp_path / "far/val")
    assert not one.findings.all()
    assert [split.name for split in one.splits] == ["val"]


def test_one_annotation_file_in_each_image_folder_is_a_layout(checked: Data) -> None:
    for split in ("train", "val"):
        source = checked.root / "annotations" / f"instances_{split}.json"
        source.rename(checked.root / split / "_annotations.coco.json")
    report = check(checked.root)
    assert [split.name for split in report.splits] == ["train", "val"]
    assert not report.findings.all()


def test_parts_made_by_split_are_no_leak(tmp_path: Path) -> None:
    write_digits(tmp_path / "d", images=12, val_images=4)
    annotations = tmp_path / "d/annotations"
    parts = divide(annotations / "instances_train.json", 0.3, 0, annotations).parts
    report = check(tmp_path / "d")
    assert report.errors == 0
    assert len(report.skipped) == 2
    assert "instances_train_fit.json: it is a part of instances_train.json" in report.skipped[0]
    alone = check(parts[0].path)
    assert alone.errors == 0
    assert alone.splits[0].image_folder == str(tmp_path / "d/train")


@pytest.mark.parametrize("name", ["instances_train.json", "instances_small.json"])
def test_a_part_whose_source_is_elsewhere_is_checked(tmp_path: Path, name: str) -> None:
    write_digits(tmp_path / "d", images=12, val_images=4)
    folder = tmp_path / "small"
    out = folder / "annotations" / name
    own = out.stem.removeprefix("instances_")
    subset(tmp_path / "d/annotations/instances_train.json", 0, out, images=6)
    shutil.copy(tmp_path / "d/annotations/instances_val.json", out.parent)
    for split in (own, "val"):
        (folder / split).mkdir()
    report = check(folder)
    assert report.skipped == []
    missing = [f for f in report.findings.all() if f.rule.code == "missing-image"]
    assert {finding.split: finding.count for finding in missing} == {own: 6, "val": 4}


def test_the_images_of_a_part_are_looked_for_where_those_of_its_source_are(tmp_path: Path) -> None:
    write_digits(tmp_path / "d", images=12, val_images=4)
    annotations = tmp_path / "d/annotations"
    fit = divide(annotations / "instances_train.json", 0.3, 0, annotations).parts[0].path
    subset(fit, 0, annotations / "tiny.json", images=3)
    assert check(annotations / "tiny.json").splits[0].image_folder == str(tmp_path / "d/train")
