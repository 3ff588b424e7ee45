"""One split of a detection dataset, in columns: what COCO json and VOC xml have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """N images, M boxes and K classes.

    Attributes:
        classes: K names; `box_class` indexes them.
        files: N file names, relative to the folder of the images.
        sizes: [N, 2] int64, width and height in pixels as the annotations say.
        box_ids: M annotation ids, or empty where boxes have none (VOC).
        box_image: [M] int64, index of the image.
        box_class: [M] int64, index of the class.
        boxes: [M, 4] float64: left, top, width, height in pixels; the image's corner is 0, 0.
        areas: [M] float64, area in pixels as the annotations say.
        crowd: [M] bool, boxes that training and evaluation ignore (COCO crowd, VOC difficult).
        untrained: [M] bool, boxes that mmdet does not train on (COCO's `ignore`); they count in
            evaluation unless they are crowd, too.
    """

    classes: tuple[str, ...]
    files: Sequence[str]
    sizes: NDArray[np.int64]
    box_ids: Sequence[float]
    box_image: NDArray[np.int64]
    box_class: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    untrained: NDArray[np.bool_]

    def image_labels(self) -> list[tuple[int, ...]]:
        """Return what each image shows, to stratify by: N sorted tuples of labels.

        Labels 0..K-1 are classes with a box that counts; K marks ignored boxes; K+1 marks an
        image without any box.
        """
        ignored = len(self.classes)
        labels = np.where(self.crowd, ignored, self.box_class)
        pairs = np.unique(np.stack([self.box_image, labels], axis=1), axis=0)
        found: list[list[int]] = [[] for _ in self.files]
        for image, label in pairs.tolist():
            found[image].append(label)
        return [tuple(labels) if labels else (ignored + 1,) for labels in found]

    def label_names(self) -> tuple[str, ...]:
        """Return the names of the labels that `image_labels` uses, K+2 of them."""
        return (*self.classes, "(ignored boxes)", "(no boxes)")

    def of_classes(self, classes: Sequence[str]) -> Table:
        """Return the table without the boxes of other classes, and without those classes."""
        names = tuple(name for name in self.classes if name in classes)
        new = np.array([names.index(n) if n in names else -1 for n in self.classes], np.int64)
        label = new[self.box_class] if self.classes else self.box_class
        rows = np.flatnonzero(label >= 0)
        return Table(
            names,
            self.files,
            self.sizes,
            [self.box_ids[row] for row in rows.tolist()] if self.box_ids else (),
            self.box_image[rows],
            label[rows],
            self.boxes[rows],
            self.areas[rows],
            self.crowd[rows],
            self.untrained[rows],
        )

    def describe(self, box: int) -> str:
        """Return one box in words, for a message."""
        image = self.box_image[box]
        width, height = self.sizes[image]
        name = f"annotation {self.box_ids[box]}, " if self.box_ids else ""
        left, top, across, down = (f"{value:g}" for value in self.boxes[box])
        return (
            f"{self.files[image]}: {name}{self.classes[self.box_class[box]]} "
            f"[{left}, {top}, {across}, {down}] in {width}x{height}"
        )
