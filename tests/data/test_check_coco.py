"""What `check` finds in the records of a dataset of COCO form: images, boxes, categories."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.coco_check import Break, Data, again, box, drop_first, find_defect, found, set_first

from tid_tune.data.check import check

BOXES = [
    ("bad-record", set_first("annotations", bbox=[1, 2, 3]), "annotation 1: bbox is [1, 2, 3]"),
    ("bad-record", set_first("annotations", bbox=[1, 2, 3, "4"]), "not four finite numbers"),
    (
        "bad-record",
        set_first("annotations", bbox=[1, 2, 3, float("nan")]),
        "bbox is [1, 2, 3, nan]",
    ),
    ("bad-record", set_first("annotations", bbox=[1, 2, 3, float("inf")]), "not four finite"),
    ("bad-record", set_first("annotations", bbox=[1, 2, 3, True]), "not four finite numbers"),
    ("bad-record", set_first("annotations", bbox=[1, 2, 3, 10**400]), "not four finite numbers"),
    ("bad-record", drop_first("annotations", "bbox"), "bbox is missing"),
    ("bad-record", drop_first("annotations", "area"), "annotation 1: area is missing"),
    ("bad-record", set_first("annotations", area="12"), "area is '12', not a number"),
    ("bad-record", drop_first("annotations", "id"), "annotation number 1 of the file: id is"),
    ("bad-record", set_first("annotations", image_id=None), "not a whole number or a text"),
    ("bad-record", set_first("annotations", id="x"), "id is 'x', not a whole number"),
    ("unknown-image", set_first("annotations", image_id="1"), "annotation 1: image_id '1'"),
    ("unknown-category", set_first("annotations", category_id="5"), "category_id '5'"),
    ("mixed-ids", set_first("images", id="one"), "image ids 2 and 'one'"),
    ("odd-flag", set_first("annotations", iscrowd="0"), "annotation 1: iscrowd is '0'"),
    ("odd-flag", set_first("annotations", iscrowd=2), "annotation 1: iscrowd is 2"),
    ("odd-flag", set_first("annotations", iscrowd=None), "annotation 1: iscrowd is None"),
    ("odd-flag", set_first("annotations", ignore="0", iscrowd=1), "ignore is '0'"),
    ("ignored-box", set_first("annotations", ignore=1), "iscrowd is 0, ignore is 1"),
    ("annotation-id-0", set_first("annotations", id=0), "[1, 2, 10, 12]"),
    ("duplicate-file-name", again("images", id=9, file_name="./1.jpg"), "1.jpg: 2 times"),
    ("bad-record", set_first("annotations", category_id=None), "category_id is None"),
    (
        "bad-record",
        lambda data: data.train["annotations"].append(7),
        "number 5 of the file: not an",
    ),
    ("bad-record", set_first("images", width=0), "image 1: width is 0, not a whole number of pix"),
    ("bad-record", drop_first("images", "height"), "height is missing"),
    ("bad-record", set_first("images", file_name=""), "file_name is '', not a text"),
    ("bad-record", set_first("images", file_name="\0.jpg"), "not a text"),
    ("bad-record", set_first("images", file_name="\ud800.jpg"), "not a text"),
    ("bad-record", set_first("images", id=None), "id is None, not a whole number or a text"),
    ("bad-record", set_first("images", width=40.5), "width is 40.5, not a whole number of pix"),
    ("bad-record", lambda data: data.train["images"].append([]), "image number 5 of the file"),
    ("bad-record", set_first("categories", name=3), "category 5: name is 3, not a text"),
    ("bad-record", set_first("categories", id=[]), "category number 1 of the file: id is []"),
    ("mixed-ids", set_first("categories", id="5"), "category ids 2 and '5'"),
    ("bad-record", lambda data: data.train["categories"].append(None), "not an object"),
    ("duplicate-image-id", again("images", file_name="2.jpg"), "id 1"),
    ("duplicate-annotation-id", again("annotations", bbox=[0, 0, 5, 5]), "id 1"),
    ("duplicate-category-id", again("categories", name="cow"), "id 5"),
    ("duplicate-class-name", again("categories", id=9), "category 9: 'cat'"),
    ("duplicate-file-name", again("images", id=9), "1.jpg: 2 times"),
    ("unknown-image", set_first("annotations", image_id=77), "annotation 1: image_id 77"),
    ("unknown-category", set_first("annotations", category_id=3), "annotation 1: category_id 3"),
    ("negative-box", box(20, 20, -5, 4), "annotation 9, dog [20, 20, -5, 4] in 40x30"),
    ("outside-box", box(41, 3, 5, 5), "2.jpg: annotation 9, dog [41, 3, 5, 5] in 40x30"),
    ("outside-box", box(-9, -9, 5, 5), "[-9, -9, 5, 5]"),
    ("overhanging-box", box(30, 3, 12, 5), "[30, 3, 12, 5] in 40x30"),
    ("overhanging-box", box(3, -4.5, 12, 15), "[3, -4.5, 12, 15]"),
    ("tiny-box", box(3, 4, 0.5, 5), "[3, 4, 0.5, 5]"),
    ("tiny-box", box(3, 4, 7, 0), "[3, 4, 7, 0]"),
    ("no-area", box(3, 4, 7, 8, area=0), "annotation 9"),
    ("no-crowd-flag", drop_first("annotations", "iscrowd"), "annotation 1"),
    ("duplicate-box", lambda data: data.add_box(), "annotation 9, dog [2, 2, 10, 12]"),
    ("unused-class", again("categories", id=9, name="cow"), "cow"),
    ("empty-image", lambda data: data.train["annotations"].pop(), "4.jpg"),
]


@pytest.mark.parametrize(("code", "break_it", "example"), BOXES)
def test_a_defect_of_a_record_is_found_and_shown(
    code: str, break_it: Break, example: str, checked: Data
) -> None:
    find_defect(checked, code, break_it, example)


def test_a_good_dataset_has_no_findings(checked: Data) -> None:
    report = check(checked.root)
    assert not report.findings.all()
    assert report.errors == 0
    assert [(split.name, split.images, split.boxes) for split in report.splits] == [
        ("train", 4, 4),
        ("val", 4, 4),
    ]


@pytest.mark.parametrize(
    ("categories", "example"),
    [
        (
            [{"id": 2, "name": "dog"}, {"id": 5, "name": "cat"}],
            "number 1 is 'cat' in train, 'dog' in val",
        ),
        (
            [{"id": 5, "name": "cat"}, {"id": 2, "name": "Dog"}],
            "number 2 is 'dog' in train, 'Dog' in val",
        ),
        (
            [{"id": i, "name": n} for i, n in ((5, "cat"), (2, "dog"), (7, "cow"))],
            "2 categories in",
        ),
    ],
)
def test_splits_with_other_categories_or_another_order_are_found(
    checked: Data, categories: list[dict[str, Any]], example: str
) -> None:
    checked.documents["val"]["categories"] = categories
    checked.save()
    assert example in found(checked)["classes-differ"][1]


def test_splits_may_have_other_ids_and_ids_may_be_texts(checked: Data) -> None:
    for record in checked.train["categories"]:
        record["id"] = f"class {record['id']}"
    for record in checked.train["images"]:
        record["id"] = f"image {record['id']}"
        record["width"] = float(record["width"])
    for one in checked.train["annotations"]:
        one["category_id"] = f"class {one['category_id']}"
        one["image_id"] = f"image {one['image_id']}"
        one |= {"iscrowd": False, "ignore": None}
    checked.save()
    assert found(checked) == {}


def test_a_broken_json_does_not_hide_the_other_split(checked: Data) -> None:
    (checked.root / "annotations/instances_train.json").write_text('{"images": [\n}')
    checked.documents["val"]["annotations"].append({})
    (checked.root / "annotations/instances_val.json").write_text(
        json.dumps(checked.documents["val"])
    )
    findings = found(checked)
    assert "broken json at line 2" in findings["annotation-file"][1]
    assert "bad-record" in findings


def test_crowd_boxes_may_repeat_and_be_all_an_image_has(checked: Data) -> None:
    for number, annotation in enumerate(checked.train["annotations"]):
        annotation["iscrowd"] = int(number == 1)
    checked.add_box(iscrowd=1)
    checked.save()
    assert found(checked) == {}


@pytest.mark.parametrize(
    ("left", "example"),
    [
        ({"images": [], "annotations": []}, "0 images, 0 boxes"),
        ({"annotations": []}, "4 images, 0 boxes"),
        (None, "4 images, 4 boxes, all ignored"),
    ],
)
def test_a_split_without_anything_to_find_is_an_error(
    checked: Data, left: dict[str, Any] | None, example: str
) -> None:
    if left is None:
        for annotation in checked.train["annotations"]:
            annotation["iscrowd"] = 1
    else:
        checked.train.update(left)
    checked.save()
    findings = found(checked)
    assert findings["no-boxes"] == (1, example)
    assert findings.keys() <= {"no-boxes", "empty-image"}
    assert check(checked.root).errors == 1


def test_many_defects_are_counted_and_only_the_first_are_shown(checked: Data) -> None:
    for number in range(50):
        checked.add_box(id=100 + number, image_id=1000 + number)
    checked.save()
    count, examples = found(checked)["unknown-image"]
    assert count == 50
    assert len(examples.splitlines()) == 4
