"""What is read from image headers against what OpenCV, and so mmdet, loads."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from tid_tune.data.check_images import check_images
from tid_tune.data.coco import strict_table
from tid_tune.data.findings import Findings
from tid_tune.data.headers import read_header
from tid_tune.errors import DataError

SIZE = (64, 48)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, form, **options)
    return buffer.getvalue()


def loaded(content: bytes) -> tuple[int, int] | None:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else (image.shape[1], image.shape[0])


def tag(kind: int = 3, value: int = 6, order: str = "<", count: int = 1) -> bytes:
    """EXIF data that have an orientation alone."""
    shown = {1: "B3x", 3: "H2x", 4: "I"}[kind]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    entry = struct.pack(f"{order}HHI{shown}", 0x0112, kind, count, value)
    return head + struct.pack(f"{order}H", 1) + entry + bytes(4)


def jpeg(*segments: bytes, before: bytes = b"\xff\xe0") -> bytes:
    """A JPEG with APP1 segments before the first segment of another kind."""
    content = encoded("JPEG")
    place = content.index(before)
    parts = [b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data for data in segments]
    return content[:place] + b"".join(parts) + content[place:]


def png(data: bytes, before: bytes = b"IDAT", checksum: int | None = None) -> bytes:
    """A PNG with an eXIf chunk."""
    content = encoded("PNG")
    place = content.rindex(before) - 4
    total = zlib.crc32(b"eXIf" + data) if checksum is None else checksum
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", total)
    return content[:place] + chunk + content[place:]


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def comment() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return info


FORMS = ["JPEG", "PNG", "WEBP", *(["AVIF"] if features.check("avif") else [])]
FILES: dict[str, bytes] = {
    **{f"{form} {n}": encoded(form, exif=exif(n)) for form in FORMS for n in (0, 1, 3, 6, 8, 9)},
    **{f"TIFF {n}": encoded("TIFF", tiffinfo={274: n}) for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)},
    "PNG, EXIF after the pixels": png(tag(), b"IEND"),
    "PNG, EXIF before the pixels": png(tag()),
    "PNG, EXIF with a wrong checksum": png(tag(), checksum=1),
    "PNG, EXIF with JPEG's prefix": png(b"Exif\0\0" + tag()),
    "PNG, XMP": encoded("PNG", pnginfo=comment()),
    "JPEG, XMP": encoded("JPEG", xmp=XMP),
    "JPEG, XMP and EXIF": jpeg(b"http://ns.adobe.com/xap/1.0/\0" + XMP, b"Exif\0\0" + tag()),
    "JPEG, EXIF behind the frame": jpeg(b"Exif\0\0" + tag(), before=b"\xff\xda"),
    "JPEG, EXIF 1 and 6": jpeg(b"Exif\0\0" + tag(value=1), b"Exif\0\0" + tag()),
    "JPEG, EXIF 6 and 1": jpeg(b"Exif\0\0" + tag(), b"Exif\0\0" + tag(value=1)),
    "JPEG, a cut tag": jpeg(b"Exif\0\0" + tag()[:14]),
    **{
        f"{form}, tag of type {kind} {order} {value}": make(tag(kind, value, order))
        for form, make in (("PNG", png), ("JPEG", lambda data: jpeg(b"Exif\0\0" + data)))
        for kind in (1, 3, 4)
        for order in "<>"
        for value in (6, 100)
    },
    **{f"{form}, plain": encoded(form) for form in ("BMP", "GIF", "PPM", "JPEG2000", "PNG")},
    **{form: encoded(form) for form in ("TGA", "PCX", "SGI")},
    "no image": b"<html>404</html>",
    "an svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='5' height='5'/>",
}
KINDS = ("uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64")
for _kind in KINDS:
    for _channels in (1, 3, 4):
        _values = np.full((48, 64, _channels), 7).astype(_kind).squeeze()
        FILES[f"TIFF of {_kind} x {_channels}"] = cv2.imencode(".tif", _values)[1].tobytes()


@pytest.mark.parametrize("name", FILES)
def test_the_header_tells_what_opencv_loads(name: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES[name])
    expected = loaded(FILES[name])
    if expected is None:
        with pytest.raises(DataError, match=r"OpenCV, and so mmdet"):
            read_header(path)
    else:
        assert read_header(path).loaded_size == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["TIFF", "WEBP", "PNG", "JPEG"])
def test_only_an_annotation_that_does_not_fit_the_turned_image_is_reported(
    tmp_path: Path, form: str, orientation: int
) -> None:
    options = {"tiffinfo": {274: orientation}} if form == "TIFF" else {"exif": exif(orientation)}
    (tmp_path / "image").write_bytes(encoded(form, **options))
    for size in (SIZE, SIZE[::-1]):
        codes = {found.rule.code for found in checked(tmp_path, size)}
        right = size == (SIZE if orientation < 5 else SIZE[::-1])
        assert ("size-differs" in codes) is not right
        assert ("turned-image" in codes) is (right and 1 < orientation < 5)


def checked(folder: Path, size: tuple[int, int], deep: bool = False) -> list[Any]:
    record = {"id": 1, "file_name": "image", "width": size[0], "height": size[1]}
    table = strict_table(
        {"images": [record], "annotations": [], "categories": []}, folder / "a.json"
    )
    findings = Findings()
    check_images(table, folder, findings, "train", deep=deep)
    return findings.all()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("deep", [False, True])
def test_an_image_beyond_pillows_limit_is_no_fault(tmp_path: Path, form: str, deep: bool) -> None:
    side = 20_000
    if form == "PNG":
        rows = zlib.compress(bytes(side * (side // 8 + 1)), 1)
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows)]
        content = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in [*chunks, (b"IEND", b"")]
        )
    else:
        content = encoded("TIFF")
        for number, old in ((256, SIZE[0]), (257, SIZE[1])):
            for kind, shown in ((3, "H2x"), (4, "I")):
                entry = struct.pack(f"<HHI{shown}", number, kind, 1, old)
                content = content.replace(entry, struct.pack("<HHII", number, 4, 1, side))
    (tmp_path / "image").write_bytes(content)
    assert read_header(tmp_path / "image").loaded_size == (side, side)
    assert checked(tmp_path, (side, side), deep=deep) == []


def test_an_image_beyond_opencvs_limit_is_unreadable(tmp_path: Path) -> None:
    content = bytearray(encoded("PNG"))
    content[16:24] = struct.pack(">II", 2**15, 2**15 + 1)
    (tmp_path / "image").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"32768x32769 is more than OpenCV"):
        read_header(tmp_path / "image")
