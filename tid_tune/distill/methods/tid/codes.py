"""Integer codes of scores, and the tables that turn them into decisions.

What the discrete scores of a point amount to depends on the settings alone. It is computed once,
on the host, as decimal numbers; a step only looks it up, so nothing depends on how float32 rounds
a product or a difference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tid_tune.distill.methods.tid.settings import TIDSettings, decimal

LEVELS = 3
"""Low, middle and high: the codes of one task."""


class Tables:
    """The decisions about a point by its codes, for one choice of settings.

    A pair of codes, the teacher's and the student's, is looked up at `teacher * count + student`.
    """

    def __init__(self, settings: TIDSettings) -> None:
        scores = settings.products
        leads = [decimal(a - b) for a in scores for b in scores]
        self.count = len(scores)
        self._key = [score >= decimal(settings.key_threshold) for score in scores]
        self._weak = [lead >= decimal(settings.weak_threshold) for lead in leads]
        self._order = _ranks(scores, least=scores[0])
        self._lead_order = _ranks(leads, least=0.0)
        self._on: dict[tuple[torch.device, str], Tensor] = {}

    def reaches_key(self, teacher: Tensor) -> Tensor:
        """Return whether the score of a code reaches `key_threshold`; bool."""
        return self._at("key", self._key, teacher)

    def reaches_weak(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return whether the lead of the teacher's code reaches `weak_threshold`; bool."""
        return self._at("weak", self._weak, teacher * self.count + student)

    def order(self, teacher: Tensor) -> Tensor:
        """Return the place of a score among all scores, 0 for the lowest; int64."""
        return self._at("order", self._order, teacher)

    def lead_order(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the place of a lead among all leads, 0 for none, negative if behind; int64."""
        return self._at("lead order", self._lead_order, teacher * self.count + student)

    def _at(self, name: str, values: list[int] | list[bool], codes: Tensor) -> Tensor:
        key = (codes.device, name)
        if key not in self._on:
            self._on[key] = torch.tensor(values).to(codes.device, non_blocking=True)
        return self._on[key][codes]


def level_codes(value: Tensor, positive: Tensor | float, negative: Tensor | float) -> Tensor:
    """Return 2 from `positive` on, else 1 above `negative`, else 0; int64."""
    return torch.where(value >= positive, LEVELS - 1, (value > negative).long())


def _ranks(values: list[float], least: float) -> list[int]:
    """Return the places of values in ascending order, equal ones alike; that of `least` is 0."""
    ascending = sorted(set(values))
    return [ascending.index(value) - ascending.index(least) for value in values]
