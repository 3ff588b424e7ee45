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

import torch
from torch import Tensor

from tid_tune.detectors.iou_rules import IoURule
from tid_tune.distill.evidence import Evidence
from tid_tune.distill.methods.tid.settings import TIDSettings


@dataclass(frozen=True)
class Importance:
    """The importance of every point of a batch.

    `score` (N, P) is the product of the discrete scores. `evidence` (N, P) is the product of the
    IoU and the probability behind them; it orders points of equal score.
    """

    score: Tensor
    evidence: Tensor


def evaluate_importance(evidence: Evidence, rule: IoURule, settings: TIDSettings) -> Importance:
    """Return the importance of every point for one detector; float32 and without gradient.

    A point that overlaps no object has the low score in both tasks.
    """
    overlap, matched, probability = evidence.iou, evidence.matched, evidence.probability
    touching = overlap > 0
    score = torch.ones_like(overlap)
    order = touching.to(overlap.dtype)
    if settings.tasks != "classification":
        score = score * _discrete(overlap, *rule.at(matched), touching, settings)
        order = overlap
    if settings.tasks != "regression":
        named = probability
        if settings.cls_rule == "argmax":  # 1 or 0: high or low, whatever the cut-offs
            named = evidence.highest.to(probability.dtype)
        cuts = (settings.cls_pos, settings.cls_neg) if named is probability else (1.0, 0.0)
        score = score * _discrete(named, *cuts, touching, settings)
        order = order * probability
    return Importance(score, order)


def _discrete(
    value: Tensor,
    positive: Tensor | float,
    negative: Tensor | float,
    touching: Tensor,
    settings: TIDSettings,
) -> Tensor:
    """Return the high score from `positive` on, the middle one above `negative`, else the low."""
    low = torch.full_like(value, settings.score_low)
    score = torch.where(value > negative, settings.score_middle, low)
    score = torch.where(value >= positive, settings.score_high, score)
    return torch.where(touching, score, low)
