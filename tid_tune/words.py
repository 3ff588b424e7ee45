"""Counts with their nouns, lengths of time, and shortened texts, for messages."""

from __future__ import annotations

import textwrap


def counted(number: float, noun: str) -> str:
    """Return `1 trial`, `2 trials`, `0.5 epochs`: the noun in the form that the number asks for."""
    shown = str(number) if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun if number == 1 else _plural(noun)}"


def shortened(text: str, length: int) -> str:
    """Return the first line of a text, cut between words where it is longer than `length`.

    A first word that is longer, such as a path, stays whole.
    """
    line = next(iter(text.strip().splitlines()), "")
    words = line.split(maxsplit=1)
    if len(words) > 1 and len(words[0]) > length - 4:
        return f"{words[0]} ..."
    if len(words) < 2:
        return line
    return textwrap.shorten(
        line, length, placeholder=" ...", break_long_words=False, break_on_hyphens=False
    )


def capitalized(text: str) -> str:
    """Return a text whose first letter is a capital; the others stay as they are."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Return `3 h 5 min`, `12 min 3 s` or `40 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x", "rch")) else "s")
