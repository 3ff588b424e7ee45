"""Size, orientation and kind of values of a TIFF, from its first directory of tags."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tid_tune.data.exif import ORIENTATION, Order, Tag, first_directory, tags, upright
from tid_tune.errors import DataError

_WIDTH, _HEIGHT, _BITS, _KIND = 256, 257, 258, 339
_SHORT = 3
_READABLE = 16
"""OpenCV reads values of 1 to 16 bits as colors; it gives no image for 32 and 64."""
_FLOATS = 3


class Outline(NamedTuple):
    """What a file says of its image: width and height as stored, orientation, completeness."""

    width: int
    height: int
    orientation: int
    complete: bool


def read_tiff(handle: int, head: bytes, path: Path | str) -> Outline | None:
    """Return the outline of a TIFF; None of another form, or if tags are missing.

    Raises:
        DataError: its values are of a kind that OpenCV does not load.
    """
    place = first_directory(head)
    if place is None:
        return None
    order: Order = "little" if head[:2] == b"II" else "big"
    count = int.from_bytes(os.pread(handle, 2, place), order)
    found = {tag.number: tag for tag in tags(os.pread(handle, 12 * count, place + 2), order)}
    if _WIDTH not in found or _HEIGHT not in found:
        return None
    bits = _shorts(handle, found[_BITS]) if _BITS in found else 1
    if bits > _READABLE:
        kind = _shorts(handle, found[_KIND]) if _KIND in found else 1
        name = "fractions (float)" if kind == _FLOATS else "whole numbers"
        raise DataError(
            f"{path}: a TIFF of {name} of {bits} bits, which OpenCV, and so mmdet, does not load "
            "as an image; convert it to 8 bits"
        )
    turn = found[ORIENTATION].first() if ORIENTATION in found else 1
    width, height = (_size(found[number]) for number in (_WIDTH, _HEIGHT))
    return Outline(width, height, upright(turn), True)


def _shorts(handle: int, tag: Tag) -> int:
    """Return the first of the 16-bit values of a tag; more than two lie elsewhere in the file."""
    if tag.count <= 2:
        return tag.first()
    return int.from_bytes(os.pread(handle, 2, tag.first(4)), tag.order)


def _size(tag: Tag) -> int:
    return tag.first(2 if tag.kind == _SHORT else 4)
