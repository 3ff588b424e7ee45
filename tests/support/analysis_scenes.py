"""Random ground truth and detections for the tests of the analysis."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tid_tune.report.analysis.columns import Detections, Truth

GROUPS = ("animal", "animal", "vehicle", "vehicle", "thing", "")


def random_truth(
    rng: np.random.Generator,
    images: int = 12,
    boxes: int = 70,
    classes: int = 6,
    side: float = 320.0,
    crowd: float = 0.1,
) -> Truth:
    corner = rng.uniform(0, side * 0.7, (boxes, 2))
    size = np.exp(rng.uniform(np.log(8), np.log(side * 0.6), (boxes, 2)))
    sides = np.concatenate([corner, size], axis=1)
    return Truth(
        tuple(f"class {index}" for index in range(classes)),
        tuple(GROUPS[index % len(GROUPS)] for index in range(classes)),
        np.array([3 * index + 5 for index in range(classes)], dtype=object),
        tuple(range(10, 10 + images)),
        rng.integers(0, images, boxes),
        rng.integers(0, classes, boxes),
        sides,
        sides[:, 2] * sides[:, 3] * rng.uniform(0.5, 1.0, boxes),
        rng.random(boxes) < crowd,
    )


def random_detections(
    rng: np.random.Generator,
    truth: Truth,
    per_box: int = 3,
    background: int = 40,
    ties: bool = True,
) -> Detections:
    """Detections near the boxes, some of a wrong class, some anywhere; with equal scores."""
    index = np.repeat(np.arange(len(truth.boxes)), per_box)
    noise = rng.normal(0, 0.18, (len(index), 4)) * truth.boxes[index][:, [2, 3, 2, 3]]
    near = truth.boxes[index] + noise * (rng.random((len(index), 1)) < 0.85)
    label = truth.box_class[index]
    wrong = rng.random(len(index)) < 0.35
    label = np.where(wrong, rng.integers(0, len(truth.classes), len(index)), label)
    far = rng.uniform(0, 200, (background, 4))
    boxes = np.concatenate([near, far])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1.0)
    images = rng.integers(0, len(truth.image_ids), background)
    labels = rng.integers(0, len(truth.classes), background)
    scores = rng.random(len(boxes))
    return Detections(
        np.concatenate([truth.box_image[index], images]),
        np.concatenate([label, labels]),
        boxes,
        np.round(scores, 2) if ties else scores,
    )


def coco_rows(truth: Truth) -> list[dict[str, Any]]:
    """The boxes as COCO coco_rows, ids from 1."""
    return [
        {
            "id": row + 1,
            "image_id": truth.image_ids[truth.box_image[row]],
            "category_id": int(truth.category_ids[truth.box_class[row]]),
            "bbox": truth.boxes[row].tolist(),
            "area": float(truth.areas[row]),
            "iscrowd": int(truth.crowd[row]),
        }
        for row in range(len(truth.boxes))
    ]


def pycoco(
    truth: Truth, rows: list[dict[str, Any]], results: list[dict[str, Any]], **parameters: Any
) -> Any:
    """Run pycocotools on annotation `rows` and `results`; return its finished COCOeval."""
    with contextlib.redirect_stdout(io.StringIO()):
        wanted = COCO()
        wanted.dataset = {
            "images": [{"id": image_id} for image_id in truth.image_ids],
            "categories": [
                {"id": int(number), "name": name, "supercategory": group}
                for number, name, group in zip(
                    truth.category_ids, truth.classes, truth.groups, strict=True
                )
            ],
            "annotations": rows,
        }
        wanted.createIndex()
        evaluation = COCOeval(wanted, wanted.loadRes(results), "bbox")
        for name, value in parameters.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation
