"""`require`: comparisons that must hold between the parameters of a trial."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from tid_tune.models import Model
from tid_tune.space.values import Value

Bounds = tuple[float, float]
"""The lowest and the highest number that one side of a comparison can be."""


class Constraint(Model):
    """`left op right`; each side a dotted path or a number."""

    left: str | float
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    right: str | float

    @property
    def text(self) -> str:
        """The comparison as a user writes it under `require`."""
        return f"{self.left} {self.op} {self.right}"

    def holds(self, params: Mapping[str, Value]) -> bool:
        """Return whether the comparison holds; true while a parameter it names is not set."""
        sides = (self.left, self.right)
        if any(isinstance(side, str) and side not in params for side in sides):
            return True
        left, right = (params[side] if isinstance(side, str) else side for side in sides)
        return bool(_COMPARE[self.op](left, right))

    def can_hold(self, left: Bounds, right: Bounds) -> bool:
        """Return whether some numbers within the bounds of both sides satisfy the comparison."""
        (low, high), (other_low, other_high) = left, right
        match self.op:
            case "<" | "<=":
                return bool(_COMPARE[self.op](low, other_high))
            case ">" | ">=":
                return bool(_COMPARE[self.op](high, other_low))
            case "==":
                return low <= other_high and high >= other_low
            case "!=":
                return not low == high == other_low == other_high


_COMPARE: dict[str, Callable[..., bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def broken_constraint(
    rules: Iterable[Constraint], params: Mapping[str, Value]
) -> Constraint | None:
    """Return the first rule that `params` breaks; one whose parameters are not set holds."""
    return next((rule for rule in rules if not rule.holds(params)), None)
