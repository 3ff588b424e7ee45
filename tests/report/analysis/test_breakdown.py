"""The error breakdown against pycocotools on altered ground truth, and against hand-made cases."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.analysis_scenes import coco_rows, pycoco, random_detections, random_truth

from tid_tune.report.analysis.breakdown import FORGIVING_IOU, SHARES, STAGES, break_down
from tid_tune.report.analysis.columns import Detections, Truth
from tid_tune.report.analysis.matching import AREAS


def reference(
    truth: Truth, detections: Detections, forgiven: Callable[[int], list[int]] | None = None
) -> NDArray[np.float64]:
    """Precision [3, 101, K, 4] at IoU .75, .5, .1 by pycocotools.

    For each class, boxes of the classes `forgiven(k)` are made crowd boxes of that class.
    """
    results = detections.as_coco(truth)
    parameters = {"iouThrs": np.array([FORGIVING_IOU, 0.5, 0.75]), "maxDets": [100]}
    if forgiven is None:
        evaluation = pycoco(truth, coco_rows(truth), results, **parameters)
        return evaluation.eval["precision"][::-1, ..., 0]
    parts = []
    for index, number in enumerate(truth.category_ids.tolist()):
        rows = copy.deepcopy(coco_rows(truth))
        for row in rows:
            if row["category_id"] in forgiven(index):
                row.update(category_id=number, iscrowd=1, ignore=1)
        own = [row for row in results if row["category_id"] == number]
        if not own:
            own = [{**results[0], "category_id": number, "score": 0.0, "bbox": [0, 0, 0, 0]}]
        evaluation = pycoco(truth, rows, own, catIds=[number], **parameters)
        parts.append(evaluation.eval["precision"][::-1, :, 0, :, 0])
    return np.stack(parts, axis=2)


def same_group(truth: Truth) -> Callable[[int], list[int]]:
    def forgiven(index: int) -> list[int]:
        return [
            int(truth.category_ids[other])
            for other in range(len(truth.classes))
            if other != index and truth.groups[index] and truth.groups[other] == truth.groups[index]
        ]

    return forgiven


def all_others(truth: Truth) -> Callable[[int], list[int]]:
    return lambda index: [int(n) for k, n in enumerate(truth.category_ids) if k != index]


def as_ours(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """[101, K, A] with -1 for absent, to [A, K, 101] with NaN."""
    return np.where(precision < 0, np.nan, precision).transpose(2, 1, 0)


@pytest.mark.parametrize("seed", range(3))
def test_every_stage_is_what_pycocotools_says_of_the_altered_ground_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    detections = random_detections(rng, truth)
    plain = reference(truth, detections)
    sim = reference(truth, detections, same_group(truth))[2]
    oth = reference(truth, detections, all_others(truth))[2]
    result = break_down(truth, detections)
    assert result.similar
    for stage, expected in enumerate([*plain, sim, oth]):
        np.testing.assert_allclose(
            result.precision[stage], as_ours(expected), atol=1e-12, err_msg=STAGES[stage]
        )
    there = ~np.isnan(result.precision[4])
    assert ((result.precision[5] == 1) == (as_ours(oth) > 0))[there].all()
    assert (result.precision[6][there] == 1).all()


def test_more_than_a_hundred_detections_of_a_class_are_cut_as_coco_cuts() -> None:
    rng = np.random.default_rng(3)
    truth = random_truth(rng, images=2, classes=2)
    detections = random_detections(rng, truth, per_box=9)
    assert np.bincount(detections.image * 2 + detections.label).max() > 100
    np.testing.assert_allclose(
        break_down(truth, detections).precision[1],
        as_ours(reference(truth, detections)[1]),
        atol=1e-12,
    )


BOX = [10.0, 10.0, 40.0, 40.0]
HALF_OFF = [30.0, 10.0, 40.0, 40.0]
"""IoU 1/3 with BOX."""
ELSEWHERE = [100.0, 100.0, 40.0, 40.0]


def scene(
    boxes: list[Any], detected: list[Any], groups: tuple[str, ...] = ("animal", "animal", "thing")
) -> tuple[Truth, Detections]:
    """`boxes`: (class, box); `detected`: (class, box, score), all in one image."""
    sides = np.array([box for _, box in boxes])
    truth = Truth(
        ("cat", "dog", "cup"),
        groups,
        np.array([0, 1, 2], dtype=object),
        (0,),
        np.zeros(len(boxes), dtype=np.int64),
        np.array([label for label, _ in boxes]),
        sides,
        sides[:, 2] * sides[:, 3],
        np.zeros(len(boxes), dtype=bool),
    )
    return truth, Detections(
        np.zeros(len(detected), dtype=np.int64),
        np.array([label for label, _, _ in detected], dtype=np.int64),
        np.array([box for _, box, _ in detected]).reshape(-1, 4),
        np.array([score for _, _, score in detected]),
    )


@pytest.mark.parametrize(
    ("error", "boxes", "detected"),
    [
        ("Correct", [(0, BOX)], [(0, BOX, 0.9)]),
        ("Loc", [(0, BOX)], [(0, HALF_OFF, 0.9)]),
        ("FN", [(0, BOX)], []),
    ],
)
def test_one_error_alone_takes_the_whole_share(
    error: str, boxes: list[Any], detected: list[Any]
) -> None:
    shares = break_down(*scene(boxes, detected)).shares()
    assert shares.pop(error) == pytest.approx(1.0)
    assert list(shares.values()) == pytest.approx([0.0] * 5)


@pytest.mark.parametrize(
    ("error", "boxes", "false_alarm"),
    [
        ("Sim", [(0, BOX), (1, ELSEWHERE)], (0, ELSEWHERE, 0.95)),
        ("Oth", [(0, BOX), (2, ELSEWHERE)], (0, ELSEWHERE, 0.95)),
        ("BG", [(0, BOX)], (0, ELSEWHERE, 0.95)),
    ],
)
def test_a_better_scored_false_alarm_costs_half_the_precision_until_forgiven(
    error: str, boxes: list[Any], false_alarm: bool
) -> None:
    # The false alarm comes first, then the one hit: precision 1/2 for its class.
    found = [(label, box, 0.9) for label, box in boxes]
    result = break_down(*scene(boxes, [*found, false_alarm])).class_shares()[0]
    shares = dict(zip(SHARES, result, strict=True))
    assert shares["Correct"] == pytest.approx(0.5)
    assert shares[error] == pytest.approx(0.5)
    assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("groups", [("", "", ""), ("one",) * 3, ("a", "b", "c")])
def test_without_telling_supercategories_all_confusion_is_oths(groups: tuple[str, ...]) -> None:
    boxes = [(0, BOX), (1, ELSEWHERE)]
    found = [(0, BOX, 0.9), (1, ELSEWHERE, 0.9), (0, ELSEWHERE, 0.95)]
    result = break_down(*scene(boxes, found, groups))
    assert not result.similar
    assert result.shares()["Sim"] == 0.0
    assert result.shares()["Oth"] == pytest.approx(0.25)


def test_shares_sum_to_one_in_every_size_range_and_only_grow() -> None:
    rng = np.random.default_rng(7)
    truth = random_truth(rng)
    result = break_down(truth, random_detections(rng, truth))
    for size in AREAS:
        assert sum(result.shares(size).values()) == pytest.approx(1.0)
    assert (np.diff(np.nan_to_num(result.areas_under_curve()), axis=0) >= -1e-12).all()


def test_the_order_of_images_and_detections_without_ties_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    truth = random_truth(rng)
    detections = random_detections(rng, truth, ties=False)
    shuffle = rng.permutation(len(detections))
    shuffled = Detections(
        detections.image[shuffle],
        detections.label[shuffle],
        detections.boxes[shuffle],
        detections.scores[shuffle],
    )
    np.testing.assert_array_equal(
        break_down(truth, detections).precision, break_down(truth, shuffled).precision
    )
