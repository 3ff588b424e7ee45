"""One image: its objects, and what each model detects, with score and IoU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tid_tune.report.analysis.columns import Floats, Ints, Truth
from tid_tune.report.charts.palette import PURPLE, SKY, VERMILION
from tid_tune.report.views.canvas import Canvas, Dash, Pixels, fitted, read_pixels
from tid_tune.report.views.evaluated import Evaluated
from tid_tune.report.views.judged import Judged
from tid_tune.words import counted

MOST_BOXES, MOST_LABELS = 120, 12
"""Drawn in a panel: objects by size, detections by score."""
SIDE, GAP, HEAD, FOOT = 420, 12, 40, 26
TRUTH, HIT, ALARM, MISSED = "#FFFFFF", SKY, VERMILION, PURPLE
LEGEND: tuple[tuple[str, str, Dash | None], ...] = (
    ("object", TRUTH, "solid"),
    ("found", HIT, "solid"),
    ("false alarm", ALARM, "dash"),
    ("missed object", MISSED, "dot"),
)


@dataclass(frozen=True)
class Mark:
    """A box as it is drawn: left, top, right, bottom in pixels of the original image."""

    corners: tuple[float, float, float, float]
    colour: str
    dash: Dash
    text: str


@dataclass(frozen=True)
class Panel:
    """A view of the image; those of `marks` that come first are the ones that are labelled."""

    title: str
    detail: str
    marks: list[Mark]


def detection_picture(models: Sequence[Evaluated], image: int) -> Image.Image | None:
    """Return the picture of an image, by its place in the truth; None: it cannot be read."""
    pixels = read_pixels(models[0].files[image])
    if pixels is None:
        return None
    truth = models[0].truth
    panels = [model_panel(model.name, truth, model.judged, image) for model in models]
    return draw_panels(pixels, [truth_panel(truth, image), *panels])


def truth_panel(truth: Truth, image: int) -> Panel:
    """Return the image with its objects, those that are neither found nor missed left out."""
    boxes = np.flatnonzero((truth.box_image == image) & ~truth.crowd)
    largest = boxes[np.argsort(-truth.areas[boxes], kind="stable")]
    marks = _objects(truth, largest, TRUTH, "solid", "")
    return Panel(
        "objects", f"image {truth.image_ids[image]}, {counted(len(boxes), 'object')}", marks
    )


def model_panel(name: str, truth: Truth, judged: Judged, image: int) -> Panel:
    """Return the image with a model's detections that count, and the objects that it misses."""
    found = judged.detections
    mine = np.flatnonzero(found.image == image)
    mine = mine[np.argsort(-found.scores[mine], kind="stable")]
    marks = [
        Mark(
            _corners(found.boxes[index]),
            HIT if judged.box[index] >= 0 else ALARM,
            "solid" if judged.box[index] >= 0 else "dash",
            f"{truth.classes[found.label[index]]} {found.scores[index]:.2f}, "
            f"IoU {judged.iou[index]:.2f}",
        )
        for index in mine.tolist()
    ]
    missed = judged.missed[truth.box_image[judged.missed] == image]
    marks += _objects(truth, missed, MISSED, "dot", "missed ")
    counts = (
        f"{judged.hits[image]} found, {judged.alarms[image]} false, {judged.misses[image]} missed, "
        f"quality {judged.quality[image]:.2f}"
    )
    return Panel(name, counts, marks)


def draw_panels(pixels: Pixels, panels: Sequence[Panel]) -> Image.Image:
    """Return one picture with all panels, two in a row, and a legend."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shown = fitted(pixels, *size)
    cell, rows = max(size[0], SIDE), math.ceil(len(panels) / 2)
    columns = min(2, len(panels))
    canvas = Canvas(
        columns * cell + (columns + 1) * GAP, rows * (HEAD + size[1] + GAP) + GAP + FOOT
    )
    for place, panel in enumerate(panels):
        left = GAP + (place % 2) * (cell + GAP)
        top = GAP + (place // 2) * (HEAD + size[1] + GAP)
        canvas.write(panel.title, left, top, size=15, width=cell)
        part, named = _panel(shown, scale, panel)
        canvas.write(_detail(panel, named), left, top + 20, size=12, width=cell)
        canvas.image.paste(part.image, (left, top + HEAD))
    canvas.legend(LEGEND, GAP, rows * (HEAD + size[1] + GAP) + GAP)
    return canvas.image


def _panel(pixels: Pixels, scale: float, panel: Panel) -> tuple[Canvas, int]:
    """Return the image with its marks, and how many of them are named."""
    canvas = Canvas(pixels.shape[1], pixels.shape[0])
    canvas.paste(pixels, 0, 0)
    marks = panel.marks[:MOST_BOXES]
    thin = 1 if len(marks) > 30 else 2
    boxes = [tuple(value * scale for value in mark.corners) for mark in marks]
    for mark, box in zip(reversed(marks), reversed(boxes), strict=True):
        canvas.box(box, mark.colour, mark.dash, thin)
    named = 0
    for mark, (left, top, _, bottom) in zip(marks, boxes, strict=True):
        if named == MOST_LABELS:
            break
        places = ((left, top - 18), (left, bottom + 2), (left, top + 2), (left, bottom - 18))
        named += canvas.label(mark.text, places, mark.colour)
    return canvas, named


def _detail(panel: Panel, named: int) -> str:
    boxes = min(len(panel.marks), MOST_BOXES)
    if boxes < len(panel.marks):
        return f"{panel.detail}; {boxes} of {len(panel.marks)} drawn"
    return panel.detail if named == boxes else f"{panel.detail}; {named} of {boxes} named"


def _objects(truth: Truth, boxes: Ints, colour: str, dash: Dash, prefix: str) -> list[Mark]:
    return [
        Mark(
            _corners(truth.boxes[index]),
            colour,
            dash,
            prefix + truth.classes[truth.box_class[index]],
        )
        for index in boxes.tolist()
    ]


def _corners(box: Floats) -> tuple[float, float, float, float]:
    left, top, width, height = box.tolist()
    return left, top, left + width, top + height
