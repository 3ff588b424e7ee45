"""Draw scanned digits on textured canvases: pure functions of arrays and a random generator."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
"""An image, [H, W, 3] float32, RGB, nominally 0..255."""

SIZE_RANGE = (16, 49)
"""Longer side of a digit's ink in pixels, half open."""

_MAX_COVERED = 0.1
"""Largest share of the smaller of two boxes that the other may cover."""

_TRIES = 20


@dataclass(frozen=True)
class Box:
    """The pixels a digit covers: columns left..right-1 and rows top..bottom-1, 0-based."""

    left: int
    top: int
    right: int
    bottom: int
    label: int

    @property
    def width(self) -> int:
        """Columns covered."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows covered."""
        return self.bottom - self.top


def texture(rng: np.random.Generator, size: int) -> Canvas:
    """Return a square canvas: a rather dark gradient, noise at four scales and faint strokes."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    slope = np.float32(np.cos(angle)) * ramp[None, :] + np.float32(np.sin(angle)) * ramp[:, None]
    color = rng.uniform(50, 125, 3).astype(np.float32)
    tilt = rng.uniform(-22, 22, 3).astype(np.float32)
    canvas = (color + slope[..., None] * tilt).astype(np.float32)
    for cells, amplitude in ((4, 10.0), (9, 6.0), (24, 4.0), (size, 3.0)):
        coarse = rng.standard_normal((cells, cells, 3)).astype(np.float32)
        canvas += amplitude * cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return _strokes(rng, canvas)


def _strokes(rng: np.random.Generator, canvas: Canvas) -> Canvas:
    """Add open polylines, fainter than any digit, that look a little like ink."""
    size = canvas.shape[0]
    for _ in range(int(rng.integers(2, 6))):
        start = rng.uniform(0, size, 2)
        steps = rng.uniform(-0.12 * size, 0.12 * size, (3, 2))
        points = np.vstack([start, start + np.cumsum(steps, axis=0)]).round().astype(np.int32)
        mask = np.zeros((size, size), np.uint8)
        thickness = int(rng.integers(1, 4))
        cv2.polylines(mask, [points.reshape(-1, 1, 2)], False, 255, thickness, cv2.LINE_AA)
        strength = np.float32(rng.uniform(20, 40) * rng.choice((-1.0, 1.0)) / 255)
        canvas = canvas + strength * mask[..., None].astype(np.float32)
    return canvas


def ink(scan: NDArray[np.float32], longer_side: int) -> NDArray[np.float32]:
    """Scale a scan to an opacity map whose first and last row and column hold ink.

    Args:
        scan: [8, 8] float32, 0..1.
        longer_side: rows or columns of the result, whichever is more.

    Returns:
        [h, w] float32, 0..1, max(h, w) == longer_side; 0 is exactly "not touched".
    """
    # A first pass at a generous size measures how much of the padded cell the ink fills.
    cell = np.pad(scan, 1)
    measured = _opacity(cell, 80)
    left, top, right, bottom = _extent(measured > 0)
    scaled = _opacity(cell, round(80 * longer_side / max(right - left, bottom - top)))
    left, top, right, bottom = _extent(scaled > 0)
    tight = scaled[top:bottom, left:right]
    if max(tight.shape) == longer_side:
        return tight
    # Rounding can miss by a pixel; the nudge keeps the sizes exactly in the promised range.
    factor = longer_side / max(tight.shape)
    shape = (max(1, round(tight.shape[1] * factor)), max(1, round(tight.shape[0] * factor)))
    nudged = cv2.resize(tight, shape, interpolation=cv2.INTER_LINEAR)
    return np.asarray(nudged, np.float32)


def _opacity(cell: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    smooth = cv2.resize(cell, (side, side), interpolation=cv2.INTER_CUBIC)
    # Below 0.2 a stroke is too pale to be seen and would only loosen the box.
    opacity = np.clip((smooth - 0.2) / 0.4, 0, 1)
    opacity[opacity < 0.25] = 0
    return np.asarray(opacity, np.float32)


def _extent(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (half open) of the true pixels; `mask` has at least one."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def draw_scene(
    rng: np.random.Generator, scans: NDArray[np.float32], labels: NDArray[np.int64], size: int
) -> tuple[NDArray[np.uint8], list[Box]]:
    """Draw one image of 1 to 6 digits and return it with the box of each.

    Args:
        rng: the only source of chance.
        scans: [N, 8, 8] float32, 0..1, the pool to draw digits from.
        labels: [N] 0..9.
        size: side of the image in pixels, no less than the largest digit.

    Returns:
        [size, size, 3] uint8 RGB and the boxes, each tight around the pixels that still show
        that digit after later digits were drawn over it.
    """
    canvas = texture(rng, size)
    owner = np.full((size, size), -1, np.int64)
    drawn: list[int] = []
    placed: list[Box] = []
    for _ in range(int(rng.integers(1, 7))):
        scan = int(rng.integers(len(scans)))
        opacity = ink(scans[scan], int(rng.integers(*SIZE_RANGE)))
        place = _free_place(rng, opacity.shape, placed, size)
        if place is None:
            continue
        left, top = place
        height, width = opacity.shape
        window = (slice(top, top + height), slice(left, left + width))
        canvas[window] += opacity[..., None] * (_ink_color(rng, canvas[window]) - canvas[window])
        owner[window][opacity > 0] = len(drawn)
        drawn.append(int(labels[scan]))
        placed.append(Box(left, top, left + width, top + height, drawn[-1]))
    boxes = [Box(*_extent(owner == index), label) for index, label in enumerate(drawn)]
    return np.clip(canvas, 0, 255).round().astype(np.uint8), boxes


def _ink_color(rng: np.random.Generator, under: Canvas) -> Canvas:
    """Return a color that is lighter than `under` by 85 to 135 gray levels."""
    contrast = rng.uniform(85, 135) + rng.uniform(-15, 15, 3)
    return np.asarray(under.mean(axis=(0, 1)) + contrast, np.float32)


def _free_place(
    rng: np.random.Generator, shape: tuple[int, ...], placed: list[Box], size: int
) -> tuple[int, int] | None:
    """Left and top where a digit of `shape` (h, w) hides little of the others, if found."""
    height, width = shape
    for _ in range(_TRIES):
        left = int(rng.integers(0, size - width + 1))
        top = int(rng.integers(0, size - height + 1))
        if all(_covered(left, top, width, height, other) <= _MAX_COVERED for other in placed):
            return left, top
    return None


def _covered(left: int, top: int, width: int, height: int, other: Box) -> float:
    across = min(left + width, other.right) - max(left, other.left)
    down = min(top + height, other.bottom) - max(top, other.top)
    smaller = min(width * height, other.width * other.height)
    return max(across, 0) * max(down, 0) / smaller
