"""The search space: one distribution per dotted path."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from tid_tune.errors import suggestion
from tid_tune.searchfile.model import (
    Choice,
    Distribution,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
    Value,
)
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node, describe, same

PATH = re.compile(r"[^\s.=]+(\.[^\s.=]+)*")
"""A dotted path; list indices are parts like any other."""

_BRACKETS = re.compile(r"\[(\d+)\]")

LARGEST = 1e100
"""Bounds are at most this large, so that no arithmetic on them overflows."""


class _Wrong(Exception):
    """The distribution at a place is wrong: the message says what and how to mend it."""

    def __init__(self, text: str, node: Node | None = None) -> None:
        super().__init__(text)
        self.node = node


def read_space(node: Node, problems: Problems) -> dict[str, Distribution]:
    """Every parameter that could be read, without its `when`; problems are noted."""
    if not isinstance(node.value, dict) or not node.value:
        got = describe(node.plain()) if node.value != {} else "nothing"
        problems.add(node.where, "space", f"expected dotted paths with distributions, got {got}")
        return {}
    space: dict[str, Distribution] = {}
    for path, child in node.value.items():
        plain = _BRACKETS.sub(r".\1", path)
        if plain != path or not PATH.fullmatch(path):
            text = "not a dotted path such as optim_wrapper.optimizer.lr; "
            text += f"write {plain}" if plain != path else "remove spaces and ="
            problems.add(child.where, f"space.{path}", text)
            continue
        try:
            space[path] = read_distribution(child)
        except _Wrong as error:
            where = (error.node or child).where
            problems.add(where, f"space.{path}", str(error))
    return space


def read_distribution(node: Node) -> Distribution:
    """The distribution a node describes; a bare scalar or list is a fixed value."""
    if not isinstance(node.value, dict):
        return Fixed(value=node.plain())
    kinds = [key for key in node.value if key in READERS]
    options = {"when", "low", "high"} if kinds == ["normal"] else {"when"}
    for key, child in node.value.items():
        if key in ("low", "high") and key not in options and len(kinds) == 1:
            raise _Wrong(f"{key} belongs to normal; write {kinds[0]}: [low, high]", child)
        if key not in READERS and key not in options:
            nested = "; write a nested path as one key, with dots" if child.entries else ""
            text = f"unknown distribution {key!r}; {suggestion(key, [*READERS, 'when'])}{nested}"
            raise _Wrong(text, child)
    if len(kinds) != 1:
        got = " and ".join(kinds) if kinds else "none"
        raise _Wrong(f"expected one distribution, got {got}; known: {', '.join(READERS)}")
    if kinds == ["normal"]:
        return _normal(node)
    return READERS[kinds[0]](kinds[0], node.value[kinds[0]])


def _numbers(kind: str, node: Node, names: str, least: int) -> list[float]:
    form = f"{kind}: [{names}]"
    wanted = names.split(", ")
    if not isinstance(node.value, list) or not least <= len(node.value) <= len(wanted):
        got = describe(node.plain())
        if isinstance(node.value, list):
            got = f"{len(node.value)} values"
        raise _Wrong(f"expected {form}, got {got}", node)
    numbers: list[float] = []
    for name, item in zip(wanted, node.value, strict=False):
        if isinstance(item.value, bool) or not isinstance(item.value, int | float):
            raise _Wrong(f"{name} of {form} must be a number, got {describe(item.plain())}", item)
        if abs(item.value) > LARGEST:
            raise _Wrong(f"{name} of {form} is beyond {LARGEST:g}: {item.value:g}", item)
        numbers.append(item.value)
    return numbers


def _check_range(kind: str, low: float, high: float, node: Node) -> None:
    if low == high:
        raise _Wrong(f"{kind}: low and high are both {low:g}; write the value alone", node)
    if low > high:
        raise _Wrong(f"{kind}: low {low:g} is above high {high:g}; swap them", node)


def _check_log(kind: str, low: float, node: Node) -> None:
    if low <= 0:
        plain = {"log_uniform": "uniform", "log_integer": "integer"}.get(kind, "quantized_uniform")
        raise _Wrong(f"{kind}: low must be above 0, got {low:g}; raise it or use {plain}", node)


def is_multiple(value: float, step: float) -> bool:
    """Whether value is k * step, up to rounding."""
    ratio = value / step
    return math.isfinite(ratio) and math.isclose(ratio, round(ratio), rel_tol=1e-9, abs_tol=1e-9)


def _check_step(kind: str, span: float, step: float, node: Node) -> None:
    if step <= 0:
        raise _Wrong(f"{kind}: step must be above 0, got {step:g}", node)
    if span < 0.5 * step or not is_multiple(span, step):
        raise _Wrong(
            f"{kind}: step {step:g} does not divide high - low = {span:g}; change step or high",
            node,
        )


def _uniform(kind: str, node: Node) -> Distribution:
    low, high = _numbers(kind, node, "low, high", 2)
    _check_range(kind, low, high, node)
    return Uniform(low=low, high=high)


def _log_uniform(kind: str, node: Node) -> Distribution:
    low, high = _numbers(kind, node, "low, high", 2)
    _check_range(kind, low, high, node)
    _check_log(kind, low, node)
    return LogUniform(low=low, high=high)


def _quantized_uniform(kind: str, node: Node) -> Distribution:
    low, high, step = _numbers(kind, node, "low, high, step", 3)
    _check_range(kind, low, high, node)
    _check_step(kind, high - low, step, node)
    return Uniform(low=low, high=high, step=step)


def _quantized_log_uniform(kind: str, node: Node) -> Distribution:
    low, high, step = _numbers(kind, node, "low, high, step", 3)
    _check_range(kind, low, high, node)
    _check_log(kind, low, node)
    _check_step(kind, high - low, step, node)
    if not is_multiple(low, step):
        raise _Wrong(f"{kind}: low {low:g} is no multiple of step {step:g}; change one", node)
    return LogUniform(low=low, high=high, step=step)


def _integers(kind: str, node: Node, names: str) -> list[int]:
    numbers = _numbers(kind, node, names, 2)
    for number in numbers:
        if number != int(number):
            raise _Wrong(f"{kind}: expected whole numbers, got {number:g}; or use uniform", node)
    return [int(number) for number in numbers]


def _integer(kind: str, node: Node) -> Distribution:
    low, high, *rest = _integers(kind, node, "low, high, step")
    _check_range(kind, low, high, node)
    step = rest[0] if rest else 1
    _check_step(kind, high - low, step, node)
    return Integer(low=low, high=high, step=step)


def _log_integer(kind: str, node: Node) -> Distribution:
    low, high = _integers(kind, node, "low, high")
    _check_range(kind, low, high, node)
    _check_log(kind, low, node)
    return Integer(low=low, high=high, log=True)


def _values(kind: str, node: Node) -> tuple[Value, ...]:
    if not isinstance(node.value, list) or not node.value:
        raise _Wrong(f"expected {kind}: [value, value, ...], got {describe(node.plain())}", node)
    values = tuple(item.plain() for item in node.value)
    for index, value in enumerate(values):
        if any(same(value, other) for other in values[:index]):
            raise _Wrong(f"{kind}: {describe(value)} is given twice; keep one", node.value[index])
    return values


def _choice(kind: str, node: Node) -> Distribution:
    return Choice(values=_values(kind, node))


def _ordinal(kind: str, node: Node) -> Distribution:
    return Ordinal(values=_values(kind, node))


def _fixed(kind: str, node: Node) -> Distribution:
    return Fixed(value=node.plain())


def _normal(node: Node) -> Distribution:
    mean, std = _numbers("normal", node.entries["normal"], "mean, std", 2)
    if std <= 0:
        raise _Wrong(f"normal: std must be above 0, got {std:g}", node.entries["normal"])
    bounds = {"low": mean - 3 * std, "high": mean + 3 * std}
    for key in bounds:
        child = node.entries.get(key)
        if child is None:
            continue
        if isinstance(child.value, bool) or not isinstance(child.value, int | float):
            raise _Wrong(f"{key} must be a number, got {describe(child.plain())}", child)
        bounds[key] = child.value
    low, high = bounds["low"], bounds["high"]
    _check_range("normal", low, high, node)
    if low > mean + 6 * std or high < mean - 6 * std:
        raise _Wrong(f"normal: [{low:g}, {high:g}] is over 6 std away from {mean:g}", node)
    return Normal(mean=mean, std=std, low=low, high=high)


READERS: dict[str, Callable[[str, Node], Distribution]] = {
    "uniform": _uniform,
    "log_uniform": _log_uniform,
    "quantized_uniform": _quantized_uniform,
    "quantized_log_uniform": _quantized_log_uniform,
    "integer": _integer,
    "log_integer": _log_integer,
    "choice": _choice,
    "ordinal": _ordinal,
    "normal": lambda kind, node: _normal(Node({kind: node}, node.where)),
    "fixed": _fixed,
}
"""The distributions by the name YAML gives them."""
