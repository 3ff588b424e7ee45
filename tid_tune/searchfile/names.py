"""Short names: the last parts of a path are enough where they name one parameter."""

from __future__ import annotations

from collections.abc import Collection

from tid_tune import dotted
from tid_tune.errors import nearest

ALIKE = 0.75
"""Least similarity of two names of which one may be a misspelling: `key_weight` is no other weight.
"""


class UnknownName(Exception):
    """No parameter, or more than one, has this name; the message names those that are near."""


def full_name(name: str, parameters: Collection[str]) -> str:
    """Return the one parameter that is `name` or ends in `.name`.

    Raises:
        UnknownName: there is none, or more than one.
    """
    if name in parameters:
        return name
    found = [path for path in parameters if path.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownName(f"{name!r} could be {' or '.join(found)}; write more of the path")
    raise UnknownName(f"{name!r} is not a parameter of this space; {_hint(name, parameters)}")


def _hint(name: str, parameters: Collection[str]) -> str:
    """Return the parameter whose last part is most like that of `name`, or all of them."""
    shorts = {dotted.last(path): path for path in parameters}
    match = nearest(dotted.last(name), shorts, ALIKE)
    if match is not None:
        return f"did you mean {(shorts[match] if '.' in name else match)!r}?"
    known = ", ".join(parameters if "." in name else shorts)
    return f"known: {known}" if known else "it has none"
