"""One row for everything that `check` finds in a dataset of VOC form."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tid_tune.data.check import check
from tid_tune.data.voc import VOC_CLASSES, read_annotation
from tid_tune.errors import DataError


@pytest.fixture
def home(digits: Path, tmp_path: Path) -> Path:
    """A copy of the digits in VOC form: images 1-40 train, 41-52 val, 53-64 test."""
    shutil.copytree(digits / "voc", tmp_path / "voc")
    return tmp_path / "voc/VOCdevkit/VOC2007"


def found(home: Path, **options: Any) -> dict[str, tuple[int, str]]:
    report = check(home.parents[1], **options)
    return {
        finding.rule.code: (finding.count, "\n".join(finding.examples))
        for finding in report.findings.all()
    }


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        path = home / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return change


def move_box(home: Path) -> None:
    path = home / "Annotations/000002.xml"
    text = path.read_text()
    start, end = text.index("<xmin>"), text.index("</bndbox>")
    corners = "<xmin>500</xmin><ymin>5</ymin><xmax>520</xmax><ymax>9</ymax>"
    path.write_text(text[:start] + corners + text[end:])


ROWS = [
    (
        "missing-annotation",
        lambda home: (home / "Annotations/000002.xml").unlink(),
        "VOC2007/Annotations/000002.xml",
    ),
    ("annotation-file", edit("Annotations/000002.xml", "</annotation>", ""), "cannot read the xml"),
    ("annotation-file", edit("Annotations/000002.xml", "<xmin>", "<xmin>a"), "xmin of bndbox"),
    (
        "annotation-file",
        edit("Annotations/000002.xml", "<difficult>0", "<difficult>no"),
        "difficult of object is 'no', not a whole number",
    ),
    (
        "annotation-file",
        edit("Annotations/000002.xml", ">128<", ">128.0<"),
        "width of size is '128.0', not a whole number",
    ),
    ("image-list", edit("ImageSets/Main/train.txt", "000001", "\ufeff000001"), "byte order mark"),
    ("outside-box", move_box, "VOC2007/JPEGImages/000002.jpg: "),
    ("size-differs", edit("Annotations/000002.xml", ">128<", ">127<"), "annotated 127x128"),
    (
        "missing-image",
        lambda home: (home / "JPEGImages/000002.jpg").unlink(),
        "JPEGImages/000002.jpg",
    ),
    (
        "truncated-image",
        lambda home: os.truncate(home / "JPEGImages/000060.jpg", 1500),
        "000060.jpg",
    ),
    ("image-list", edit("ImageSets/Main/train.txt", "000002\n", "\n000002\n"), "line 2: the line"),
    ("image-list", edit("ImageSets/Main/train.txt", "000002", "000002 -1"), "is not just a name"),
    (
        "image-list",
        lambda home: (home / "ImageSets/Main/train.txt").write_text(""),
        "train.txt: the list is empty",
    ),
    ("leaked-file", edit("ImageSets/Main/test.txt", "000053", "000002"), "000002.jpg"),
    (
        "leaked-pixels",
        lambda home: shutil.copy(home / "JPEGImages/000002.jpg", home / "JPEGImages/000053.jpg"),
        "000053.jpg",
    ),
    (
        "annotation-file",
        lambda home: (home / "ImageSets/Main/val.txt").write_bytes(b"\xff\xfe\xfa"),
        "cannot read the image list",
    ),
]


def test_good_data_have_no_findings_and_own_classes_are_recognised(home: Path) -> None:
    report = check(home.parents[1])
    assert not report.findings.all()
    assert report.splits[0].images == 64
    assert report.splits[0].classes == tuple("0123456789")


@pytest.mark.parametrize(("code", "break_it", "example"), ROWS)
def test_a_defect_is_found_and_shown(
    home: Path, code: str, break_it: Callable[[Any], object], example: str
) -> None:
    break_it(home)
    findings = found(home)
    assert findings[code][0] == 1
    assert example in findings[code][1]
    assert findings.keys() - {code} <= {"empty-image"}


@pytest.mark.parametrize("path", ["VOCdevkit", "VOCdevkit/VOC2007"])
def test_any_folder_above_the_lists_may_be_named(home: Path, path: str) -> None:
    assert check(home.parents[1] / path).splits[0].images == 64


def test_the_current_folder_may_be_the_year(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert [split.name for split in check(Path()).splits] == ["VOC2007"]
    assert check(Path("ImageSets/Main/val.txt")).splits[0].name == "VOC2007"


def test_a_single_list_can_be_checked(home: Path) -> None:
    report = check(home / "ImageSets/Main/val.txt")
    assert report.splits[0].images == 12


def test_a_class_that_is_not_among_the_twenty_is_found(home: Path) -> None:
    edit("Annotations/000002.xml", "<name>", "<name>dog</name><!--")(home)
    edit("Annotations/000002.xml", "</name>\n    <pose>", "-->\n    <pose>")(home)
    count, example = found(home)["unknown-class"]
    assert count > 100  # one dog makes these VOC's classes, which no digit is among
    assert "000001.xml" in example
    named = found(home, classes=tuple("0123456789"))
    assert named["unknown-class"] == (1, "000002.xml: 'dog'")


@pytest.mark.parametrize("difficult", ["0", "1", "2", " 1 ", "-1", "", "yes", "1.0", None])
def test_difficult_is_read_as_mmdet_reads_it(home: Path, difficult: str | None) -> None:
    from tid_tune.openmmlab.setup import prepare

    prepare()
    from mmdet.datasets import VOCDataset

    old, new = ("<difficult>0<", f"<difficult>{difficult}<")
    if difficult is None:
        old, new = ("<difficult>0</difficult>", "")
    edit("Annotations/000002.xml", old, new)(home)
    (home / "one.txt").write_text("000002")

    def flags() -> list[bool]:
        judge = VOCDataset(
            data_root=str(home),
            ann_file="one.txt",
            data_prefix={"sub_data_root": ""},
            metainfo={"classes": tuple("0123456789")},
            pipeline=[],
        )
        return [bool(item["ignore_flag"]) for item in judge.get_data_info(0)["instances"]]

    xml = home / "Annotations/000002.xml"
    try:
        expected = flags()
    except (ValueError, TypeError):
        with pytest.raises(DataError, match="difficult of object"):
            read_annotation(xml)
    else:
        assert [item.difficult for item in read_annotation(xml).objects] == expected


def test_names_in_lists_may_have_spaces(home: Path) -> None:
    for folder, ending in (("Annotations", "xml"), ("JPEGImages", "jpg")):
        (home / f"{folder}/000002.{ending}").rename(home / f"{folder}/photo 2 1.{ending}")
    edit("ImageSets/Main/train.txt", "000002", "photo 2 1")(home)
    edit("ImageSets/Main/trainval.txt", "000002", "photo 2 1")(home)
    assert found(home) == {}


def test_an_image_that_is_not_a_jpg_is_named(home: Path) -> None:
    (home / "JPEGImages/000002.jpg").rename(home / "JPEGImages/000002.png")
    assert "(there is 000002.png)" in found(home)["missing-image"][1]


def test_two_years_are_checked_as_one_dataset(home: Path) -> None:
    shutil.copytree(home, home.with_name("VOC2012"))
    report = check(home.parents[1])
    assert [split.name for split in report.splits] == ["VOC2007", "VOC2012"]
    pairs = {found.split for found in report.findings.all() if found.rule.code == "leaked-pixels"}
    assert "VOC2007 train and VOC2012 train" in pairs


def test_difficult_objects_count_as_ignored(home: Path) -> None:
    edit("Annotations/000002.xml", "<difficult>0", "<difficult>1")(home)
    assert check(home.parents[1]).splits[0].ignored_boxes == 1


def test_without_lists_the_names_looked_for_are_told(home: Path) -> None:
    for path in (home / "ImageSets/Main").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"none of the image lists train\.txt, val\.txt"):
        check(home.parents[1])


def test_the_twenty_classes_are_those_of_mmdet() -> None:
    from tid_tune.openmmlab.setup import prepare

    prepare()
    from mmdet.datasets import VOCDataset

    assert VOCDataset.METAINFO["classes"] == VOC_CLASSES
