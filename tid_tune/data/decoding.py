"""Decode images as mmdet does: OpenCV's `imdecode` to 8-bit color, turned by the orientation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 2**30
"""OpenCV refuses more; OPENCV_IO_MAX_IMAGE_PIXELS changes it, which no one does for a training."""
MAX_SIDE = 2**20
LARGE = 2**28
"""Images of more pixels are not decoded to be checked: that would take gigabytes of memory."""


def decode(path: Path | str) -> NDArray[np.uint8] | None:
    """Return the pixels (height, width, 3) that mmdet trains on; None if it gets none.

    Raises:
        OSError: the file cannot be read.
    """
    data = np.fromfile(path, np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def has_reader(path: Path | str) -> bool:
    """Return whether OpenCV knows the form of an image file."""
    return bool(cv2.haveImageReader(str(path)))
