"""What a check of a config found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing, before a training starts."""

    severity: Severity
    """`error` ends the command; a warning or a note is printed."""
    text: str
    """What, where (file or dotted path of the config) and how to fix it."""


def error(text: str) -> Finding:
    """Return a finding that ends the command."""
    return Finding("error", text)


def warning(text: str) -> Finding:
    """Return a finding that is printed: the training runs, with a result that may surprise."""
    return Finding("warning", text)


def note(text: str) -> Finding:
    """Return a finding that is printed and is no fault."""
    return Finding("note", text)
