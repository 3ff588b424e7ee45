"""Ids, flags and empty results that mmdet's CocoMetric takes: the fast metric gives its values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.coco_metric import CocoMetric, FastCocoMetric
from tid_tune.report.analysis.ap import coco_table
from tid_tune.report.analysis.columns import Detections, truth_from_coco

Document = dict[str, Any]
Change = Callable[[Document], object]

CLASSES = ("cat", "dog", "unused")
TRUTH: Document = {
    "images": [{"id": i, "width": 200, "height": 200, "file_name": f"{i}.png"} for i in (1, 2, 3)],
    "annotations": [
        {
            "id": number,
            "image_id": number,
            "category_id": category,
            "bbox": [10, 10, 50, 50],
            "area": 2500,
            "iscrowd": 0,
        }
        for number, category in ((1, 7), (2, 3), (3, 7))
    ],
    "categories": [{"id": i, "name": n} for i, n in zip((7, 3, 9), CLASSES, strict=True)],
}
LABELS = (0, 1, 0)


def first(**changes: object) -> Change:
    return lambda truth: truth["annotations"][0].update(changes)


def image_ids(*new: object) -> Change:
    def change(truth: Document) -> None:
        for image, box, identity in zip(truth["images"], truth["annotations"], new, strict=True):
            image["id"] = box["image_id"] = identity

    return change


def category_ids(*new: object) -> Change:
    def change(truth: Document) -> None:
        names = dict(zip((7, 3, 9), new, strict=True))
        for category in truth["categories"]:
            category["id"] = names[category["id"]]
        for box in truth["annotations"]:
            box["category_id"] = names[box["category_id"]]

    return change


CHANGES: dict[str, Change] = {
    "nothing": first(),
    "image ids above 2^53": image_ids(2**53 + 1, 2**53 + 2, 2**53 + 3),
    "image ids above 2^64": image_ids(2**70 + 1, 2**70 + 2, 2**70 + 3),
    "image ids that are texts": image_ids("b", "a", "c"),
    "image ids that are fractions": image_ids(1.5, 2.5, 3.5),
    "negative image ids": image_ids(-1, 0, 5),
    "category ids that are texts": category_ids("x", "y", "z"),
    "category ids above 2^53": category_ids(2**60 + 1, 2**60 + 2, 2**60 + 3),
    "annotation id 0": first(id=0),
    "a negative annotation id": first(id=-5),
    "an annotation id above 2^53": first(id=2**60 + 1),
    "an annotation id with a fraction": first(id=4.0),
    "equal annotation ids": first(id=2),
    "an image id of another kind": first(image_id="1"),
    "an image that is not listed": first(image_id=77),
    "a category that is not listed": first(category_id=77),
    "iscrowd 1": first(iscrowd=1),
    "iscrowd true": first(iscrowd=True),
    "iscrowd 2": first(iscrowd=2),
    "iscrowd '0'": first(iscrowd="0"),
    "iscrowd 0.5": first(iscrowd=0.5),
    "ignore 1": first(ignore=1),
    "area 0": first(area=0),
}


def results(ids: Sequence[object]) -> list[Any]:
    """One right and one wrong detection an image."""
    boxes = np.array([[10, 10, 60, 60], [100, 100, 150, 150]], np.float32)
    return [
        (
            {"img_id": identity, "width": 200, "height": 200},
            {
                "img_id": identity,
                "bboxes": boxes,
                "scores": np.array([0.5, 0.9], np.float32),
                "labels": np.array([label, label]),
            },
        )
        for identity, label in zip(ids, LABELS, strict=True)
    ]


def compute(kind: type, truth: Document, folder: Path, found: list[Any]) -> dict[str, float]:
    path = folder / "truth.json"
    path.write_text(json.dumps(truth))
    metric = kind(ann_file=str(path), metric="bbox")
    metric.dataset_meta = {"classes": CLASSES}
    values: dict[str, float] = metric.compute_metrics(found)
    return values


@pytest.mark.parametrize("name", CHANGES)
def test_the_values_are_those_of_mmdets_metric(name: str, tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    CHANGES[name](truth)
    found = results([image["id"] for image in truth["images"]])
    expected = compute(CocoMetric, copy.deepcopy(truth), tmp_path, found)
    assert expected["bbox_mAP"] > 0.2
    ours = compute(FastCocoMetric, truth, tmp_path, found)
    assert ours == pytest.approx(expected, abs=5.1e-4)


@pytest.mark.parametrize("name", [name for name in CHANGES if " ids " in name])
def test_the_analysis_takes_the_same_ids(name: str, tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    CHANGES[name](truth)
    expected = compute(CocoMetric, truth, tmp_path, results([i["id"] for i in truth["images"]]))
    columns = truth_from_coco(truth, CLASSES)
    places = [columns.image_ids.index(image["id"]) for image in truth["images"]]
    detections = Detections(
        np.repeat(places, 2),
        np.repeat(LABELS, 2),
        np.tile(np.array([[10.0, 10, 50, 50], [100, 100, 50, 50]]), (3, 1)),
        np.tile([0.5, 0.9], 3),
    )
    overall = coco_table(columns, detections).overall()
    assert overall["AP"] == pytest.approx(expected["bbox_mAP"], abs=5.1e-4)
    assert {row["image_id"] for row in detections.as_coco(columns)} == set(columns.image_ids)


def test_empty_results_of_mmdets_own_test_are_taken(tmp_path: Path) -> None:
    """A detector that finds nothing gives labels of a type for fractions, as `torch.tensor([])`."""
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(TRUTH))
    metric = FastCocoMetric(ann_file=str(path), metric="bbox")
    metric.dataset_meta = {"classes": CLASSES}
    empty = {
        "bboxes": torch.zeros((0, 4)),
        "scores": torch.tensor([]),
        "labels": torch.tensor([]),
    }
    metric.process({}, [{"pred_instances": empty, "img_id": 1, "ori_shape": (200, 200)}])
    assert metric.evaluate(size=1)["coco/bbox_mAP"] == 0.0


def test_a_label_without_a_category_is_one_message(tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    for category in truth["categories"][1:]:
        category["name"] += "?"
    with pytest.raises(ConfigError, match=r"label 1, .*metainfo\.classes"):
        compute(FastCocoMetric, truth, tmp_path, results([1, 2, 3])[:2])


def test_an_image_that_the_file_lacks_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"image 9 .*val_evaluator"):
        compute(FastCocoMetric, TRUTH, tmp_path, results([1, 2, 9]))
