"""Drawing on images: boxes and texts that can be read on any background; files within bounds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tid_tune.report.charts.palette import LOOKS

Pixels = NDArray[np.uint8]
"""(H, W, 3), RGB."""
_Area = tuple[int, int, int, int]
Dash = Literal["solid", "dash", "dot"]
_DASHES: dict[Dash, tuple[int, int]] = {"solid": (1, 0), "dash": (9, 5), "dot": (3, 4)}
WEBP_QUALITIES = (86, 70, 50, 30, 15)
INK, PAPER = LOOKS["ink"].light, LOOKS["paper"].light
RIM = "#101010"


def read_pixels(path: str) -> Pixels | None:
    """Return an image file, turned as a detector sees it; None: it cannot be read."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError:
        return None
    found = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    return None if found is None else np.ascontiguousarray(found[..., ::-1])


def fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the image in this size; a smaller one is enlarged."""
    shrinks = pixels.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), dtype=np.uint8)


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return matplotlib's own font, which is there on every machine."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


class Canvas:
    """A picture to draw on, in pixels from the left upper corner."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self.image)
        self._labels: list[_Area] = []

    def paste(self, pixels: Pixels, left: int, top: int) -> None:
        """Put an image there."""
        self.image.paste(Image.fromarray(pixels), (left, top))

    def write(
        self, text: str, left: int, top: int, *, size: int = 13, width: int | None = None
    ) -> None:
        """Write a line of text; one that is longer than `width` ends in an ellipsis."""
        shown = text if width is None else shortened(text, width, size)
        self._draw.text((left, top), shown, font=font(size), fill=INK)

    def legend(self, entries: Sequence[tuple[str, str, Dash | None]], left: int, top: int) -> None:
        """Write texts in a row, each after a box in its colour, or, without a dash, a patch."""
        for text, colour, dash in entries:
            if dash is None:
                self._draw.rectangle((left, top + 3, left + 20, top + 16), fill=colour)
            else:
                self.box((left, top + 4, left + 20, top + 16), colour, dash)
            self.write(text, left + 27, top + 2, size=12)
            left += 27 + round(font(12).getlength(text)) + 18

    def box(
        self, corners: Sequence[float], colour: str, dash: Dash = "solid", width: int = 2
    ) -> None:
        """Draw a rectangle (left, top, right, bottom) with a dark rim, to be seen on all."""
        left, top, right, bottom = corners
        sides = (
            (left, top, right, top),
            (right, top, right, bottom),
            (left, bottom, right, bottom),
            (left, top, left, bottom),
        )
        for tone, thickness in ((RIM, width + 2), (colour, width)):
            for side in sides:
                self._line(side, tone, dash, thickness)

    def label(
        self, text: str, places: Sequence[tuple[float, float]], colour: str, size: int = 12
    ) -> bool:
        """Write on a dark ground, inside the picture, at the first place that no label covers.

        Returns:
            Whether there was one.
        """
        right, bottom = (round(end) + 4 for end in font(size).getbbox(text)[2:])
        for left, top in places:
            x = round(min(max(0.0, left), self.image.width - right))
            y = round(min(max(0.0, top), self.image.height - bottom))
            taken = (x, y, x + right, y + bottom)
            if not any(_overlap(taken, other) for other in self._labels):
                self._labels.append(taken)
                self._draw.rectangle((x, y, x + right - 1, y + bottom - 1), fill=RIM)
                self._draw.text((x + 2, y + 1), text, font=font(size), fill=colour)
                return True
        return False

    def _line(
        self, ends: tuple[float, float, float, float], colour: str, dash: Dash, width: int
    ) -> None:
        drawn, gap = _DASHES[dash]
        x1, y1, x2, y2 = ends
        if not gap:
            half = (width - 1) / 2  # the corners are filled
            across = (x1 - half, y1, x2 + half, y2) if y1 == y2 else ends
            self._draw.line(across, fill=colour, width=width)
            return
        length = max(abs(x2 - x1), abs(y2 - y1))
        for start in np.arange(0, length, drawn + gap):
            end = min(start + drawn, length)
            a, b = start / length, end / length
            part = (x1 + (x2 - x1) * a, y1 + (y2 - y1) * a, x1 + (x2 - x1) * b, y1 + (y2 - y1) * b)
            self._draw.line(part, fill=colour, width=width)


def _overlap(a: _Area, b: _Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def shortened(text: str, width: float, size: int) -> str:
    """Return a text that is at most so many pixels wide."""
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(text + "\u2026") > width:
        text = text[:-1]
    return text + "\u2026"


def webp_within(image: Image.Image, limit: int) -> bytes:
    """Return a picture as WebP, of a quality with which it takes at most `limit` bytes.

    One that is too large at the lowest quality is halved in size.
    """
    while True:
        for quality in WEBP_QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=quality, method=4)
            if buffer.tell() <= limit:
                return buffer.getvalue()
        image = image.resize((max(1, image.width // 2), max(1, image.height // 2)))
