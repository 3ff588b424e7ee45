"""A JSON schema's allowed values in words, for messages and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOUNS = {
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a map",
    "null": "null",
}


def allowed_values(schema: Mapping[str, Any]) -> str:
    """Return for example `a number in [0, 1]`, `one of a, b`, or `an integer >= 0, or null`."""
    if "anyOf" in schema:
        *others, last = [allowed_values(part) for part in schema["anyOf"]]
        return f"{', '.join(others)}, or {last}" if others else last
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    return _NOUNS.get(str(schema.get("type")), "a value of its type") + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    low, above = _bound(schema, "minimum", "exclusiveMinimum")
    high, below = _bound(schema, "maximum", "exclusiveMaximum")
    if low is None and high is None:
        return ""
    if high is None:
        return f" {'>' if above else '>='} {low:g}"
    if low is None:
        return f" {'<' if below else '<='} {high:g}"
    return f" in {'(' if above else '['}{low:g}, {high:g}{')' if below else ']'}"


def _bound(schema: Mapping[str, Any], closed: str, opened: str) -> tuple[float | None, bool]:
    return schema.get(opened, schema.get(closed)), opened in schema
