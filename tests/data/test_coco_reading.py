from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tid_tune.data.coco import coco_classes, load_document, metainfo, palette, read_coco
from tid_tune.errors import DataError


def test_ids_with_gaps_become_indices_in_the_order_of_the_file(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    table = read_coco(save(document))
    assert table.classes == ("brush", "bicycle", "never")
    assert table.files == ["a.jpg", "b.jpg", "c.jpg"]
    assert table.sizes.tolist() == [[100, 80], [60, 90], [50, 50]]
    assert table.box_image.tolist() == [0, 0, 1]
    assert table.box_class.tolist() == [0, 1, 1]
    assert table.boxes.tolist() == [[10, 20, 30, 40], [0.5, 0.25, 99.5, 79.75], [5, 5, 20, 30]]
    assert table.crowd.tolist() == [False, False, True]


def test_labels_tell_ignored_boxes_and_empty_images_apart(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    table = read_coco(save(document))
    assert table.image_labels() == [(0, 1), (3,), (4,)]
    assert table.label_names()[3:] == ("(ignored boxes)", "(no boxes)")


def test_a_dataset_without_boxes_can_be_read(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    table = read_coco(save({**document, "annotations": []}))
    assert table.boxes.shape == (0, 4)
    assert table.image_labels() == [(4,), (4,), (4,)]


@pytest.mark.parametrize("indent", [None, 1])
def test_leaving_polygons_out_changes_nothing_else(
    document: dict[str, Any], save: Callable[..., Path], indent: int | None
) -> None:
    document["annotations"][0]["segmentation"] = {"counts": [1, 2, 3], "size": [80, 100]}
    document["annotations"][1]["segmentation"] = []
    document["images"][0]["file_name"] = 'x"segmentation": [1, 2], "y.jpg'
    path = save(json.dumps(document, indent=indent))
    whole, cut = load_document(path), load_document(path, polygons=False)
    assert whole == document
    for record in (*whole["annotations"], *cut["annotations"]):
        record.pop("segmentation")
    assert cut == whole


def test_iscrowd_may_be_missing(document: dict[str, Any], save: Callable[..., Path]) -> None:
    for record in document["annotations"]:
        del record["iscrowd"]
    assert not read_coco(save(document)).crowd.any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [\n{"id": 1,}\n]}', "broken json at line 2, column 10"),
        ('{"images": [\n{"id": 1', "the json ends early, at line 2"),
        ("", "the json ends early, at line 1"),
        ("[{}]", "this is a list; detection results are such a list"),
        ('"text"', "this is a str"),
        ('{"images": [], "categories": []}', "'annotations' is missing"),
        ('{"images": {}, "annotations": [], "categories": []}', "'images' is not a list"),
        ("[" * 100_000, "no json"),
    ],
)
def test_a_file_that_is_no_coco_json_is_named_with_the_place(
    save: Callable[..., Path], content: object, message: str
) -> None:
    path = save(content)
    with pytest.raises(DataError, match=message) as caught:
        load_document(path, polygons=False)
    assert str(path) in str(caught.value)


def test_the_line_of_broken_json_is_that_of_the_file_as_it_is(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    text = json.dumps(document, indent=1)
    line = text[: text.index('"iscrowd": 1')].count("\n") + 1
    path = save(text.replace('"iscrowd": 1', '"iscrowd": oops'))
    with pytest.raises(DataError, match=f"line {line}, "):
        load_document(path, polygons=False)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such annotation file"):
        read_coco(tmp_path / "nope.json")
    with pytest.raises(DataError, match="cannot read"):
        read_coco(tmp_path)


def test_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"images": "\xff\xfe\xfa"}')
    with pytest.raises(DataError, match=r"not UTF-8 .*at byte 12"):
        read_coco(tmp_path / "a.json")


def test_a_contradiction_names_the_record_and_the_fix(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    document["annotations"][1]["category_id"] = 3
    with pytest.raises(DataError, match=r"annotation 5: category_id 3.*list the categories"):
        read_coco(save(document))


@pytest.mark.parametrize("position", ["first", "last"])
def test_classes_come_in_the_order_of_the_categories_wherever_they_are(
    document: dict[str, Any], save: Callable[..., Path], position: str
) -> None:
    rest = {key: value for key, value in document.items() if key != "categories"}
    only = {"categories": document["categories"]}
    path = save({**only, **rest} if position == "first" else {**rest, **only})
    assert coco_classes(path) == coco_classes(str(path)) == ("brush", "bicycle", "never")


def test_a_second_list_named_categories_does_not_mislead(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    document["info"] = {"categories": [{"id": 1, "name": "wrong"}]}
    assert coco_classes(save(document)) == ("brush", "bicycle", "never")


def test_classes_that_contradict_each_other_are_refused(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    document["categories"][2]["name"] = "brush"
    with pytest.raises(DataError, match="category 40: 'brush'"):
        coco_classes(save(document))


def test_classes_of_a_broken_or_missing_file_are_refused(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="line 1"):
        coco_classes(save('{"categories": [{"id": 1, "name": }]}'))
    with pytest.raises(DataError, match="no such annotation file"):
        coco_classes(tmp_path / "nope.json")


def test_metainfo_gives_every_class_a_color_of_its_own(
    document: dict[str, Any], save: Callable[..., Path]
) -> None:
    meta: dict[str, Any] = metainfo(save(document))
    assert meta["classes"] == ("brush", "bicycle", "never")
    assert len(meta["palette"]) == 3
    colors = np.array(palette(80))
    assert len(np.unique(colors, axis=0)) == 80
    assert colors.min() >= 0
    assert colors.max() <= 255
    assert np.abs(np.diff(colors, axis=0)).sum(axis=1).min() > 100
