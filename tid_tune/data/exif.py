"""The orientation tag of image files, as OpenCV (4.5 and later) reads it: not as Pillow does.

OpenCV obeys EXIF data in JPEG, PNG and WebP, and the tag of a TIFF. It does not look into XMP. It
takes the first two bytes of the value, of whatever type the tag says it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Order = Literal["little", "big"]

ORIENTATION = 0x0112
_ORDERS: dict[bytes, Order] = {b"II": "little", b"MM": "big"}


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory of TIFF tags; `value` holds the values, or where they lie."""

    number: int
    kind: int
    count: int
    value: bytes
    order: Order

    def first(self, bytes_each: int = 2) -> int:
        """Return the first value that lies in the entry itself."""
        return int.from_bytes(self.value[:bytes_each], self.order)


def upright(value: int) -> int:
    """Return an orientation from 1 (upright) to 8; other values mean nothing."""
    return value if 1 <= value <= 8 else 1


def orientation(exif: bytes) -> int:
    """Return the orientation of EXIF data, which begin with a TIFF header; 1 without a tag."""
    for tag in directory(exif):
        if tag.number == ORIENTATION:
            return upright(tag.first())
    return 1


def directory(data: bytes) -> Iterator[Tag]:
    """Yield the tags of the first directory of a TIFF, or of EXIF data, as far as it goes."""
    place = first_directory(data)
    if place is None:
        return
    order = _ORDERS[data[:2]]
    count = int.from_bytes(data[place : place + 2], order)
    yield from tags(data[place + 2 : place + 2 + 12 * count], order)


def first_directory(data: bytes) -> int | None:
    """Return where the first directory begins; None without the header of a TIFF."""
    order = _ORDERS.get(data[:2])
    if order is None or len(data) < 8 or int.from_bytes(data[2:4], order) != 42:
        return None
    return int.from_bytes(data[4:8], order)


def tags(entries: bytes, order: Order) -> Iterator[Tag]:
    """Yield the complete entries of 12 bytes each."""
    for start in range(0, len(entries) - 11, 12):
        entry = entries[start : start + 12]
        number, kind = (int.from_bytes(entry[at : at + 2], order) for at in (0, 2))
        yield Tag(number, kind, int.from_bytes(entry[4:8], order), entry[8:], order)
