"""Results as JSON data: dicts, lists, texts, numbers and null."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from numbers import Integral, Real


def plain(value: object) -> object:
    """Return `value` as data that JSON can hold.

    Dataclasses become objects with their fields as keys; NaN and infinities become null, since JSON
    has none of them. What is none of JSON's kinds, such as a path, becomes its text.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):  # also NumPy's
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


def json_text(value: object) -> str:
    """Return `plain(value)` as JSON text that ends with a newline."""
    return json.dumps(plain(value), indent=1, allow_nan=False) + "\n"
