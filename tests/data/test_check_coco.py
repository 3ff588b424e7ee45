"""One row for everything that `check` finds in a dataset of COCO form."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tid_tune.data.check import check
from tid_tune.data.digits import write_digits
from tid_tune.errors import DataError

Document = dict[str, Any]
WIDTH, HEIGHT = 40, 30


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def jpeg(seed: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "JPEG", **options)
    return buffer.getvalue()


class Data:
    """A good dataset on disk, small enough to break in every way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.documents: dict[str, Document] = {}
        for offset, split in ((0, "train"), (100, "val")):
            (root / split).mkdir(parents=True)
            images, boxes = [], []
            for number in range(1, 5):
                name = f"{number}.jpg"
                (root / split / name).write_bytes(jpeg(offset + number))
                size = {"width": WIDTH, "height": HEIGHT}
                images.append({"id": number, "file_name": name, **size})
                box = {"bbox": [number, 2, 10, 12], "area": 120, "iscrowd": 0}
                boxes.append({"id": number, "image_id": number, "category_id": 2, **box})
            boxes[0]["category_id"] = 5
            self.documents[split] = {
                "images": images,
                "annotations": boxes,
                "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}],
            }
        self.train = self.documents["train"]
        self.save()

    def save(self) -> None:
        for split, document in self.documents.items():
            path = self.root / "annotations" / f"instances_{split}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(document))

    def add_box(self, **changes: Any) -> None:
        box = {**self.train["annotations"][1], "id": 9, **changes}
        self.train["annotations"].append(box)

    def file(self, name: str) -> Path:
        return self.root / "train" / name


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path / "data")


def found(data: Data, **options: Any) -> dict[str, tuple[int, str]]:
    """Count and examples by code."""
    report = check(data.root, **options)
    return {
        finding.rule.code: (finding.count, "\n".join(finding.examples))
        for finding in report.findings.all()
    }


def test_a_good_dataset_has_no_findings(data: Data) -> None:
    report = check(data.root)
    assert not report.findings.all()
    assert report.errors == 0
    assert [(split.name, split.images, split.boxes) for split in report.splits] == [
        ("train", 4, 4),
        ("val", 4, 4),
    ]


Break = Callable[[Data], object]


def set_first(part: str, **changes: Any) -> Break:
    return lambda data: data.train[part][0].update(changes)


def drop_first(part: str, key: str) -> Break:
    return lambda data: data.train[part][0].pop(key)


def box(*bbox: float, **changes: Any) -> Break:
    area = abs(bbox[2] * bbox[3])
    return lambda data: data.add_box(**{"bbox": list(bbox), "area": area, **changes})


def again(part: str, **changes: Any) -> Break:
    return lambda data: data.train[part].append({**data.train[part][0], **changes})


def rewrite(name: str, content: bytes) -> Break:
    return lambda data: data.file(name).write_bytes(content)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return jpeg(1, exif=tags)


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

IMAGES = [
    ("missing-image", lambda data: data.file("2.jpg").unlink(), "train/2.jpg"),
    ("unreadable-image", rewrite("2.jpg", b""), "2.jpg: the file is empty"),
    ("unreadable-image", rewrite("2.jpg", b"<html>404</html>"), "cannot read it as an image"),
    ("unreadable-image", rewrite("2.jpg", b"\xff\xd8\xff\xe0\x00"), "2.jpg: "),
    ("truncated-image", rewrite("2.jpg", jpeg(2)[:-300]), "2.jpg"),
    ("size-differs", set_first("images", width=41), "1.jpg: annotated 41x30, loads as 40x30"),
    ("size-differs", rewrite("1.jpg", exif(6)), "loads as 30x40 (EXIF orientation 6)"),
    ("turned-image", rewrite("1.jpg", exif(3)), "1.jpg: EXIF orientation 3"),
]


@pytest.mark.parametrize(("code", "break_it", "example"), BOXES + IMAGES)
def test_a_defect_is_found_and_shown(
    data: Data, code: str, break_it: Callable[[Any], object], example: str
) -> None:
    break_it(data)
    data.save()
    findings = found(data)
    assert findings[code][0] == 1
    assert example in findings[code][1]
    # Nothing else is blamed, save what follows: a record left out leaves its image, its class or
    # its boxes without partners, and splits that differ.
    follows = {"unknown-image", "unknown-category", "unused-class", "empty-image", "classes-differ"}
    assert findings.keys() - {code} <= follows | {"duplicate-file-name"}


LEAKS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a hard link": (lambda ours, theirs: os.link(ours, theirs), "leaked-file"),
    "a symbolic link": (lambda ours, theirs: theirs.symlink_to(ours), "leaked-file"),
    "a copy": (lambda ours, theirs: shutil.copy(ours, theirs), "leaked-pixels"),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_an_image_in_two_splits_is_found(data: Data, kind: str) -> None:
    theirs = data.root / "val/3.jpg"
    theirs.unlink()
    share, code = LEAKS[kind]
    share(data.file("2.jpg"), theirs)
    findings = found(data)
    assert findings.keys() == {code}
    assert findings[code][0] == 1
    assert findings[code][1].endswith("train/2.jpg = " + str(theirs))


def test_the_same_pixels_in_another_file_form_are_found_by_decoding(data: Data) -> None:
    data.file("2.jpg").unlink()
    with Image.open(data.root / "val/3.jpg") as image:
        image.save(data.file("2.png"))
    data.train["images"][1]["file_name"] = "2.png"
    data.save()
    assert found(data) == {}
    assert found(data, deep=True).keys() == {"leaked-pixels"}


def test_copies_within_a_split_are_found_by_decoding(data: Data) -> None:
    shutil.copy(data.file("2.jpg"), data.file("3.jpg"))
    assert found(data) == {}
    assert found(data, deep=True) == {"repeated-pixels": (1, "3.jpg = 2.jpg")}


def test_an_image_broken_inside_is_found_by_decoding(data: Data) -> None:
    whole = io.BytesIO()
    picture(2).save(whole, "PNG")
    content = bytearray(whole.getvalue())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    data.file("2.png").write_bytes(bytes(content))
    data.train["images"][1]["file_name"] = "2.png"
    data.save()
    assert found(data) == {}
    assert found(data, deep=True).keys() == {"truncated-image"}


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
    data: Data, categories: list[dict[str, Any]], example: str
) -> None:
    data.documents["val"]["categories"] = categories
    data.save()
    assert example in found(data)["classes-differ"][1]


def test_splits_may_have_other_ids_and_ids_may_be_texts(data: Data) -> None:
    for record in data.train["categories"]:
        record["id"] = f"class {record['id']}"
    for record in data.train["images"]:
        record["id"] = f"image {record['id']}"
        record["width"] = float(record["width"])
    for box in data.train["annotations"]:
        box["category_id"] = f"class {box['category_id']}"
        box["image_id"] = f"image {box['image_id']}"
        box |= {"iscrowd": False, "ignore": None}
    data.save()
    assert found(data) == {}


def test_a_file_of_the_same_name_with_another_ending_is_mentioned(data: Data) -> None:
    data.file("2.jpg").rename(data.file("2.JPG"))
    assert "(there is 2.JPG)" in found(data)["missing-image"][1]


def test_names_may_have_spaces_and_folders(data: Data) -> None:
    data.file("my photos").mkdir()
    data.file("1.jpg").rename(data.file("my photos/photo 1.jpg"))
    data.train["images"][0]["file_name"] = "my photos/photo 1.jpg"
    data.save()
    assert found(data) == {}


def test_a_broken_json_does_not_hide_the_other_split(data: Data) -> None:
    (data.root / "annotations/instances_train.json").write_text('{"images": [\n}')
    data.documents["val"]["annotations"].append({})
    (data.root / "annotations/instances_val.json").write_text(json.dumps(data.documents["val"]))
    findings = found(data)
    assert "broken json at line 2" in findings["annotation-file"][1]
    assert "bad-record" in findings


def test_crowd_boxes_may_repeat_and_be_all_an_image_has(data: Data) -> None:
    for number, annotation in enumerate(data.train["annotations"]):
        annotation["iscrowd"] = int(number == 1)
    data.add_box(iscrowd=1)
    data.save()
    assert found(data) == {}


@pytest.mark.parametrize(
    ("left", "example"),
    [
        ({"images": [], "annotations": []}, "0 images, 0 boxes"),
        ({"annotations": []}, "4 images, 0 boxes"),
        (None, "4 images, 4 boxes, all ignored"),
    ],
)
def test_a_split_without_anything_to_find_is_an_error(
    data: Data, left: dict[str, Any] | None, example: str
) -> None:
    if left is None:
        for annotation in data.train["annotations"]:
            annotation["iscrowd"] = 1
    else:
        data.train.update(left)
    data.save()
    findings = found(data)
    assert findings["no-boxes"] == (1, example)
    assert findings.keys() <= {"no-boxes", "empty-image"}
    assert check(data.root).errors == 1


def test_many_defects_are_counted_and_only_the_first_are_shown(data: Data) -> None:
    for number in range(50):
        data.add_box(id=100 + number, image_id=1000 + number)
    data.save()
    count, examples = found(data)["unknown-image"]
    assert count == 50
    assert len(examples.splitlines()) == 4


def test_png_and_other_forms_are_read(data: Data) -> None:
    for number, ending in ((1, "png"), (2, "webp"), (3, "bmp")):
        data.file(f"{number}.jpg").unlink()
        picture(number).save(data.file(f"{number}.{ending}"))
        data.train["images"][number - 1]["file_name"] = f"{number}.{ending}"
    data.save()
    assert found(data) == {}
    content = data.file("1.png").read_bytes()
    data.file("1.png").write_bytes(content[:-200])
    assert found(data).keys() == {"truncated-image"}


def test_bytes_after_the_end_of_a_jpeg_are_no_defect(data: Data) -> None:
    data.file("1.jpg").write_bytes(jpeg(1) + b"\0\0\r\n")
    data.file("2.jpg").write_bytes(jpeg(2) + b"camera data" * 20)
    assert found(data) == {}


def test_a_long_comment_before_the_frame_is_skipped(data: Data) -> None:
    data.file("1.jpg").write_bytes(jpeg(1, comment=b"x" * 60_000))
    data.file("2.jpg").write_bytes(jpeg(2, icc_profile=b"y" * 150_000, progressive=True))
    assert found(data) == {}


@pytest.mark.parametrize(
    "move",
    [
        lambda root: (root / "annotations").rename(root / "elsewhere"),
        lambda root: shutil.rmtree(root / "annotations"),
    ],
)
def test_a_folder_without_dataset_is_refused_naming_the_layouts(
    data: Data, move: Callable[..., Any]
) -> None:
    move(data.root)
    with pytest.raises(DataError, match=r"COCO .*or VOC"):
        check(data.root)
    with pytest.raises(DataError, match="no such file or folder"):
        check(data.root / "nope")


def test_images_are_found_in_the_usual_places_and_where_they_are_named(
    data: Data, tmp_path: Path
) -> None:
    images = data.root / "images"
    images.mkdir()
    for split in ("train", "val"):
        (data.root / split).rename(images / split)
    assert found(data) == {}
    images.rename(tmp_path / "far")
    assert found(data).keys() == {"missing-image"}
    assert found(data, images=tmp_path / "far") == {}
    one = check(data.root / "annotations/instances_val.json", images=tmp_path / "far/val")
    assert not one.findings.all()
    assert [split.name for split in one.splits] == ["val"]


def test_one_annotation_file_in_each_image_folder_is_a_layout(data: Data) -> None:
    for split in ("train", "val"):
        source = data.root / "annotations" / f"instances_{split}.json"
        source.rename(data.root / split / "_annotations.coco.json")
    report = check(data.root)
    assert [split.name for split in report.splits] == ["train", "val"]
    assert not report.findings.all()


def test_parts_made_by_split_are_no_leak(tmp_path: Path) -> None:
    from tid_tune.data.divide import split

    write_digits(tmp_path / "d", images=12, val_images=4)
    annotations = tmp_path / "d/annotations"
    parts = split(annotations / "instances_train.json", 0.3, 0, annotations).parts
    report = check(tmp_path / "d")
    assert report.errors == 0
    assert len(report.skipped) == 2
    assert "instances_train_fit.json: it is a part of instances_train.json" in report.skipped[0]
    alone = check(parts[0].path)
    assert alone.errors == 0
    assert alone.splits[0].image_folder == str(tmp_path / "d/train")


@pytest.mark.parametrize("name", ["instances_train.json", "instances_small.json"])
def test_a_part_whose_source_is_elsewhere_is_checked(tmp_path: Path, name: str) -> None:
    from tid_tune.data.divide import subset

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
    from tid_tune.data.divide import split, subset

    write_digits(tmp_path / "d", images=12, val_images=4)
    annotations = tmp_path / "d/annotations"
    fit = split(annotations / "instances_train.json", 0.3, 0, annotations).parts[0].path
    subset(fit, 0, annotations / "tiny.json", images=3)
    assert check(annotations / "tiny.json").splits[0].image_folder == str(tmp_path / "d/train")
