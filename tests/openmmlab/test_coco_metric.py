"""The fast metric against mmdet's own, which uses pycocotools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tid_tune.openmmlab.setup import prepare

prepare()

from mmdet.evaluation import CocoMetric  # noqa: E402

from tid_tune.openmmlab.coco_metric import FastCocoMetric  # noqa: E402

CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 9, "name": "unused"}]


def scene(
    tmp_path: Path, seed: int, crowd: bool = True, images: int = 12
) -> tuple[Path, list[Any]]:
    """Ground truth of all COCO sizes, and detections near it and elsewhere."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    results: list[Any] = []
    for image in range(images):
        boxes, scores, labels = [np.zeros((0, 4))], [], []
        for _ in range(rng.integers(0, 7)):
            w, h = np.exp(rng.uniform(np.log(8), np.log(150), 2))
            x, y = rng.uniform(0, 100, 2)
            label = int(rng.integers(2))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image + 50,
                    "category_id": CATEGORIES[label]["id"],
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": int(crowd and rng.random() < 0.1),
                }
            )
            for _ in range(rng.integers(0, 3)):
                noise = rng.normal(0, 0.08, 4) * [w, h, w, h]
                boxes.append((np.array([x, y, x + w, y + h]) + noise)[None])
                scores.append(np.round(rng.random(), 1))  # with ties
                labels.append(label if rng.random() < 0.8 else 1 - label)
        found = {
            "img_id": image + 50,
            "bboxes": np.concatenate(boxes).astype(np.float32),
            "scores": np.array(scores, dtype=np.float32),
            "labels": np.array(labels, dtype=np.int64),
        }
        results.append(({"img_id": image + 50, "width": 256, "height": 256}, found))
    truth = {
        "images": [{"id": i + 50, "width": 256, "height": 256} for i in range(images)],
        "annotations": annotations,
        "categories": CATEGORIES,
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    return tmp_path / "truth.json", results


def compute(
    kind: type,
    path: Path,
    results: list[Any],
    classes: tuple[str, ...] = ("cat", "dog", "unused"),
    **options: Any,
) -> dict[str, float]:
    metric = kind(ann_file=str(path), metric="bbox", **options)
    metric.dataset_meta = {"classes": classes}
    return metric.compute_metrics(results)


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_mmdets_metric_to_its_three_digits(tmp_path: Path, seed: int) -> None:
    path, results = scene(tmp_path, seed)
    found, expected = compute(FastCocoMetric, path, results), compute(CocoMetric, path, results)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=5.1e-4), name
    assert found["bbox_mAP"] > 0.1


def test_it_does_not_round(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 0)
    assert (
        compute(FastCocoMetric, path, results)["bbox_mAP"]
        != compute(CocoMetric, path, results)["bbox_mAP"]
    )


def test_a_subset_and_another_order_of_classes_is_mapped_by_name(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 1)
    for classes in (("dog", "cat"), ("cat",)):
        kept = []
        for truth, found in results:
            mask = found["labels"] < len(classes)
            kept.append((truth, {k: v if k == "img_id" else v[mask] for k, v in found.items()}))
        found = compute(FastCocoMetric, path, kept, classes)
        expected = compute(CocoMetric, path, kept, classes)
        assert found["bbox_mAP"] == pytest.approx(expected["bbox_mAP"], abs=5.1e-4)


def test_no_detection_at_all_is_zero(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 2)
    empty = {"bboxes": np.zeros((0, 4)), "scores": np.zeros(0), "labels": np.zeros(0, dtype=int)}
    none = [(truth, {**found, **empty}) for truth, found in results]
    assert compute(FastCocoMetric, path, none)["bbox_mAP"] == 0.0


def test_a_second_evaluation_is_not_changed_by_the_first(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 3)
    metric = FastCocoMetric(ann_file=str(path), metric="bbox")
    metric.dataset_meta = {"classes": ("cat", "dog", "unused")}
    first = metric.compute_metrics(results)
    metric.compute_metrics(results[:3])
    assert metric.compute_metrics(results) == first


def test_what_it_does_not_know_is_left_to_mmdet(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 0)
    found = compute(FastCocoMetric, path, results, metric_items=["mAP", "AR@100"])
    assert found == compute(CocoMetric, path, results, metric_items=["mAP", "AR@100"])


def test_the_file_is_read_once_and_evaluations_leave_the_truth_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, results = scene(tmp_path, 3)
    first = compute(FastCocoMetric, path, results)
    compute(FastCocoMetric, path, results[:3], ("dog", "cat"), iou_thrs=[0.5])
    loads: list[str] = []
    monkeypatch.setattr(json, "load", lambda file: loads.append(file.name))
    assert compute(FastCocoMetric, path, results) == first
    assert loads == []


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 3)
    first = compute(FastCocoMetric, path, results)
    scene(tmp_path, 4)
    assert compute(FastCocoMetric, path, results) != first


def test_what_is_left_to_mmdet_has_the_whole_file(tmp_path: Path) -> None:
    path, results = scene(tmp_path, 3)
    compute(FastCocoMetric, path, results)
    options: dict[str, Any] = {"metric_items": ["mAP", "AR@100"]}
    found = compute(FastCocoMetric, path, results, **options)
    assert found == compute(CocoMetric, path, results, **options)
    metric = FastCocoMetric(ann_file=str(path), sort_categories=True)
    assert metric._coco_api.get_cat_ids(cat_names=("cat", "dog")) == [3, 7]
