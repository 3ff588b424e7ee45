"""COCO's AP and AR tables, computed by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tid_tune.report.analysis.columns import Detections, Floats, Truth
from tid_tune.report.analysis.curves import mean
from tid_tune.report.analysis.matching import AREAS

MAX_DETECTIONS = (1, 10, 100)
IOUS: Floats = np.linspace(0.5, 0.95, 10)
_IOU_75 = 5


@dataclass(frozen=True)
class CocoTable:
    """AP and AR of one model.

    Attributes:
        classes: K names.
        boxes: K numbers of boxes that count.
        precision: [10, 101, K, 4] by IoU of `IOUS`, recall, class and size range, at most 100
            detections an image and class; NaN where there is no box.
        recall: [10, K, 4, 3] highest recall; the last axis is `MAX_DETECTIONS`.
    """

    classes: tuple[str, ...]
    boxes: tuple[int, ...]
    precision: Floats
    recall: Floats

    def overall(self) -> dict[str, float]:
        """Return COCO's twelve numbers: AP, AP50, AP75, AP_s.., AR_1, AR_10, AR_100, AR_s.. ."""
        small, medium, large = (list(AREAS).index(name) for name in ("small", "medium", "large"))
        whole = self.precision[..., 0]
        return {
            "AP": float(mean(whole)),
            "AP50": float(mean(whole[0])),
            "AP75": float(mean(whole[_IOU_75])),
            "AP_s": float(mean(self.precision[..., small])),
            "AP_m": float(mean(self.precision[..., medium])),
            "AP_l": float(mean(self.precision[..., large])),
            "AR_1": float(mean(self.recall[:, :, 0, 0])),
            "AR_10": float(mean(self.recall[:, :, 0, 1])),
            "AR_100": float(mean(self.recall[:, :, 0, 2])),
            "AR_s": float(mean(self.recall[:, :, small, 2])),
            "AR_m": float(mean(self.recall[:, :, medium, 2])),
            "AR_l": float(mean(self.recall[:, :, large, 2])),
        }

    def by_class(self) -> dict[str, Floats]:
        """Return AP, AP50, AP75 and AR_100 of each class, [K] each."""
        whole = self.precision[..., 0]
        return {
            "AP": mean(whole, axis=(0, 1)),
            "AP50": mean(whole[0], axis=0),
            "AP75": mean(whole[_IOU_75], axis=0),
            "AR_100": mean(self.recall[:, :, 0, 2], axis=0),
        }

    def curve(self, iou: float) -> Floats:
        """Return the precision [101], mean over the classes, at one IoU of `IOUS`."""
        return mean(self.precision[int(np.abs(IOUS - iou).argmin()), :, :, 0], axis=1)


def coco_table(truth: Truth, detections: Detections) -> CocoTable:
    """Evaluate detections by COCO's rules.

    The numbers are those of mmdet's CocoMetric before it rounds them, as long as a detector gives
    at most 100 detections an image (more are cut here, per class, as COCO does).
    """
    from faster_coco_eval import COCO, COCOeval_faster

    with contextlib.redirect_stdout(io.StringIO()):
        found, wanted = COCO(_detected(truth, detections)), COCO(_annotated(truth))
        evaluation = COCOeval_faster(wanted, found, iouType="bbox", print_function=_silent)
        parameters = evaluation.params
        parameters.imgIds = list(range(1, len(truth.image_ids) + 1))
        parameters.catIds = list(range(1, len(truth.classes) + 1))
        parameters.maxDets = list(MAX_DETECTIONS)
        parameters.iouThrs = IOUS
        parameters.areaRng = [list(bounds) for bounds in AREAS.values()]
        parameters.areaRngLbl = list(AREAS)
        evaluation.evaluate()
        evaluation.accumulate()
    return CocoTable(
        truth.classes,
        tuple(truth.counts().tolist()),
        _nan_for_absent(evaluation.eval["precision"][..., -1]),
        _nan_for_absent(evaluation.eval["recall"]),
    )


def _silent(*message: object) -> None:
    """Take the place of the evaluation's own printing."""


def _nan_for_absent(values: ArrayLike) -> Floats:
    """COCO marks what does not exist with -1."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(array < 0, np.nan, array)


class _Identified(TypedDict):
    id: int


class _Category(_Identified):
    name: str


class _Annotation(_Identified):
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int
    score: NotRequired[float]


class _Document(TypedDict):
    images: list[_Identified]
    categories: list[_Category]
    annotations: list[_Annotation]


def _annotated(truth: Truth) -> _Document:
    crowd = truth.crowd.astype(int)
    return _document(truth, truth.box_image, truth.box_class, truth.boxes, truth.areas, crowd)


def _detected(truth: Truth, detections: Detections) -> _Document:
    areas = detections.boxes[:, 2] * detections.boxes[:, 3]
    crowd = np.zeros(len(detections), dtype=int)
    document = _document(truth, detections.image, detections.label, detections.boxes, areas, crowd)
    for row, score in zip(document["annotations"], detections.scores.tolist(), strict=True):
        row["score"] = score
    return document


def _document(truth: Truth, *columns: NDArray[np.generic]) -> _Document:
    """Return a COCO document; all ids count from 1, since COCO's matching takes 0 for 'none'.

    `columns` are image, class, box, area and crowd flag of every annotation.
    """
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        "images": [{"id": index + 1} for index in range(len(truth.image_ids))],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(truth.classes)],
        "annotations": [
            {
                "id": number,
                "image_id": image + 1,
                "category_id": label + 1,
                "bbox": box,
                "area": area,
                "iscrowd": crowd,
            }
            for number, (image, label, box, area, crowd) in enumerate(rows, start=1)
        ],
    }
