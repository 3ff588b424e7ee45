"""What a check of a config found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing, before a training starts."""

    severity: Severity
    """`error` ends the command; a warning or a note is printed."""
    text: str
    """What, where (file or dotted path of the config) and how to fix it."""
    place: str = ""
    """The dotted path of the config at which it is to be fixed; empty where there is none."""

    @property
    def line(self) -> str:
        """As it is printed, where it ends nothing."""
        return f"{self.severity}: {self.text}"


def error(text: str, place: str = "") -> Finding:
    """Return a finding that ends the command."""
    return Finding("error", text, place)


def warning(text: str) -> Finding:
    """Return a finding that is printed: the training runs, with a result that may surprise."""
    return Finding("warning", text)


def note(text: str) -> Finding:
    """Return a finding that is printed and is no fault."""
    return Finding("note", text)


def at(place: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings as those of a place of the config, unless they name their own."""
    yield from (one if one.place else replace(one, place=place) for one in found)
