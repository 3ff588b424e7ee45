"""The converters refuse to write what is wrong in boxes or images, and leave nothing behind."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tid_tune.cli import main
from tid_tune.data.divide import split, subset
from tid_tune.errors import DataError

Break = Callable[[Path], object]


@pytest.fixture
def data(digits: Path, tmp_path: Path) -> Path:
    """A copy of the digits in both forms."""
    shutil.copytree(digits, tmp_path / "data")
    return tmp_path / "data"


def resave(path: Path) -> None:
    Image.new("RGB", (90, 70)).save(path)


def move_box(xml: Path) -> None:
    text = xml.read_text()
    start, end = text.index("<xmin>"), text.index("</bndbox>")
    corners = "<xmin>500</xmin><ymin>5</ymin><xmax>520</xmax><ymax>9</ymax>"
    xml.write_text(text[:start] + corners + text[end:])


FAULTS: dict[str, Break] = {
    "2.jpg": lambda year: (year / "JPEGImages/000002.jpg").unlink(),
    "annotated 128x128, loads as 90x70": lambda year: resave(year / "JPEGImages/000002.jpg"),
    "boxes wholly outside their image": lambda year: move_box(year / "Annotations/000002.xml"),
}


@pytest.mark.parametrize("words", FAULTS)
def test_voc_to_coco_writes_nothing_that_is_wrong(
    data: Path,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    year, out = data / "voc/VOCdevkit/VOC2007", data / "out.json"
    FAULTS[words](year)
    arguments = ["voc-to-coco", str(year / "ImageSets/Main/train.txt"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["tid-tune", "data", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "nothing was written" in message
    assert words in " ".join(message.split())
    assert not out.exists()


def coco_faults() -> dict[str, Break]:
    def box(root: Path) -> None:
        path = root / "annotations/instances_train.json"
        content = json.loads(path.read_text())
        content["annotations"][3]["bbox"][2] = -5
        path.write_text(json.dumps(content))

    return {
        "image files that are missing": lambda root: (root / "train/000002.jpg").unlink(),
        "loads as 90x70": lambda root: resave(root / "train/000002.jpg"),
        "boxes with a negative width": box,
    }


@pytest.mark.parametrize("words", coco_faults())
def test_split_and_subset_write_nothing_that_is_wrong(data: Path, words: str) -> None:
    coco_faults()[words](data / "coco")
    train, out = data / "coco/annotations/instances_train.json", data / "parts"
    with pytest.raises(DataError, match=f"nothing was written: .*{words}"):
        split(train, 0.25, 0, out)
    with pytest.raises(DataError, match=f"nothing was written: .*{words}"):
        subset(train, 0, out / "few.json", images=8)
    assert not out.exists()


def test_annotations_may_be_divided_where_the_images_are_not(data: Path) -> None:
    shutil.rmtree(data / "coco/train")
    train = data / "coco/annotations/instances_train.json"
    assert len(split(train, 0.25, 0, data / "parts").parts) == 2
