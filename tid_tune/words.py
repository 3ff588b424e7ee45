"""Counts with their nouns, for messages."""

from __future__ import annotations


def counted(number: float, noun: str) -> str:
    """Return `1 trial`, `2 trials`, `0.5 epochs`: the noun in the form that the number asks for."""
    shown = str(number) if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x")) else "s")
