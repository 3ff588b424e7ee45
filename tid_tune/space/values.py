"""Values of parameters: JSON values, when two are equal, and how a message shows one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

if TYPE_CHECKING:
    Value: TypeAlias = bool | int | float | str | list["Value"] | dict[str, "Value"] | None
else:
    Value = Any  # pydantic takes the values of parameters as they are
"""A JSON value that a parameter may take: None, bool, number, str, or a list or dict of those."""

Params = dict[str, Value]
"""A point of a space: values by dotted path."""


def same(left: object, right: object, *, rel_tol: float = 0.0) -> bool:
    """Return whether two JSON values are equal: 1 is 1.0 but not `true`, lists are like tuples.

    Args:
        left: a value.
        right: another one.
        rel_tol: numbers are equal whose difference is at most this part of the larger one.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            same(left[key], right[key], rel_tol=rel_tol) for key in left
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(
            same(a, b, rel_tol=rel_tol) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if rel_tol and is_number(left) and is_number(right):
        return math.isclose(left, right, rel_tol=rel_tol)
    return bool(left == right)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number, and not a boolean."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def as_number(value: Value) -> int | float:
    """Return a value of a range, which is a number.

    Raises:
        TypeError: it is none.
    """
    if value is None or isinstance(value, str | list | dict):
        raise TypeError(f"expected a number, got {describe(value)}")
    return value


def describe(value: object) -> str:
    """Return a value as a message shows it: short, with its type where that may be the mistake."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true/false)"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return f"{value[:60] + ('...' if len(value) > 60 else '')!r} (text)"
    return f"{value:g}" if isinstance(value, float) else str(value)
