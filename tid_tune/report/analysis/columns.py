"""Ground truth and detections of one split, in columns: what all analysis works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tid_tune.openmmlab.detector_types import InstanceInfo

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ImageId = int | str


@dataclass(frozen=True)
class Truth:
    """Ground truth of N images, M boxes and K classes.

    Attributes:
        classes: K names, by the number a detection's label gives.
        groups: K supercategories; an empty text where the annotations name none.
        category_ids: [K] the annotations' own ids of the classes, which may be texts.
        image_ids: N ids; `box_image` and `Detections.image` index them. Equal scores are taken in
            this order, so ascending ids give the numbers of COCO's own evaluation.
        box_image: [M] index of the image.
        box_class: [M] index of the class.
        boxes: [M, 4] left, top, width, height in pixels of the original image.
        areas: [M] in pixels, as the annotations say (COCO: the area of the mask).
        crowd: [M] boxes that are neither found nor missed (COCO crowd, VOC difficult).
    """

    classes: tuple[str, ...]
    groups: tuple[str, ...]
    category_ids: NDArray[np.object_]
    image_ids: tuple[ImageId, ...]
    box_image: Ints
    box_class: Ints
    boxes: Floats
    areas: Floats
    crowd: Bools

    def counts(self) -> Ints:
        """Return the number of boxes of each class [K], crowds left out."""
        return np.bincount(self.box_class[~self.crowd], minlength=len(self.classes))

    def only(self, images: Ints) -> Truth:
        """Return the ground truth of these images (indices in ascending order) alone."""
        new = np.full(len(self.image_ids), -1, dtype=np.int64)
        new[images] = np.arange(len(images))
        keep = new[self.box_image] >= 0
        return Truth(
            self.classes,
            self.groups,
            self.category_ids,
            tuple(self.image_ids[index] for index in images.tolist()),
            new[self.box_image[keep]],
            self.box_class[keep],
            self.boxes[keep],
            self.areas[keep],
            self.crowd[keep],
        )


@dataclass(frozen=True)
class Detections:
    """D detections in any order; of equal scores the earlier one counts as the better.

    Attributes:
        image: [D] index into the truth's `image_ids`.
        label: [D] index into the truth's `classes`.
        boxes: [D, 4] left, top, width, height in pixels of the original image.
        scores: [D] confidence.
    """

    image: Ints
    label: Ints
    boxes: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def ranks(self) -> Ints:
        """Return the place [D] of each among the detections of its image and class, best is 0."""
        order = np.lexsort((-self.scores, self.label, self.image))
        image, label = self.image[order], self.label[order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = (image[1:] != image[:-1]) | (label[1:] != label[:-1])
        positions = np.arange(len(order))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = positions - np.maximum.accumulate(np.where(first, positions, 0))
        return ranks

    def best(self, limit: int) -> Detections:
        """Return at most `limit` detections of every image and class, those of highest score."""
        keep = self.ranks() < limit
        return Detections(self.image[keep], self.label[keep], self.boxes[keep], self.scores[keep])

    def as_coco(self, truth: Truth) -> list[dict[str, object]]:
        """Return the detections in COCO's result form, with the annotations' own ids."""
        columns = zip(
            self.image.tolist(),
            truth.category_ids[self.label].tolist(),
            self.boxes.tolist(),
            self.scores.tolist(),
            strict=True,
        )
        return [
            {
                "image_id": truth.image_ids[image],
                "category_id": category,
                "bbox": box,
                "score": score,
            }
            for image, category, box, score in columns
        ]


def truth_from_coco(document: Mapping[str, Any], classes: Sequence[str] | None = None) -> Truth:
    """Return the ground truth of a parsed COCO json.

    As mmdet does, classes are numbered in the order of the file's categories; `classes` only says
    which of them count (all, if not given). Images are sorted by id.
    """
    categories = [
        category
        for category in document["categories"]
        if classes is None or category["name"] in classes
    ]
    class_of = {category["id"]: index for index, category in enumerate(categories)}
    image_ids = tuple(sorted(image["id"] for image in document["images"]))
    image_of = {image_id: index for index, image_id in enumerate(image_ids)}
    rows = [row for row in document.get("annotations", ()) if row["category_id"] in class_of]
    boxes = np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(-1, 4)
    areas = [row.get("area", box[2] * box[3]) for row, box in zip(rows, boxes, strict=True)]
    return Truth(
        tuple(str(category["name"]) for category in categories),
        tuple(str(category.get("supercategory") or "") for category in categories),
        np.array([category["id"] for category in categories], dtype=object),
        image_ids,
        np.array([image_of[row["image_id"]] for row in rows], dtype=np.int64),
        np.array([class_of[row["category_id"]] for row in rows], dtype=np.int64),
        boxes,
        np.array(areas, dtype=np.float64),
        np.array([bool(row.get("iscrowd", 0)) for row in rows], dtype=bool),
    )


def truth_from_instances(
    images: Iterable[tuple[ImageId, Sequence[InstanceInfo]]], classes: Sequence[str]
) -> Truth:
    """Return the ground truth of an mmdet dataset's own records, e.g. of VOC xml.

    `images` gives each image's id and its `instances`: `bbox` as left, top, right, bottom,
    `bbox_label`, `ignore_flag`. Images keep their order.
    """
    image_ids: list[ImageId] = []
    rows: list[tuple[int, int, bool]] = []
    corners: list[Sequence[float]] = []
    for index, (image_id, instances) in enumerate(images):
        image_ids.append(image_id)
        for instance in instances:
            ignored = bool(instance.get("ignore_flag", 0))
            rows.append((index, int(instance["bbox_label"]), ignored))
            corners.append(instance["bbox"])
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    boxes = corners_to_sides(np.array(corners, dtype=np.float64).reshape(-1, 4))
    return Truth(
        tuple(classes),
        ("",) * len(classes),
        np.arange(len(classes)).astype(object),
        tuple(image_ids),
        table[:, 0],
        table[:, 1],
        boxes,
        boxes[:, 2] * boxes[:, 3],
        table[:, 2].astype(bool),
    )


def corners_to_sides(corners: Floats) -> Floats:
    """Turn left, top, right, bottom [B, 4] into left, top, width, height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
