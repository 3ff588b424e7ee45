"""Each value that a reader of COCO json may meet: what is reported against what mmdet does."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tid_tune.data.coco import tabulate
from tid_tune.data.findings import Findings
from tid_tune.openmmlab.coco_metric import CocoMetric
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.datasets import CocoDataset

TRUTH: dict[str, Any] = {
    "images": [
        {"id": number, "file_name": f"{number}.png", "width": 200, "height": 200}
        for number in (1, 2)
    ],
    "annotations": [
        {
            "id": number,
            "image_id": number,
            "category_id": 7,
            "bbox": [10, 10, 50, 50],
            "area": 2500,
            "iscrowd": 0,
        }
        for number in (1, 2)
    ],
    "categories": [{"id": 7, "name": "cat"}],
}
ALL_FOUND = ([1, 1], 1.0)
"""What mmdet makes of the file as it is: boxes to train on, and the mAP if all are found."""

MISSING = "(missing)"
VALUES: dict[str, tuple[object, ...]] = {
    "annotations.id": (1, 2**60, -4, 4.0, 0, "a", MISSING),
    "annotations.image_id": (1, 1.0, "1", 77, None, MISSING),
    "annotations.category_id": (7, 7.0, "7", 77, None, MISSING),
    "annotations.bbox": ([10, 10, 50, 50], [10.0, 10, 50, 50], ["10", 10, 50, 50], [1, 2], None),
    "annotations.area": (2500, 2500.0, 0, -1, "2500", None, MISSING),
    "annotations.iscrowd": (0, False, 0.0, 1, True, 2, 0.5, "0", None, MISSING),
    "annotations.ignore": (0, False, None, MISSING, 1, True, "0"),
    "images.width": (200, 200.0, "200", None, MISSING),
    "images.height": (200, 200.0, "200", None, MISSING),
}
CASES = [(key, value) for key, values in VALUES.items() for value in values]


def changed(key: str, value: object) -> dict[str, Any]:
    truth = copy.deepcopy(TRUTH)
    part, name = key.split(".")
    truth[part][0][name] = value
    if value == MISSING:
        del truth[part][0][name]
    return truth


def by_mmdet(truth: dict[str, Any], folder: Path) -> object:
    """Return the boxes trained on of each image and the mAP of right detections, or the failure."""
    path = folder / "truth.json"
    path.write_text(json.dumps(truth))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            dataset = CocoDataset(
                ann_file=str(path),
                data_prefix={"img": ""},
                metainfo={"classes": ("cat",)},
                pipeline=[],
            )
            metric = CocoMetric(ann_file=str(path), outfile_prefix=str(folder / "found"))
            metric.dataset_meta = {"classes": ("cat",)}
            found = metric.compute_metrics([({}, detection(image)) for image in (1, 2)])
    except Exception as error:
        return repr(error)
    records = [dataset.get_data_info(index) for index in range(len(dataset))]
    trained = [sum(not item["ignore_flag"] for item in record["instances"]) for record in records]
    return trained, found["bbox_mAP"]


def detection(image: int) -> dict[str, Any]:
    return {
        "img_id": image,
        "bboxes": np.array([[10, 10, 60, 60]], np.float32),
        "scores": np.array([0.9], np.float32),
        "labels": np.array([0]),
    }


@pytest.mark.parametrize(("key", "value"), CASES)
def test_what_changes_the_result_of_mmdet_is_reported_and_nothing_else(
    key: str, value: object, tmp_path: Path
) -> None:
    truth, findings = changed(key, value), Findings()
    table = tabulate(copy.deepcopy(truth), findings, "train")
    judged = by_mmdet(truth, tmp_path)
    meant = key == "annotations.iscrowd" and value in (1, True)
    no_area = key == "annotations.area" and value in (0, -1)  # a finding of `check_boxes`
    reported = bool(findings.all()) or (no_area and bool((table.areas <= 0).any()))
    assert reported == (judged != ALL_FOUND and not meant)
