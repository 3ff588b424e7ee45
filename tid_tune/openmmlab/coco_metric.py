"""mmdet's COCO metric, computed in C++ from arrays and not rounded.

mmdet writes the detections to JSON, reads them back, matches them in Python, and rounds to three
digits; for a small validation set that is most of an evaluation's time, and two trials 0.0004 apart
look alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from faster_coco_eval.core.coco import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster
from numpy.typing import NDArray

from tid_tune.openmmlab.registries import METRICS
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.evaluation import CocoMetric

__all__ = ["CocoMetric", "FastCocoMetric"]


class Predicted(TypedDict):
    """Mmdet's record of one image's detections."""

    img_id: int
    bboxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


_HEADLINE_DETECTIONS = 100
_AREAS = {"mAP_s": 1, "mAP_m": 2, "mAP_l": 3}


@METRICS.register_module()
class FastCocoMetric(CocoMetric):  # type: ignore[misc]  # mmdet is untyped
    """A `CocoMetric` of boxes; anything else it is asked for is left to mmdet's own code.

    Returns mmdet's keys (`bbox_mAP`, `bbox_mAP_50`, `_75`, `_s`, `_m`, `_l`); -1 where there is no
    object to find, as in COCO.
    """

    _truth: COCO | None = None

    def compute_metrics(
        self, results: list[tuple[Mapping[str, object], Predicted]]
    ) -> dict[str, float]:
        """Compute the metrics of (ground truth, prediction) pairs, one per image."""
        special = self.format_only or self.classwise or self.metric_items or self.outfile_prefix
        if special or self.metrics != ["bbox"] or self._coco_api is None:
            metrics: dict[str, float] = super().compute_metrics(results)
            return metrics
        self.cat_ids = self._coco_api.get_cat_ids(cat_names=self.dataset_meta["classes"])
        if self._truth is None:
            self._truth = COCO(self._coco_api.dataset)
        detected = self._truth.loadRes(_rows([found for _, found in results], self.cat_ids))
        matching = COCOeval_faster(self._truth, detected, "bbox", print_function=_silent)
        matching.params.catIds = self.cat_ids
        matching.params.imgIds = self._coco_api.get_img_ids()
        matching.params.maxDets = self.proposal_nums
        matching.params.iouThrs = self.iou_thrs
        matching.evaluate()
        matching.accumulate()
        return self._summary(np.asarray(matching.eval["precision"]))

    def _summary(self, precision: NDArray[np.float64]) -> dict[str, float]:
        """Average precision of shape (IoU thresholds, recalls, classes, areas, max detections)."""
        counts = sorted(self.proposal_nums)
        # COCO's headline is of 100 detections an image; the details are of the most asked for.
        headline = counts.index(_HEADLINE_DETECTIONS) if _HEADLINE_DETECTIONS in counts else -1
        values = {"mAP": _mean(precision[:, :, :, 0, headline])}
        for name, threshold in (("mAP_50", 0.5), ("mAP_75", 0.75)):
            values[name] = _mean(precision[np.isclose(self.iou_thrs, threshold), :, :, 0, -1])
        values |= {name: _mean(precision[:, :, :, area, -1]) for name, area in _AREAS.items()}
        return {f"bbox_{name}": value for name, value in values.items()}


def _silent(*_: object) -> None:
    """Print nothing."""


def _mean(precision: NDArray[np.float64]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else -1.0


def _rows(predictions: list[Predicted], category_ids: list[int]) -> NDArray[np.float64]:
    """Return (image, x, y, width, height, score, category) per detection."""
    parts = [np.zeros((0, 7))]
    for found in predictions:
        boxes = np.asarray(found["bboxes"], dtype=np.float64).reshape(-1, 4)
        rows = np.empty((len(boxes), 7))
        rows[:, 0] = found["img_id"]
        rows[:, 1:3], rows[:, 3:5] = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
        rows[:, 5] = found["scores"]
        rows[:, 6] = np.asarray(category_ids)[found["labels"]]
        parts.append(rows)
    return np.concatenate(parts)
