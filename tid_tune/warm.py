"""What a process keeps from one trial to the next: built once for the same content.

A worker runs many trials of one search, and packs of trials at once. What does not depend on a
trial (the teacher, the annotations) is built by the first and shared by the others, none of which
changes it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

_STORES: list[Store[Any]] = []


class Store(Generic[Value]):
    """The last values that were asked for, at most `limit`, by the content they are made of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        _STORES.append(self)

    def get(
        self,
        key: Callable[[], Hashable | None],
        build: Callable[[], Value],
        is_valid: Callable[[Value], bool] = lambda _: True,
    ) -> Value:
        """Return the value of a content; build it if it is not here, and let the oldest go first.

        Args:
            key: returns what the value depends on, or None if that is not known: then nothing is
                kept. It is asked again after building; a file that has changed meanwhile may have
                been read in either state, so that value is not kept.
            build: makes the value.
            is_valid: whether a kept value is still as it was built.
        """
        before = key()
        if before is None:
            return build()
        found = self._values.pop(before, None)
        if found is None or not is_valid(found):
            del found
            while len(self._values) >= self._limit:
                self._values.popitem(last=False)
            found = build()
            if key() != before:
                return found
        self._values[before] = found
        return found

    def clear(self) -> None:
        """Let all values go."""
        self._values.clear()


def clear() -> None:
    """Let the values of all stores go, to free their memory."""
    for store in _STORES:
        store.clear()


def content_key(value: object) -> str | None:
    """Return a text that equal values of plain data share; None if there is something else in it.

    Lists and tuples of the same entries count as equal, as do dicts in another order.
    """
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return None


def file_key(path: Path | str) -> tuple[str, int, int] | None:
    """Return what changes when a file does: path, size, time of change; None without a file."""
    place = Path(path)
    try:
        status = place.stat()
    except OSError:
        return None
    return (str(place.absolute()), status.st_size, status.st_mtime_ns)
