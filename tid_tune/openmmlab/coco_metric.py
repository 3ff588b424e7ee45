"""mmdet's COCO metric, computed in C++ from arrays and not rounded.

mmdet writes the detections to JSON, reads them back, matches them in Python, and rounds to three
digits; for a small validation set that is most of an evaluation's time, and two trials 0.0004 apart
look alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from faster_coco_eval.core.coco import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster
from numpy.typing import NDArray

from tid_tune import warm
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.registries import METRICS
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.datasets.api_wrappers import COCO as CocoFile
    from mmdet.evaluation import CocoMetric

__all__ = ["CocoMetric", "FastCocoMetric"]


Id = int | str
Annotation = dict[str, Any]


class Predicted(TypedDict):
    """Mmdet's record of one image's detections."""

    img_id: Id
    bboxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


_HEADLINE_DETECTIONS = 100
_OF_A_BOX = ("bbox", "area", "iscrowd")
"""What is read of an annotation, beside its ids; polygons would be most of the memory."""
_AREAS = {"mAP_s": 1, "mAP_m": 2, "mAP_l": 3}


@METRICS.register_module()
class FastCocoMetric(CocoMetric):  # type: ignore[misc]  # mmdet is untyped
    """A `CocoMetric` of boxes; anything else it is asked for is left to mmdet's own code.

    Returns mmdet's keys (`bbox_mAP`, `bbox_mAP_50`, `_75`, `_s`, `_m`, `_l`); -1 where there is no
    object to find, as in COCO.
    """

    _truth: _Truth | None = None

    def __init__(self, ann_file: str | None = None, *args: Any, **options: Any) -> None:
        super().__init__(None, *args, **options)
        if ann_file is not None and not self._is_special():
            self._truth = _known_truth(ann_file, self.backend_args, options)
        if self._truth is None:
            super().__init__(ann_file, *args, **options)
        else:
            self._coco_api = self._truth.names

    def _is_special(self) -> bool:
        """Return whether something is asked for that is left to mmdet's own code."""
        others = self.format_only or self.classwise or self.metric_items or self.outfile_prefix
        return bool(others) or self.metrics != ["bbox"]

    def compute_metrics(
        self, results: list[tuple[Mapping[str, object], Predicted]]
    ) -> dict[str, float]:
        """Compute the metrics of (ground truth, prediction) pairs, one per image.

        Raises:
            ConfigError: the annotations lack a class or an image that was detected on.
        """
        if self._is_special() or self._coco_api is None:
            return self._by_mmdet(results)
        if self._truth is None:
            self._truth = _numbered(self._coco_api)
        if self._truth is None:
            return self._by_mmdet(results)
        self.cat_ids = self._coco_api.get_cat_ids(cat_names=self.dataset_meta["classes"])
        rows = self._truth.rows([found for _, found in results], self.cat_ids)
        matching = COCOeval_faster(
            self._truth.objects, self._truth.detected(rows), "bbox", print_function=_silent
        )
        matching.params.catIds = [self._truth.categories[identity] for identity in self.cat_ids]
        matching.params.imgIds = list(self._truth.images.values())
        matching.params.maxDets = self.proposal_nums
        matching.params.iouThrs = self.iou_thrs
        matching.evaluate()
        matching.accumulate()
        return self._summary(np.asarray(matching.eval["precision"]))

    def _by_mmdet(self, results: list[tuple[Mapping[str, object], Predicted]]) -> dict[str, float]:
        metrics: dict[str, float] = super().compute_metrics(results)
        return metrics

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


@dataclass(frozen=True)
class _Truth:
    """Ground truth whose images and categories are numbered from 1, in the order of their ids.

    The ids of a file may be any whole numbers or texts; the evaluation takes small numbers only.
    """

    objects: COCO
    images: dict[Id, int]
    categories: dict[Id, int]
    names: Any
    """mmdet's index of the categories alone, which finds ids by name."""

    def rows(self, predictions: list[Predicted], category_ids: list[Id]) -> list[Annotation]:
        """Return an annotation for every detection; label n is of the n-th of `category_ids`."""
        rows: list[Annotation] = []
        numbers = [self.categories[identity] for identity in category_ids]
        for found in predictions:
            boxes = np.asarray(found["bboxes"], dtype=np.float64).reshape(-1, 4)
            sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
            # mmdet's labels are of a type for fractions where nothing was found.
            labels = np.asarray(found["labels"]).astype(np.int64)
            image = self.images.get(found["img_id"])
            if len(labels) and image is None:
                raise ConfigError(
                    f"image {found['img_id']!r} of val_dataloader is not in the file of "
                    "val_evaluator; set both ann_file to the same file"
                )
            if len(labels) and labels.max() >= len(numbers):
                raise ConfigError(
                    f"the detector found label {labels.max()}, but only {len(numbers)} of the "
                    "names in metainfo.classes of val_dataloader are categories of the file of "
                    "val_evaluator; write the names as in the file"
                )
            columns = (labels.tolist(), sides.tolist(), np.asarray(found["scores"]).tolist())
            for label, box, score in zip(*columns, strict=True):
                rows.append(
                    {
                        "id": len(rows) + 1,
                        "image_id": image,
                        "category_id": numbers[label],
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                        "score": score,
                    }
                )
        return rows

    def detected(self, rows: list[Annotation]) -> COCO:
        """Return the detections as the evaluation takes them."""
        return _coco(len(self.images), self.categories, rows)


_TRUTHS: warm.Store[tuple[_Truth | None]] = warm.Store(limit=2)


def _known_truth(
    file: str, backend: Mapping[str, object] | None, options: Mapping[str, object]
) -> _Truth | None:
    """Return the ground truth of a file, read once per process and content of the file.

    An evaluation writes `ignore`, which it works out anew each time, and nothing else into it.
    """
    ordered = {"sort_categories": bool(options.get("sort_categories", False))}

    def key() -> Hashable | None:
        state = None if backend else warm.file_key(file)
        return None if state is None else (state, ordered["sort_categories"])

    def read() -> tuple[_Truth | None]:
        return (_numbered(CocoMetric(file, backend_args=backend, **ordered)._coco_api),)

    return _TRUTHS.get(key, read)[0]


def _numbered(source: Any) -> _Truth | None:
    """Return images and categories numbered anew; None for what mmdet's own code has to judge.

    These are ids of mixed kinds and flags other than 0 and 1.
    """
    document = source.dataset
    try:
        image_ids = sorted({image["id"] for image in document["images"]})
        category_ids = sorted({category["id"] for category in document["categories"]})
    except TypeError:
        return None
    images = {identity: number for number, identity in enumerate(image_ids, start=1)}
    categories = {identity: number for number, identity in enumerate(category_ids, start=1)}
    rows: list[Annotation] = []
    for entry in document.get("annotations", ()):
        # Of equal ids, pycocotools takes the last annotation every time.
        row = source.anns[entry["id"]]
        image, category = images.get(row["image_id"]), categories.get(row["category_id"])
        if image is None or category is None:
            continue
        if row.get("iscrowd", 0) not in (0, 1):
            return None
        # A box of id 0 cannot be matched in pycocotools, which takes 0 for "none".
        identity = 0 if row["id"] == 0 else len(rows) + 1
        kept = {name: row[name] for name in _OF_A_BOX if name in row}
        rows.append({**kept, "id": identity, "image_id": image, "category_id": category})
    names = CocoFile()
    names.dataset = {"categories": document["categories"]}
    return _Truth(_coco(len(images), categories, rows), images, categories, names)


def _coco(images: int, categories: Mapping[Id, int], rows: list[Annotation]) -> COCO:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an id 0, which `data check` reports
        return COCO(
            {
                "images": [{"id": number + 1} for number in range(images)],
                "categories": [{"id": number} for number in categories.values()],
                "annotations": rows,
            }
        )
