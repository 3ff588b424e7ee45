from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tid_tune.data.headers import read_header
from tid_tune.errors import DataError


def image(width: int = 37, height: int = 21) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_size_is_the_one_opencv_loads(tmp_path: Path, form: str, mode: str) -> None:
    path = tmp_path / "image"
    image().convert(mode).save(path, form)
    header = read_header(path)
    assert header.loaded_size == (37, 21)
    assert header.complete
    assert header.bytes == path.stat().st_size
    if form != "GIF":  # not every build of OpenCV reads it
        assert cv2.imread(str(path)).shape[1::-1] == header.loaded_size


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_turns_the_size_as_in_mmdets_loading(
    tmp_path: Path, orientation: int, ending: str
) -> None:
    path = tmp_path / f"image.{ending}"
    tags = Image.Exif()
    tags[0x0112] = orientation
    # A profile of 3,000 bytes comes before the EXIF data of a PNG.
    image().save(path, exif=tags, icc_profile=np.random.default_rng(0).bytes(3000))
    header = read_header(path)
    assert header.orientation == orientation
    # mmdet loads with OpenCV's IMREAD_COLOR, which obeys the tag.
    loaded = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert loaded.shape[1::-1] == header.loaded_size


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_jpeg_cut_anywhere_is_not_complete(
    tmp_path: Path, options: dict[str, Any], part: float
) -> None:
    buffer = io.BytesIO()
    image(200, 200).save(buffer, "JPEG", **options)
    path = tmp_path / "image.jpg"
    path.write_bytes(buffer.getvalue()[: int(part * len(buffer.getvalue()))])
    header = read_header(path)
    assert header.loaded_size == (200, 200)
    assert not header.complete


def test_two_names_of_a_file_are_one_file(tmp_path: Path) -> None:
    image().save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    image().save(tmp_path / "c.png")
    first, second, third = (read_header(tmp_path / f"{name}.png").identity for name in "abc")
    assert first == second != third


def test_what_is_no_image_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "nope.jpg")
    with pytest.raises(DataError, match=str(tmp_path)):
        read_header(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    with pytest.raises(DataError, match="cannot read it as an image"):
        read_header(tmp_path / "a.jpg")
