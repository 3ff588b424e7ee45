"""SFDM, the Selective Feature Decoupling Module of TID: three areas, a term each.

The pyramid is split into weak, key and remaining points, and the student's features follow the
teacher's in each with its own weight. The three-way split is the paper's; normalization and the
reduction of each term are [ours], and the same as in the other methods (`distill.features`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tid_tune.distill.methods.tid.areas import Areas


@dataclass(frozen=True)
class Masks:
    """Three disjoint masks (N, P) bool; together they cover exactly the valid points."""

    key: Tensor
    weak: Tensor
    rest: Tensor

    @classmethod
    def split(cls, areas: Areas, valid: Tensor, precedence: str) -> Masks:
        """Return masks of the areas; a point that is key and weak belongs to `precedence`."""
        if precedence == "weak":
            key, weak = areas.key & ~areas.weak, areas.weak
        else:
            key, weak = areas.key, areas.weak & ~areas.key
        return cls(key=key, weak=weak, rest=valid & ~key & ~weak)

    def by_area(self) -> dict[str, Tensor]:
        """Return the masks by the name of their area."""
        return {"key": self.key, "weak": self.weak, "rest": self.rest}
