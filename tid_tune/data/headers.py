"""Size, orientation and completeness of image files, as OpenCV and so mmdet will load them.

JPEG, PNG and TIFF are read here, Pillow gives the size of the other forms, and OpenCV decodes what
is unusual. Measured on 3,000 JPEGs of 92 kB in a warm cache, one core: 12 us a file here, 45 us by
Pillow's lazy `open` (1.4 and 5.3 s for COCO's 118,287).
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tid_tune.data.decoding import LARGE, MAX_PIXELS, MAX_SIDE, decode, has_reader
from tid_tune.data.exif import orientation
from tid_tune.data.tiff import Outline, read_tiff
from tid_tune.errors import DataError

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = 2048
_TAIL = 64
_APP1, _SCAN = 0xE1, 0xDA
# Start-of-frame markers: C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Header:
    """What an image file says about itself.

    Attributes:
        width: pixels, as stored.
        height: pixels, as stored.
        orientation: the EXIF orientation, 1 (upright) to 8.
        complete: False if the file ends before its image does.
        bytes: length of the file.
        identity: device and inode; files with the same are one file.
    """

    width: int
    height: int
    orientation: int
    complete: bool
    bytes: int
    identity: tuple[int, int]

    @property
    def loaded_size(self) -> tuple[int, int]:
        """Width and height after the turn that OpenCV, and so mmdet, makes on loading."""
        if self.orientation >= 5:
            return self.height, self.width
        return self.width, self.height


def read_header(path: Path | str) -> Header:
    """Read the header of an image file.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is not an image, or cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            return _read(handle, path)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _read(handle: int, path: Path | str) -> Header:
    status = os.fstat(handle)
    length = status.st_size
    head = os.pread(handle, _HEAD, 0)
    if not head:
        raise DataError(f"{path}: the file is empty")
    if head.startswith(_JPEG):
        found = _jpeg(handle, head, length, path)
    elif head.startswith(_PNG):
        found = _png(handle, head, path)
    else:
        found = read_tiff(handle, head, path) or _by_pillow(path)
    found = found or _by_decoding(path)
    if max(found.width, found.height) > MAX_SIDE or found.width * found.height > MAX_PIXELS:
        raise DataError(
            f"{path}: {found.width}x{found.height} is more than OpenCV, and so mmdet, opens"
        )
    identity = (status.st_dev, status.st_ino)
    return Header(*found, length, identity)


def _png(handle: int, head: bytes, path: Path | str) -> Outline | None:
    """Walk the chunks of a PNG: EXIF data may follow the pixels."""
    offset, turn = len(_PNG), 1
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    while True:
        start = _bytes_at(handle, head, offset, 8)
        size, chunk = int.from_bytes(start[:4]), start[4:]
        if chunk == b"IEND" or len(start) < 8:
            break
        if chunk == b"eXIf":
            data = os.pread(handle, size + 4, offset + 8)
            if zlib.crc32(chunk + data[:size]) == int.from_bytes(data[size:]):
                turn = orientation(data[:size])
        offset += 12 + size
    if not width or not height:
        return None
    complete = chunk == b"IEND" or width * height > LARGE or decode(path) is not None
    return Outline(width, height, turn, complete)


def _bytes_at(handle: int, head: bytes, offset: int, count: int) -> bytes:
    """Return bytes of the file, from its `head` where they are in it."""
    inside = offset + count <= len(head)
    return head[offset : offset + count] if inside else os.pread(handle, count, offset)


def _jpeg(handle: int, head: bytes, length: int, path: Path | str) -> Outline | None:
    """Walk the segments of a JPEG up to its pixels; None for an unusual order."""
    offset, turn, exif = len(_JPEG) - 1, 1, False
    size = None
    while True:
        segment = _bytes_at(handle, head, offset, 10)
        if len(segment) < 10 or segment[0] != 0xFF:
            return None
        marker, long = segment[1], int.from_bytes(segment[2:4])
        if marker == _SCAN:
            break
        if marker in _FRAMES:
            size = int.from_bytes(segment[7:9]), int.from_bytes(segment[5:7])
        if marker == _APP1 and segment[4:8] == b"Exif" and not exif:
            turn, exif = orientation(os.pread(handle, long - 8, offset + 10)), True
        if not 0xC0 <= marker < 0xFF or 0xD0 <= marker <= 0xD9:
            return None
        offset += 2 + long
    if size is None or not all(size):
        return None
    tail = os.pread(handle, _TAIL, max(0, length - _TAIL))
    ended = tail.rstrip(b"\0\r\n").endswith(b"\xff\xd9")
    return Outline(*size, turn, ended or _decodes(path))


def _by_pillow(path: Path | str) -> Outline | None:
    """Return the outline of another form of image; None where Pillow or OpenCV does not know it."""
    if not has_reader(path):
        return None
    try:
        with Image.open(path) as image:
            # OpenCV turns no other form, and Pillow would also look into XMP.
            exif = image.info.get("exif", b"") if image.format == "WEBP" else b""
            return Outline(*image.size, orientation(exif), True)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _by_decoding(path: Path | str) -> Outline:
    pixels = decode(path)
    if pixels is None:
        raise DataError(f"{path}: OpenCV, and so mmdet, cannot read it as an image")
    height, width = pixels.shape[:2]
    return Outline(width, height, 1, True)


def _decodes(path: Path | str) -> bool:
    """Return whether a JPEG decodes to its end; OpenCV may fill a missing part with gray."""
    try:
        with Image.open(path) as image:
            image.load()
    except Image.DecompressionBombError:
        return True  # too large to look
    except (OSError, SyntaxError, ValueError):
        return False
    return True
