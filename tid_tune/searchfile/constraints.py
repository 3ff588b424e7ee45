"""Reads `require`: comparisons that must hold between the parameters of a trial."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from tid_tune.searchfile.names import UnknownName, full_name
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node
from tid_tune.space import Constraint, Distribution
from tid_tune.space.values import describe

_OPERATOR = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*")


class _Wrong(Exception):
    """A comparison is wrong; the message says why."""


def read_constraints(
    node: Node, space: Mapping[str, Distribution], problems: Problems
) -> tuple[Constraint, ...]:
    """Return the comparisons of a list of texts such as `key_threshold > weak_threshold`.

    `a < b < c` means two comparisons.
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
        if not math.isfinite(number):
            raise _Wrong(f"expected a finite number, got {text}")
        return number
    if space[path].bounds is None:
        raise _Wrong(f"{path} has values that are not numbers; compare numbers only")
    return path


def _refuse_impossible(
    constraint: Constraint, text: str, space: Mapping[str, Distribution]
) -> None:
    left, right = (
        (space[side].bounds or (0.0, 0.0)) if isinstance(side, str) else (side, side)
        for side in (constraint.left, constraint.right)
    )
    if not constraint.can_hold(left, right):
        raise _Wrong(
            f"{text!r} can never hold: [{left[0]:g}, {left[1]:g}] {constraint.op} "
            f"[{right[0]:g}, {right[1]:g}]; change the ranges or remove it"
        )
