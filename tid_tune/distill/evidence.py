"""What a detector shows at every point for the objects of a batch, before any threshold.

Points of all levels are one dimension P, level by level and row by row; A boxes a point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import torch
from torch import Tensor

from tid_tune.detectors.boxes import GroundTruth, best_match


class DensePrediction(Protocol):
    """What a detector predicts at every point, before any filtering."""

    @property
    def boxes(self) -> Tensor:
        """Decoded boxes (N, P, A, 4), float32, in pixels of the padded input."""

    def probability(self, anchor: Tensor, label: Tensor) -> Tensor:
        """Return the probability (N, P) that box `anchor` shows `label` (N, P); float32."""

    def is_highest(self, anchor: Tensor, label: Tensor) -> Tensor:
        """Return whether no class is likelier than `label` at box `anchor`; (N, P) bool."""


@dataclass(frozen=True)
class Evidence:
    """How well a detector's box and class fit an object, at every point; without gradient.

    Of several boxes at a point the one with the highest IoU counts, and the first object that it
    has this IoU with. A point that overlaps no object has the IoU 0, and the rest has no meaning.
    """

    iou: Tensor
    """(N, P) float32, in [0, 1]."""
    matched: Tensor
    """(N, P) int64: index of the object among those of the image."""
    probability: Tensor
    """(N, P) float32: what the detector gives the object's class."""
    find_highest: Callable[[], Tensor]
    """Makes `highest`."""

    @cached_property
    def highest(self) -> Tensor:
        """Whether the object's class is the likeliest one, (N, P) bool; made when asked for."""
        return self.find_highest()

    @classmethod
    @torch.no_grad()
    def of(cls, prediction: DensePrediction, truth: GroundTruth) -> Self:
        """Compare what a detector predicts with the objects of the same images."""
        boxes = prediction.boxes
        images, points, anchors, _ = boxes.shape
        overlap, matched = best_match(boxes.flatten(1, 2), truth)
        overlap, anchor = overlap.view(images, points, anchors).max(dim=2)
        matched = matched.view(images, points, anchors).gather(2, anchor[..., None]).squeeze(2)
        label = truth.labels.gather(1, matched)
        return cls(
            overlap,
            matched,
            prediction.probability(anchor, label),
            lambda: prediction.is_highest(anchor, label),
        )
