"""Hits, alarms and misses of each image, and the images that are drawn, against slow loops."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy as np
import pytest
from support.analysis_scenes import random_detections, random_truth

from tid_tune.report.analysis.columns import Detections, Truth
from tid_tune.report.views.judged import differing_images, judge_images, worst_images


@dataclass
class Found:
    """What a loop finds of one image at one score."""

    hits: int = 0
    alarms: int = 0
    misses: int = 0
    total: float = 0.0

    @property
    def quality(self) -> float:
        base = self.hits + (self.alarms + self.misses) / 2
        return self.total / base if base else 1.0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(0.0, width) * max(0.0, height)
    return float(inter / (a[2] * a[3] + b[2] * b[3] - inter))


def cover(detection: np.ndarray, crowd: np.ndarray) -> float:
    width = min(detection[0] + detection[2], crowd[0] + crowd[2]) - max(detection[0], crowd[0])
    height = min(detection[1] + detection[3], crowd[1] + crowd[3]) - max(detection[1], crowd[1])
    return float(max(0.0, width) * max(0.0, height) / (detection[2] * detection[3]))


def slow(truth: Truth, detections: Detections, score: float) -> list[Found]:
    """Every image for itself: the best detections choose first, the object of the greatest IoU."""
    images = []
    for image in range(len(truth.image_ids)):
        found, taken = Found(), set()
        mine = [
            d
            for d in range(len(detections))
            if detections.image[d] == image and detections.scores[d] >= score
        ]
        for d in sorted(mine, key=lambda d: -detections.scores[d]):
            boxes = [
                b
                for b in range(len(truth.boxes))
                if truth.box_image[b] == image and truth.box_class[b] == detections.label[d]
            ]
            free = [
                (iou(detections.boxes[d], truth.boxes[b]), b)
                for b in boxes
                if not truth.crowd[b] and b not in taken
            ]
            best = max(free, default=(0.0, -1))
            if best[0] >= 0.5:
                found.hits, found.total = found.hits + 1, found.total + best[0]
                taken.add(best[1])
            elif all(
                cover(detections.boxes[d], truth.boxes[b]) < 0.5 for b in boxes if truth.crowd[b]
            ):
                found.alarms += 1
        objects = sum(
            truth.box_image[b] == image and not truth.crowd[b] for b in range(len(truth.boxes))
        )
        found.misses = objects - found.hits
        images.append(found)
    return images


@pytest.mark.parametrize("seed", range(4))
def test_every_image_is_judged_as_a_loop_judges_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    detections = random_detections(rng, truth, ties=False)
    judged = judge_images(truth, detections)
    expected = slow(truth, detections, judged.score)
    assert judged.hits.tolist() == [item.hits for item in expected]
    assert judged.alarms.tolist() == [item.alarms for item in expected]
    assert judged.misses.tolist() == [item.misses for item in expected]
    assert judged.quality == pytest.approx([item.quality for item in expected])
    for index, box in enumerate(judged.box.tolist()):
        one = judged.detections.boxes[index]
        others = np.flatnonzero(truth.box_image == judged.detections.image[index])
        wanted = [box] if box >= 0 else others
        best = max((iou(one, truth.boxes[b]) for b in wanted), default=0.0)
        assert judged.iou[index] == pytest.approx(best)


def test_a_model_counts_from_the_score_of_its_best_f1() -> None:
    rng = np.random.default_rng(7)
    truth = random_truth(rng, images=6, boxes=25)
    detections = random_detections(rng, truth, ties=False)
    f1 = {}
    for score in sorted(set(detections.scores.tolist()), reverse=True):
        found = slow(truth, detections, score)
        hits, alarms, misses = (
            sum(getattr(item, name) for item in found) for name in ("hits", "alarms", "misses")
        )
        f1[score] = 2 * hits / (2 * hits + alarms + misses)
    assert judge_images(truth, detections).score == max(f1, key=lambda score: f1[score])


def test_the_images_that_are_drawn_are_those_that_differ_most() -> None:
    rng = np.random.default_rng(3)
    truth = random_truth(rng, images=20, boxes=70)
    first, second = (judge_images(truth, random_detections(rng, truth)) for _ in range(2))
    objects = [int(((truth.box_image == i) & ~truth.crowd).sum()) for i in range(20)]
    least = statistics.median(count for count in objects if count)
    able = [image for image in range(20) if objects[image] >= least]
    by_change = sorted(able, key=lambda i: -abs(second.quality[i] - first.quality[i]))
    assert differing_images(first, second, 5) == by_change[:5]
    assert differing_images(first, first, 5) == []
    worst = sorted(range(20), key=lambda image: first.quality[image])
    assert worst_images(first, 4) == worst[:4]


def test_a_model_that_detects_nothing_misses_everything() -> None:
    truth = random_truth(np.random.default_rng(0), crowd=0.0)
    nothing = np.zeros(0, dtype=np.int64)
    judged = judge_images(truth, Detections(nothing, nothing, np.zeros((0, 4)), np.zeros(0)))
    assert math.isinf(judged.score)
    assert judged.missed.tolist() == list(range(len(truth.boxes)))
    assert judged.quality.tolist() == [0.0 if n else 1.0 for n in judged.misses]
