"""What a detector gets wrong: precision-recall curves as error types are forgiven one by one.

The diagnosis of Hoiem, Chodpathumwan and Dai (ECCV 2012) in the form COCO's analysis gives it, the
form of Figure 3 of the TID paper. Each stage forgives what the stages before it forgive and one
more error; the area under its curve can only grow:

- C75, C50: nothing; a hit needs an IoU of 0.75, of 0.5.
- Loc: poor localization; a hit needs an IoU of 0.1.
- Sim: confusion with a similar class. A detection that covers a box of another class of the same
  supercategory with at least 0.1 of its own area is left out, unless it is a hit.
- Oth: the same for boxes of every other class.
- BG: all that is left of false alarms (on background, and second detections of one object). The
  precision is 1 up to the recall that stage Oth reaches.
- FN: missed objects. The precision is 1 everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tid_tune.report.analysis.columns import Bools, Detections, Floats, Ints, Truth
from tid_tune.report.analysis.curves import in_order, mean, precision_by_class
from tid_tune.report.analysis.matching import AREAS, Pairs, find_pairs, match, priority

STAGES = ("C75", "C50", "Loc", "Sim", "Oth", "BG", "FN")
SHARES = ("Correct", "Loc", "Sim", "Oth", "BG", "FN")
FORGIVING_IOU = 0.1
MAX_DETECTIONS = 100
"""Detections of each image and class that count, as in COCO."""


@dataclass(frozen=True)
class Breakdown:
    """The curves of one model.

    Attributes:
        classes: K names.
        precision: [7, A, K, 101] by stage of `STAGES`, size range of `AREAS`, class and recall of
            `curves.RECALLS`; NaN for a class without boxes in that size range.
        similar: whether any two classes share a supercategory while not all do. Otherwise stage
            Sim equals stage Loc, and all confusion is Oth's.
    """

    classes: tuple[str, ...]
    precision: Floats
    similar: bool

    def areas_under_curve(self) -> Floats:
        """Return the area under each curve [7, A, K], in 0..1."""
        result: Floats = self.precision.mean(axis=-1)
        return result

    def shares(self, size: str = "all") -> dict[str, float]:
        """Return by how much each error type keeps the AP from 1; they sum to 1.

        `Correct` is the area under C50, each error type the growth its forgiveness brings. Means
        over the classes that have boxes; NaN if none has.
        """
        return dict(zip(SHARES, mean(self.class_shares(size), axis=0).tolist(), strict=True))

    def class_shares(self, size: str = "all") -> Floats:
        """Return the shares [K, 6] of each class; NaN for a class without boxes."""
        areas = self.areas_under_curve()[1:, list(AREAS).index(size)]
        return np.diff(areas, axis=0, prepend=0.0).T


def break_down(truth: Truth, detections: Detections) -> Breakdown:
    """Return the error breakdown of `detections`, over all size ranges."""
    detections = detections.best(MAX_DETECTIONS)
    ranks = detections.ranks()
    pairs = find_pairs(truth, detections, FORGIVING_IOU)
    similar, same_group = _groups(truth)
    detected = detections.label[pairs.detection]
    alike = pairs.foreign & same_group[detected, truth.box_class[pairs.box]]
    task = _Task(truth, detections, ranks, in_order(detections, ranks))
    curves = [task.stages(pairs, alike, low, high) for low, high in AREAS.values()]
    return Breakdown(truth.classes, np.stack(curves, axis=1), similar)


def _groups(truth: Truth) -> tuple[bool, Bools]:
    """Return whether 'similar' means anything, and which classes [K, K] are."""
    names = np.array(truth.groups)
    same = (names[:, None] == names[None, :]) & (names != "")[:, None]
    others = same & ~np.eye(len(names), dtype=bool)
    if not others.any() or same.all():
        return False, np.zeros_like(same)
    return True, same


@dataclass(frozen=True)
class _Task:
    truth: Truth
    detections: Detections
    ranks: Ints
    order: Ints

    def stages(self, pairs: Pairs, alike: Bools, low: float, high: float) -> Floats:
        """Return the precision [7, K, 101] in one range of sizes."""
        areas = self.truth.areas
        ignored = self.truth.crowd | (areas < low) | (areas > high)
        order = priority(pairs, ignored, self.ranks)
        pairs, alike = pairs[order], alike[order]
        own, near = pairs[~pairs.foreign], pairs[~pairs.foreign | alike]
        sides = self.detections.boxes[:, 2] * self.detections.boxes[:, 3]
        outside = (sides < low) | (sides > high)
        loose = FORGIVING_IOU
        plan = ((own, 0.75), (own, 0.5), (own, loose), (near, loose), (pairs, loose))
        curves = [self._curve(kept, iou, ignored, outside) for kept, iou in plan]
        missing = np.isnan(curves[-1])
        curves.append(np.where(missing, np.nan, curves[-1] > 0))
        curves.append(np.where(missing, np.nan, 1.0))
        return np.stack(curves)

    def _curve(self, pairs: Pairs, iou: float, ignored: Bools, outside: Bools) -> Floats:
        """Return the precision [K, 101]; `ignored` [M] boxes, `outside` [D] of the size range."""
        chosen = match(pairs, iou, self.ranks, len(ignored))
        matched = chosen >= 0
        on_ignored = np.zeros_like(matched)
        took = chosen[matched]
        on_ignored[matched] = ignored[pairs.box[took]] | pairs.crowd[took]
        counted = np.where(matched, ~on_ignored, ~outside)
        positives = np.bincount(self.truth.box_class[~ignored], minlength=len(self.truth.classes))
        order = self.order
        return precision_by_class(
            self.detections.label[order], matched[order], counted[order], positives
        )
