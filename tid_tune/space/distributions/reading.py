"""Helpers for reading YAML forms: lists of numbers, ranges, steps; and their schemas."""

from __future__ import annotations

import math

from tid_tune.space.distributions.base import EntryError, Schema
from tid_tune.space.values import Value, describe

LARGEST = 1e100
"""Bounds are at most this large, so that no arithmetic on them overflows."""

NUMBER: Schema = {"type": "number"}
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
WHOLE: Schema = {"type": "integer"}
WHOLE_POSITIVE: Schema = {"type": "integer", "exclusiveMinimum": 0}


def row(*items: Schema, least: int | None = None) -> Schema:
    """Return the schema of a list with these items, of which the first `least` are required."""
    return {
        "type": "array",
        "items": list(items),
        "minItems": least or len(items),
        "maxItems": len(items),
    }


def read_numbers(name: str, value: Value, layout: str, least: int | None = None) -> list[float]:
    """Return the numbers of a list.

    Args:
        name: of the form.
        value: what stands beside it.
        layout: names the numbers, for example `[low, high]`.
        least: how many are required; None: all.

    Raises:
        EntryError: it is no list of so many numbers.
    """
    form, wanted = f"{name}: {layout}", layout.strip("[]").split(", ")
    if not isinstance(value, list | tuple) or not (least or len(wanted)) <= len(value) <= len(
        wanted
    ):
        got = f"{len(value)} values" if isinstance(value, list | tuple) else describe(value)
        raise EntryError(f"expected {form}, got {got}", name)
    return [
        read_number(f"{label} of {form}", item, name, index)
        for index, (label, item) in enumerate(zip(wanted, value, strict=False))
    ]


def read_number(label: str, value: Value, *at: str | int) -> float:
    """Return a number of moderate size; `label` names it in messages, `at` is its place.

    Raises:
        EntryError: it is no such number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EntryError(f"{label} must be a number, got {describe(value)}", *at)
    if not abs(value) <= LARGEST:
        raise EntryError(f"{label} must be at most {LARGEST:g} in size, got {value:g}", *at)
    return value


def read_whole_numbers(name: str, value: Value, layout: str, least: int | None = None) -> list[int]:
    """Return the whole numbers of a list; see `read_numbers`."""
    numbers = read_numbers(name, value, layout, least)
    for index, number in enumerate(numbers):
        if number != int(number):
            text = f"{name}: expected whole numbers, got {number:g}; use uniform for fractions"
            raise EntryError(text, name, index)
    return [int(number) for number in numbers]


def check_range(name: str, low: float, high: float) -> None:
    """Raise EntryError if `low` is not below `high`."""
    if low == high:
        raise EntryError(f"{name}: low and high are both {low:g}; write the value alone", name)
    if low > high:
        raise EntryError(f"{name}: low {low:g} is above high {high:g}; swap them", name)


def check_log(name: str, low: float, plain: str) -> None:
    """Raise EntryError if a range has no logarithm; `plain` is the form without one."""
    if low <= 0:
        raise EntryError(f"{name}: low must be above 0, got {low:g}; raise it or use {plain}", name)


def check_step(name: str, span: float, step: float) -> None:
    """Raise EntryError if a range of length `span` is not divided by `step`."""
    if step <= 0:
        raise EntryError(f"{name}: step must be above 0, got {step:g}", name)
    if span < 0.5 * step or not is_multiple(span, step):
        raise EntryError(
            f"{name}: step {step:g} does not divide high - low = {span:g}; change step or high",
            name,
        )


def is_multiple(value: float, step: float) -> bool:
    """Return whether `value` is a whole number of steps, up to rounding."""
    ratio = value / step
    return math.isfinite(ratio) and math.isclose(ratio, round(ratio), rel_tol=1e-9, abs_tol=1e-9)
