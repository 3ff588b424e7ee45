from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tid_tune.data.coco import read_coco
from tid_tune.data.voc import (
    VOC_CLASSES,
    likely_classes,
    read_annotation,
    read_voc,
    to_coco,
)
from tid_tune.data.voc_lists import read_image_set
from tid_tune.errors import DataError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A year of a VOCdevkit with one image of two objects."""
    home = tmp_path / "VOCdevkit" / "VOC2007"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (home / folder).mkdir(parents=True)
    (home / "ImageSets/Main/train.txt").write_text("000005\n")
    (home / "Annotations/000005.xml").write_text(XML)
    return home


XML = """<annotation>
  <filename>000005.jpg</filename>
  <size><width>500</width><height>375</height><depth>3</depth></size>
  <object><name>chair</name><difficult>0</difficult>
    <bndbox><xmin>263</xmin><ymin>211</ymin><xmax>324</xmax><ymax>339</ymax></bndbox>
    <part><name>leg</name><bndbox><xmin>1</xmin></bndbox></part></object>
  <object><name>dog</name><difficult>1</difficult>
    <bndbox><xmax>45.7</xmax><xmin>1</xmin><ymin>1</ymin><ymax>375</ymax></bndbox></object>
</annotation>
"""


def test_corners_that_count_from_one_become_boxes_that_count_from_zero(home: Path) -> None:
    table = read_voc([home / "ImageSets/Main/train.txt"])
    assert table.files == ["VOC2007/JPEGImages/000005.jpg"]
    assert table.sizes.tolist() == [[500, 375]]
    assert [table.classes[label] for label in table.box_class] == ["chair", "dog"]
    assert table.boxes[0].tolist() == [262, 210, 62, 129]
    assert table.boxes[1] == pytest.approx([0, 0, 45.7, 375])
    assert table.crowd.tolist() == [False, True]
    assert table.classes == VOC_CLASSES


def test_digits_read_from_voc_and_coco_form_are_the_same(digits: Path) -> None:
    lists = digits / "voc/VOCdevkit/VOC2007/ImageSets/Main"
    voc = read_voc([lists / "train.txt"], classes=sorted)
    coco = read_coco(digits / "coco/annotations/instances_train.json")
    assert voc.classes == coco.classes
    for column in ("sizes", "box_image", "box_class", "boxes", "areas", "crowd"):
        assert (getattr(voc, column) == getattr(coco, column)).all()


def test_lists_that_overlap_give_each_image_once(digits: Path) -> None:
    lists = digits / "voc/VOCdevkit/VOC2007/ImageSets/Main"
    both = read_voc([lists / "train.txt", lists / "trainval.txt"], classes=sorted)
    assert len(both.files) == len(set(both.files)) == 52


def test_a_table_written_as_coco_json_reads_back_the_same(
    home: Path, save: Callable[..., Path]
) -> None:
    table = read_voc([home / "ImageSets/Main/train.txt"])
    again = read_coco(save(to_coco(table)))
    assert again.classes == table.classes
    assert again.files == table.files
    for column in ("sizes", "box_image", "box_class", "boxes", "areas", "crowd"):
        assert (getattr(again, column) == getattr(table, column)).all()


def test_the_image_gives_the_size_where_the_xml_does_not(home: Path, digits: Path) -> None:
    jpeg = digits / "coco/train/000001.jpg"
    (home / "JPEGImages/000005.jpg").write_bytes(jpeg.read_bytes())
    xml = home / "Annotations/000005.xml"
    xml.write_text(
        XML.replace("<size><width>500</width><height>375</height><depth>3</depth></size>", "")
    )
    assert read_voc([home / "ImageSets/Main/train.txt"]).sizes.tolist() == [[128, 128]]
    (home / "JPEGImages/000005.jpg").unlink()
    with pytest.raises(DataError, match="no such image file"):
        read_voc([home / "ImageSets/Main/train.txt"])


def test_own_classes_are_told_from_the_twenty(home: Path) -> None:
    assert likely_classes({"helmet", "vest"}) == ["helmet", "vest"]
    assert likely_classes({"helmet", "person"}) == VOC_CLASSES
    with pytest.raises(DataError, match=r"000005.xml: 'chair'.*--classes"):
        read_voc([home / "ImageSets/Main/train.txt"], classes=["dog"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</annotation>", "", "cannot read the xml: .*line 10"),
        ("<name>chair</name>", "", "an object has no name"),
        ("<xmin>263</xmin>", "", "bndbox has no xmin"),
        ("<ymax>339</ymax>", "<ymax>low</ymax>", "ymax of bndbox is 'low'"),
        ("<ymax>339</ymax>", "<ymax>nan</ymax>", "ymax of bndbox is 'nan'"),
        ("<width>500</width>", "", "width of size is None"),
    ],
)
def test_a_wrong_xml_is_named_with_its_fault(home: Path, old: str, new: str, message: str) -> None:
    path = home / "Annotations/000005.xml"
    path.write_text(XML.replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        read_annotation(path)
    assert "000005.xml" in str(caught.value)


def test_an_object_without_box_is_named(home: Path) -> None:
    (home / "Annotations/000005.xml").write_text("<a><object><name>cat</name></object></a>")
    with pytest.raises(DataError, match="an object of class cat has no bndbox"):
        read_annotation(home / "Annotations/000005.xml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000005\n\n", "line 2: the line is blank"),
        ("\ufeff000005\n", "line 1: it begins with a byte order mark"),
        ("000005 \n", "line 1: '000005 ' is not just a name"),
        ("000005\n000007\n000005\n", "line 3: 000005 is listed before, in line 1"),
    ],
)
def test_wrong_lines_of_a_list_are_named(home: Path, text: str, message: str) -> None:
    path = home / "ImageSets/Main/train.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_image_set(path)


def test_lists_out_of_place_missing_or_of_two_devkits_are_refused(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "train.txt").write_text("000005\n")
    with pytest.raises(DataError, match="ImageSets/Main"):
        read_image_set(tmp_path / "train.txt")
    with pytest.raises(DataError, match="no such image list"):
        read_image_set(home / "ImageSets/Main/val.txt")
    other = tmp_path / "other/VOC2012/ImageSets/Main/train.txt"
    other.parent.mkdir(parents=True)
    other.write_text("")
    with pytest.raises(DataError, match="different VOCdevkit folders"):
        read_voc([home / "ImageSets/Main/train.txt", other])
