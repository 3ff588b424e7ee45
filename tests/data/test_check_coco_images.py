"""What `check` finds in the image files of a dataset of COCO form."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.coco_check import Break, Data, find_defect, found, jpeg, picture, rewrite, set_first


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return jpeg(1, exif=tags)


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


@pytest.mark.parametrize(("code", "break_it", "example"), IMAGES)
def test_a_defect_of_an_image_is_found_and_shown(
    code: str, break_it: Break, example: str, checked: Data
) -> None:
    find_defect(checked, code, break_it, example)


LEAKS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a hard link": (lambda ours, theirs: os.link(ours, theirs), "leaked-file"),
    "a symbolic link": (lambda ours, theirs: theirs.symlink_to(ours), "leaked-file"),
    "a copy": (lambda ours, theirs: shutil.copy(ours, theirs), "leaked-pixels"),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_an_image_in_two_splits_is_found(checked: Data, kind: str) -> None:
    theirs = checked.root / "val/3.jpg"
    theirs.unlink()
    share, code = LEAKS[kind]
    share(checked.file("2.jpg"), theirs)
    findings = found(checked)
    assert findings.keys() == {code}
    assert findings[code][0] == 1
    assert findings[code][1].endswith("train/2.jpg = " + str(theirs))


def test_the_same_pixels_in_another_file_form_are_found_by_decoding(checked: Data) -> None:
    checked.file("2.jpg").unlink()
    with Image.open(checked.root / "val/3.jpg") as image:
        image.save(checked.file("2.png"))
    checked.train["images"][1]["file_name"] = "2.png"
    checked.save()
    assert found(checked) == {}
    assert found(checked, deep=True).keys() == {"leaked-pixels"}


def test_copies_within_a_split_are_found_by_decoding(checked: Data) -> None:
    shutil.copy(checked.file("2.jpg"), checked.file("3.jpg"))
    assert found(checked) == {}
    assert found(checked, deep=True) == {"repeated-pixels": (1, "3.jpg = 2.jpg")}


def test_an_image_broken_inside_is_found_by_decoding(checked: Data) -> None:
    whole = io.BytesIO()
    picture(2).save(whole, "PNG")
    content = bytearray(whole.getvalue())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    checked.file("2.png").write_bytes(bytes(content))
    checked.train["images"][1]["file_name"] = "2.png"
    checked.save()
    assert found(checked) == {}
    assert found(checked, deep=True).keys() == {"truncated-image"}


def test_a_file_of_the_same_name_with_another_ending_is_mentioned(checked: Data) -> None:
    checked.file("2.jpg").rename(checked.file("2.JPG"))
    assert "(there is 2.JPG)" in found(checked)["missing-image"][1]


def test_names_may_have_spaces_and_folders(checked: Data) -> None:
    checked.file("my photos").mkdir()
    checked.file("1.jpg").rename(checked.file("my photos/photo 1.jpg"))
    checked.train["images"][0]["file_name"] = "my photos/photo 1.jpg"
    checked.save()
    assert found(checked) == {}


def test_png_and_other_forms_are_read(checked: Data) -> None:
    for number, ending in ((1, "png"), (2, "webp"), (3, "bmp")):
        checked.file(f"{number}.jpg").unlink()
        picture(number).save(checked.file(f"{number}.{ending}"))
        checked.train["images"][number - 1]["file_name"] = f"{number}.{ending}"
    checked.save()
    assert found(checked) == {}
    content = checked.file("1.png").read_bytes()
    checked.file("1.png").write_bytes(content[:-200])
    assert found(checked).keys() == {"truncated-image"}


def test_bytes_after_the_end_of_a_jpeg_are_no_defect(checked: Data) -> None:
    checked.file("1.jpg").write_bytes(jpeg(1) + b"\0\0\r\n")
    checked.file("2.jpg").write_bytes(jpeg(2) + b"camera data" * 20)
    assert found(checked) == {}


def test_a_long_comment_before_the_frame_is_skipped(checked: Data) -> None:
    checked.file("1.jpg").write_bytes(jpeg(1, comment=b"x" * 60_000))
    checked.file("2.jpg").write_bytes(jpeg(2, icc_profile=b"y" * 150_000, progressive=True))
    assert found(checked) == {}
