"""AP tables against pycocotools and mmdet's own metrics on the same detections."""

from __future__ import annotations

import contextlib
import io
import json
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.analysis_scenes import coco_rows, pycoco, random_detections, random_truth

from tid_tune.openmmlab.detector_types import InstanceInfo
from tid_tune.openmmlab.setup import prepare
from tid_tune.report.analysis.ap import coco_table
from tid_tune.report.analysis.columns import Detections, truth_from_coco, truth_from_instances
from tid_tune.report.analysis.voc import voc_ap, voc_map


@pytest.mark.parametrize("seed", range(3))
def test_the_table_is_pycocotools_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    detections = random_detections(rng, truth, per_box=12 if seed == 0 else 3)
    reference = pycoco(truth, coco_rows(truth), detections.as_coco(truth))
    with contextlib.redirect_stdout(io.StringIO()):
        reference.summarize()
    table = coco_table(truth, detections)
    expected = np.where(reference.stats < 0, np.nan, reference.stats)
    np.testing.assert_allclose(list(table.overall().values()), expected, atol=1e-9)
    precision = reference.eval["precision"][..., 0, -1]
    for index, ap in enumerate(table.by_class()["AP"]):
        own = precision[:, :, index]
        assert ap == pytest.approx(own[own > -1].mean())


@pytest.mark.parametrize("seed", range(2))
def test_every_curve_and_recall_behind_the_table_is_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    detections = random_detections(rng, truth)
    reference = pycoco(truth, coco_rows(truth), detections.as_coco(truth)).eval
    precision, recall = (
        np.where(reference[name] < 0, np.nan, reference[name]) for name in ("precision", "recall")
    )
    table = coco_table(truth, detections)
    np.testing.assert_allclose(table.precision, precision[..., -1], atol=1e-12)
    np.testing.assert_allclose(table.recall, recall, atol=1e-12)
    for iou, place in ((0.5, 0), (0.75, 5)):
        own = precision[place, :, :, 0, -1]
        np.testing.assert_allclose(table.curve(iou), np.nanmean(own, axis=1), atol=1e-12)
        by_class = table.by_class()[f"AP{round(100 * iou)}"]
        np.testing.assert_allclose(by_class, own.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(
        table.by_class()["AR_100"], recall[:, :, 0, -1].mean(axis=0), atol=1e-12
    )


def test_no_detections_are_zero_ap_and_absent_classes_are_nan() -> None:
    truth = random_truth(np.random.default_rng(0), boxes=4, crowd=0.0)
    nothing = Detections(
        np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros((0, 4)), np.zeros(0)
    )
    table = coco_table(truth, nothing)
    assert table.overall()["AP"] == 0
    by_class = table.by_class()["AP"]
    assert np.isnan(by_class[truth.counts() == 0]).all()
    assert (by_class[truth.counts() > 0] == 0).all()


def test_the_truth_of_a_coco_file_follows_its_categories_not_the_configs_order() -> None:
    document = {
        "images": [{"id": 9}, {"id": 4}],
        "categories": [
            {"id": 30, "name": "cat", "supercategory": "animal"},
            {"id": 20, "name": "unused"},
            {"id": 10, "name": "bus"},
        ],
        "annotations": [
            {"id": 0, "image_id": 9, "category_id": 10, "bbox": [1, 2, 3, 4], "iscrowd": 1},
            {"id": 1, "image_id": 4, "category_id": 30, "bbox": [1, 2, 3, 4], "area": 5.0},
            {"id": 2, "image_id": 4, "category_id": 20, "bbox": [1, 2, 3, 4]},
        ],
    }
    truth = truth_from_coco(document, ["bus", "cat"])
    assert truth.classes == ("cat", "bus")
    assert truth.groups == ("animal", "")
    assert truth.category_ids.tolist() == [30, 10]
    assert truth.image_ids == (4, 9)
    assert truth.box_image.tolist() == [1, 0]
    assert truth.areas.tolist() == [12.0, 5.0]
    assert truth.crowd.tolist() == [True, False]
    assert truth.counts().tolist() == [1, 0]
    only = truth.only(np.array([1]))
    assert (only.image_ids, only.box_image.tolist(), only.box_class.tolist()) == ((9,), [0], [1])


def corners_of(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def voc_scene(seed: int) -> tuple[Any, ...]:
    """Boxes on whole pixels, and detections in single precision, as mmdet has both."""
    rng = np.random.default_rng(seed)
    scene = random_truth(rng, images=6, boxes=40, classes=4)
    corners = np.round(corners_of(scene.boxes))
    images: list[tuple[str, list[InstanceInfo]]] = [
        (
            f"{image:06d}",
            [
                {
                    "bbox": corners[row].tolist(),
                    "bbox_label": int(scene.box_class[row]),
                    "ignore_flag": int(scene.crowd[row]),
                }
                for row in np.flatnonzero(scene.box_image == image)
            ],
        )
        for image in range(len(scene.image_ids))
    ]
    truth = truth_from_instances(images, scene.classes)
    detections = random_detections(rng, truth, ties=False)
    return truth, Detections(
        detections.image,
        detections.label,
        detections.boxes.astype(np.float32).astype(np.float64),
        detections.scores,
    )


@pytest.mark.parametrize("mode", ["11points", "area"])
@pytest.mark.parametrize("seed", range(2))
def test_voc_ap_is_mmdets(seed: int, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    from mmdet.evaluation import eval_map

    monkeypatch.setattr("mmdet.evaluation.functional.mean_ap.Pool", ThreadPool)

    truth, detections = voc_scene(seed)
    corners = corners_of(truth.boxes)
    found = np.concatenate([corners_of(detections.boxes), detections.scores[:, None]], axis=1)
    wanted, results = [], []
    for image in range(len(truth.image_ids)):
        here = truth.box_image == image
        wanted.append(
            {
                "bboxes": corners[here & ~truth.crowd],
                "labels": truth.box_class[here & ~truth.crowd],
                "bboxes_ignore": corners[here & truth.crowd],
                "labels_ignore": truth.box_class[here & truth.crowd],
            }
        )
        of_image = detections.image == image
        results.append(
            [found[of_image & (detections.label == k)] for k in range(len(truth.classes))]
        )
    expected, by_class = eval_map(
        results, wanted, iou_thr=0.5, eval_mode=mode, use_legacy_coordinate=True, logger="silent"
    )
    mine = voc_ap(truth, detections)
    np.testing.assert_allclose(
        mine[mode], [row["ap"] if row["num_gts"] else np.nan for row in by_class], atol=1e-6
    )
    assert voc_map(mine)[mode] == pytest.approx(expected, abs=1e-6)


def test_result_rows_carry_the_files_own_ids() -> None:
    truth = random_truth(np.random.default_rng(0))
    row = random_detections(np.random.default_rng(1), truth).as_coco(truth)[0]
    assert json.loads(json.dumps(row)) == row
    assert row["category_id"] in truth.category_ids
    assert row["image_id"] in truth.image_ids
