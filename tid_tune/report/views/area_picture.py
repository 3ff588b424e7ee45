"""Figure 4 of the TID paper: key and weak areas over an image, by level and epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from tid_tune.distill.area_codes import KEY, WEAK, Codes, shares
from tid_tune.report.charts.palette import BLUE, ORANGE, PURPLE
from tid_tune.report.views.canvas import Canvas, Pixels, fitted
from tid_tune.trial.area_file import AreaRecord

TINTS = {KEY: ORANGE, WEAK: BLUE, KEY | WEAK: PURPLE}
MOST_EPOCHS = 4
GAP, TITLE, HEAD, FOOT = 8, 24, 36, 24
WIDTH, SIDE, LEAST, LEGEND = 900, 280, 160, 640
"""In pixels: of a picture at most; of an image at most; of a column and of the legend at least."""
NAMES = ((KEY, "key: the teacher is sure"), (WEAK, "weak: the student is behind"))


def shown_moments(epochs: Sequence[float], most: int = MOST_EPOCHS) -> list[int]:
    """Return the places of the epochs that are drawn: the first, the last, and between them."""
    if len(epochs) <= most:
        return list(range(len(epochs)))
    return sorted({round(at * (len(epochs) - 1) / (most - 1)) for at in range(most)})


def draw_areas_of(record: AreaRecord, image: int, pixels: Pixels | None, name: str) -> Image.Image:
    """Return one picture: a row for each level, a column for each epoch; of one epoch, one row.

    Args:
        record: what was recorded.
        image: its place in the record.
        pixels: of the image file, in any size; None: the areas are drawn on grey.
        name: of the model, as it is shown.
    """
    seen, moments = record.images[image], shown_moments(record.epochs)
    levels = range(len(seen.strides))
    cells = [[(level, moment) for moment in moments] for level in levels]
    if len(moments) == 1:
        cells = [[(level, moments[0]) for level in levels]]
    room = min(SIDE, (WIDTH - GAP) // len(cells[0]) - GAP)
    scale = min(room / seen.shape[1], SIDE / seen.shape[0])
    size = max(1, round(seen.shape[1] * scale)), max(1, round(seen.shape[0] * scale))
    ground, step = _ground(pixels, *size), (max(size[0], LEAST) + GAP, HEAD + size[1] + GAP)
    entries = (*NAMES, (KEY | WEAK, f"both: counts as {record.first}"))
    width = max(GAP + len(cells[0]) * step[0], LEGEND)
    canvas = Canvas(width, TITLE + GAP + len(cells) * step[1] + FOOT)
    canvas.write(_title(record, image, name), GAP, GAP, size=15, width=width - 2 * GAP)
    for row, places in enumerate(cells):
        for column, (level, moment) in enumerate(places):
            left, top = GAP + column * step[0], TITLE + GAP + row * step[1]
            codes = record.maps(moment, image).levels[level]
            _titles(canvas, record, (image, level, moment), (left, top), step[0] - GAP)
            canvas.paste(tinted(ground, codes, seen.strides[level], seen.shape), left, top + HEAD)
            for box in seen.boxes:
                canvas.box(_scaled(box, scale, left, top + HEAD), "#FFFFFF", width=1)
    legend = [(text, TINTS[code], None) for code, text in entries]
    canvas.legend([*legend, ("object", "#FFFFFF", "solid")], GAP, canvas.image.height - FOOT)
    return canvas.image


def _title(record: AreaRecord, image: int, name: str) -> str:
    first, last = record.epochs[0], record.epochs[-1]
    when = f"epoch {last:g}" if first == last else f"epochs {first:g} to {last:g}"
    parts = [f"image {record.images[image].image_id}", name, *([when] if last else [])]
    return ", ".join(parts)


def _titles(
    canvas: Canvas,
    record: AreaRecord,
    which: tuple[int, int, int],
    corner: tuple[int, int],
    width: int,
) -> None:
    """Write which level and epoch a cell shows, and the shares of the areas there."""
    image, level, moment = which
    seen, epoch = record.images[image], record.epochs[moment]
    rows, columns = seen.levels[level]
    name = f"stride {seen.strides[level]} ({rows} x {columns})"
    when = f"epoch {epoch:g}, " if epoch else ""
    key, weak = shares(record.maps(moment, image).levels[level], record.first)
    canvas.write(when + name, *corner, size=12, width=width)
    text = f"key {key:.1%}, weak {weak:.1%}"
    canvas.write(text, corner[0], corner[1] + 16, size=12, width=width)


def tinted(ground: Pixels, codes: Codes, stride: int, shape: tuple[int, int]) -> Pixels:
    """Return an image with the squares around a level's points in the colours of their areas.

    Args:
        ground: the image in any size.
        codes: (H, W) of the level.
        stride: of the level; a point is the middle of its square, so that the first row and column
            of squares begin half a stride outside of the image. What lies in no square of a point
            has no colour.
        shape: (height, width) in pixels of the network's input.
    """
    rows = _cells(ground.shape[0], shape[0], stride, codes.shape[0])
    columns = _cells(ground.shape[1], shape[1], stride, codes.shape[1])
    spread = np.pad(codes, (0, 1))[rows[:, None], columns[None, :]]
    image = 0.8 * ground.astype(np.float64)
    for code, tint in TINTS.items():
        colour = np.array([int(tint[i : i + 2], 16) for i in (1, 3, 5)])
        here = spread == code
        image[here] = 0.4 * ground[here] + 0.6 * colour
    return image.round().astype(np.uint8)


def _cells(count: int, length: int, stride: int, cells: int) -> np.ndarray:
    """Return which cell each of `count` pixels over `length` input pixels shows.

    The number of cells stands for those behind the last one.
    """
    middle = (np.arange(count) + 0.5) * length / count
    return np.minimum((middle + stride / 2) // stride, cells).astype(np.int64)


def _ground(pixels: Pixels | None, width: int, height: int) -> Pixels:
    if pixels is None:
        return np.full((height, width, 3), 128, dtype=np.uint8)
    return fitted(pixels, width, height)


def _scaled(
    box: Sequence[float], scale: float, left: int, top: int
) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (value * scale for value in box)
    return left + x1, top + y1, left + x2, top + y2
