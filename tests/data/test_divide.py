from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tid_tune.data.coco import read_coco
from tid_tune.data.divide import split, subset
from tid_tune.errors import DataError


def records(path: Path, key: str) -> list[dict[str, Any]]:
    return json.loads(path.read_text())[key]


@pytest.fixture
def train(digits: Path) -> Path:
    return digits / "coco/annotations/instances_train.json"


@pytest.fixture
def trainval(digits: Path) -> Path:
    return digits / "voc/VOCdevkit/VOC2007/ImageSets/Main/trainval.txt"


def test_a_split_puts_every_image_with_its_boxes_into_one_part(train: Path, tmp_path: Path) -> None:
    division = split(train, 0.25, 0, tmp_path)
    fit, select = (part.path for part in division.parts)
    assert (fit.name, select.name) == ("instances_train_fit.json", "instances_train_select.json")
    assert len(records(select, "images")) == division.parts[1].images == 10
    for key in ("images", "annotations"):
        parts = records(fit, key) + records(select, key)
        assert sorted(parts, key=lambda record: record["id"]) == records(train, key)
    for path in (fit, select):
        listed = {image["id"] for image in records(path, "images")}
        assert {box["image_id"] for box in records(path, "annotations")} <= listed
        assert records(path, "categories") == records(train, "categories")
        assert json.loads(path.read_text())["info"]["tid_tune"]["derived_from"] == train.name


def test_a_split_reports_the_images_of_each_class_in_both_parts(
    train: Path, tmp_path: Path
) -> None:
    division = split(train, 0.25, 0, tmp_path)
    for part in division.parts:
        table = read_coco(part.path)
        for label, shows in enumerate(part.shows):
            assert shows == sum(label in labels for labels in table.image_labels())
    text = "\n".join(division.lines())
    assert "instances_train_select" in text
    assert len(text.splitlines()) == 2 + 10  # no ignored boxes, no image without boxes


def test_a_second_split_of_the_same_seed_finds_its_files(train: Path, tmp_path: Path) -> None:
    assert all(part.written for part in split(train, 0.25, 0, tmp_path).parts)
    assert not any(part.written for part in split(train, 0.25, 0, tmp_path).parts)


def test_files_with_other_content_are_not_replaced(train: Path, tmp_path: Path) -> None:
    mine = tmp_path / "instances_train_select.json"
    mine.write_text("mine")
    with pytest.raises(DataError, match="exists with other content"):
        split(train, 0.25, 0, tmp_path)
    assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


def test_a_smaller_subset_is_part_of_a_larger_one(train: Path, tmp_path: Path) -> None:
    chosen = []
    for count in (3, 11, 12, 30):
        out = tmp_path / f"{count}.json"
        subset(train, 5, out, images=count)
        chosen.append({image["id"] for image in records(out, "images")})
        assert len(chosen[-1]) == count
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]


def test_a_subset_by_fraction_is_the_one_of_as_many_images(train: Path, tmp_path: Path) -> None:
    subset(train, 0, tmp_path / "a.json", fraction=0.3)
    subset(train, 0, tmp_path / "b.json", images=12)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_voc_lists_are_split_and_subset_alike(trainval: Path, tmp_path: Path) -> None:
    names = trainval.read_text().split()
    fit, select = (part.path for part in split(trainval, 0.25, 0, tmp_path).parts)
    assert fit.name == "trainval_fit.txt"
    assert sorted(fit.read_text().split() + select.read_text().split()) == sorted(names)
    assert len(select.read_text().split()) == 13
    subset(trainval, 0, tmp_path / "some.txt", images=9)
    assert set((tmp_path / "some.txt").read_text().split()) < set(names)


def test_polygons_are_kept_unless_boxes_only_is_asked_for(
    document: dict[str, Any], save: Callable[..., Path], tmp_path: Path
) -> None:
    path = save(document)
    subset(path, 0, tmp_path / "whole.json", images=3)
    assert records(tmp_path / "whole.json", "annotations") == document["annotations"]
    subset(path, 0, tmp_path / "boxes.json", images=3, boxes_only=True)
    for record in document["annotations"]:
        del record["segmentation"]
    assert records(tmp_path / "boxes.json", "annotations") == document["annotations"]


def test_crowd_and_empty_images_are_stratified_too(
    document: dict[str, Any], save: Callable[..., Path], tmp_path: Path
) -> None:
    images, boxes = [], []
    for number in range(40):
        images.append({"id": number, "file_name": f"{number}.jpg", "width": 9, "height": 9})
        if number % 4:  # a quarter of the images is empty, a quarter holds a crowd only
            box = {"image_id": number, "category_id": 2, "bbox": [1, 1, 5, 5], "area": 25}
            boxes.append({"id": number, **box, "iscrowd": int(number % 4 == 1)})
    path = save({**document, "images": images, "annotations": boxes})
    select = split(path, 0.2, 3, tmp_path).parts[1]
    assert select.shows == (0, 4, 0, 2, 2)


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5, float("nan")])
def test_fractions_out_of_range_are_refused(train: Path, tmp_path: Path, fraction: float) -> None:
    with pytest.raises(DataError, match=f"fraction is {fraction}; it must be above 0"):
        split(train, fraction, 0, tmp_path)


@pytest.mark.parametrize("fraction", [0.001, 0.999, 1])
def test_a_split_with_an_empty_part_is_refused(
    train: Path, tmp_path: Path, fraction: float
) -> None:
    with pytest.raises(DataError, match="leaves one part empty"):
        split(train, fraction, 0, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 41}, "a subset of 41 images was asked for; it has 40"),
        ({"images": 0}, "a subset of 0 images"),
        ({}, "give one of them"),
        ({"images": 3, "fraction": 0.5}, "give one of them"),
    ],
)
def test_subsets_that_cannot_be_are_refused(
    train: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        subset(train, 0, tmp_path / "out.json", **arguments)


def test_the_input_is_never_the_output_and_has_a_known_ending(
    train: Path, tmp_path: Path, save: Callable[..., Path]
) -> None:
    with pytest.raises(DataError, match="another file"):
        subset(train, 0, train, images=40)
    with pytest.raises(DataError, match="neither a COCO json nor a VOC image list"):
        split(save("", "train.csv"), 0.5, 0, tmp_path)


def test_an_output_that_cannot_be_written_is_told(train: Path, save: Callable[..., Path]) -> None:
    blocked = save("", "file") / "out.json"
    with pytest.raises(DataError, match="cannot write"):
        subset(train, 0, blocked, images=3)
