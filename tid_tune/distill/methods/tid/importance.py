"""DIEM, the Dual-Task Importance Evaluation Module of TID: how important is a point.

A detector is judged at every point of its pyramid by both of its sub-tasks: does its box overlap
an object (localization), and does it name that object's class (classification)? Each answer is
one of three discrete scores; their product is the point's importance.

Sources. The product of discrete scores, the levels 2 / 1.5 / 0.4 of the localization score, and
the comparison with the class of the overlapped object are taken from published reviews of the
paper (arXiv 2404.01699); that the thresholds are the detector's own is stated by the paper. Levels
and cut-offs of the classification score, its rule (`cls_rule`: by probability, or whether the
object's class is the highest one), the score of points without an object and the choice among
several boxes at a point are [ours].
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tid_tune.detectors.iou_rules import IoURule
from tid_tune.distill.evidence import Evidence
from tid_tune.distill.methods.tid.codes import LEVELS, level_codes
from tid_tune.distill.methods.tid.settings import TIDSettings


@dataclass(frozen=True)
class Importance:
    """The importance of every point of a batch.

    `code` (N, P) int64 stands for the discrete scores, see `TIDSettings.products`. `evidence`
    (N, P) float32 is the product of the IoU and the probability behind them; it orders points of
    equal score.
    """

    code: Tensor
    evidence: Tensor


def evaluate_importance(evidence: Evidence, rule: IoURule, settings: TIDSettings) -> Importance:
    """Return the importance of every point for one detector, without gradient.

    A point that overlaps no object has the low score in both tasks.
    """
    overlap, probability = evidence.iou, evidence.probability
    touching = overlap > 0
    if settings.tasks == "regression":
        return Importance(level_codes(overlap, *rule.at(evidence.matched)) * touching, overlap)
    if settings.cls_rule == "argmax":
        named = evidence.highest.long() * (LEVELS - 1)
    else:
        named = level_codes(probability, settings.cls_pos, settings.cls_neg)
    if settings.tasks == "classification":
        return Importance(named * touching, probability * touching)
    placed = level_codes(overlap, *rule.at(evidence.matched))
    return Importance((placed * LEVELS + named) * touching, overlap * probability)
