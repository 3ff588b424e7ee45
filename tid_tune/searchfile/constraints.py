"""`require`: comparisons that must hold between the parameters of a trial."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from tid_tune.searchfile.model import Choice, Constraint, Distribution, Fixed, Ordinal, Value
from tid_tune.searchfile.names import UnknownName, full_name
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node, describe

_OPERATOR = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*")
_COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class _Wrong(Exception):
    """The comparison is wrong; the message says why."""


def read_constraints(
    node: Node, space: Mapping[str, Distribution], problems: Problems
) -> tuple[Constraint, ...]:
    """The comparisons of a list of texts such as `key_threshold > weak_threshold`.

    `a < b < c` stands for two comparisons.
    """
    if not isinstance(node.value, list):
        text = f"expected a list such as [a > b], got {describe(node.plain())}"
        problems.add(node.where, "require", text)
        return ()
    found: list[Constraint] = []
    for item in node.value:
        try:
            found.extend(_read(item, space))
        except (_Wrong, UnknownName) as error:
            problems.add(item.where, "require", str(error))
    return tuple(found)


def holds(constraint: Constraint, params: Mapping[str, Value]) -> bool:
    """Whether the comparison holds; true while a parameter it names is not set."""
    sides = (constraint.left, constraint.right)
    if any(isinstance(side, str) and side not in params for side in sides):
        return True
    left, right = (params[side] if isinstance(side, str) else side for side in sides)
    return bool(_COMPARE[constraint.op](left, right))


def _read(item: Node, space: Mapping[str, Distribution]) -> list[Constraint]:
    if not isinstance(item.value, str):
        raise _Wrong(f"expected a comparison such as a > b, got {describe(item.plain())}")
    sides = _OPERATOR.split(item.value.strip())
    if len(sides) < 3 or not all(sides):
        raise _Wrong(f"expected a comparison such as a > b, got {describe(item.value)}")
    names, operators = [_side(text, space) for text in sides[::2]], sides[1::2]
    constraints = []
    for left, op, right in zip(names, operators, names[1:], strict=False):
        if not isinstance(left, str) and not isinstance(right, str):
            raise _Wrong(f"{item.value!r} compares two numbers; name a parameter")
        if left == right:
            raise _Wrong(f"{item.value!r} compares {left} with itself; name another parameter")
        constraint = Constraint.model_validate({"left": left, "op": op, "right": right})
        _refuse_impossible(constraint, item.value, space)
        constraints.append(constraint)
    return constraints


def _side(text: str, space: Mapping[str, Distribution]) -> str | float:
    try:
        number = float(text)
    except ValueError:
        path = full_name(text, space)
    else:
        if number in (float("inf"), float("-inf")) or number != number:
            raise _Wrong(f"expected a finite number, got {text}")
        return number
    if _bounds(space[path]) is None:
        raise _Wrong(f"{path} has values that are not numbers; compare numbers only")
    return path


def _bounds(distribution: Distribution) -> tuple[float, float] | None:
    if isinstance(distribution, Choice | Ordinal | Fixed):
        values = (distribution.value,) if isinstance(distribution, Fixed) else distribution.values
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
            return None
        return min(values), max(values)
    return distribution.low, distribution.high


def _refuse_impossible(
    constraint: Constraint, text: str, space: Mapping[str, Distribution]
) -> None:
    bounds = []
    for side in (constraint.left, constraint.right):
        found = _bounds(space[side]) if isinstance(side, str) else (side, side)
        bounds.append(found or (0.0, 0.0))
    (low, high), (other_low, other_high) = bounds
    possible = {
        "<": low < other_high,
        "<=": low <= other_high,
        ">": high > other_low,
        ">=": high >= other_low,
        "==": low <= other_high and high >= other_low,
        "!=": not low == high == other_low == other_high,
    }[constraint.op]
    if not possible:
        raise _Wrong(
            f"{text!r} can never hold: [{low:g}, {high:g}] {constraint.op} "
            f"[{other_low:g}, {other_high:g}]; change the ranges or remove it"
        )
